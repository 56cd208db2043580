//! Where traces are kept: documents in write-ahead logs on the disk, and where each is in memory.
//!
//! One thread writes: it gathers what waits, appends it, syncs, and only then shows it to readers and answers.
//! A log is closed when it has grown or aged, and goes as a whole when the last of what is in it is too old, or
//! when there is more than [`Limits`] allow: then the oldest goes first.

mod codec;
mod index;
mod read;
#[cfg(test)]
mod tests;

pub use index::Entry;
pub use read::{Loaded, Range, RangeKind};

use crate::trace::{KEPT, TraceId};
use codec::Filed;
use index::{Held, Index};
use neargate_base::{Clock, DiskSpace, Timestamp};
use neargate_blob::wal::{Wal, WalError};
use neargate_service::Scope;
use parking_lot::RwLock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// On the disk.
    pub bytes: u64,
    /// Documents whose places are in memory, 40 bytes each besides their traces'.
    pub documents: usize,
    /// Of one log.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 16 << 30,
            documents: 8_000_000,
            log_bytes: 64 << 20,
        }
    }
}

/// Why something is not kept.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("traces cannot be kept under {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("traces cannot be kept")]
    Log(#[from] WalError),
    #[error("little of the disk is left")]
    Full,
    #[error("the writer of traces has ended")]
    Closed,
}

/// One document to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub trace: TraceId,
    /// What its trace is found by, in seconds since 1970.
    pub time: u32,
    pub segment: u64,
    pub in_progress: bool,
    pub start: Timestamp,
    pub end: Timestamp,
    pub document: String,
}

/// Documents that are kept together, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub scope: Scope,
    pub segments: Vec<Kept>,
}

type Done = oneshot::Sender<Result<(), Failure>>;

/// What one failed commit tells many callers.
#[derive(Debug, Clone)]
enum Failure {
    Full,
    Log(WalError),
}

enum Command {
    Put(Batch, Done),
    Wipe(Done),
}

/// Batches that wait for the writer; who comes then waits, too.
const WAITING: usize = 256;
/// Bytes of one commit.
const GATHERED: usize = 8 << 20;
/// Between two looks at what is too old.
const SWEEP: Duration = Duration::from_secs(60);
/// A log takes no more when it is older, so that what is too old goes soon.
const LOG_AGE: Duration = Duration::from_secs(86_400);

/// The engine on one directory.
#[derive(Debug)]
pub struct Engine {
    index: Arc<RwLock<Index>>,
    clock: Arc<dyn Clock>,
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
        std::fs::create_dir_all(dir).map_err(failed)?;
        let mut index = Index::default();
        let numbers = logs(dir).map_err(failed)?;
        for number in &numbers {
            replay(dir, *number, &mut index)?;
        }
        let next = numbers.last().map_or(1, |last| last + 1);
        let index = Arc::new(RwLock::new(index));
        let (commands, receiver) = mpsc::channel(WAITING);
        let writer = Writer {
            dir: dir.to_owned(),
            index: index.clone(),
            clock: clock.clone(),
            limits,
            next,
            log: None,
            swept_at: Timestamp::default(),
        };
        let thread = std::thread::Builder::new().name("trace writer".into());
        let writer = thread.spawn(move || writer.run(receiver)).map_err(failed)?;
        Ok(Arc::new(Engine {
            index,
            clock,
            commands: Some(commands),
            writer: Some(writer),
        }))
    }

    /// Keeps the documents; they are durable and visible once it answers.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn put(&self, batch: Batch) -> Result<(), EngineError> {
        if batch.segments.is_empty() {
            return Ok(());
        }
        self.send(|done| Command::Put(batch, done)).await
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When that cannot be done.
    pub async fn wipe(&self) -> Result<(), EngineError> {
        self.send(Command::Wipe).await
    }

    async fn send(&self, command: impl FnOnce(Done) -> Command) -> Result<(), EngineError> {
        let (done, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(EngineError::Closed)?;
        let sent = commands.send(command(done)).await;
        sent.map_err(|_| EngineError::Closed)?;
        let written = answer.await.map_err(|_| EngineError::Closed)?;
        written.map_err(|failure| match failure {
            Failure::Full => EngineError::Full,
            Failure::Log(error) => EngineError::Log(error),
        })
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

fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("traces-{number:08}"))
}

/// The numbers of the logs that there are, the oldest first.
fn logs(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for file in std::fs::read_dir(dir)? {
        let name = file?.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix("traces-"));
        numbers.extend(number.and_then(|n| n.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn replay(dir: &Path, number: u32, index: &mut Index) -> Result<(), EngineError> {
    let mut newest = Timestamp::default();
    let log = Wal::replay(&path(dir, number), u64::from(number), |_, at, payload| {
        let Some((scope, received, filed)) = codec::read(payload) else {
            tracing::error!(
                number,
                at,
                "a batch of traces cannot be read and is passed over"
            );
            return;
        };
        newest = newest.max(received);
        for one in &filed {
            index.add(&scope, number, at, one);
        }
    })?;
    let held = Held {
        file: log.file().clone(),
        newest,
        bytes: log.len_bytes(),
    };
    index.files.insert(number, held);
    Ok(())
}

/// The log that is written.
struct Open {
    number: u32,
    wal: Wal,
    since: Timestamp,
}

/// Owned by the writer's thread.
struct Writer {
    dir: PathBuf,
    index: Arc<RwLock<Index>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    next: u32,
    log: Option<Open>,
    swept_at: Timestamp,
}

impl Writer {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let (mut batches, mut bytes) = (Vec::new(), 0);
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Put(batch, done) => {
                        let documents = batch.segments.iter().map(|s| s.document.len());
                        bytes += documents.sum::<usize>();
                        batches.push((batch, done));
                    }
                    Command::Wipe(done) => {
                        self.commit(std::mem::take(&mut batches));
                        let wiped = self.wipe();
                        let _ = done.send(wiped);
                    }
                }
                next = (bytes < GATHERED)
                    .then(|| commands.try_recv().ok())
                    .flatten();
            }
            self.commit(batches);
            self.tidy();
        }
    }

    fn commit(&mut self, batches: Vec<(Batch, Done)>) {
        if batches.is_empty() {
            return;
        }
        let now = self.clock.now();
        let written = self.write(&batches, now);
        if let Err(Failure::Log(error)) = &written {
            tracing::error!(%error, "traces cannot be kept");
            // The next commit begins another log.
            self.log = None;
        }
        // Whoever asked may be gone; that changes nothing.
        for (_, done) in batches {
            let _ = done.send(written.clone());
        }
    }

    fn write(&mut self, batches: &[(Batch, Done)], now: Timestamp) -> Result<(), Failure> {
        if DiskSpace::at(&self.dir).is_ok_and(|space| !space.takes(1 << 20)) {
            return Err(Failure::Full);
        }
        let mut placed = Vec::with_capacity(batches.len());
        let log = self.open(now)?;
        for (batch, _) in batches {
            let (frame, places) = codec::write(batch, now);
            placed.push((log.wal.write(&frame).map_err(Failure::Log)?, places));
        }
        log.wal.sync().map_err(Failure::Log)?;
        let (number, bytes) = (log.number, log.wal.len_bytes());
        let mut index = self.index.write();
        for ((batch, _), (at, places)) in batches.iter().zip(&placed) {
            for (segment, place) in batch.segments.iter().zip(places) {
                index.add(&batch.scope, number, *at, &Filed::of(segment, *place));
            }
        }
        if let Some(held) = index.files.get_mut(&number) {
            (held.newest, held.bytes) = (now, bytes);
        }
        Ok(())
    }

    /// The log that takes more.
    fn open(&mut self, now: Timestamp) -> Result<&mut Open, Failure> {
        let is_over = |log: &Open| {
            log.wal.len_bytes() > self.limits.log_bytes || now.since(log.since) > LOG_AGE
        };
        if self.log.as_ref().is_some_and(is_over)
            && let Some(mut log) = self.log.take()
        {
            log.wal.give_back();
        }
        if self.log.is_none() {
            let number = self.next;
            let wal = Wal::create(&path(&self.dir, number), u64::from(number));
            let wal = wal.map_err(Failure::Log)?;
            self.next += 1;
            let synced = std::fs::File::open(&self.dir).and_then(|dir| dir.sync_all());
            if let Err(error) = synced {
                tracing::error!(%error, "the directory of traces cannot be synced");
            }
            let held = Held {
                file: wal.file().clone(),
                newest: now,
                bytes: wal.len_bytes(),
            };
            self.index.write().files.insert(number, held);
            self.log = Some(Open {
                number,
                wal,
                since: now,
            });
        }
        Ok(self.log.as_mut().expect("a log was opened above"))
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        self.log = None;
        let numbers: Vec<u32> = self.index.read().files.keys().copied().collect();
        *self.index.write() = Index::default();
        for number in numbers {
            remove(&self.dir, number);
        }
        Ok(())
    }

    /// Forgets what is too old or too much.
    fn tidy(&mut self) {
        let now = self.clock.now();
        let is_due = now.since(self.swept_at) >= SWEEP || now < self.swept_at;
        loop {
            let index = self.index.read();
            let open = self.log.as_ref().map(|log| log.number);
            let mut closed = index.files.iter().filter(|(n, _)| Some(**n) != open);
            let too_much = index.bytes() > self.limits.bytes || index.parts > self.limits.documents;
            let goes = match too_much {
                true => closed.next(),
                false if is_due => closed.find(|(_, held)| now.since(held.newest) > KEPT),
                false => None,
            };
            let Some(number) = goes.map(|(number, _)| *number) else {
                break;
            };
            if too_much {
                tracing::warn!(
                    number,
                    "the oldest traces are forgotten: there are too many"
                );
            }
            drop(index);
            self.index.write().forget(number);
            remove(&self.dir, number);
        }
        if is_due {
            self.swept_at = now;
        }
    }
}

fn remove(dir: &Path, number: u32) {
    let path = path(dir, number);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::error!(%error, path = %path.display(), "traces that are over cannot be removed");
    }
}
