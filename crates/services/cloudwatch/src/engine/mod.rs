//! The metrics engine: points of metrics in memory, durable in a journal and snapshots.
//!
//! One thread writes: it gathers what waits, appends it to the [`journal`], syncs when somebody waits for
//! it, and only then applies it to the [`state`]; readers see what is written. Snapshots keep the journal
//! short. Memory is bounded by [`Limits`].

mod codec;
mod journal;
mod series;
mod set;
mod state;
#[cfg(test)]
mod tests;
mod tier;

pub use journal::Record;
pub use series::{MetricKey, Series, TIERS};
pub use set::Set;
pub use state::State;

use journal::Journal;
use neargate_base::{Clock, DiskSpace};
use parking_lot::{RwLock, RwLockReadGuard};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub metrics: usize,
    /// In memory.
    pub bytes: usize,
    /// Of the journal, before a snapshot takes its place.
    pub journal_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            metrics: 1_000_000,
            bytes: 512 << 20,
            journal_bytes: 32 << 20,
        }
    }
}

/// Why something is not kept.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("metrics cannot be written under {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the writer of metrics has ended")]
    Closed,
}

type Done = oneshot::Sender<Result<(), io::ErrorKind>>;

enum Command {
    /// With somebody who waits until they are durable, or nobody.
    Put(Vec<Record>, Option<Done>),
    Wipe(Done),
}

/// Records that wait for the writer; beyond them, those that nobody waits for are dropped.
const WAITING: usize = 4_096;
/// Between two looks at what is to be forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// The engine on one directory.
#[derive(Debug)]
pub struct Engine {
    dir: PathBuf,
    state: Arc<RwLock<State>>,
    commands: Option<mpsc::Sender<Command>>,
    writer: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens `dir`, creating it if needed. Blocks.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Engine>, EngineError> {
        Engine::open_with(dir, clock, Limits::default())
    }

    /// [`Engine::open`] with other limits.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn open_with(
        dir: &Path,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Arc<Engine>, EngineError> {
        let failed = |source| EngineError::Io {
            path: dir.to_owned(),
            source,
        };
        let (journal, state) = Journal::open(dir).map_err(failed)?;
        let state = Arc::new(RwLock::new(state));
        let (commands, receiver) = mpsc::channel(WAITING);
        let writer = Writer {
            dir: dir.to_owned(),
            journal,
            state: state.clone(),
            clock,
            limits,
            swept_at: neargate_base::Timestamp::default(),
        };
        let thread = std::thread::Builder::new().name("metric writer".into());
        let handle = thread.spawn(move || writer.run(receiver)).map_err(failed)?;
        Ok(Arc::new(Engine {
            dir: dir.to_owned(),
            state,
            commands: Some(commands),
            writer: Some(handle),
        }))
    }

    /// Keeps the records; they are durable and visible once it answers.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn put(&self, records: Vec<Record>) -> Result<(), EngineError> {
        self.send(|done| Command::Put(records, Some(done))).await
    }

    /// Keeps the records soon; nobody is told when they are lost.
    pub fn observe(&self, records: Vec<Record>) {
        let sent = self
            .commands
            .as_ref()
            .map(|c| c.try_send(Command::Put(records, None)));
        if let Some(Err(_)) = sent {
            tracing::debug!("observations are dropped: the writer of metrics is behind");
        }
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn wipe(&self) -> Result<(), EngineError> {
        self.send(Command::Wipe).await
    }

    async fn send(&self, command: impl FnOnce(Done) -> Command) -> Result<(), EngineError> {
        let (done, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(EngineError::Closed)?;
        let sent = commands.send(command(done)).await;
        sent.map_err(|_| EngineError::Closed)?;
        let written = answer.await.map_err(|_| EngineError::Closed)?;
        written.map_err(|kind| EngineError::Io {
            path: self.dir.clone(),
            source: kind.into(),
        })
    }

    /// What is kept now. The writer waits while it is held.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            // It ends once it has written what it was given.
            let _ = writer.join();
        }
    }
}

/// Owned by the writer thread.
struct Writer {
    dir: PathBuf,
    journal: Journal,
    state: Arc<RwLock<State>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    swept_at: neargate_base::Timestamp,
}

/// Records of one commit.
const GATHERED: usize = 16_384;

impl Writer {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let (mut records, mut waiting) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Put(more, done) => {
                        records.extend(more);
                        waiting.extend(done);
                    }
                    Command::Wipe(done) => {
                        self.commit(&mut records, &mut waiting);
                        let wiped = self.journal.wipe();
                        self.state.write().clear();
                        answer(done, &wiped);
                    }
                }
                next = (records.len() < GATHERED)
                    .then(|| commands.try_recv().ok())
                    .flatten();
            }
            self.commit(&mut records, &mut waiting);
            self.tidy();
        }
    }

    fn commit(&mut self, records: &mut Vec<Record>, waiting: &mut Vec<Done>) {
        if records.is_empty() {
            waiting.drain(..).for_each(|done| answer(done, &Ok(())));
            return;
        }
        let mut written = self.room().and_then(|()| self.journal.append(records));
        if written.is_ok() && !waiting.is_empty() {
            written = self.journal.sync();
        }
        match &written {
            Ok(()) => {
                let mut state = self.state.write();
                records.iter().for_each(|record| state.apply(record));
            }
            Err(error) => tracing::error!(%error, "metrics could not be stored"),
        }
        records.clear();
        waiting.drain(..).for_each(|done| answer(done, &written));
    }

    /// Metrics grow by themselves: they leave the disk's reserve.
    fn room(&self) -> io::Result<()> {
        let full = DiskSpace::at(&self.dir).is_ok_and(|space| !space.takes(1 << 20));
        if full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Forgets and shortens, when it is time.
    fn tidy(&mut self) {
        let now = self.clock.now();
        if now.since(self.swept_at) >= SWEEP || now < self.swept_at {
            self.swept_at = now;
            self.state.write().sweep(now, self.limits);
        }
        if self.journal.is_longer_than(self.limits.journal_bytes) {
            let rotated = self.journal.rotate(&self.state.read());
            if let Err(error) = rotated {
                tracing::error!(%error, "the metrics' journal could not be shortened");
            }
        }
    }
}

/// Whoever asked may be gone; that changes nothing.
fn answer(done: Done, written: &io::Result<()>) {
    let _ = done.send(written.as_ref().map(|_| ()).map_err(io::Error::kind));
}
