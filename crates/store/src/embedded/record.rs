//! One change as bytes: a row of the log, format 1.
//!
//! `kind:u8 create_revision:u64 lease:u64 key_len:u32 key value`, little endian; kind 1 is a
//! put, 0 a deletion; lease 0 is none.

use crate::mvcc::{Change, Row, Version};
use bytes::Bytes;
use std::sync::Arc;

const PUT: u8 = 1;
const DELETE: u8 = 0;

/// Replaces what is in `out`.
pub(super) fn encode(change: &Change, out: &mut Vec<u8>) {
    let Change { key, version } = change;
    out.clear();
    out.push(if version.value.is_some() { PUT } else { DELETE });
    out.extend(version.create_revision.to_le_bytes());
    out.extend(version.lease.unwrap_or(0).to_le_bytes());
    out.extend((key.len() as u32).to_le_bytes());
    out.extend(key.as_bytes());
    out.extend(version.value.iter().flatten());
}

/// `None` when the bytes are no record.
pub(super) fn decode(row: Row, bytes: &[u8]) -> Option<Change> {
    let (&[kind], rest) = bytes.split_first_chunk::<1>()?;
    let (create_revision, rest) = rest.split_first_chunk()?;
    let (lease, rest) = rest.split_first_chunk()?;
    let (key_len, rest) = rest.split_first_chunk()?;
    let (key, value) = rest.split_at_checked(u32::from_le_bytes(*key_len) as usize)?;
    let value = match kind {
        PUT => Some(Bytes::copy_from_slice(value)),
        DELETE if value.is_empty() => None,
        _ => return None,
    };
    let version = Version {
        row,
        create_revision: u64::from_le_bytes(*create_revision),
        value,
        lease: Some(u64::from_le_bytes(*lease)).filter(|id| *id != 0),
    };
    Some(Change {
        key: Arc::from(std::str::from_utf8(key).ok()?),
        version,
    })
}
