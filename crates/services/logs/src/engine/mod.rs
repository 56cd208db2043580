//! The log engine: durable, append-only storage of log events by group and stream.
//!
//! Recent events live in one write-ahead log and in memory; when they outgrow it, the largest
//! groups are sealed into segments of compressed blocks. See [`wal`], [`segment`], [`catalog`]
//! for the files and [`seal`] for the order in which they change.
//!
//! It knows no AWS: a group is a key, retention a moment, a filter a function. Invariants:
//! what was answered is durable; readers see durable events only; an event's [`Position`] never
//! changes; memory for events is bounded by [`Options`].

mod catalog;
mod codec;
mod error;
mod group;
mod op;
mod position;
mod query;
mod recover;
mod seal;
mod segment;
mod streams;
mod wal;
mod writer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod lifecycle_tests;
#[cfg(test)]
mod tests;

pub use error::EngineError;
pub use op::Event;
pub use position::Position;
pub use query::{Candidate, Selection};
pub use streams::{StreamInfo, StreamOrder};
pub use writer::Outcome;

use neargate_base::{Clock, Timestamp};
use query::{Direction, Window};
use std::collections::HashSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use writer::{AppendRequest, Command, Done, Writer};

/// The most bytes one append may bring.
pub const MAX_APPEND_BYTES: usize = 8 << 20;
/// Bytes of appends that may wait for the writer, in KiB.
const WAITING_KIB: usize = 32 << 10;
/// What an event counts beside its message, in pages and limits (as in PutLogEvents).
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// How much the engine keeps where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Recent events in memory before they are sealed.
    pub recent_bytes: usize,
    /// Length of the write-ahead log before it starts anew.
    pub wal_bytes: u64,
    /// Uncompressed size of a segment's block.
    pub block_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            recent_bytes: 16 << 20,
            wal_bytes: 64 << 20,
            block_bytes: 256 << 10,
        }
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub position: Position,
    pub stream: Arc<str>,
    pub timestamp: Timestamp,
    pub ingested: Timestamp,
    pub message: String,
}

/// Where a page of one stream starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// The oldest events first.
    Head,
    /// The newest events.
    Tail,
    /// What comes at or behind this position.
    Forward(Position),
    /// What comes before this position.
    Backward(Position),
}

/// What part of which source an append stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    pub name: &'a str,
    /// Must be what is stored of a source that is known; `None`: any.
    pub start: Option<u64>,
    pub end: u64,
}

impl<'a> Source<'a> {
    /// Up to `end`, wherever it begins.
    pub fn upto(name: &'a str, end: u64) -> Source<'a> {
        let start = None;
        Source { name, start, end }
    }
}

/// A page of one stream, oldest event first, and where to go on in both directions. At an end
/// the position that was asked for comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPage {
    pub events: Vec<Found>,
    pub forward: Position,
    pub backward: Position,
}

/// A search over a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub streams: Selection,
    pub times: Times,
    /// Go on from here.
    pub from: Option<Position>,
    /// The newest events first, instead of the oldest.
    pub newest_first: bool,
    pub limit: usize,
    /// Messages and overhead of one page.
    pub page_bytes: usize,
    /// Stop, with what was found, after looking at this much.
    pub scan_bytes: usize,
}

/// `start <= timestamp < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// What a search found, in the order of the search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPage {
    pub events: Vec<Found>,
    /// More may be found from here on; `None`: the search is complete.
    pub next: Option<Position>,
}

/// The engine on one directory. Reads block; call them off the async threads.
#[derive(Debug)]
pub struct LogEngine {
    segments_dir: PathBuf,
    groups: Arc<group::Groups>,
    commands: Option<mpsc::Sender<Command>>,
    waiting: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
    _lock: File,
}

impl LogEngine {
    /// Open `dir`, creating it if needed, and recover what it holds. Blocks.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Arc<LogEngine>, EngineError> {
        LogEngine::open_with(dir, clock, Options::default())
    }

    pub fn open_with(
        dir: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<LogEngine>, EngineError> {
        let segments_dir = dir.join("segments");
        let recover::Recovered {
            lock,
            head,
            wal,
            groups,
        } = recover::recover(dir, &segments_dir)?;
        let (commands, receiver) = mpsc::channel(1024);
        let writer = Writer {
            dir: dir.to_owned(),
            segments_dir: segments_dir.clone(),
            options,
            clock,
            groups: groups.clone(),
            head,
            wal,
            staged: Vec::new(),
            staged_bytes: 0,
            answers: Vec::new(),
            touched: HashSet::new(),
            seal_again_at: 0,
        };
        let thread = std::thread::Builder::new().name("log writer".into());
        let handle = thread.spawn(move || writer.run(receiver));
        let handle = handle.map_err(EngineError::io("start the writer of", dir))?;
        Ok(Arc::new(LogEngine {
            segments_dir,
            groups,
            commands: Some(commands),
            waiting: Arc::new(Semaphore::new(WAITING_KIB)),
            writer: Some(handle),
            _lock: lock,
        }))
    }

    /// Store events; durable once it answers. With a `source` (a name and the offset up to which
    /// these events bring it), an append that does not move the source's stored offset forward
    /// does nothing. A missing stream is made if `create`, else refused.
    pub async fn append(
        &self,
        group: &str,
        stream: &str,
        create: bool,
        source: Option<Source<'_>>,
        events: Vec<Event>,
    ) -> Result<Outcome, EngineError> {
        let bytes: usize = events
            .iter()
            .map(|e| e.message.len() + EVENT_OVERHEAD_BYTES)
            .sum();
        if bytes > MAX_APPEND_BYTES {
            return Err(EngineError::TooBig { bytes });
        }
        let permit = self
            .waiting
            .clone()
            .acquire_many_owned((bytes / 1024 + 1) as u32)
            .await;
        let permit = permit.map_err(|_| CLOSED)?;
        let start = source.and_then(|s| s.start);
        let source = source.map(|s| (s.name.to_owned(), s.end));
        let request = AppendRequest {
            group: group.into(),
            stream: stream.into(),
            create,
            source,
            start,
            events,
        };
        self.send(|done| Command::Append(request, permit, done))
            .await
    }

    /// Make a stream; answers whether it is new.
    pub async fn create_stream(&self, group: &str, stream: &str) -> Result<bool, EngineError> {
        let (group, stream) = (group.into(), stream.into());
        self.send(|done| Command::CreateStream {
            group,
            stream,
            done,
        })
        .await
    }

    /// Delete a stream and its events; answers whether there was one.
    pub async fn delete_stream(&self, group: &str, stream: &str) -> Result<bool, EngineError> {
        let (group, stream) = (group.into(), stream.into());
        self.send(|done| Command::DeleteStream {
            group,
            stream,
            done,
        })
        .await
    }

    /// Delete everything of a group.
    pub async fn delete_group(&self, group: &str) -> Result<(), EngineError> {
        let group = group.into();
        self.send(|done| Command::DeleteGroup { group, done }).await
    }

    /// Drop what is older than `before`: recent events one by one, sealed ones when their whole
    /// segment is older (queries hide the rest by their start time).
    pub async fn expire(&self, group: &str, before: Timestamp) -> Result<(), EngineError> {
        let group = group.into();
        self.send(|done| Command::Expire {
            group,
            before,
            done,
        })
        .await
    }

    /// Drop everything: one small durable write; nothing at all when there is nothing.
    pub async fn wipe(&self) -> Result<(), EngineError> {
        self.send(|done| Command::Wipe { done }).await
    }

    /// Seal all recent events now.
    pub async fn seal(&self) -> Result<(), EngineError> {
        self.send(|done| Command::Seal { done }).await
    }

    async fn send<T>(&self, command: impl FnOnce(Done<T>) -> Command) -> Result<T, EngineError> {
        let (done, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(CLOSED)?;
        commands.send(command(done)).await.map_err(|_| CLOSED)?;
        answer.await.map_err(|_| CLOSED)?
    }

    /// A page of one stream: at most `limit` events and `page_bytes`, at least one event if
    /// there is any.
    pub fn get_events(
        &self,
        group: &str,
        stream: &str,
        times: Times,
        cursor: Cursor,
        limit: usize,
        page_bytes: usize,
    ) -> Result<StreamPage, EngineError> {
        let window = window(times, cursor);
        let start = match cursor {
            Cursor::Head | Cursor::Tail => window.from,
            Cursor::Forward(at) | Cursor::Backward(at) => at,
        };
        let (mut events, mut bytes) = (Vec::new(), 0);
        if let Some(found) = self.groups.get(group) {
            query::scan(
                &found,
                &self.segments_dir,
                &Selection::stream(stream),
                window,
                |c| {
                    bytes += c.message.len() + EVENT_OVERHEAD_BYTES;
                    if events.len() == limit || (bytes > page_bytes && !events.is_empty()) {
                        return ControlFlow::Break(());
                    }
                    events.push(Found::from(c));
                    ControlFlow::Continue(())
                },
            )?;
        }
        if window.direction == Direction::Backward {
            events.reverse();
        }
        let forward = events.last().map_or(start, |e| e.position.next());
        let backward = events.first().map_or(start, |e| e.position);
        Ok(StreamPage {
            events,
            forward,
            backward,
        })
    }

    /// Show every event of the selected streams to `visit`, in order, until it breaks.
    pub fn visit(
        &self,
        group: &str,
        streams: &Selection,
        times: Times,
        newest_first: bool,
        visit: impl FnMut(Candidate<'_>) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let Some(group) = self.groups.get(group) else {
            return Ok(());
        };
        let cursor = if newest_first {
            Cursor::Tail
        } else {
            Cursor::Head
        };
        let window = window(times, cursor);
        query::scan(&group, &self.segments_dir, streams, window, visit)
    }

    /// Every event of the selected streams whose message satisfies `matches`, page by page.
    pub fn search(
        &self,
        group: &str,
        search: &Search,
        mut matches: impl FnMut(&str) -> bool,
    ) -> Result<SearchPage, EngineError> {
        let mut page = SearchPage::default();
        let Some(group) = self.groups.get(group) else {
            return Ok(page);
        };
        let cursor = match (search.from, search.newest_first) {
            (None, false) => Cursor::Head,
            (None, true) => Cursor::Tail,
            (Some(at), false) => Cursor::Forward(at),
            (Some(at), true) => Cursor::Backward(at),
        };
        let window = window(search.times, cursor);
        // Where to go on so that `c` comes first: backward positions are exclusive.
        let before = |c: Candidate<'_>| {
            Some(if search.newest_first {
                c.at.next()
            } else {
                c.at
            })
        };
        let (mut bytes, mut scanned) = (0, 0);
        query::scan(&group, &self.segments_dir, &search.streams, window, |c| {
            let size = c.message.len() + EVENT_OVERHEAD_BYTES;
            if scanned > search.scan_bytes {
                page.next = before(c);
                return ControlFlow::Break(());
            }
            scanned += size;
            if !matches(c.message) {
                return ControlFlow::Continue(());
            }
            bytes += size;
            let full = bytes > search.page_bytes && !page.events.is_empty();
            if full || page.events.len() == search.limit {
                page.next = before(c);
                return ControlFlow::Break(());
            }
            page.events.push(Found::from(c));
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }
}

const CLOSED: EngineError = EngineError::Stopped("it is closed");

fn window(times: Times, cursor: Cursor) -> Window {
    let from = Position::at(times.start.as_millis());
    let to = match times.end.as_millis() {
        i64::MAX => Position::MAX,
        end => Position::at(end),
    };
    let (from, to, direction) = match cursor {
        Cursor::Head => (from, to, Direction::Forward),
        Cursor::Tail => (from, to, Direction::Backward),
        Cursor::Forward(at) => (from.max(at), to, Direction::Forward),
        Cursor::Backward(at) => (from, to.min(at), Direction::Backward),
    };
    Window {
        from,
        to: to.max(from),
        direction,
    }
}

impl Times {
    pub const ALL: Times = Times {
        start: Timestamp::from_millis(0),
        end: Timestamp::from_millis(i64::MAX),
    };
}

impl From<Candidate<'_>> for Found {
    fn from(c: Candidate<'_>) -> Found {
        Found {
            position: c.at,
            stream: c.stream.clone(),
            timestamp: Timestamp::from_millis(c.at.millis),
            ingested: c.ingested,
            message: c.message.to_owned(),
        }
    }
}

impl Drop for LogEngine {
    /// Lets the writer finish what it was given, so that the directory can be opened again.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
