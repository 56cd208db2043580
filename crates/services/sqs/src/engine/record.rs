//! What the journal says, and how it is written: the stored form of messages.
//!
//! A frame of the journal is a row of records. Numbers are little endian; a text is its length and its bytes.

use std::sync::Arc;

/// A queue as the journal knows it. A queue that is made again has another number.
pub type QueueId = u64;

/// What a message is called by its sender's answer: a UUID.
pub type MessageId = [u8; 16];

/// By what duplicates are known: a keyed hash of the id, and of the group where that is its scope.
pub type DedupKey = [u8; 16];

/// A message as it is at one moment, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub queue: QueueId,
    pub seq: u64,
    pub fifo: bool,
    pub id: MessageId,
    /// By the wall clock, in milliseconds, as all times here.
    pub sent_at: i64,
    /// It waits until then: it is delayed, or somebody has received it.
    pub until: i64,
    pub received: u32,
    pub taken: bool,
    pub first_received_at: i64,
    pub group: Option<Arc<str>>,
    pub dedup: Option<DedupKey>,
    /// The ARN of the queue whose dead letter it is.
    pub source: Option<Arc<str>>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A message, whose content follows the record in the journal.
    Put(Put),
    /// Messages were received: since when, until when nobody else sees them, and how often it was by then.
    Taken {
        queue: QueueId,
        at: i64,
        until: i64,
        messages: Vec<(u64, u32)>,
    },
    /// The time that a message is not seen was changed.
    Until {
        queue: QueueId,
        at: i64,
        until: i64,
        seq: u64,
    },
    Gone {
        queue: QueueId,
        messages: Vec<u64>,
    },
    /// A message went to another queue as a dead letter, or back.
    Moved {
        from: QueueId,
        seq: u64,
        to: QueueId,
        new_seq: u64,
        fifo: bool,
        source: Option<Arc<str>>,
        /// It counts as sent then.
        sent_at: i64,
    },
    /// All messages below this number are gone.
    Purged {
        queue: QueueId,
        below: u64,
    },
    Dropped {
        queue: QueueId,
    },
    /// A message was sent, and is gone by now: its duplicates are still known.
    Seen {
        queue: QueueId,
        key: DedupKey,
        id: MessageId,
        seq: u64,
        at: i64,
    },
    /// Numbers of messages go on from here.
    Next {
        seq: u64,
    },
    /// Everything before is forgotten.
    Wiped,
}

/// The bytes are not what this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

const PUT: u8 = 1;
const TAKEN: u8 = 2;
const UNTIL: u8 = 3;
const GONE: u8 = 4;
const MOVED: u8 = 5;
const PURGED: u8 = 6;
const DROPPED: u8 = 7;
const SEEN: u8 = 8;
const NEXT: u8 = 9;
const WIPED: u8 = 10;

const HAS_GROUP: u8 = 1;
const HAS_DEDUP: u8 = 2;
const HAS_SOURCE: u8 = 4;
const IS_FIFO: u8 = 8;
const IS_TAKEN: u8 = 16;

fn u64_(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn i64_(out: &mut Vec<u8>, n: i64) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn u32_(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    u32_(out, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
}

impl Put {
    /// Writes the record and its content; answers where in `out` the content begins.
    pub fn write(&self, content: &[u8], out: &mut Vec<u8>) -> usize {
        let mut flags = 0;
        flags |= if self.group.is_some() { HAS_GROUP } else { 0 };
        flags |= if self.dedup.is_some() { HAS_DEDUP } else { 0 };
        flags |= if self.source.is_some() { HAS_SOURCE } else { 0 };
        flags |= if self.fifo { IS_FIFO } else { 0 };
        flags |= if self.taken { IS_TAKEN } else { 0 };
        out.extend_from_slice(&[PUT, flags]);
        u64_(out, self.queue);
        u64_(out, self.seq);
        out.extend_from_slice(&self.id);
        i64_(out, self.sent_at);
        i64_(out, self.until);
        u32_(out, self.received);
        i64_(out, self.first_received_at);
        if let Some(group) = &self.group {
            text(out, group);
        }
        if let Some(dedup) = &self.dedup {
            out.extend_from_slice(dedup);
        }
        if let Some(source) = &self.source {
            text(out, source);
        }
        u32_(out, content.len() as u32);
        let at = out.len();
        out.extend_from_slice(content);
        at
    }
}

impl Record {
    /// Writes anything but a message.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Put(put) => {
                put.write(&[], out);
            }
            Record::Taken {
                queue,
                at,
                until,
                messages,
            } => {
                out.push(TAKEN);
                u64_(out, *queue);
                i64_(out, *at);
                i64_(out, *until);
                u32_(out, messages.len() as u32);
                for (seq, received) in messages {
                    u64_(out, *seq);
                    u32_(out, *received);
                }
            }
            Record::Until {
                queue,
                at,
                until,
                seq,
            } => {
                out.push(UNTIL);
                u64_(out, *queue);
                i64_(out, *at);
                i64_(out, *until);
                u64_(out, *seq);
            }
            Record::Gone { queue, messages } => {
                out.push(GONE);
                u64_(out, *queue);
                u32_(out, messages.len() as u32);
                messages.iter().for_each(|seq| u64_(out, *seq));
            }
            Record::Moved {
                from,
                seq,
                to,
                new_seq,
                fifo,
                source,
                sent_at,
            } => {
                let source_flag = if source.is_some() { HAS_SOURCE } else { 0 };
                out.extend_from_slice(&[MOVED, source_flag | if *fifo { IS_FIFO } else { 0 }]);
                u64_(out, *from);
                u64_(out, *seq);
                u64_(out, *to);
                u64_(out, *new_seq);
                i64_(out, *sent_at);
                if let Some(source) = source {
                    text(out, source);
                }
            }
            Record::Purged { queue, below } => {
                out.push(PURGED);
                u64_(out, *queue);
                u64_(out, *below);
            }
            Record::Dropped { queue } => {
                out.push(DROPPED);
                u64_(out, *queue);
            }
            Record::Seen {
                queue,
                key,
                id,
                seq,
                at,
            } => {
                out.push(SEEN);
                u64_(out, *queue);
                out.extend_from_slice(key);
                out.extend_from_slice(id);
                u64_(out, *seq);
                i64_(out, *at);
            }
            Record::Next { seq } => {
                out.push(NEXT);
                u64_(out, *seq);
            }
            Record::Wiped => out.push(WIPED),
        }
    }
}

/// Reads a frame's records.
pub struct Input<'a> {
    all: &'a [u8],
    at: usize,
}

/// Where a message's content is in its frame, and how long it is.
pub type ContentAt = (usize, usize);

impl<'a> Input<'a> {
    pub fn new(all: &'a [u8]) -> Input<'a> {
        Input { all, at: 0 }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let bytes = self.all.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Result<Arc<str>, Malformed> {
        let len = self.u32()? as usize;
        let text = std::str::from_utf8(self.bytes(len)?).map_err(|_| Malformed)?;
        Ok(text.into())
    }

    /// The next record; `None` at the end.
    pub fn read(&mut self) -> Result<Option<(Record, ContentAt)>, Malformed> {
        if self.at == self.all.len() {
            return Ok(None);
        }
        let [tag] = self.array()?;
        let mut content = (0, 0);
        let record = match tag {
            PUT => {
                let [flags] = self.array()?;
                let has = |flag: u8| flags & flag != 0;
                let put = Put {
                    fifo: has(IS_FIFO),
                    taken: has(IS_TAKEN),
                    queue: self.u64()?,
                    seq: self.u64()?,
                    id: self.array()?,
                    sent_at: self.i64()?,
                    until: self.i64()?,
                    received: self.u32()?,
                    first_received_at: self.i64()?,
                    group: has(HAS_GROUP).then(|| self.text()).transpose()?,
                    dedup: has(HAS_DEDUP).then(|| self.array()).transpose()?,
                    source: has(HAS_SOURCE).then(|| self.text()).transpose()?,
                };
                let len = self.u32()? as usize;
                content = (self.at, len);
                self.bytes(len)?;
                Record::Put(put)
            }
            TAKEN => {
                let (queue, at, until) = (self.u64()?, self.i64()?, self.i64()?);
                let count = self.u32()?;
                let messages = (0..count).map(|_| Ok((self.u64()?, self.u32()?)));
                let messages: Result<Vec<_>, Malformed> = messages.collect();
                Record::Taken {
                    queue,
                    at,
                    until,
                    messages: messages?,
                }
            }
            UNTIL => Record::Until {
                queue: self.u64()?,
                at: self.i64()?,
                until: self.i64()?,
                seq: self.u64()?,
            },
            GONE => {
                let (queue, count) = (self.u64()?, self.u32()?);
                let messages = (0..count).map(|_| self.u64());
                Record::Gone {
                    queue,
                    messages: messages.collect::<Result<_, _>>()?,
                }
            }
            MOVED => {
                let [flags] = self.array()?;
                Record::Moved {
                    fifo: flags & IS_FIFO != 0,
                    from: self.u64()?,
                    seq: self.u64()?,
                    to: self.u64()?,
                    new_seq: self.u64()?,
                    sent_at: self.i64()?,
                    source: (flags & HAS_SOURCE != 0).then(|| self.text()).transpose()?,
                }
            }
            PURGED => Record::Purged {
                queue: self.u64()?,
                below: self.u64()?,
            },
            DROPPED => Record::Dropped { queue: self.u64()? },
            SEEN => Record::Seen {
                queue: self.u64()?,
                key: self.array()?,
                id: self.array()?,
                seq: self.u64()?,
                at: self.i64()?,
            },
            NEXT => Record::Next { seq: self.u64()? },
            WIPED => Record::Wiped,
            _ => return Err(Malformed),
        };
        Ok(Some((record, content)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put() -> Put {
        Put {
            queue: 1,
            seq: 2,
            fifo: true,
            id: [3; 16],
            sent_at: 4,
            until: 5,
            received: 6,
            taken: true,
            first_received_at: 7,
            group: Some("g".into()),
            dedup: Some([8; 16]),
            source: Some("arn".into()),
        }
    }

    /// What an earlier version wrote is still read.
    #[test]
    fn the_form_is_pinned() {
        let mut out = Vec::new();
        let at = put().write(b"content", &mut out);
        let records = [
            Record::Taken {
                queue: 1,
                at: 2,
                until: 3,
                messages: vec![(4, 5)],
            },
            Record::Until {
                queue: 1,
                at: 2,
                until: 3,
                seq: 4,
            },
            Record::Gone {
                queue: 1,
                messages: vec![2, 3],
            },
            Record::Moved {
                from: 1,
                seq: 2,
                to: 3,
                new_seq: 4,
                fifo: true,
                source: Some("arn".into()),
                sent_at: 5,
            },
            Record::Purged { queue: 1, below: 2 },
            Record::Dropped { queue: 1 },
            Record::Seen {
                queue: 1,
                key: [2; 16],
                id: [3; 16],
                seq: 4,
                at: 5,
            },
            Record::Next { seq: 1 },
            Record::Wiped,
        ];
        records.iter().for_each(|r| r.write(&mut out));
        assert_eq!(hex::encode(&out), PINNED);
        let mut input = Input::new(&out);
        let (first, content) = input.read().unwrap().unwrap();
        assert_eq!((first, content), (Record::Put(put()), (at, 7)));
        for record in records {
            assert_eq!(input.read().unwrap().unwrap().0, record);
        }
        assert!(input.read().unwrap().is_none());
        // Cut anywhere, it ends in an error or between two records, and never in a panic.
        for end in 0..out.len() {
            let mut input = Input::new(&out[..end]);
            while let Ok(Some(_)) = input.read() {}
        }
    }

    const PINNED: &str = concat!(
        "011f01000000000000000200000000000000030303030303030303030303030303030400000000000000050000000000",
        "00000600000007000000000000000100000067080808080808080808080808080808080300000061726e07000000636f",
        "6e74656e7402010000000000000002000000000000000300000000000000010000000400000000000000050000000301",
        "000000000000000200000000000000030000000000000004000000000000000401000000000000000200000002000000",
        "000000000300000000000000050c01000000000000000200000000000000030000000000000004000000000000000500",
        "0000000000000300000061726e0601000000000000000200000000000000070100000000000000080100000000000000",
        "020202020202020202020202020202020303030303030303030303030303030304000000000000000500000000000000",
        "0901000000000000000a",
    );
}
