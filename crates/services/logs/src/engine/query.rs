//! Reading: one lazy merge over recent events, segments and blocks, by position.
//!
//! Every source stands in a heap at the lowest position it can still give (the highest, when
//! reading backwards): a segment is opened, and a block decompressed, only when the merge gets
//! there.

use super::error::EngineError;
use super::group::{Group, GroupState, Recent};
use super::position::Position;
use super::segment::{Block, Entry, Footer, Segment};
use neargate_base::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// How many recent events are copied out under one read lock.
const RECENT_CHUNK: usize = 1024;

/// Which streams of the group to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    Named(HashSet<String>),
    Prefix(String),
}

impl Selection {
    /// One stream.
    pub fn stream(name: &str) -> Selection {
        Selection::Named([name.to_owned()].into())
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Selection::All => true,
            Selection::Named(names) => names.contains(name),
            Selection::Prefix(prefix) => name.starts_with(prefix),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// The part of the group's history to read: `from <= position < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub from: Position,
    pub to: Position,
    pub direction: Direction,
}

impl Window {
    fn has(&self, at: Position) -> bool {
        self.from <= at && at < self.to
    }

    fn overlaps(&self, first: Position, last: Position) -> bool {
        first < self.to && self.from <= last
    }

    /// Sorts as the merge goes.
    fn key(&self, at: Position) -> u128 {
        match self.direction {
            Direction::Forward => at.bits(),
            Direction::Backward => !at.bits(),
        }
    }

    /// Where the merge can first need something that lies between `first` and `last`.
    fn entry(&self, first: Position, last: Position) -> u128 {
        match self.direction {
            Direction::Forward => self.key(first.max(self.from)),
            Direction::Backward => self.key(last.min(self.to)),
        }
    }
}

/// An event under consideration; nothing is copied until it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub at: Position,
    pub stream: &'a Arc<str>,
    pub ingested: Timestamp,
    pub message: &'a str,
}

enum Source {
    Segment(Arc<Segment>),
    Block(Arc<OpenSegment>, usize),
    /// The rest of a block: entries in order of reading.
    Entries(Arc<OpenSegment>, Box<Block>, usize),
    Recent(Window),
    /// A chunk of recent events in order of reading.
    Chunk(std::vec::IntoIter<Copied>),
}

struct Copied {
    at: Position,
    stream: Arc<str>,
    ingested: Timestamp,
    message: Arc<str>,
}

/// A footer, and the wanted, living streams by index.
struct OpenSegment {
    footer: Footer,
    names: Vec<Option<Arc<str>>>,
}

struct Item(u128, Source);

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Item {}
impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

struct Merge<'a> {
    group: &'a Group,
    recent: Recent,
    segments_dir: &'a Path,
    selection: &'a Selection,
    window: Window,
    heap: BinaryHeap<Reverse<Item>>,
}

/// Show every selected event of the window to `visit`, in order, until it breaks.
pub(super) fn scan(
    group: &Group,
    segments_dir: &Path,
    selection: &Selection,
    window: Window,
    mut visit: impl FnMut(Candidate<'_>) -> ControlFlow<()>,
) -> Result<(), EngineError> {
    let (recent, segments, window) = {
        let state = group.state.read();
        let Some(window) = narrow(&state, selection, window) else {
            return Ok(());
        };
        let wanted = |s: &&Arc<Segment>| window.overlaps(s.first, s.last);
        (
            state.recent.clone(),
            state
                .segments
                .iter()
                .filter(wanted)
                .cloned()
                .collect::<Vec<_>>(),
            window,
        )
    };
    let mut merge = Merge {
        group,
        recent,
        segments_dir,
        selection,
        window,
        heap: BinaryHeap::new(),
    };
    for segment in segments {
        merge.push(
            window.entry(segment.first, segment.last),
            Source::Segment(segment),
        );
    }
    merge.push(
        window.entry(Position::MIN, Position::MAX),
        Source::Recent(window),
    );
    while let Some(Reverse(Item(_, source))) = merge.heap.pop() {
        if merge.step(source, &mut visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The part of the window in which the named streams have events; `None` when there is none.
/// It spares a reader of one stream the segments of the group that cannot hold it.
fn narrow(state: &GroupState, selection: &Selection, window: Window) -> Option<Window> {
    let Selection::Named(names) = selection else {
        return Some(window);
    };
    let streams = names
        .iter()
        .filter_map(|name| state.streams.get(state.by_name.get(&**name)?));
    let spans =
        streams.filter_map(|s| Some((s.first_event?.as_millis(), s.last_event?.as_millis())));
    let (first, last) = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let from = window.from.max(Position::at(first));
    let to = window.to.min(Position::at(last.max(0).saturating_add(1)));
    (from < to).then_some(Window { from, to, ..window })
}

impl Merge<'_> {
    fn push(&mut self, key: u128, source: Source) {
        self.heap.push(Reverse(Item(key, source)));
    }

    /// Up to which key the source at the top may go on before another must.
    fn bound(&self) -> u128 {
        self.heap.peek().map_or(u128::MAX, |Reverse(item)| item.0)
    }

    fn step(
        &mut self,
        source: Source,
        visit: &mut impl FnMut(Candidate<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EngineError> {
        match source {
            Source::Segment(segment) => self.open(&segment)?,
            Source::Block(open, index) => self.decompress(open, index),
            Source::Recent(window) => self.copy_recent(window),
            Source::Chunk(chunk) => return Ok(self.emit_chunk(chunk, visit)),
            Source::Entries(open, block, next) => return Ok(self.emit(open, block, next, visit)),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn open(&mut self, segment: &Segment) -> Result<(), EngineError> {
        let footer = match Footer::open(self.segments_dir, segment.number) {
            Ok(Some(footer)) => footer,
            Ok(None) => return Ok(()),
            Err(e @ EngineError::Corrupt { .. }) => {
                tracing::error!(error = %e, "a segment is skipped");
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let names: Vec<Option<Arc<str>>> = {
            let state = self.group.state.read();
            let wanted = |name: &Arc<str>| self.selection.has(name);
            let name = |id| state.streams.get(id).map(|s| s.name.clone()).filter(wanted);
            footer.streams.iter().map(|s| name(&s.id)).collect()
        };
        if names.iter().all(Option::is_none) {
            return Ok(());
        }
        let open = Arc::new(OpenSegment { footer, names });
        for (index, block) in open.footer.blocks.iter().enumerate() {
            let wanted = block
                .streams
                .iter()
                .any(|s| open.names[*s as usize].is_some());
            if wanted && self.window.overlaps(block.first, block.last) {
                let key = self.window.entry(block.first, block.last);
                self.heap
                    .push(Reverse(Item(key, Source::Block(open.clone(), index))));
            }
        }
        Ok(())
    }

    /// A block that cannot be read is skipped: the rest of the history is worth more than an
    /// error for every query that comes past it.
    fn decompress(&mut self, open: Arc<OpenSegment>, index: usize) {
        let mut block = match open.footer.block(&open.footer.blocks[index]) {
            Ok(block) => block,
            Err(e) => {
                tracing::error!(error = %e, "a block of log events is skipped");
                return;
            }
        };
        let window = self.window;
        block
            .entries
            .retain(|e| window.has(e.at) && open.names[e.stream as usize].is_some());
        if window.direction == Direction::Backward {
            block.entries.reverse();
        }
        if let Some(first) = block.entries.first() {
            self.push(
                window.key(first.at),
                Source::Entries(open, Box::new(block), 0),
            );
        }
    }

    fn emit(
        &mut self,
        open: Arc<OpenSegment>,
        block: Box<Block>,
        mut next: usize,
        visit: &mut impl FnMut(Candidate<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let bound = self.bound();
        while let Some(entry) = block.entries.get(next) {
            let key = self.window.key(entry.at);
            if key > bound {
                self.push(key, Source::Entries(open, block, next));
                break;
            }
            let Entry {
                at,
                stream,
                ingested,
                ..
            } = *entry;
            if let Some(stream) = &open.names[stream as usize] {
                let ingested = Timestamp::from_millis(ingested);
                visit(Candidate {
                    at,
                    stream,
                    ingested,
                    message: block.message(entry),
                })?;
            }
            next += 1;
        }
        ControlFlow::Continue(())
    }

    fn copy_recent(&mut self, window: Window) {
        if window.from >= window.to {
            return;
        }
        let (mut chunk, mut seen, mut last) = (Vec::new(), 0, None);
        {
            let state = self.group.state.read();
            let recent = self.recent.read();
            let range = recent.range(window.from..window.to);
            let mut copy = |(at, record): (&Position, &super::group::Record)| {
                (seen, last) = (seen + 1, Some(*at));
                let Some(stream) = state.streams.get(&record.stream) else {
                    return;
                };
                if self.selection.has(&stream.name) {
                    let (ingested, message) = (record.ingested, record.message.clone());
                    chunk.push(Copied {
                        at: *at,
                        stream: stream.name.clone(),
                        ingested,
                        message,
                    });
                }
            };
            match window.direction {
                Direction::Forward => range.take(RECENT_CHUNK).for_each(&mut copy),
                Direction::Backward => range.rev().take(RECENT_CHUNK).for_each(&mut copy),
            }
        }
        if let Some(first) = chunk.first() {
            self.push(window.key(first.at), Source::Chunk(chunk.into_iter()));
        }
        if let Some(last) = last.filter(|_| seen == RECENT_CHUNK) {
            let rest = match window.direction {
                Direction::Forward => Window {
                    from: last.next(),
                    ..window
                },
                Direction::Backward => Window { to: last, ..window },
            };
            self.push(
                rest.entry(Position::MIN, Position::MAX),
                Source::Recent(rest),
            );
        }
    }

    fn emit_chunk(
        &mut self,
        mut chunk: std::vec::IntoIter<Copied>,
        visit: &mut impl FnMut(Candidate<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let bound = self.bound();
        while let Some(copied) = chunk.as_slice().first() {
            let key = self.window.key(copied.at);
            if key > bound {
                self.push(key, Source::Chunk(chunk));
                break;
            }
            let Copied {
                at,
                stream,
                ingested,
                message,
            } = copied;
            visit(Candidate {
                at: *at,
                stream,
                ingested: *ingested,
                message,
            })?;
            chunk.next();
        }
        ControlFlow::Continue(())
    }
}
