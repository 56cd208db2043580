//! Ships one container's output from its log file to the control plane, line by line, exactly
//! once: the control plane records the byte offset with each batch, and a restarted shipper asks
//! for it and goes on there. It knows files, records and [`Upstream`]; not tasks or containers.
//!
//! Batches are what gathered while the last one was on its way, or in a short moment of quiet;
//! disk space of shipped parts is given back.

mod batch;
mod multiline;
mod watch;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use multiline::first_line;
pub use watch::LogWatch;

use crate::runtime::discard_before;
use crate::upstream::{Upstream, UpstreamError};
use neargate_base::backoff::Backoff;
use neargate_base::time::Stopwatch;
use neargate_base::{DiskSpace, Rng, task};
use neargate_domain::{LogBuffer, LogLine, LogTarget};
use regex::bytes::Regex;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Lines written within this time of each other travel together.
const LINGER: Duration = Duration::from_millis(50);
/// An event of several lines has ended when nothing more of it came for so long.
const EVENT_ENDS: Duration = Duration::from_secs(1);
/// A change that the kernel did not tell of is seen after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How much is read at once; `PutLogEvents` takes 1 MiB a call.
const READ_BYTES: usize = 1 << 20;
/// Disk space is given back in steps of this size, where the buffer is not much larger itself.
const DISCARD_BYTES: u64 = 4 << 20;

/// On a full disk lines of an ended container are given up after this long.
const FULL_DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// One container's output and where it goes.
#[derive(Debug)]
pub struct Shipper {
    pub path: PathBuf,
    pub target: LogTarget,
    /// Task id and container name: the key of the recorded offset.
    pub source: String,
    pub upstream: Arc<dyn Upstream>,
    pub watch: Arc<LogWatch>,
    pub rng: Arc<Rng>,
    /// The file is complete.
    pub ended: CancellationToken,
    /// After the end, lines the control plane cannot take for this long are given up.
    pub drain_limit: Duration,
    /// What begins an event; `None`: each line is one.
    pub first_line: Option<Regex>,
    /// Disk space is given back in steps of this size.
    pub discard_bytes: u64,
}

/// In what steps disk space is given back of a buffer of this size.
pub fn discard_bytes(buffer: Option<LogBuffer>) -> u64 {
    let most = buffer.and_then(|buffer| buffer.max_bytes);
    most.map_or(DISCARD_BYTES, |most| {
        (most / 8).clamp(64 << 10, DISCARD_BYTES)
    })
}

/// Why shipping ended early; logged, and counted against nobody.
enum GivenUp {
    Late,
}

impl Shipper {
    /// Ship until the file is complete and every line of it is stored.
    pub async fn run(self) {
        let mut drain = Drain {
            limit: self.drain_limit,
            since: None,
        };
        let Ok(mut recorded) = self.recorded_offset(&mut drain).await else {
            return;
        };
        // Read up to here; what lies between has no lines.
        let mut offset = recorded;
        let Some(file) = open(&self.path, &self.ended).await else {
            return;
        };
        let file = Arc::new(file);
        let watched = self.watch.file(&self.path);
        let mut discarded = 0;
        let mut refused = false;
        let mut quiet = false;
        loop {
            let ended = self.ended.is_cancelled();
            let first_line = self.first_line.clone().map(|of| (of, ended || quiet));
            quiet = false;
            let batch = match read_batch(&file, offset, first_line).await {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(path = %self.path.display(), %error, "container log unreadable");
                    return;
                }
            };
            if batch.consumed == 0 {
                if ended {
                    if batch.remaining > 0 {
                        tracing::warn!(path = %self.path.display(), bytes = batch.remaining, "container log ends in half a record");
                    }
                    return;
                }
                tokio::select! {
                    () = watched.changed() => {
                        tokio::select! {
                            () = tokio::time::sleep(LINGER) => {}
                            () = self.ended.cancelled() => {}
                        }
                    }
                    () = self.ended.cancelled() => {}
                    () = tokio::time::sleep(EVENT_ENDS), if batch.is_open => quiet = true,
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
                continue;
            }
            offset += batch.consumed;
            if !batch.lines.is_empty() && !refused {
                match self.put(recorded..offset, batch.lines, &mut drain).await {
                    Ok(Ok(stored)) => {
                        if stored != offset {
                            tracing::debug!(
                                source = self.source,
                                offset,
                                stored,
                                "goes on elsewhere"
                            );
                        }
                        // Bytes given back are nobody's lines any more.
                        offset = stored.max(discarded);
                        recorded = stored;
                    }
                    Ok(Err(why)) => {
                        // As the awslogs driver: the group is gone, the container goes on.
                        tracing::warn!(source = self.source, why, "output is dropped");
                        refused = true;
                    }
                    Err(GivenUp::Late) => {
                        tracing::warn!(source = self.source, offset, "log lines given up");
                        return;
                    }
                }
            }
            if offset - discarded >= self.discard_bytes && discard_before(&file, offset).is_ok() {
                discarded = offset;
            }
        }
    }

    async fn recorded_offset(&self, drain: &mut Drain) -> Result<u64, GivenUp> {
        let mut backoff = retry_backoff();
        loop {
            match self.upstream.log_offset(&self.target, &self.source).await {
                Ok(offset) => return Ok(offset),
                Err(UpstreamError::Refused(_)) => return Ok(0),
                Err(UpstreamError::Unavailable(_)) => self.pause(&mut backoff, drain).await?,
            }
        }
    }

    /// The outer error: given up; the inner one: refused.
    async fn put(
        &self,
        span: Range<u64>,
        lines: Vec<LogLine>,
        drain: &mut Drain,
    ) -> Result<Result<u64, String>, GivenUp> {
        let mut backoff = retry_backoff();
        loop {
            let put = self
                .upstream
                .put_logs(&self.target, &self.source, span.clone(), lines.clone())
                .await;
            match put {
                Ok(stored) => return Ok(Ok(stored)),
                Err(UpstreamError::Refused(why)) => return Ok(Err(why)),
                Err(UpstreamError::Unavailable(_)) => self.pause(&mut backoff, drain).await?,
            }
        }
    }

    async fn pause(&self, backoff: &mut Backoff, drain: &mut Drain) -> Result<(), GivenUp> {
        if self.ended.is_cancelled() {
            // The lines themselves take the last of the disk, and nobody else has room for them.
            let full = DiskSpace::at(&self.path).is_ok_and(|space| !space.takes(0));
            if full {
                drain.limit = drain.limit.min(FULL_DRAIN_LIMIT);
            }
            if drain.over() {
                return Err(GivenUp::Late);
            }
        }
        tokio::time::sleep(backoff.next_delay(&self.rng)).await;
        Ok(())
    }
}

/// A container's log file. `None`: it ended without ever having written.
pub(super) async fn open(path: &Path, ended: &CancellationToken) -> Option<File> {
    loop {
        let is_complete = ended.is_cancelled();
        let error = match File::options().read(true).write(true).open(path) {
            Ok(file) => return Some(file),
            Err(error) => error,
        };
        if is_complete {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(path = %path.display(), %error, "container log unreadable");
            }
            return None;
        }
        tokio::select! {
            () = ended.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn retry_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}

/// How long lines may still wait after the end.
struct Drain {
    limit: Duration,
    since: Option<Stopwatch>,
}

impl Drain {
    fn over(&mut self) -> bool {
        self.since.get_or_insert_with(Stopwatch::start).elapsed() > self.limit
    }
}

/// `first_line`: what begins an event, and whether the last one has ended.
async fn read_batch(
    file: &Arc<File>,
    offset: u64,
    first_line: Option<(Regex, bool)>,
) -> io::Result<Batch> {
    let file = Arc::clone(file);
    let read = task::spawn_blocking(move || {
        let bytes = read_from(&file, offset)?;
        let full = bytes.len() == READ_BYTES;
        Ok(match first_line {
            None => Batch::parse(&bytes, full),
            Some((first_line, whole)) => Batch::gather(&bytes, full, &first_line, whole),
        })
    });
    read.await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// What is there, at most as much as is read at once.
pub(super) fn read_from(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; READ_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
