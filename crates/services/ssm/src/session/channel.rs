//! One direction after the other of a data channel: everything arrives once and in order. Pure.
//!
//! Each side numbers what it sends and keeps it until it is acknowledged; the oldest is sent again
//! when no acknowledgement comes in time, which is estimated as AWS's agent and plugin do
//! (Jacobson's algorithm, RFC 6298).

use super::message::{ACKNOWLEDGE, Acknowledged, INPUT, Message, OUTPUT, Payload, Side};
use neargate_base::{Rng, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How much may be unacknowledged before nothing more is sent.
const WINDOW: usize = 256;
/// How much that comes early is kept.
const EARLY: usize = 1024;
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1);
const GRANULARITY: Duration = Duration::from_millis(10);

/// The state of both directions; it outlives connections.
#[derive(Debug)]
pub struct Channel {
    /// What this side sends, and what it gets.
    kinds: (&'static str, &'static str),
    next: i64,
    unacknowledged: VecDeque<Sent>,
    expected: i64,
    early: BTreeMap<i64, Message>,
    round_trip: Duration,
    variation: Duration,
    timeout: Duration,
}

#[derive(Debug)]
struct Sent {
    sequence: i64,
    bytes: Vec<u8>,
    /// By the session's own watch.
    at: Duration,
    again: bool,
}

/// What a message from the client makes.
#[derive(Debug, Default)]
pub struct Received {
    /// To be sent back.
    pub acknowledgement: Option<Vec<u8>>,
    /// What is next, in order.
    pub messages: Vec<Message>,
}

impl Channel {
    pub fn of(side: Side) -> Channel {
        Channel {
            kinds: match side {
                Side::Container => (OUTPUT, INPUT),
                Side::Client => (INPUT, OUTPUT),
            },
            next: 0,
            unacknowledged: VecDeque::new(),
            expected: 0,
            early: BTreeMap::new(),
            round_trip: FIRST_ROUND_TRIP,
            variation: Duration::ZERO,
            timeout: FIRST_TIMEOUT,
        }
    }

    /// Whether something more may be sent.
    pub fn has_room(&self) -> bool {
        self.unacknowledged.len() < WINDOW
    }

    /// Whether all that was sent has arrived.
    pub fn is_settled(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// The bytes of the next message; kept until they are acknowledged.
    pub fn send(
        &mut self,
        kind: Payload,
        payload: Vec<u8>,
        (now, rng): (Timestamp, &Rng),
        watch: Duration,
    ) -> Vec<u8> {
        let message = Message {
            kind: self.kinds.0.to_owned(),
            created_millis: millis(now),
            sequence: self.next,
            // SYN: the stream begins with it.
            flags: u64::from(self.next == 0),
            id: id(rng),
            payload_type: kind as u32,
            payload,
        };
        let bytes = message.encode();
        self.unacknowledged.push_back(Sent {
            sequence: self.next,
            bytes: bytes.clone(),
            at: watch,
            again: false,
        });
        self.next += 1;
        bytes
    }

    /// Takes up what the client has sent of its stream.
    pub fn receive(&mut self, message: Message, now: (Timestamp, &Rng)) -> Received {
        let mut received = Received::default();
        if message.kind != self.kinds.1 {
            return received;
        }
        let acknowledgement = acknowledge(&message, now);
        if message.sequence > self.expected {
            // One for which there is no place comes again.
            if self.early.len() < EARLY {
                self.early.insert(message.sequence, message);
                received.acknowledgement = Some(acknowledgement);
            }
            return received;
        }
        // One that has come before was not heard to be.
        received.acknowledgement = Some(acknowledgement);
        if message.sequence < self.expected {
            return received;
        }
        received.messages.push(message);
        self.expected += 1;
        while let Some(next) = self.early.remove(&self.expected) {
            received.messages.push(next);
            self.expected += 1;
        }
        received
    }

    /// Something has arrived at the client.
    pub fn acknowledged(&mut self, sequence: i64, watch: Duration) {
        let Some(at) = self
            .unacknowledged
            .iter()
            .position(|s| s.sequence == sequence)
        else {
            return;
        };
        let Some(sent) = self.unacknowledged.remove(at) else {
            return;
        };
        // Which of two was heard nobody knows (Karn's algorithm).
        if !sent.again {
            self.measure(watch.saturating_sub(sent.at));
        }
    }

    fn measure(&mut self, took: Duration) {
        let off = self.round_trip.abs_diff(took);
        self.variation = self.variation * 3 / 4 + off / 4;
        self.round_trip = self.round_trip * 7 / 8 + took / 8;
        let timeout = self.round_trip + GRANULARITY.max(self.variation * 4);
        self.timeout = timeout.min(LONGEST_TIMEOUT);
    }

    /// How long nothing has to be sent again; `None`: until something more is sent.
    pub fn wake_in(&self, watch: Duration) -> Option<Duration> {
        let oldest = self.unacknowledged.front()?;
        Some((oldest.at + self.timeout).saturating_sub(watch))
    }

    /// What is to be sent again by now.
    pub fn again(&mut self, watch: Duration) -> Option<Vec<u8>> {
        let timeout = self.timeout;
        let oldest = self.unacknowledged.front_mut()?;
        if oldest.at + timeout > watch {
            return None;
        }
        (oldest.at, oldest.again) = (watch, true);
        Some(oldest.bytes.clone())
    }

    /// Everything that was not acknowledged, for a client that has come back.
    pub fn all_again(&mut self, watch: Duration) -> Vec<Vec<u8>> {
        let again = |sent: &mut Sent| {
            (sent.at, sent.again) = (watch, true);
            sent.bytes.clone()
        };
        self.unacknowledged.iter_mut().map(again).collect()
    }
}

/// The answer to what has come.
fn acknowledge(message: &Message, (now, rng): (Timestamp, &Rng)) -> Vec<u8> {
    let content = Acknowledged {
        acknowledged_message_type: message.kind.clone(),
        acknowledged_message_id: message.uuid(),
        acknowledged_message_sequence_number: message.sequence,
        is_sequential_message: true,
    };
    Message {
        kind: ACKNOWLEDGE.to_owned(),
        created_millis: millis(now),
        sequence: 0,
        // SYN and FIN: a stream of its own.
        flags: 3,
        id: id(rng),
        payload_type: Payload::None as u32,
        payload: serde_json::to_vec(&content).expect("plain data always serialises"),
    }
    .encode()
}

pub fn id(rng: &Rng) -> [u8; 16] {
    let mut id = [0; 16];
    rng.fill(&mut id);
    // A random UUID (RFC 9562, 5.4).
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

pub fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(0)
}
