//! Carries one container's output from its log file to an outlet, and notes beside the file how far
//! it has come. Lines are taken at least once: those of a batch that broke in its middle are sent
//! again, and a node that was killed sends its last batch again.

use super::super::shipper::{self, LogWatch};
use super::{Outlet, Sink};
use crate::runtime::{Record, Records, discard_before};
use neargate_base::backoff::Backoff;
use neargate_base::time::Stopwatch;
use neargate_base::{Rng, task};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Lines sent at once, and their bytes.
const MOST_LINES: usize = 500;
const MOST_BYTES: usize = 256 << 10;
/// Of a kept output, the oldest goes in pieces of this size.
const PIECE_BYTES: u64 = 256 << 10;
/// Lines written within this time of each other travel together.
const LINGER: Duration = Duration::from_millis(50);
/// A change that the kernel did not tell of is seen after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// One container's output and where it goes.
#[derive(Debug)]
pub struct Carrier {
    pub path: PathBuf,
    pub outlet: Outlet,
    /// Names the container in our own log.
    pub source: String,
    pub watch: Arc<LogWatch>,
    pub rng: Arc<Rng>,
    /// The file is complete.
    pub ended: CancellationToken,
    /// After the end, lines that nobody takes for this long are given up.
    pub drain_limit: Duration,
    /// Disk space is given back in steps of this size.
    pub discard_bytes: u64,
}

impl Carrier {
    /// Until the file is complete and carried away.
    pub async fn run(mut self) {
        let Some(file) = shipper::open(&self.path, &self.ended).await else {
            return;
        };
        let file = Arc::new(file);
        let position = Position::beside(&self.path);
        let mut offset = position.read();
        let mut discarded = 0;
        let mut pieces = VecDeque::from([offset]);
        let mut since_end = None;
        let watched = self.watch.file(&self.path);
        loop {
            let ended = self.ended.is_cancelled();
            let bytes = match read(&file, offset).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::error!(path = %self.path.display(), %error, "container log unreadable");
                    return;
                }
            };
            let lines = batch(&bytes);
            let consumed: usize = lines.iter().map(|line| line.length).sum();
            if consumed == 0 {
                if ended {
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
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
                continue;
            }
            let end = offset + consumed as u64;
            let done = match &mut self.outlet {
                Outlet::Sent(sink) => {
                    let way = Way {
                        source: &self.source,
                        rng: &self.rng,
                        ended: &self.ended,
                        drain_limit: self.drain_limit,
                    };
                    if !way.send(sink.as_mut(), &lines, &mut since_end).await {
                        tracing::warn!(source = self.source, offset, "log lines given up");
                        return;
                    }
                    end
                }
                Outlet::Kept(most) => oldest(&mut pieces, end, *most),
            };
            offset = end;
            position.write(done);
            let step = match &self.outlet {
                Outlet::Sent(_) => self.discard_bytes,
                Outlet::Kept(_) => PIECE_BYTES,
            };
            if done - discarded >= step && discard_before(&file, done).is_ok() {
                discarded = done;
            }
        }
    }
}

/// Where the kept part of an output that ends at `end` begins: at a line that began a piece.
fn oldest(pieces: &mut VecDeque<u64>, end: u64, most: u64) -> u64 {
    if pieces.back().is_none_or(|last| end - last >= PIECE_BYTES) {
        pieces.push_back(end);
    }
    while pieces.len() > 1 && pieces.front().is_some_and(|first| end - first > most) {
        pieces.pop_front();
    }
    pieces.front().copied().unwrap_or(end)
}

/// Whole lines, as many as are sent at once.
fn batch(bytes: &[u8]) -> Vec<Record<'_>> {
    let mut size = 0;
    let fits = |line: &Record<'_>| {
        let is_first = size == 0;
        size += line.length;
        is_first || size <= MOST_BYTES
    };
    Records(bytes).take(MOST_LINES).take_while(fits).collect()
}

async fn read(file: &Arc<File>, offset: u64) -> io::Result<Vec<u8>> {
    let file = Arc::clone(file);
    let read = task::spawn_blocking(move || shipper::read_from(&file, offset));
    read.await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

struct Way<'a> {
    source: &'a str,
    rng: &'a Rng,
    ended: &'a CancellationToken,
    drain_limit: Duration,
}

impl Way<'_> {
    /// Until they are taken. False: they are given up.
    async fn send(
        &self,
        sink: &mut dyn Sink,
        lines: &[Record<'_>],
        since_end: &mut Option<Stopwatch>,
    ) -> bool {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut is_said = false;
        loop {
            let Err(error) = sink.send(lines).await else {
                if is_said {
                    tracing::info!(source = self.source, "the log driver's receiver is back");
                }
                return true;
            };
            if !is_said {
                tracing::warn!(source = self.source, %error, "the log driver's receiver does not take lines; they wait");
                is_said = true;
            }
            let over = |since: &Stopwatch| since.elapsed() > self.drain_limit;
            if self.ended.is_cancelled() && over(since_end.get_or_insert_with(Stopwatch::start)) {
                return false;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay(self.rng)) => {}
                // What is left is tried at once, as long as there is time.
                () = self.ended.cancelled(), if since_end.is_none() => {
                    since_end.get_or_insert_with(Stopwatch::start);
                }
            }
        }
    }
}

/// The file that says how far an output is carried away.
struct Position(PathBuf);

impl Position {
    fn beside(log: &Path) -> Position {
        Position(log.with_file_name("log.carried"))
    }

    /// From the beginning, where it does not say.
    fn read(&self) -> u64 {
        let text = fs::read_to_string(&self.0);
        text.ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
    }

    /// A number of as many digits each time: it is overwritten in one go. One that cannot be
    /// written means that lines come twice after a restart.
    fn write(&self, offset: u64) {
        let written = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.0)
            .and_then(|file| {
                std::os::unix::fs::FileExt::write_all_at(
                    &file,
                    format!("{offset:020}\n").as_bytes(),
                    0,
                )
            });
        if let Err(error) = written {
            tracing::warn!(path = %self.0.display(), %error, "not noted how far a log is carried");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_kept_from_the_beginning_of_a_line() {
        let mut pieces = VecDeque::from([0]);
        let most = 2 * PIECE_BYTES;
        assert_eq!(oldest(&mut pieces, 100, most), 0);
        assert_eq!(oldest(&mut pieces, PIECE_BYTES + 7, most), 0);
        assert_eq!(
            oldest(&mut pieces, 2 * PIECE_BYTES + 9, most),
            PIECE_BYTES + 7
        );
        let end = 40 * PIECE_BYTES;
        let from = oldest(&mut pieces, end, most);
        assert!(from <= end && end - from <= most);
    }

    #[test]
    fn a_position_outlives_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let position = Position::beside(&log);
        assert_eq!(position.read(), 0);
        position.write(12_345);
        position.write(7);
        assert_eq!(Position::beside(&log).read(), 7);
    }
}
