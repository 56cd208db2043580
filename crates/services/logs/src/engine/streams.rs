//! What is known of groups and streams without reading events.

use super::LogEngine;
use super::group::Stream;
use neargate_base::Timestamp;
use std::ops::Bound;
use std::sync::Arc;

/// A stream and what its events were so far. The times of the first and last event are of all
/// that were ever stored, expired ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    pub name: Arc<str>,
    pub created: Timestamp,
    pub first_event: Option<Timestamp>,
    pub last_event: Option<Timestamp>,
    pub last_ingestion: Option<Timestamp>,
}

/// The order of a stream list. `after` is the last one of the page before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamOrder {
    ByName {
        prefix: String,
        after: Option<String>,
    },
    /// Ordered by the last event (a stream without any counts as at time 0), then by name.
    ByLastEvent { after: Option<(i64, String)> },
}

impl StreamInfo {
    /// Milliseconds of the last event, 0 when there is none: the sort key of
    /// [`StreamOrder::ByLastEvent`].
    pub fn last_event_millis(&self) -> i64 {
        self.last_event.map_or(0, Timestamp::as_millis)
    }
}

impl From<&Stream> for StreamInfo {
    fn from(s: &Stream) -> Self {
        let Stream {
            name,
            created,
            first_event,
            last_event,
            last_ingestion,
            ..
        } = s;
        StreamInfo {
            name: name.clone(),
            created: *created,
            first_event: *first_event,
            last_event: *last_event,
            last_ingestion: *last_ingestion,
        }
    }
}

impl LogEngine {
    /// Keys of all groups that have, or had, a stream.
    pub fn groups(&self) -> Vec<Arc<str>> {
        self.groups.all().into_iter().map(|(key, _)| key).collect()
    }

    /// Bytes of a group's messages, expired ones included until they are dropped.
    pub fn stored_bytes(&self, group: &str) -> u64 {
        self.groups.get(group).map_or(0, |group| {
            let state = group.state.read();
            state.segments.iter().map(|s| s.message_bytes).sum::<u64>() + state.recent_message_bytes
        })
    }

    /// The time of the oldest thing [`LogEngine::expire`] could drop: a recent event, or a
    /// sealed segment by its newest event.
    pub fn oldest(&self, group: &str) -> Option<Timestamp> {
        let group = self.groups.get(group)?;
        let state = group.state.read();
        let recent = state
            .recent
            .read()
            .first_key_value()
            .map(|(at, _)| at.millis);
        let sealed = state.segments.iter().map(|s| s.last.millis).min();
        recent
            .into_iter()
            .chain(sealed)
            .min()
            .map(Timestamp::from_millis)
    }

    pub fn stream(&self, group: &str, stream: &str) -> Option<StreamInfo> {
        let group = self.groups.get(group)?;
        let state = group.state.read();
        let id = state.by_name.get(stream)?;
        state.streams.get(id).map(StreamInfo::from)
    }

    /// At most `limit` streams of a group, and whether more follow.
    pub fn streams(
        &self,
        group: &str,
        order: &StreamOrder,
        descending: bool,
        limit: usize,
    ) -> (Vec<StreamInfo>, bool) {
        let Some(group) = self.groups.get(group) else {
            return (Vec::new(), false);
        };
        let state = group.state.read();
        let info = |id| state.streams.get(id).map(StreamInfo::from);
        let mut found: Vec<StreamInfo> = match order {
            StreamOrder::ByName { prefix, after } => {
                let after = after.as_deref();
                let low = match after.filter(|a| !descending && *a >= prefix.as_str()) {
                    Some(after) => Bound::Excluded(after),
                    None => Bound::Included(prefix.as_str()),
                };
                let range = state.by_name.range::<str, _>((low, Bound::Unbounded));
                let ids = range.take_while(|(name, _)| name.starts_with(prefix.as_str()));
                if descending {
                    let before = |name: &str| after.is_none_or(|a| name < a);
                    let mut all: Vec<_> = ids
                        .take_while(|(name, _)| before(name))
                        .map(|(_, id)| id)
                        .collect();
                    all.reverse();
                    all.into_iter().take(limit + 1).filter_map(info).collect()
                } else {
                    ids.take(limit + 1).filter_map(|(_, id)| info(id)).collect()
                }
            }
            StreamOrder::ByLastEvent { after } => {
                let key =
                    |s: &Stream| (s.last_event.map_or(0, Timestamp::as_millis), s.name.clone());
                let mut all: Vec<_> = state.streams.iter().map(|(id, s)| (key(s), id)).collect();
                all.sort_unstable();
                if descending {
                    all.reverse();
                }
                let seen = |(time, name): &(i64, Arc<str>)| {
                    after.as_ref().is_some_and(|(t, n)| {
                        let order = (*time, &**name).cmp(&(*t, n.as_str()));
                        if descending {
                            order.is_ge()
                        } else {
                            order.is_le()
                        }
                    })
                };
                let rest = all.iter().skip_while(|(key, _)| seen(key));
                rest.take(limit + 1)
                    .filter_map(|(_, id)| info(id))
                    .collect()
            }
        };
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    }

    /// The offset stored of a source; `None` when nothing of it was stored.
    pub fn source_offset(&self, group: &str, stream: &str, source: &str) -> Option<u64> {
        let group = self.groups.get(group)?;
        let state = group.state.read();
        let stream = state
            .by_name
            .get(stream)
            .and_then(|id| state.streams.get(id));
        stream?.offset(source)
    }
}
