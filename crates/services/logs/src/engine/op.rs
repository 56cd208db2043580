//! The changes the write-ahead log records, and their bytes.

use super::codec::{Input, Malformed, put_number, put_signed, put_text};
use neargate_base::Timestamp;
use std::sync::Arc;

/// Names a stream for ever; a stream made again under the same name gets a new one.
pub(super) type StreamId = u64;

/// One log event as it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub timestamp: Timestamp,
    pub message: String,
}

/// One change. Applying a log's operations in order rebuilds the state they made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    CreateStream {
        group: Arc<str>,
        id: StreamId,
        name: Arc<str>,
        created: Timestamp,
    },
    Append(Append),
    DeleteStream {
        group: Arc<str>,
        id: StreamId,
    },
    DeleteGroup {
        group: Arc<str>,
    },
    /// Drop what is older than `before`.
    Expire {
        group: Arc<str>,
        before: Timestamp,
    },
    /// Drop everything.
    Wipe,
}

/// Events of one stream, numbered from `first_ordinal`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Append {
    pub group: Arc<str>,
    pub stream: StreamId,
    pub ingested: Timestamp,
    pub first_ordinal: u64,
    /// Who sent it, and up to which offset of theirs.
    pub source: Option<(String, u64)>,
    pub events: Vec<(Timestamp, Arc<str>)>,
}

const CREATE_STREAM: u64 = 1;
const APPEND: u64 = 2;
const DELETE_STREAM: u64 = 3;
const DELETE_GROUP: u64 = 4;
const WIPE: u64 = 5;
const EXPIRE: u64 = 6;

/// Why an operation cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Malformed,
    /// An operation this version does not know.
    Unknown,
}

impl From<Malformed> for Unreadable {
    fn from(_: Malformed) -> Self {
        Unreadable::Malformed
    }
}

impl Op {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Op::CreateStream {
                group,
                id,
                name,
                created,
            } => {
                put_number(out, CREATE_STREAM);
                put_text(out, group);
                put_number(out, *id);
                put_text(out, name);
                put_signed(out, created.as_millis());
            }
            Op::Append(append) => {
                put_number(out, APPEND);
                append.put(out);
            }
            Op::DeleteStream { group, id } => {
                put_number(out, DELETE_STREAM);
                put_text(out, group);
                put_number(out, *id);
            }
            Op::DeleteGroup { group } => {
                put_number(out, DELETE_GROUP);
                put_text(out, group);
            }
            Op::Expire { group, before } => {
                put_number(out, EXPIRE);
                put_text(out, group);
                put_signed(out, before.as_millis());
            }
            Op::Wipe => put_number(out, WIPE),
        }
    }

    pub(super) fn get(input: &mut Input<'_>) -> Result<Op, Unreadable> {
        let kind = input.number()?;
        if kind == WIPE {
            return Ok(Op::Wipe);
        }
        if !(CREATE_STREAM..=EXPIRE).contains(&kind) {
            return Err(Unreadable::Unknown);
        }
        let group: Arc<str> = input.text()?.into();
        Ok(match kind {
            CREATE_STREAM => Op::CreateStream {
                group,
                id: input.number()?,
                name: input.text()?.into(),
                created: Timestamp::from_millis(input.signed()?),
            },
            DELETE_STREAM => Op::DeleteStream {
                group,
                id: input.number()?,
            },
            DELETE_GROUP => Op::DeleteGroup { group },
            EXPIRE => Op::Expire {
                group,
                before: Timestamp::from_millis(input.signed()?),
            },
            _ => Op::Append(Append::get(group, input)?),
        })
    }
}

impl Append {
    /// About how much memory the events take.
    pub(super) fn bytes(&self) -> usize {
        self.events.iter().map(|(_, m)| m.len() + 32).sum::<usize>() + self.group.len() + 32
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_text(out, &self.group);
        put_number(out, self.stream);
        put_signed(out, self.ingested.as_millis());
        put_number(out, self.first_ordinal);
        put_number(out, u64::from(self.source.is_some()));
        if let Some((source, end)) = &self.source {
            put_text(out, source);
            put_number(out, *end);
        }
        put_number(out, self.events.len() as u64);
        let mut last = self.ingested.as_millis();
        for (timestamp, message) in &self.events {
            put_signed(out, timestamp.as_millis().wrapping_sub(last));
            last = timestamp.as_millis();
            put_text(out, message);
        }
    }

    fn get(group: Arc<str>, input: &mut Input<'_>) -> Result<Append, Malformed> {
        let stream = input.number()?;
        let ingested = input.signed()?;
        let first_ordinal = input.number()?;
        let source = match input.number()? {
            0 => None,
            _ => Some((input.text()?.to_owned(), input.number()?)),
        };
        let count = input.count()?;
        let mut events = Vec::with_capacity(count);
        let mut last = ingested;
        for _ in 0..count {
            last = last.wrapping_add(input.signed()?);
            events.push((Timestamp::from_millis(last), input.text()?.into()));
        }
        let ingested = Timestamp::from_millis(ingested);
        Ok(Append {
            group,
            stream,
            ingested,
            first_ordinal,
            source,
            events,
        })
    }
}
