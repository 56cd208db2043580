//! The container's log file as its only writer sees it.
//!
//! Invariants: the file always ends with a whole record; a write that fails loses its lines,
//! counted, and never blocks or ends the container; the disk keeps its reserve ([`DiskSpace`]).

use super::lines::{Batch, Stream};
use neargate_base::{DiskSpace, Timestamp};
use rustix::fs::{fstat, fstatvfs, ftruncate};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes not yet given back by [`crate::runtime::discard_before`], at most.
const DEFAULT_LIMIT: u64 = 1 << 30;

#[derive(Debug)]
pub(super) struct Log {
    /// `None`: output is read and dropped, uncounted, because nobody wants it.
    file: Option<File>,
    end: u64,
    limit: u64,
    blocks: bool,
    pub dropped: u64,
    /// Dropped since the log last said so.
    unsaid: u64,
}

impl Log {
    /// `blocks`: whoever writes asks [`Log::is_full`] before, and nothing is dropped for the limit.
    pub fn open(path: Option<&Path>, limit: Option<u64>, blocks: bool) -> io::Result<Log> {
        let file = path
            .map(|path| File::options().append(true).create(true).open(path))
            .transpose()?;
        let end = file
            .as_ref()
            .map_or(Ok(0), |file| file.metadata().map(|m| m.len()))?;
        Ok(Log {
            file,
            end,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            blocks,
            dropped: 0,
            unsaid: 0,
        })
    }

    /// What is written now had better wait until earlier output is shipped.
    pub fn is_full(&self) -> bool {
        self.blocks && self.used() > self.limit
    }

    /// The shipper punches out what it has shipped, so blocks, not length, are what is used.
    fn used(&self) -> u64 {
        let stat = self.file.as_ref().map(fstat);
        stat.and_then(Result::ok)
            .map_or(0, |stat| u64::try_from(stat.st_blocks).unwrap_or(0) * 512)
    }

    pub fn write(&mut self, batch: &mut Batch, now: Timestamp) {
        let Some(file) = &self.file else {
            *batch = Batch::default();
            return;
        };
        if batch.records == 0 {
            return;
        }
        let more = batch.bytes.len() as u64;
        let fits = fstatvfs(file).map_or(true, |stat| DiskSpace::from(stat).takes(more));
        let within = self.blocks || self.used() + more <= self.limit;
        let notice = self.notice(now);
        let written = if !within || !fits {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            let file = self.file.as_mut().expect("checked above");
            file.write_all(&notice)
                .and_then(|()| file.write_all(&batch.bytes))
        };
        match written {
            Ok(()) => {
                self.end += (notice.len() + batch.bytes.len()) as u64;
                self.unsaid = 0;
            }
            Err(_) => {
                // Cut off what was written of it: records stay whole.
                if let Some(file) = &self.file {
                    let _ = ftruncate(file, self.end);
                }
                self.dropped += batch.records;
                self.unsaid += batch.records;
            }
        }
        batch.bytes.clear();
        batch.records = 0;
    }

    /// A record that tells of lines lost before.
    fn notice(&self, now: Timestamp) -> Vec<u8> {
        let mut notice = Batch::default();
        if self.unsaid > 0 {
            let text = format!(
                "neargate: {} lines of output were lost: no space",
                self.unsaid
            );
            notice.push(now, Stream::Stderr, text.as_bytes(), &[]);
        }
        notice.bytes
    }
}
