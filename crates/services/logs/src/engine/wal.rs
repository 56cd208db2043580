//! The write-ahead log: frames with a checksum, one fsync each.
//!
//! ```text
//! header  magic[8] salt:u64
//! frame   magic:u32 len:u32 seq:u64 crc:u32 payload[len]      (little endian)
//! ```
//! The checksum covers salt, length, sequence and payload. A frame holds a whole group commit
//! and the next one is not written before its fsync, so a crash can damage the last frame only,
//! which nobody was told of: it is cut off. Damage in front of a good frame is something else (a
//! failing disk); it is reported and skipped, and the good frames behind it are kept. The salt
//! keeps log lines that happen to contain frames from being taken for some. Some space beyond the
//! log's end is held, so that groups and streams can be deleted on a full disk.

use super::error::EngineError;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const FILE_MAGIC: &[u8; 8] = b"NGLWAL\x00\x01";
const FILE_HEADER: usize = 16;
const FRAME_MAGIC: [u8; 4] = *b"NGfr";
const FRAME_HEADER: usize = 20;
/// The most a frame's payload may be: far above what one commit gathers.
pub(super) const MAX_FRAME_BYTES: usize = 64 << 20;

/// Held beyond the log's end, and renewed when half of it is used.
const AHEAD_BYTES: u64 = 256 << 10;

/// The open log, its end behind the last good frame.
#[derive(Debug)]
pub(super) struct Wal {
    file: File,
    path: PathBuf,
    salt: u64,
    len_bytes: u64,
    /// Up to here the disk's space is the log's.
    held_bytes: u64,
    next_seq: u64,
    broken: bool,
}

impl Wal {
    /// A new, empty log, durable once this returns (its directory entry: the caller's care).
    pub(super) fn create(path: &Path, salt: u64) -> Result<Wal, EngineError> {
        let io = |e| EngineError::io("create", path)(e);
        let mut file = File::create(path).map_err(io)?;
        file.write_all(FILE_MAGIC).map_err(io)?;
        file.write_all(&salt.to_le_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        let (path, len_bytes) = (path.to_owned(), FILE_HEADER as u64);
        let mut wal = Wal {
            file,
            path,
            salt,
            len_bytes,
            held_bytes: 0,
            next_seq: 1,
            broken: false,
        };
        wal.hold_ahead();
        Ok(wal)
    }

    /// Hand every good frame to `apply` in order and open the log behind the last one.
    pub(super) fn replay(
        path: &Path,
        salt: u64,
        mut apply: impl FnMut(&[u8]) -> Result<(), EngineError>,
    ) -> Result<Wal, EngineError> {
        let bytes = std::fs::read(path).map_err(EngineError::io("read", path))?;
        let (mut at, mut seq) = (FILE_HEADER, 0);
        while at < bytes.len() {
            if let Some((found, payload)) =
                frame(&bytes, at, salt).filter(|(found, _)| *found > seq)
            {
                seq = found;
                apply(payload)?;
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
        let io = |e| EngineError::io("open", path)(e);
        let file = OpenOptions::new().write(true).open(path).map_err(io)?;
        // A header cut short (damage: it is synced before the catalog names the log) is padded.
        let len_bytes = at as u64;
        file.set_len(len_bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        let mut wal = Wal {
            file,
            path: path.to_owned(),
            salt,
            len_bytes,
            held_bytes: 0,
            next_seq: seq + 1,
            broken: false,
        };
        wal.file.seek(SeekFrom::Start(len_bytes)).map_err(io)?;
        wal.hold_ahead();
        Ok(wal)
    }

    /// A disk that is full, or cannot do this, leaves it as it is.
    fn hold_ahead(&mut self) {
        let wanted = self.len_bytes + AHEAD_BYTES;
        if self.held_bytes >= wanted - AHEAD_BYTES / 2 {
            return;
        }
        if fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, wanted).is_ok() {
            self.held_bytes = wanted;
        }
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Take nothing more: what is on disk is not certain.
    pub(super) fn close(&mut self) {
        self.broken = true;
    }

    /// Write one frame; durable once this returns. After a failed write the log is as before;
    /// after a failed fsync nothing is certain and the log takes nothing more.
    pub(super) fn append(&mut self, payload: &[u8]) -> Result<(), EngineError> {
        if self.broken {
            return Err(EngineError::Stopped("an earlier write to the log failed"));
        }
        if payload.len() > MAX_FRAME_BYTES {
            return Err(EngineError::TooBig {
                bytes: payload.len(),
            });
        }
        if let Err(e) = self.write(payload) {
            let restored = self
                .file
                .set_len(self.len_bytes)
                .and_then(|()| self.file.seek(SeekFrom::Start(self.len_bytes)));
            self.broken = restored.is_err();
            // What was held beyond the end went with it.
            self.held_bytes = 0;
            self.hold_ahead();
            return Err(EngineError::io("write to", &self.path)(e));
        }
        if let Err(e) = self.file.sync_data() {
            self.broken = true;
            return Err(EngineError::io("sync", &self.path)(e));
        }
        self.len_bytes += (FRAME_HEADER + payload.len()) as u64;
        self.next_seq += 1;
        self.hold_ahead();
        Ok(())
    }

    fn write(&mut self, payload: &[u8]) -> std::io::Result<()> {
        let mut header = [0; FRAME_HEADER];
        header[..4].copy_from_slice(&FRAME_MAGIC);
        header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[8..16].copy_from_slice(&self.next_seq.to_le_bytes());
        let crc = checksum(self.salt, &header[4..16], payload);
        header[16..].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all(&header)?;
        self.file.write_all(payload)
    }
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
    let number = |range: std::ops::Range<usize>| {
        header[range]
            .iter()
            .rev()
            .fold(0u64, |n, b| n << 8 | u64::from(*b))
    };
    let len = number(4..8) as usize;
    if len > MAX_FRAME_BYTES {
        return None;
    }
    let payload = bytes.get(at + FRAME_HEADER..at + FRAME_HEADER + len)?;
    let good = u64::from(checksum(salt, &header[4..16], payload)) == number(16..20);
    good.then(|| (number(8..16), payload))
}

/// The next good frame at or behind `from`.
fn resync(bytes: &[u8], from: usize, salt: u64, after_seq: u64) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memmem::find_iter(rest, &FRAME_MAGIC)
        .map(|offset| from + offset)
        .find(|at| frame(bytes, *at, salt).is_some_and(|(seq, _)| seq > after_seq))
}
