//! Live Tail: who listens to which groups, and what they have not been told yet
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatchLogs_LiveTail.html>).
//!
//! A session hears of events when they are stored. Nobody who stores waits for it: what it does not
//! take in a second is sampled. Where nobody listens, an event costs nothing.

use crate::engine::Event;
use crate::pattern::Pattern;
use neargate_base::{Rng, Timestamp};
use neargate_service::Scope;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// "The array of log events can include as many as 500 log events."
pub const MAX_EVENTS: usize = 500;
/// Bytes of messages that a session holds.
const MAX_BYTES: usize = 4 << 20;
/// "You can have up to 15 concurrent Live Tail sessions" in an account.
pub const MAX_SESSIONS: usize = 15;

/// Which streams a session listens to.
#[derive(Debug, Clone)]
pub enum Streams {
    All,
    Named(Vec<String>),
    Prefixed(Vec<String>),
}

impl Streams {
    fn has(&self, stream: &str) -> bool {
        match self {
            Streams::All => true,
            Streams::Named(names) => names.iter().any(|name| name == stream),
            Streams::Prefixed(all) => all.iter().any(|prefix| stream.starts_with(prefix)),
        }
    }
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Session {
    scope: Scope,
    pattern: Pattern,
    streams: Streams,
    /// The sessions that are open: one less, when this is over.
    open: Arc<AtomicUsize>,
    rng: Arc<Rng>,
    heard: Mutex<Heard>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Told>,
    bytes: usize,
    /// How many there were, of which some may be left out.
    count: u64,
}

/// An event as a session is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub group_arn: Arc<str>,
    pub stream: Arc<str>,
    pub ingested: Timestamp,
    pub event: Event,
}

impl Session {
    fn hear(&self, told: Told) {
        let mut heard = self.heard.lock();
        heard.count += 1;
        let bytes = told.event.message.len();
        if heard.events.len() < MAX_EVENTS {
            if heard.bytes + bytes <= MAX_BYTES {
                heard.bytes += bytes;
                heard.events.push(told);
            }
            return;
        }
        // Each event of the second is as likely to be told as every other.
        let place = (self.rng.u64() % heard.count) as usize;
        let Some(old) = heard.events.get(place).map(|old| old.event.message.len()) else {
            return;
        };
        if heard.bytes - old + bytes <= MAX_BYTES {
            heard.bytes = heard.bytes - old + bytes;
            heard.events[place] = told;
        }
    }

    /// What was heard since the last time, in order of time, and whether some is left out.
    pub fn take(&self) -> (Vec<Told>, bool) {
        let Heard {
            mut events, count, ..
        } = std::mem::take(&mut *self.heard.lock());
        events.sort_by_key(|told| told.event.timestamp);
        let sampled = count > events.len() as u64;
        (events, sampled)
    }
}

/// Events that sessions will hear of, once they are stored.
#[derive(Debug, Default)]
pub struct Listening(Vec<(Arc<Session>, Vec<Event>)>);

#[derive(Debug, Default)]
pub struct Tails {
    /// By the engine's key of the group.
    by_group: Mutex<HashMap<String, Vec<Weak<Session>>>>,
    open: Arc<AtomicUsize>,
}

impl Tails {
    /// Listen to groups, by the engine's keys; `None` when too many do.
    pub fn open(
        &self,
        scope: &Scope,
        rng: &Arc<Rng>,
        groups: &[String],
        pattern: Pattern,
        streams: Streams,
    ) -> Option<Arc<Session>> {
        let mut by_group = self.by_group.lock();
        by_group.retain(|_, sessions| {
            sessions.retain(|session| session.strong_count() > 0);
            !sessions.is_empty()
        });
        let mut of_account: Vec<*const Session> = by_group
            .values()
            .flatten()
            .filter_map(Weak::upgrade)
            .filter(|session| session.scope.account == scope.account)
            .map(|session| Arc::as_ptr(&session))
            .collect();
        of_account.sort();
        of_account.dedup();
        if of_account.len() >= MAX_SESSIONS {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(Session {
            scope: scope.clone(),
            pattern,
            streams,
            open: self.open.clone(),
            rng: rng.clone(),
            heard: Mutex::default(),
        });
        for group in groups {
            let sessions = by_group.entry(group.clone()).or_default();
            sessions.push(Arc::downgrade(&session));
        }
        Some(session)
    }

    /// Who will hear of which of these events.
    pub fn listening(&self, group: &str, stream: &str, events: &[Event]) -> Listening {
        if self.open.load(Ordering::Relaxed) == 0 {
            return Listening::default();
        }
        let sessions: Vec<Arc<Session>> = {
            let by_group = self.by_group.lock();
            let of_group = by_group.get(group).into_iter().flatten();
            of_group.filter_map(Weak::upgrade).collect()
        };
        let wants = sessions.into_iter().filter(|s| s.streams.has(stream));
        let heard = wants.map(|session| {
            let matching = events
                .iter()
                .filter(|e| session.pattern.matches(&e.message));
            let matching: Vec<Event> = matching.cloned().collect();
            (session, matching)
        });
        Listening(heard.filter(|(_, events)| !events.is_empty()).collect())
    }

    /// Tell of events that are stored by now.
    pub fn tell(&self, listening: Listening, group_arn: &str, stream: &str, now: Timestamp) {
        if listening.0.is_empty() {
            return;
        }
        let (group_arn, stream): (Arc<str>, Arc<str>) = (group_arn.into(), stream.into());
        for (session, events) in listening.0 {
            for event in events {
                session.hear(Told {
                    group_arn: group_arn.clone(),
                    stream: stream.clone(),
                    ingested: now,
                    event,
                });
            }
        }
    }
}
