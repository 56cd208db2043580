//! Sealed segments: the events of one group, sorted by position, in compressed blocks.
//!
//! ```text
//! magic[8]
//! block*   zstd, level 1: (millis, ordinal, stream index, ingested, message)*, as deltas
//! footer   version, group, streams (id, name, first, last, events), blocks (offset, lengths,
//!          crc, first and last position, stream indexes), bloom length (0: none yet)
//! trailer  footer_len:u32 footer_crc:u32 magic[8]
//! ```
//! A segment is written once, fsynced, and only then named by the catalog. Blocks of a segment
//! never overlap in position; segments of a group may.

mod read;
mod write;

pub(super) use read::{Block, Entry, Footer};
pub(super) use write::SegmentWriter;

use super::codec::{Input, Malformed, put_number};
use super::op::StreamId;
use super::position::Position;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"NGLSEG\x00\x01";
const TRAILER_BYTES: usize = 16;
const FOOTER_VERSION: u64 = 1;

/// What the catalog and memory keep of a segment; the rest is in its footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub number: u64,
    pub first: Position,
    pub last: Position,
    pub events: u64,
    /// Bytes of the messages, uncompressed.
    pub message_bytes: u64,
}

impl Segment {
    pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
        dir.join(format!("{number:016}.seg"))
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_number(out, self.number);
        self.first.put(out);
        self.last.put(out);
        put_number(out, self.events);
        put_number(out, self.message_bytes);
    }

    pub(super) fn get(input: &mut Input<'_>) -> Result<Segment, Malformed> {
        Ok(Segment {
            number: input.number()?,
            first: Position::get(input)?,
            last: Position::get(input)?,
            events: input.number()?,
            message_bytes: input.number()?,
        })
    }
}

/// A stream as a footer lists it; blocks name it by its index there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentStream {
    pub id: StreamId,
    pub name: Arc<str>,
    pub first_millis: i64,
    pub last_millis: i64,
    pub events: u64,
}

/// Where a block is and what it can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockInfo {
    pub offset: u64,
    pub len_bytes: u64,
    pub raw_bytes: u64,
    pub crc: u32,
    pub first: Position,
    pub last: Position,
    /// Indexes of the streams in it, ascending.
    pub streams: Vec<u32>,
}
