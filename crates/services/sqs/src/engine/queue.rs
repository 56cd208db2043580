//! One queue in memory: its messages without their contents, which of them can be received, and what makes a FIFO
//! queue one. It does no I/O and reads no clock; who changes it writes that to the journal.
//!
//! Times are of two kinds: `wall` is what people are told, `steady` is what is waited for. The steady time is the wall
//! clock's without what the clock was set by while this process ran.

use super::record::{DedupKey, MessageId, Put, QueueId};
use neargate_blob::wal::WalFile;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// For so long duplicates are known, and receive attempts
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html>).
pub const DEDUP_MILLIS: i64 = 5 * 60 * 1_000;

/// So many messages can be in flight
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>).
pub const MAX_IN_FLIGHT: usize = 120_000;

/// Both kinds of time at one moment, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: i64,
    pub steady: i64,
}

/// Where a message's content is.
#[derive(Debug, Clone)]
pub struct Place {
    pub file: Arc<WalFile>,
    pub offset: u64,
    pub bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Who asks gets it.
    Ready,
    /// Until a time.
    Delayed,
    /// Somebody received it and has until a time to delete it.
    Taken,
    /// It is being deleted, or goes to another queue: nobody gets it any more once that is durable.
    Leaving,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub id: MessageId,
    pub place: Place,
    /// Wall.
    pub sent_at: i64,
    /// Steady.
    pub sent: i64,
    /// Steady; of delayed and taken ones.
    pub until: i64,
    pub received: u32,
    /// Wall.
    pub first_received_at: i64,
    pub state: State,
    pub group: Option<Arc<str>>,
    pub dedup: Option<DedupKey>,
    pub source: Option<Arc<str>>,
}

impl Message {
    /// As it is in another queue: received as often as before, and ready.
    pub fn moved(self, source: Option<Arc<str>>, sent_at: i64, sent: i64) -> Message {
        Message {
            state: State::Ready,
            until: 0,
            sent_at,
            sent,
            // It is no duplicate of what is sent there.
            dedup: None,
            source,
            ..self
        }
    }
}

/// What somebody who receives wants.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub max: usize,
    pub visibility_millis: i64,
    pub retention_millis: i64,
    /// Messages that were received so often go to the dead-letter queue instead.
    pub dead_after: Option<u32>,
    /// `ReceiveRequestAttemptId`.
    pub attempt: Option<String>,
}

/// What somebody received.
#[derive(Debug, Clone)]
pub struct Taken {
    pub seq: u64,
    pub message: Message,
}

/// What a look for messages found. All but `taken` are leaving.
#[derive(Debug, Default)]
pub struct Found {
    pub taken: Vec<Taken>,
    pub dead: Vec<u64>,
    pub expired: Vec<u64>,
}

/// More are in flight than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverLimit;

/// Why a receipt handle does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// There is no such message any more.
    Unknown,
    /// It is not in flight.
    NotInFlight,
    /// It was received again since.
    Stale,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub visible: usize,
    pub delayed: usize,
    pub in_flight: usize,
}

#[derive(Debug, Default)]
struct Group {
    /// All that are not gone, taken ones too.
    order: BTreeSet<u64>,
    /// It gives nothing while there are any.
    taken: usize,
    /// How it stands in `ready_groups`.
    listed: Option<u64>,
}

/// The messages of a queue.
#[derive(Debug)]
pub struct Queue {
    pub id: QueueId,
    pub fifo: bool,
    messages: BTreeMap<u64, Message>,
    /// Of a standard queue.
    ready: BTreeSet<u64>,
    /// Delayed and taken ones, by when that ends.
    waiting: BTreeSet<(i64, u64)>,
    counts: Counts,
    groups: HashMap<Arc<str>, Group>,
    /// Groups that can give something, by their first message.
    ready_groups: BTreeMap<u64, Arc<str>>,
    dedup: HashMap<DedupKey, Sent>,
    /// Oldest first.
    dedup_order: VecDeque<(i64, DedupKey)>,
    attempts: HashMap<String, Attempt>,
    /// Deleted: nothing goes in any more.
    pub gone: bool,
}

/// A message that was sent: what its duplicates are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub id: MessageId,
    pub seq: u64,
    /// Steady.
    pub at: i64,
}

#[derive(Debug)]
struct Attempt {
    at: i64,
    messages: Vec<(u64, u32)>,
}

impl Queue {
    pub fn new(id: QueueId, fifo: bool) -> Queue {
        Queue {
            id,
            fifo,
            messages: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            counts: Counts::default(),
            groups: HashMap::new(),
            ready_groups: BTreeMap::new(),
            dedup: HashMap::new(),
            dedup_order: VecDeque::new(),
            attempts: HashMap::new(),
            gone: false,
        }
    }

    pub fn counts(&mut self, now: Now) -> Counts {
        self.due(now);
        self.counts
    }

    /// How long the oldest message has been here that nobody deleted.
    pub fn oldest_millis(&self, now: Now) -> i64 {
        let sent = self.messages.values().map(|m| m.sent).min();
        sent.map_or(0, |sent| now.steady - sent)
    }

    pub fn messages(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.messages.iter().map(|(seq, m)| (*seq, m))
    }

    pub fn get(&self, seq: u64) -> Option<&Message> {
        self.messages.get(&seq)
    }

    pub fn place(&mut self, seq: u64) -> Option<&mut Place> {
        self.messages.get_mut(&seq).map(|m| &mut m.place)
    }

    /// The record that says how a message is now.
    pub fn record(&self, seq: u64, message: &Message, now: Now) -> Put {
        let waits = matches!(message.state, State::Delayed | State::Taken);
        Put {
            queue: self.id,
            seq,
            fifo: self.fifo,
            id: message.id,
            sent_at: message.sent_at,
            until: match waits {
                true => message.until - now.steady + now.wall,
                false => 0,
            },
            received: message.received,
            taken: message.state == State::Taken,
            first_received_at: message.first_received_at,
            group: message.group.clone(),
            dedup: message.dedup,
            source: message.source.clone(),
        }
    }

    /// Takes a message in, or puts it in the place of what it was.
    pub fn insert(&mut self, seq: u64, message: Message) {
        self.remove(seq);
        if let Some(group) = message.group.as_ref().filter(|_| self.fifo) {
            let group = self.groups.entry(group.clone()).or_default();
            group.order.insert(seq);
        }
        let state = message.state;
        self.messages.insert(seq, message);
        self.enter(seq, state);
    }

    /// A message is gone.
    pub fn remove(&mut self, seq: u64) -> Option<Message> {
        self.leave(seq)?;
        let message = self.messages.remove(&seq)?;
        if let Some(name) = message.group.as_ref().filter(|_| self.fifo) {
            if let Some(group) = self.groups.get_mut(name) {
                group.order.remove(&seq);
            }
            self.settle(&name.clone());
        }
        Some(message)
    }

    /// A message becomes something else.
    pub fn turn(&mut self, seq: u64, state: State, until: i64) {
        if self.leave(seq).is_none() {
            return;
        }
        if let Some(message) = self.messages.get_mut(&seq) {
            (message.state, message.until) = (state, until);
        }
        self.enter(seq, state);
    }

    /// Out of the places where its state put it.
    fn leave(&mut self, seq: u64) -> Option<()> {
        let message = self.messages.get(&seq)?;
        match message.state {
            State::Ready => {
                self.counts.visible -= 1;
                self.ready.remove(&seq);
            }
            State::Delayed => {
                self.counts.delayed -= 1;
                self.waiting.remove(&(message.until, seq));
            }
            State::Taken => {
                self.counts.in_flight -= 1;
                self.waiting.remove(&(message.until, seq));
            }
            State::Leaving => {}
        }
        if let (true, Some(name), State::Taken) = (self.fifo, &message.group, message.state)
            && let Some(group) = self.groups.get_mut(name)
        {
            group.taken -= 1;
        }
        Some(())
    }

    fn enter(&mut self, seq: u64, state: State) {
        let Some(message) = self.messages.get(&seq) else {
            return;
        };
        match state {
            State::Ready => {
                self.counts.visible += 1;
                if !self.fifo {
                    self.ready.insert(seq);
                }
            }
            State::Delayed => {
                self.counts.delayed += 1;
                self.waiting.insert((message.until, seq));
            }
            State::Taken => {
                self.counts.in_flight += 1;
                self.waiting.insert((message.until, seq));
            }
            State::Leaving => {}
        }
        if let Some(name) = message.group.clone().filter(|_| self.fifo) {
            if state == State::Taken
                && let Some(group) = self.groups.get_mut(&name)
            {
                group.taken += 1;
            }
            self.settle(&name);
        }
    }

    /// Says anew whether a group can give something: its first message, and only while none of it is in flight.
    fn settle(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let first = group.order.first().copied();
        let is_ready = |seq: u64| {
            let message = self.messages.get(&seq);
            message.is_some_and(|m| m.state == State::Ready)
        };
        let listed = first.filter(|seq| group.taken == 0 && is_ready(*seq));
        if group.listed != listed {
            if let Some(old) = group.listed {
                self.ready_groups.remove(&old);
            }
            if let Some(new) = listed {
                self.ready_groups.insert(new, name.clone());
            }
            group.listed = listed;
        }
        if group.order.is_empty() {
            self.groups.remove(name);
        }
    }

    /// What was waited for has come. Answers whether any message can be received by now that could not before.
    pub fn due(&mut self, now: Now) -> bool {
        let mut any = false;
        while let Some((until, seq)) = self.waiting.first().copied() {
            if until > now.steady {
                break;
            }
            self.turn(seq, State::Ready, 0);
            any = true;
        }
        any
    }

    /// When the next message is due, steady.
    pub fn next_due(&self) -> Option<i64> {
        self.waiting.first().map(|(until, _)| *until)
    }

    pub fn has_ready(&self) -> bool {
        match self.fifo {
            true => !self.ready_groups.is_empty(),
            false => !self.ready.is_empty(),
        }
    }

    /// Takes messages that can be received.
    pub fn take(&mut self, now: Now, ask: &Ask) -> Result<Found, OverLimit> {
        self.due(now);
        let mut found = Found::default();
        if self.counts.in_flight >= MAX_IN_FLIGHT {
            // A FIFO queue says nothing of it.
            return if self.fifo { Ok(found) } else { Err(OverLimit) };
        }
        if let Some(again) = self.attempted(now, ask) {
            found.taken = again;
            return Ok(found);
        }
        if self.fifo {
            self.take_groups(now, ask, &mut found);
        } else {
            while found.taken.len() < ask.max
                && let Some(seq) = self.ready.first().copied()
            {
                self.take_one(seq, now, ask, &mut found);
            }
        }
        if let Some(attempt) = ask.attempt.as_ref().filter(|_| !found.taken.is_empty()) {
            let messages = found.taken.iter().map(|t| (t.seq, t.message.received));
            let (at, messages) = (now.steady, messages.collect());
            self.attempts
                .insert(attempt.clone(), Attempt { at, messages });
        }
        Ok(found)
    }

    fn take_groups(&mut self, now: Now, ask: &Ask, found: &mut Found) {
        while found.taken.len() < ask.max
            && let Some((_, name)) = self.ready_groups.first_key_value()
        {
            let name = name.clone();
            let Some(group) = self.groups.get(&name) else {
                return;
            };
            let order: Vec<u64> = group.order.iter().copied().take(ask.max).collect();
            for seq in order {
                let is_ready = self.messages.get(&seq).map(|m| m.state) == Some(State::Ready);
                if !is_ready || found.taken.len() == ask.max {
                    break;
                }
                self.take_one(seq, now, ask, found);
                if self.messages.get(&seq).map(|m| m.state) == Some(State::Leaving) {
                    break;
                }
            }
        }
    }

    fn take_one(&mut self, seq: u64, now: Now, ask: &Ask, found: &mut Found) {
        let Some(message) = self.messages.get(&seq) else {
            return;
        };
        if now.steady - message.sent >= ask.retention_millis {
            found.expired.push(seq);
            return self.turn(seq, State::Leaving, 0);
        }
        if ask.dead_after.is_some_and(|most| message.received >= most) {
            found.dead.push(seq);
            return self.turn(seq, State::Leaving, 0);
        }
        if let Some(message) = self.messages.get_mut(&seq) {
            message.received += 1;
            if message.first_received_at == 0 {
                message.first_received_at = now.wall;
            }
        }
        self.turn(seq, State::Taken, now.steady + ask.visibility_millis);
        if let Some(message) = self.messages.get(&seq) {
            let message = message.clone();
            found.taken.push(Taken { seq, message });
        }
    }

    /// What the same attempt got before, if all of it is still as it was then.
    fn attempted(&mut self, now: Now, ask: &Ask) -> Option<Vec<Taken>> {
        self.attempts
            .retain(|_, attempt| now.steady - attempt.at < DEDUP_MILLIS);
        let attempt = self.attempts.get(ask.attempt.as_ref()?)?;
        let messages = attempt.messages.clone();
        let same = |(seq, received): &(u64, u32)| {
            let message = self.messages.get(seq);
            message.is_some_and(|m| m.state == State::Taken && m.received == *received)
        };
        if !messages.iter().all(same) {
            return None;
        }
        let again = messages.into_iter().filter_map(|(seq, _)| {
            self.turn(seq, State::Taken, now.steady + ask.visibility_millis);
            let message = self.messages.get(&seq)?.clone();
            Some(Taken { seq, message })
        });
        Some(again.collect())
    }

    /// The journal says that it was received.
    pub fn received(&mut self, seq: u64, received: u32, at: i64) {
        if let Some(message) = self.messages.get_mut(&seq) {
            message.received = received;
            if message.first_received_at == 0 {
                message.first_received_at = at;
            }
        }
    }

    /// A receive that could not be written did not happen.
    pub fn give_back(&mut self, seq: u64) {
        if let Some(message) = self.messages.get_mut(&seq) {
            message.received = message.received.saturating_sub(1);
        }
        self.turn(seq, State::Ready, 0);
    }

    /// A message leaves, by the handle of whoever received it for the `received`th time.
    pub fn leaves(&mut self, now: Now, seq: u64, received: u32) -> Result<(), Unfit> {
        self.due(now);
        let message = self.messages.get(&seq).ok_or(Unfit::Unknown)?;
        if message.state == State::Leaving {
            return Err(Unfit::Unknown);
        }
        if message.received != received {
            return Err(Unfit::Stale);
        }
        if self.fifo && message.state != State::Taken {
            return Err(Unfit::NotInFlight);
        }
        // Those behind it in its group wait until it is gone for good.
        self.turn(seq, State::Leaving, 0);
        Ok(())
    }

    /// Whoever received it wants more or less time.
    pub fn extend(&mut self, now: Now, seq: u64, received: u32, millis: i64) -> Result<(), Unfit> {
        self.due(now);
        let message = self.messages.get(&seq).ok_or(Unfit::Unknown)?;
        match message.state {
            State::Leaving => return Err(Unfit::Unknown),
            State::Taken if message.received == received => {}
            State::Taken => return Err(Unfit::Stale),
            State::Ready | State::Delayed => return Err(Unfit::NotInFlight),
        }
        self.turn(seq, State::Taken, now.steady + millis);
        self.due(now);
        Ok(())
    }

    /// Those that are older than a queue keeps them; they are leaving now.
    pub fn expire(&mut self, now: Now, retention_millis: i64) -> Vec<u64> {
        let is_old =
            |m: &Message| now.steady - m.sent >= retention_millis && m.state != State::Leaving;
        let old = self.messages.iter().filter(|(_, m)| is_old(m));
        let old: Vec<u64> = old.map(|(seq, _)| *seq).collect();
        for seq in &old {
            self.turn(*seq, State::Leaving, 0);
        }
        self.forget_sent(now);
        old
    }

    /// All below this number are gone.
    pub fn purge(&mut self, below: u64) -> Vec<Message> {
        let all: Vec<u64> = self.messages.range(..below).map(|(seq, _)| *seq).collect();
        all.into_iter().filter_map(|seq| self.remove(seq)).collect()
    }

    /// What was sent under this key within the last five minutes.
    pub fn sent(&self, now: Now, key: &DedupKey) -> Option<Sent> {
        let sent = self.dedup.get(key)?;
        (now.steady - sent.at < DEDUP_MILLIS).then_some(*sent)
    }

    pub fn note_sent(&mut self, now: Now, key: DedupKey, sent: Sent) {
        self.forget_sent(now);
        self.dedup.insert(key, sent);
        self.dedup_order.push_back((sent.at, key));
    }

    /// It was not sent after all.
    pub fn unsent(&mut self, key: &DedupKey) {
        self.dedup.remove(key);
    }

    /// All that is known of what was sent lately.
    pub fn all_sent(&self, now: Now) -> impl Iterator<Item = (DedupKey, Sent)> {
        let recent = move |sent: &Sent| now.steady - sent.at < DEDUP_MILLIS;
        let all = self.dedup.iter().map(|(key, sent)| (*key, *sent));
        all.filter(move |(_, sent)| recent(sent))
    }

    fn forget_sent(&mut self, now: Now) {
        while let Some((at, key)) = self.dedup_order.front().copied() {
            if now.steady - at < DEDUP_MILLIS {
                break;
            }
            self.dedup_order.pop_front();
            if self.dedup.get(&key).is_some_and(|sent| sent.at == at) {
                self.dedup.remove(&key);
            }
        }
    }
}
