//! Reading: which traces there are in a time, and the documents of one.

use super::Engine;
use super::index::{Entry, Part};
use crate::trace::{KEPT, TraceId};
use neargate_base::Timestamp;
use neargate_blob::wal::WalFile;
use neargate_service::Scope;
use std::ops::Bound;
use std::sync::Arc;

/// By which of its times a trace is in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeKind {
    /// Its beginning, as its id says.
    TraceId,
    /// It was under way.
    Event,
    /// The end of its last segment.
    Service,
}

/// From `start` until before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub kind: RangeKind,
    pub start: Timestamp,
    pub end: Timestamp,
}

/// A trace's documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub id: TraceId,
    pub entry: Entry,
    pub documents: Vec<String>,
}

/// A trace, and where its documents are.
type Found = (TraceId, Entry, Vec<(Arc<WalFile>, Part)>);

impl Engine {
    /// The ids in `range`, the newest first, from behind `after`; at most `most`.
    pub fn ids(
        &self,
        scope: &Scope,
        range: Range,
        after: Option<(u32, TraceId)>,
        most: usize,
    ) -> Vec<(u32, TraceId)> {
        let oldest = seconds(self.clock.now() - KEPT);
        let index = self.index.read();
        let Some(traces) = index.scopes.get(scope) else {
            return Vec::new();
        };
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        let from = match range.kind {
            RangeKind::TraceId => seconds(range.start).max(oldest),
            RangeKind::Event | RangeKind::Service => oldest,
        };
        let lowest = (from, TraceId([0; 16]));
        if after.is_some_and(|after| after <= lowest) {
            return Vec::new();
        }
        let all = traces.by_time.range((Bound::Included(lowest), end)).rev();
        let is_in = |(time, id): &&(u32, TraceId)| match range.kind {
            RangeKind::TraceId => {
                let at = Timestamp::from_millis(i64::from(*time) * 1000);
                at.shift(999) >= range.start && at < range.end
            }
            RangeKind::Event => traces
                .by_id
                .get(id)
                .is_some_and(|e| e.end >= range.start && e.start < range.end),
            RangeKind::Service => traces
                .by_id
                .get(id)
                .is_some_and(|e| e.end >= range.start && e.end < range.end),
        };
        all.filter(is_in).take(most).copied().collect()
    }

    /// The documents of a trace that is there. Blocks.
    pub fn load(&self, scope: &Scope, id: TraceId) -> Option<Loaded> {
        let (id, entry, places) = self.find(scope, id)?;
        let mut documents = Vec::with_capacity(places.len());
        for (file, part) in places {
            match file.read(u64::from(part.offset), part.len as usize) {
                Ok(bytes) => documents.extend(String::from_utf8(bytes).ok()),
                Err(error) => {
                    tracing::error!(%error, path = %file.path().display(), "a segment cannot be read");
                }
            }
        }
        Some(Loaded {
            id,
            entry,
            documents,
        })
    }

    fn find(&self, scope: &Scope, id: TraceId) -> Option<Found> {
        let oldest = seconds(self.clock.now() - KEPT);
        let index = self.index.read();
        let entry = index.scopes.get(scope)?.by_id.get(&id)?;
        if entry.time < oldest {
            return None;
        }
        let place = |part: &Part| Some((index.files.get(&part.file)?.file.clone(), *part));
        let places = entry.parts.iter().filter_map(place).collect();
        Some((id, entry.clone(), places))
    }
}

fn seconds(at: Timestamp) -> u32 {
    let seconds = at.as_millis().div_euclid(1000);
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}
