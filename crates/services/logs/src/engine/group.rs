//! A log group in memory: its streams, its recent events, and the list of its sealed segments.
//!
//! Only the writer thread (and recovery) changes it, through [`Groups::apply`]; readers take
//! short read locks. Lock order: `state`, then `recent`.

use super::op::{Append, Op, StreamId};
use super::position::Position;
use super::segment::Segment;
use neargate_base::Timestamp;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a record costs in memory beside its message.
const RECORD_OVERHEAD_BYTES: usize = 96;

/// An event not sealed yet.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub stream: StreamId,
    pub ingested: Timestamp,
    pub message: Arc<str>,
}

impl Record {
    fn bytes(&self) -> usize {
        self.message.len() + RECORD_OVERHEAD_BYTES
    }
}

/// Recent events by position. Sealing swaps in a new, empty one, so that a query that holds the
/// old one goes on reading it undisturbed.
pub(super) type Recent = Arc<RwLock<BTreeMap<Position, Record>>>;

#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub name: Arc<str>,
    pub created: Timestamp,
    pub first_event: Option<Timestamp>,
    pub last_event: Option<Timestamp>,
    pub last_ingestion: Option<Timestamp>,
    /// The offset stored of each source.
    pub sources: Vec<(Box<str>, u64)>,
}

impl Stream {
    pub(super) fn new(name: Arc<str>, created: Timestamp) -> Stream {
        let (first_event, last_event, last_ingestion) = (None, None, None);
        Stream {
            name,
            created,
            first_event,
            last_event,
            last_ingestion,
            sources: Vec::new(),
        }
    }

    pub(super) fn offset(&self, source: &str) -> Option<u64> {
        self.sources
            .iter()
            .find(|(s, _)| **s == *source)
            .map(|(_, end)| *end)
    }

    /// Idempotent: replay and the catalog may both have seen the append.
    fn note(&mut self, append: &Append) {
        for (timestamp, _) in &append.events {
            self.first_event = Some(self.first_event.map_or(*timestamp, |t| t.min(*timestamp)));
            self.last_event = self.last_event.max(Some(*timestamp));
        }
        self.last_ingestion = self.last_ingestion.max(Some(append.ingested));
        if let Some((source, end)) = &append.source {
            match self.sources.iter_mut().find(|(s, _)| **s == **source) {
                Some((_, known)) => *known = (*known).max(*end),
                None => self.sources.push((source.as_str().into(), *end)),
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct GroupState {
    pub streams: HashMap<StreamId, Stream>,
    pub by_name: BTreeMap<Arc<str>, StreamId>,
    pub recent: Recent,
    pub recent_bytes: usize,
    pub recent_message_bytes: u64,
    pub segments: Vec<Arc<Segment>>,
}

impl GroupState {
    pub(super) fn add_stream(&mut self, id: StreamId, stream: Stream) {
        self.by_name.insert(stream.name.clone(), id);
        self.streams.insert(id, stream);
    }
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub state: RwLock<GroupState>,
}

/// All groups by key, and the memory their recent events take.
#[derive(Debug, Default)]
pub(super) struct Groups {
    map: RwLock<HashMap<Arc<str>, Arc<Group>>>,
    pub recent_bytes: AtomicUsize,
}

impl Groups {
    pub(super) fn get(&self, key: &str) -> Option<Arc<Group>> {
        self.map.read().get(key).cloned()
    }

    pub(super) fn all(&self) -> Vec<(Arc<str>, Arc<Group>)> {
        self.map
            .read()
            .iter()
            .map(|(k, g)| (k.clone(), g.clone()))
            .collect()
    }

    pub(super) fn insert(&self, key: Arc<str>, group: Group) {
        self.map.write().insert(key, Arc::new(group));
    }

    /// The stream's id, if both it and its group exist.
    pub(super) fn stream_id(&self, group: &str, stream: &str) -> Option<StreamId> {
        self.get(group)?.state.read().by_name.get(stream).copied()
    }

    /// Make a durable operation visible; answers the numbers of segments nobody needs any more.
    /// Applying an operation again changes nothing but for appends, whose events replace
    /// themselves.
    pub(super) fn apply(&self, op: Op) -> Vec<u64> {
        match op {
            Op::CreateStream {
                group,
                id,
                name,
                created,
            } => {
                let group = self.map.write().entry(group).or_default().clone();
                let mut state = group.state.write();
                if !state.streams.contains_key(&id) {
                    state.add_stream(id, Stream::new(name, created));
                }
                Vec::new()
            }
            Op::Append(append) => {
                if let Some(group) = self.get(&append.group) {
                    self.grow(group.append(append));
                }
                Vec::new()
            }
            Op::DeleteStream { group, id } => self.change(&group, |state| state.delete_stream(id)),
            Op::Expire { group, before } => self.change(&group, |state| state.expire(before)),
            Op::DeleteGroup { group } => {
                let removed = self.map.write().remove(&group);
                removed.map(|g| self.drop_group(&g)).unwrap_or_default()
            }
            Op::Wipe => {
                let all = std::mem::take(&mut *self.map.write());
                all.values().flat_map(|g| self.drop_group(g)).collect()
            }
        }
    }

    fn grow(&self, bytes: usize) {
        self.recent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut GroupState) -> Vec<u64>) -> Vec<u64> {
        let Some(group) = self.get(key) else {
            return Vec::new();
        };
        let mut state = group.state.write();
        let before = state.recent_bytes;
        let dropped = change(&mut state);
        self.recent_bytes
            .fetch_sub(before - state.recent_bytes, Ordering::Relaxed);
        dropped
    }

    fn drop_group(&self, group: &Group) -> Vec<u64> {
        let state = std::mem::take(&mut *group.state.write());
        self.recent_bytes
            .fetch_sub(state.recent_bytes, Ordering::Relaxed);
        state.segments.iter().map(|s| s.number).collect()
    }
}

impl Group {
    /// Answers how many bytes of memory the events take.
    fn append(&self, append: Append) -> usize {
        let mut state = self.state.write();
        let Some(stream) = state.streams.get_mut(&append.stream) else {
            return 0;
        };
        stream.note(&append);
        let (mut bytes, mut message_bytes) = (0, 0);
        let recent = state.recent.clone();
        let mut recent = recent.write();
        for (n, (timestamp, message)) in append.events.into_iter().enumerate() {
            let ordinal = append.first_ordinal + n as u64;
            let at = Position {
                ordinal,
                ..Position::at(timestamp.as_millis())
            };
            let record = Record {
                stream: append.stream,
                ingested: append.ingested,
                message,
            };
            message_bytes += record.message.len() as u64;
            bytes += record.bytes();
            recent.insert(at, record);
        }
        state.recent_bytes += bytes;
        state.recent_message_bytes += message_bytes;
        bytes
    }
}

impl GroupState {
    fn delete_stream(&mut self, id: StreamId) -> Vec<u64> {
        if let Some(stream) = self.streams.remove(&id) {
            self.by_name.remove(&stream.name);
        }
        self.retain(|_, record| record.stream != id);
        // Sealed events of the stream are hidden by its absence; the files go with the last one.
        if !self.streams.is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut self.segments)
            .iter()
            .map(|s| s.number)
            .collect()
    }

    fn expire(&mut self, before: Timestamp) -> Vec<u64> {
        let cut = Position::at(before.as_millis());
        self.retain(|at, _| *at >= cut);
        let old = |s: &Arc<Segment>| s.last < cut;
        let dropped = self
            .segments
            .iter()
            .filter(|s| old(s))
            .map(|s| s.number)
            .collect();
        self.segments.retain(|s| !old(s));
        dropped
    }

    fn retain(&mut self, mut keep: impl FnMut(&Position, &Record) -> bool) {
        let (mut bytes, mut message_bytes) = (0, 0);
        self.recent.write().retain(|at, record| {
            let kept = keep(at, record);
            if kept {
                bytes += record.bytes();
                message_bytes += record.message.len() as u64;
            }
            kept
        });
        (self.recent_bytes, self.recent_message_bytes) = (bytes, message_bytes);
    }
}
