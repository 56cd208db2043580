//! Where each trace's documents are, in memory: ids, times and places, and nothing of the documents.

use super::codec::Filed;
use crate::trace::TraceId;
use neargate_base::Timestamp;
use neargate_blob::wal::WalFile;
use neargate_service::Scope;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The documents of one trace that are kept for reading, together: AWS's limit of a trace.
pub const MOST_TRACE_BYTES: u64 = 500 << 10;

/// Where one document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub segment: u64,
    pub in_progress: bool,
    pub file: u32,
    pub offset: u32,
    pub len: u32,
}

/// One trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is found by where traces are asked for by their beginning, in seconds since 1970.
    pub time: u32,
    pub start: Timestamp,
    pub end: Timestamp,
    /// How often it was added to.
    pub revision: u32,
    pub bytes: u64,
    /// Documents came that it has no room for.
    pub limit_exceeded: bool,
    pub parts: Vec<Part>,
}

/// The traces of an account in a region.
#[derive(Debug, Default)]
pub struct Traces {
    pub by_id: HashMap<TraceId, Entry>,
    pub by_time: BTreeSet<(u32, TraceId)>,
}

#[derive(Debug)]
pub struct Held {
    pub file: Arc<WalFile>,
    /// When the last document in it came.
    pub newest: Timestamp,
    pub bytes: u64,
}

/// Everything that is kept.
#[derive(Debug, Default)]
pub struct Index {
    pub scopes: HashMap<Scope, Traces>,
    pub files: BTreeMap<u32, Held>,
    pub parts: usize,
}

impl Index {
    pub fn add(&mut self, scope: &Scope, number: u32, payload_at: u64, filed: &Filed) {
        let traces = match self.scopes.get_mut(scope) {
            Some(traces) => traces,
            None => self.scopes.entry(scope.clone()).or_default(),
        };
        let entry = traces.by_id.entry(filed.trace).or_insert_with(|| {
            traces.by_time.insert((filed.time, filed.trace));
            Entry {
                time: filed.time,
                start: filed.start,
                end: filed.end,
                revision: 0,
                bytes: 0,
                limit_exceeded: false,
                parts: Vec::new(),
            }
        });
        entry.revision += 1;
        let part = Part {
            segment: filed.segment,
            in_progress: filed.in_progress,
            file: number,
            offset: (payload_at + filed.at as u64) as u32,
            len: filed.len,
        };
        let same = |p: &&mut Part| p.segment == part.segment;
        let before = entry.parts.iter_mut().find(same);
        // What is complete is not made incomplete by what comes late.
        if before
            .as_ref()
            .is_some_and(|p| part.in_progress && !p.in_progress)
        {
            return;
        }
        let replaced = before.as_ref().map_or(0, |p| u64::from(p.len));
        let bytes = entry.bytes - replaced + u64::from(part.len);
        if bytes > MOST_TRACE_BYTES {
            entry.limit_exceeded = true;
            return;
        }
        match before {
            Some(before) => *before = part,
            None => {
                entry.parts.push(part);
                self.parts += 1;
            }
        }
        entry.bytes = bytes;
        entry.start = entry.start.min(filed.start);
        entry.end = entry.end.max(filed.end);
    }

    /// Forgets what is in a file.
    pub fn forget(&mut self, number: u32) {
        self.files.remove(&number);
        let mut left = 0;
        for traces in self.scopes.values_mut() {
            let by_time = &mut traces.by_time;
            traces.by_id.retain(|id, entry| {
                entry.parts.retain(|part| part.file != number);
                entry.bytes = entry.parts.iter().map(|p| u64::from(p.len)).sum();
                left += entry.parts.len();
                let stays = !entry.parts.is_empty();
                if !stays {
                    by_time.remove(&(entry.time, *id));
                }
                stays
            });
        }
        self.scopes.retain(|_, traces| !traces.by_id.is_empty());
        self.parts = left;
    }

    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}
