//! What servers said, as long as it holds. Times are those of one clock that only goes forward, and
//! are given: it reads none.

use super::message::{Question, Reply};
use std::collections::HashMap;
use std::time::Duration;

/// How many replies are kept, and how large they are in all, at the most.
const MAX_REPLIES: usize = 4_096;
const MAX_BYTES: usize = 2 << 20;

/// The replies of servers by question.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: HashMap<Key, Kept>,
    bytes: usize,
}

/// Type and class are in the question's wire form. With and without DNSSEC's records, and checked
/// or not, replies differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    question: Vec<u8>,
    dnssec: bool,
    checking_disabled: bool,
}

#[derive(Debug)]
struct Kept {
    reply: Reply,
    since: Duration,
    until: Duration,
}

impl Cache {
    pub fn get(&mut self, question: &Question, now: Duration) -> Option<Reply> {
        let kept = self.kept.get(&key(question))?;
        if kept.until <= now {
            return None;
        }
        let mut reply = kept.reply.clone();
        let age = now.saturating_sub(kept.since).as_secs();
        reply.age(u32::try_from(age).unwrap_or(u32::MAX));
        Some(reply)
    }

    pub fn put(&mut self, question: &Question, reply: &Reply, now: Duration) {
        let Some(seconds) = reply.lifetime().filter(|seconds| *seconds > 0) else {
            return;
        };
        let kept = Kept {
            reply: reply.clone(),
            since: now,
            until: now + Duration::from_secs(seconds.into()),
        };
        self.bytes += reply.size();
        if let Some(before) = self.kept.insert(key(question), kept) {
            self.bytes -= before.reply.size();
        }
        if self.kept.len() > MAX_REPLIES || self.bytes > MAX_BYTES {
            self.make_room(now);
        }
    }

    pub fn clear(&mut self) {
        *self = Cache::default();
    }

    #[cfg(test)]
    pub fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }

    /// What is over goes, and of the rest an eighth: what would be over first.
    fn make_room(&mut self, now: Duration) {
        let mut ends: Vec<Duration> = self.kept.values().map(|kept| kept.until).collect();
        let eighth = ends.len() / 8;
        let (_, end, _) = ends.select_nth_unstable(eighth);
        let before = (*end).max(now);
        self.kept.retain(|_, kept| kept.until > before);
        self.bytes = self.kept.values().map(|kept| kept.reply.size()).sum();
    }
}

fn key(question: &Question) -> Key {
    Key {
        question: question.key(),
        dnssec: question.dnssec(),
        checking_disabled: question.checking_disabled,
    }
}
