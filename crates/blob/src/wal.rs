//! A write-ahead log: frames with a checksum in one file.
//!
//! ```text
//! header  magic[8] salt:u64
//! frame   magic:u32 len:u32 seq:u64 crc:u32 payload[len]      (little endian)
//! ```
//! The checksum covers salt, length, sequence and payload. A frame that a crash cut short is the last one, which
//! nobody was told of: it is cut off. Damage in front of a good frame is something else (a failing disk); it is
//! reported and skipped, and the good frames behind it are kept. The salt keeps payloads that happen to contain
//! frames from being taken for some. Some space beyond the log's end is held, so that what ends things can be
//! written on a full disk.

use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_MAGIC: &[u8; 8] = b"NGWALF\x00\x01";
const FILE_HEADER: usize = 16;
const FRAME_MAGIC: [u8; 4] = *b"NGfr";
const FRAME_HEADER: usize = 20;
/// The most a frame's payload may be.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// Held beyond the log's end, and renewed when half of it is used.
const AHEAD_BYTES: u64 = 256 << 10;

/// Why a frame is not in the log. Cloneable: one failed commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WalError {
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("a frame of {bytes} bytes is too big")]
    TooBig { bytes: usize },
    /// After a failed sync nothing that was written is certain.
    #[error("{} takes no writes: an earlier one failed", path.display())]
    Broken { path: PathBuf },
}

/// The bytes of a log, for whoever reads payloads again.
#[derive(Debug)]
pub struct WalFile {
    file: File,
    path: PathBuf,
}

impl WalFile {
    /// The `bytes` at `offset`.
    ///
    /// # Errors
    /// When the disk does not give them.
    pub fn read(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The open log, its end behind the last good frame.
#[derive(Debug)]
pub struct Wal {
    file: Arc<WalFile>,
    salt: u64,
    len_bytes: u64,
    /// Up to here the disk's space is the log's.
    held_bytes: u64,
    next_seq: u64,
    broken: bool,
}

impl Wal {
    /// A new, empty log, durable once this returns (its directory entry: the caller's care).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, salt: u64) -> Result<Wal, WalError> {
        let io = |e| failed("create", path, e);
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).read(true).write(true);
        let mut file = options.open(path).map_err(io)?;
        file.write_all(FILE_MAGIC).map_err(io)?;
        file.write_all(&salt.to_le_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        let mut wal = Wal {
            file: Arc::new(WalFile {
                file,
                path: path.to_owned(),
            }),
            salt,
            len_bytes: FILE_HEADER as u64,
            held_bytes: 0,
            next_seq: 1,
            broken: false,
        };
        wal.hold_ahead();
        Ok(wal)
    }

    /// Hands every good frame, and where its payload is, to `apply` in order and opens the log behind the last one.
    /// A log that was cut within its header is begun again with `salt`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn replay(
        path: &Path,
        salt: u64,
        mut apply: impl FnMut(&Arc<WalFile>, u64, &[u8]),
    ) -> Result<Wal, WalError> {
        let io = |e| failed("open", path, e);
        let bytes = std::fs::read(path).map_err(io)?;
        if bytes.len() < FILE_HEADER || bytes[..8] != *FILE_MAGIC {
            if bytes.len() >= FILE_HEADER {
                tracing::error!(path = %path.display(), "the log's beginning is damaged: nothing of it can be read");
            }
            return Wal::create(path, salt);
        }
        let salt = number(&bytes[8..16]);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path).map_err(io)?;
        let file = Arc::new(WalFile {
            file,
            path: path.to_owned(),
        });
        let (mut at, mut seq) = (FILE_HEADER, 0);
        while at < bytes.len() {
            if let Some((found, payload)) =
                frame(&bytes, at, salt).filter(|(found, _)| *found > seq)
            {
                seq = found;
                apply(&file, (at + FRAME_HEADER) as u64, payload);
                at += FRAME_HEADER + payload.len();
                continue;
            }
            let Some(next) = resync(&bytes, at + 1, salt, seq) else {
                break;
            };
            tracing::error!(path = %path.display(), from = at, to = next, "a damaged part of the log is skipped");
            at = next;
        }
        let cut = bytes.len().saturating_sub(at);
        if cut > 0 {
            tracing::warn!(path = %path.display(), bytes = cut, "an unfinished write at the log's end is cut off");
        }
        let len_bytes = at as u64;
        file.file.set_len(len_bytes).map_err(io)?;
        file.file.sync_all().map_err(io)?;
        (&file.file).seek(SeekFrom::Start(len_bytes)).map_err(io)?;
        let mut wal = Wal {
            file,
            salt,
            len_bytes,
            held_bytes: 0,
            next_seq: seq + 1,
            broken: false,
        };
        wal.give_back();
        Ok(wal)
    }

    /// Gives back what was held beyond the end: nothing more is written.
    pub fn give_back(&mut self) {
        // Space that stays held is no loss but of space.
        let _ = self.file.file.set_len(self.len_bytes);
        self.held_bytes = 0;
    }

    /// Holds space beyond the end. A disk that is full, or cannot do this, leaves it as it is.
    pub fn hold_ahead(&mut self) {
        let wanted = self.len_bytes + AHEAD_BYTES;
        if self.held_bytes >= wanted - AHEAD_BYTES / 2 {
            return;
        }
        if fallocate(&self.file.file, FallocateFlags::KEEP_SIZE, 0, wanted).is_ok() {
            self.held_bytes = wanted;
        }
    }

    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub fn file(&self) -> &Arc<WalFile> {
        &self.file
    }

    /// Writes one frame, and answers where its payload is; durable after [`Wal::sync`]. After a failed write the
    /// log is as before.
    ///
    /// # Errors
    /// When it is not written.
    pub fn write(&mut self, payload: &[u8]) -> Result<u64, WalError> {
        if self.broken {
            let path = self.file.path.clone();
            return Err(WalError::Broken { path });
        }
        if payload.len() > MAX_FRAME_BYTES {
            let bytes = payload.len();
            return Err(WalError::TooBig { bytes });
        }
        if let Err(e) = self.put(payload) {
            let restored = self
                .file
                .file
                .set_len(self.len_bytes)
                .and_then(|()| (&self.file.file).seek(SeekFrom::Start(self.len_bytes)));
            self.broken = restored.is_err();
            // What was held beyond the end went with it.
            self.held_bytes = 0;
            self.hold_ahead();
            return Err(failed("write to", &self.file.path, e));
        }
        let at = self.len_bytes + FRAME_HEADER as u64;
        self.len_bytes = at + payload.len() as u64;
        self.next_seq += 1;
        self.hold_ahead();
        Ok(at)
    }

    /// What was written is durable once this returns. After a failed sync nothing is certain, and the log takes
    /// nothing more.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&mut self) -> Result<(), WalError> {
        if self.broken {
            let path = self.file.path.clone();
            return Err(WalError::Broken { path });
        }
        self.file.file.sync_data().map_err(|e| {
            self.broken = true;
            failed("sync", &self.file.path, e)
        })
    }

    fn put(&self, payload: &[u8]) -> io::Result<()> {
        let mut header = [0; FRAME_HEADER];
        header[..4].copy_from_slice(&FRAME_MAGIC);
        header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[8..16].copy_from_slice(&self.next_seq.to_le_bytes());
        let crc = checksum(self.salt, &header[4..16], payload);
        header[16..].copy_from_slice(&crc.to_le_bytes());
        let mut file = &self.file.file;
        file.write_all(&header)?;
        file.write_all(payload)
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> WalError {
    WalError::Io {
        action,
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

fn number(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().rev();
    digits.fold(0u64, |n, b| n << 8 | u64::from(*b))
}

fn checksum(salt: u64, length_and_seq: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(length_and_seq);
    hasher.update(payload);
    hasher.finalize()
}

/// The good frame at `at`: its sequence number and payload.
fn frame(bytes: &[u8], at: usize, salt: u64) -> Option<(u64, &[u8])> {
    let header = bytes.get(at..at + FRAME_HEADER)?;
    if header[..4] != FRAME_MAGIC {
        return None;
    }
    let len = number(&header[4..8]) as usize;
    if len > MAX_FRAME_BYTES {
        return None;
    }
    let payload = bytes.get(at + FRAME_HEADER..at + FRAME_HEADER + len)?;
    let good = u64::from(checksum(salt, &header[4..16], payload)) == number(&header[16..20]);
    good.then(|| (number(&header[8..16]), payload))
}

/// The next good frame at or behind `from`.
fn resync(bytes: &[u8], from: usize, salt: u64, after_seq: u64) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memmem::find_iter(rest, &FRAME_MAGIC)
        .map(|offset| from + offset)
        .find(|at| frame(bytes, *at, salt).is_some_and(|(seq, _)| seq > after_seq))
}
