//! What is still to be delivered, and what was published to FIFO topics a moment ago: the state that the
//! journal's frames add up to.

use super::sealed::SealedMessage;
use crate::message::Message;
use neargate_base::Timestamp;
use neargate_service::journal::State;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A message of the same deduplication id is not delivered again within this time
/// (<https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html>).
pub const DEDUPLICATED: Duration = Duration::from_secs(5 * 60);
/// Frames between two looks at what is forgotten.
const SWEEP: u32 = 1_024;

/// A frame, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub enum Frame {
    /// A message, and the subscriptions by their ids that are to get it.
    Publish {
        number: u64,
        message: Arc<Message>,
        targets: BTreeSet<String>,
    },
    /// The same of a topic with a key of KMS.
    Sealed {
        number: u64,
        message: Arc<SealedMessage>,
        targets: BTreeSet<String>,
    },
    /// A subscription needs it no more.
    Done { number: u64, target: String },
    /// A FIFO topic took this.
    Seen { key: String, seen: Seen },
}

/// What a FIFO topic answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub message_id: String,
    pub sequence_number: String,
    pub at: Timestamp,
}

impl Frame {
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("frames have string keys only")
    }
}

#[derive(Debug)]
pub struct Pending {
    pub message: Kept,
    pub targets: BTreeSet<String>,
}

/// A message as it is kept.
#[derive(Debug, Clone)]
pub enum Kept {
    Plain(Arc<Message>),
    Sealed(Arc<SealedMessage>),
}

impl Kept {
    fn bytes(&self) -> usize {
        match self {
            Kept::Plain(message) => message.bytes(),
            Kept::Sealed(message) => 512 + message.sealed.as_bytes().len(),
        }
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Outstanding {
    /// In the order in which they were published.
    pub pending: BTreeMap<u64, Pending>,
    /// By topic, group where groups are apart, and deduplication id.
    seen: HashMap<String, Seen>,
    /// Of all messages that are pending.
    pub bytes: usize,
    /// No number was as high.
    pub next: u64,
    latest: Timestamp,
    frames: u32,
}

impl Outstanding {
    pub fn seen(&self, key: &str, now: Timestamp) -> Option<&Seen> {
        let seen = self.seen.get(key)?;
        (now.since(seen.at) < DEDUPLICATED).then_some(seen)
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Publish {
                number,
                message,
                targets,
            } => self.add(number, Kept::Plain(message), targets),
            Frame::Sealed {
                number,
                message,
                targets,
            } => self.add(number, Kept::Sealed(message), targets),
            Frame::Done { number, target } => {
                let Some(pending) = self.pending.get_mut(&number) else {
                    return;
                };
                pending.targets.remove(&target);
                if pending.targets.is_empty() {
                    self.bytes = self.bytes.saturating_sub(pending.message.bytes());
                    self.pending.remove(&number);
                }
            }
            Frame::Seen { key, seen } => {
                self.latest = self.latest.max(seen.at);
                self.seen.insert(key, seen);
            }
        }
    }

    fn add(&mut self, number: u64, message: Kept, targets: BTreeSet<String>) {
        self.next = self.next.max(number + 1);
        self.bytes += message.bytes();
        self.pending.insert(number, Pending { message, targets });
    }

    fn sweep(&mut self) {
        let latest = self.latest;
        self.seen
            .retain(|_, seen| latest.since(seen.at) < DEDUPLICATED);
    }
}

impl State for Outstanding {
    fn apply(&mut self, frame: &[u8]) {
        match serde_json::from_slice(frame) {
            Ok(frame) => self.take(frame),
            Err(error) => {
                tracing::error!(%error, "a part of what is to be delivered cannot be read");
            }
        }
        self.frames = self.frames.wrapping_add(1);
        if self.frames.is_multiple_of(SWEEP) {
            self.sweep();
        }
    }

    fn frames(&self, put: &mut dyn FnMut(&[u8])) {
        for (number, pending) in &self.pending {
            let (number, targets) = (*number, pending.targets.clone());
            let frame = match pending.message.clone() {
                Kept::Plain(message) => Frame::Publish {
                    number,
                    message,
                    targets,
                },
                Kept::Sealed(message) => Frame::Sealed {
                    number,
                    message,
                    targets,
                },
            };
            put(&frame.bytes());
        }
        for (key, seen) in &self.seen {
            if self.latest.since(seen.at) < DEDUPLICATED {
                let frame = Frame::Seen {
                    key: key.clone(),
                    seen: seen.clone(),
                };
                put(&frame.bytes());
            }
        }
    }

    fn clear(&mut self) {
        let next = self.next;
        *self = Outstanding {
            next,
            ..Outstanding::default()
        };
    }
}
