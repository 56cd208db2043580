//! A journal of a service's own, for what is written too often for the store: frames that are durable
//! before their writer is answered, and the state in memory that they add up to.
//!
//! One thread writes: it gathers what waits, appends it, syncs when somebody waits for it, and only then
//! applies it to the state. When the file has grown to twice what the state needs, the state's own frames
//! take its place.
//!
//! ```text
//! magic[8], then frames: len:u32 crc:u32 payload[len]        (little endian)
//! ```
//! A new file is written beside the old one, synced and renamed: a crash leaves one that is whole. A frame
//! that a crash cut short was acknowledged to nobody and is cut off.

use neargate_base::DiskSpace;
use parking_lot::{Mutex, MutexGuard};
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

const MAGIC: &[u8; 8] = b"NGJRNL\x00\x01";
const HEADER: usize = 8;
/// A frame is never longer.
const MAX_FRAME_BYTES: usize = 64 << 20;
/// A shorter file is not worth being written anew.
const SHORT: u64 = 16 << 20;
/// Bytes of one commit.
const GATHERED: usize = 8 << 20;

/// What frames add up to.
pub trait State: Debug + Send + 'static {
    /// Takes up a frame: when it is durable, and again at each start. One that it does not know, it
    /// passes over and logs.
    fn apply(&mut self, frame: &[u8]);

    /// Hands over frames that add up to what it is now.
    fn frames(&self, put: &mut dyn FnMut(&[u8]));

    /// Becomes what it is without any frame.
    fn clear(&mut self);
}

enum Command {
    /// Frames that add, with who waits until they are durable.
    Append(Vec<Vec<u8>>, oneshot::Sender<Result<(), io::ErrorKind>>),
    /// Frames that end something; nobody waits, and what is lost of them is only done again.
    Note(Vec<u8>),
    Wipe(oneshot::Sender<Result<(), io::ErrorKind>>),
}

/// An open journal. Dropping it writes what it was given, and ends its thread.
#[derive(Debug)]
pub struct Journal<S: State> {
    state: Arc<Mutex<S>>,
    commands: Option<mpsc::UnboundedSender<Command>>,
    writer: Option<JoinHandle<()>>,
}

impl<S: State> Journal<S> {
    /// Opens the file, or makes it, and gives the state every frame in it. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is none of a journal.
    pub fn open(path: &Path, mut state: S) -> io::Result<Journal<S>> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let log = Log::open(path, &mut state)?;
        let state = Arc::new(Mutex::new(state));
        let (commands, receiver) = mpsc::unbounded_channel();
        let writer = Writer {
            log,
            state: state.clone(),
        };
        let thread = std::thread::Builder::new().name("journal writer".into());
        let writer = thread.spawn(move || writer.run(receiver))?;
        Ok(Journal {
            state,
            commands: Some(commands),
            writer: Some(writer),
        })
    }

    /// Keeps frames; they are durable and in the state once it answers, all of them or none.
    ///
    /// # Errors
    /// When they cannot be written; `StorageFull` where little of the disk is left.
    pub async fn append(&self, frames: Vec<Vec<u8>>) -> io::Result<()> {
        self.send(|done| Command::Append(frames, done)).await
    }

    /// Keeps a frame soon.
    pub fn note(&self, frame: Vec<u8>) {
        if let Some(commands) = &self.commands {
            // It fails when the writer has ended: what it was to keep is done again.
            let _ = commands.send(Command::Note(frame));
        }
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn wipe(&self) -> io::Result<()> {
        self.send(Command::Wipe).await
    }

    /// What the frames add up to. The writer waits while it is held.
    pub fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock()
    }

    async fn send(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), io::ErrorKind>>) -> Command,
    ) -> io::Result<()> {
        let ended = || io::Error::other("the journal's writer has ended");
        let (done, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(ended)?;
        commands.send(command(done)).map_err(|_| ended())?;
        let written = answer.await.map_err(|_| ended())?;
        written.map_err(io::Error::from)
    }
}

impl<S: State> Drop for Journal<S> {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Owned by the writer's thread.
struct Writer<S> {
    log: Log,
    state: Arc<Mutex<S>>,
}

impl<S: State> Writer<S> {
    fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let mut batch = Batch::default();
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Append(frames, done) => {
                        batch.adds = true;
                        frames.into_iter().for_each(|frame| batch.push(frame));
                        batch.waiting.push(done);
                    }
                    Command::Note(frame) => batch.push(frame),
                    Command::Wipe(done) => {
                        self.commit(std::mem::take(&mut batch));
                        let emptied = self.log.empty();
                        if emptied.is_ok() {
                            self.state.lock().clear();
                        }
                        answer(done, &emptied);
                    }
                }
                next = (batch.bytes < GATHERED)
                    .then(|| commands.try_recv().ok())
                    .flatten();
            }
            self.commit(batch);
            if self.log.is_long() {
                let rewritten = self.log.rewrite(&*self.state.lock());
                if let Err(error) = rewritten {
                    tracing::error!(%error, "a journal could not be shortened");
                    self.log.leave_for_now();
                }
            }
        }
    }

    fn commit(&mut self, batch: Batch) {
        let mut written = match batch.adds {
            true => self.log.room(),
            false => Ok(()),
        };
        written = written.and_then(|()| self.log.append(&batch.frames));
        if written.is_ok() && !batch.waiting.is_empty() {
            written = self.log.file.sync_data();
        }
        match &written {
            Ok(()) => {
                let mut state = self.state.lock();
                batch.frames.iter().for_each(|frame| state.apply(frame));
            }
            Err(error) => {
                tracing::error!(%error, path = %self.log.path.display(), "a journal could not be written");
            }
        }
        let waiting = batch.waiting.into_iter();
        waiting.for_each(|done| answer(done, &written));
    }
}

#[derive(Default)]
struct Batch {
    frames: Vec<Vec<u8>>,
    bytes: usize,
    adds: bool,
    waiting: Vec<oneshot::Sender<Result<(), io::ErrorKind>>>,
}

impl Batch {
    fn push(&mut self, frame: Vec<u8>) {
        self.bytes += frame.len() + HEADER;
        self.frames.push(frame);
    }
}

/// Whoever asked may be gone; that changes nothing.
fn answer(done: oneshot::Sender<Result<(), io::ErrorKind>>, written: &io::Result<()>) {
    let _ = done.send(written.as_ref().map(|_| ()).map_err(io::Error::kind));
}

/// The file, its end behind the last good frame.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    len_bytes: u64,
    /// It is written anew when it is longer.
    long: u64,
}

impl Log {
    fn open(path: &Path, state: &mut impl State) -> io::Result<Log> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(path)?;
        let bytes = std::fs::read(path)?;
        // One that a crash ended while it was made holds nothing.
        if bytes.len() < MAGIC.len() {
            file.set_len(0)?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            sync_dir(path)?;
            return Ok(Log::of(path, file, MAGIC.len() as u64));
        }
        if &bytes[..MAGIC.len()] != MAGIC {
            let why = format!("{} is no journal", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let mut at = MAGIC.len();
        while let Some(payload) = frame(&bytes, at) {
            state.apply(payload);
            at += HEADER + payload.len();
        }
        if at < bytes.len() {
            let cut = bytes.len() - at;
            tracing::warn!(path = %path.display(), cut, "an unfinished write is cut off");
            file.set_len(at as u64)?;
            file.sync_all()?;
        }
        Ok(Log::of(path, file, at as u64))
    }

    fn of(path: &Path, file: File, len_bytes: u64) -> Log {
        Log {
            path: path.to_owned(),
            file,
            len_bytes,
            long: SHORT.max(len_bytes),
        }
    }

    /// What adds leaves the disk's reserve.
    fn room(&self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let full = DiskSpace::at(dir).is_ok_and(|space| !space.takes(1 << 20));
        match full {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn append(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(frames.iter().map(|f| f.len() + HEADER).sum());
        for frame in frames {
            push(&mut bytes, frame);
        }
        if let Err(error) = self.file.write_all(&bytes) {
            // Half a frame would hide those behind it.
            self.file.set_len(self.len_bytes)?;
            return Err(error);
        }
        self.len_bytes += bytes.len() as u64;
        Ok(())
    }

    fn is_long(&self) -> bool {
        self.len_bytes > self.long
    }

    /// It cannot be written anew now: that is tried again when it has grown further.
    fn leave_for_now(&mut self) {
        self.long = self.len_bytes + SHORT;
    }

    /// In place: a full disk has no room for another file.
    fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(MAGIC.len() as u64)?;
        self.len_bytes = MAGIC.len() as u64;
        self.long = SHORT;
        self.file.sync_all()
    }

    fn rewrite(&mut self, state: &impl State) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        state.frames(&mut |frame| push(&mut bytes, frame));
        let unfinished = self.path.with_extension("unfinished");
        std::fs::write(&unfinished, &bytes)?;
        let file = OpenOptions::new().append(true).open(&unfinished)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &self.path)?;
        sync_dir(&self.path)?;
        self.file = file;
        self.len_bytes = bytes.len() as u64;
        self.long = SHORT.max(2 * self.len_bytes);
        Ok(())
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn push(bytes: &mut Vec<u8>, frame: &[u8]) {
    bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(frame).to_le_bytes());
    bytes.extend_from_slice(frame);
}

fn frame(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let header = bytes.get(at..at + HEADER)?;
    let number = |part: &[u8]| u32::from_le_bytes([part[0], part[1], part[2], part[3]]);
    let len = number(&header[..4]) as usize;
    let payload = bytes.get(at + HEADER..at.checked_add(HEADER + len)?)?;
    (len <= MAX_FRAME_BYTES && crc32fast::hash(payload) == number(&header[4..])).then_some(payload)
}

#[cfg(test)]
mod tests;
