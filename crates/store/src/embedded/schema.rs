//! The tables on disk, format 1.
//!
//! - `log`: one row per (revision, position): what became of one key. Current values are the
//!   newest rows of their keys; there is no second copy.
//! - `leases`: id to time to live in milliseconds.
//! - `meta`: `format`, `compacted` (history up to here is gone) and `last_lease`.
//!
//! The newest revision is that of the last row of `log`, or `compacted` if that is higher.

use super::record;
use crate::mvcc::{Change, Leases, Plan, Replay, Slice, State};
use crate::{LeaseId, Revision};
use neargate_base::Timestamp;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableHandle,
};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

const LOG: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("log");
const LEASES: TableDefinition<u64, u64> = TableDefinition::new("leases");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The layout this program writes, and the only one it reads.
pub(super) const FORMAT: u64 = 1;
const FORMAT_ROW: &str = "format";
const COMPACTED_ROW: &str = "compacted";
const LAST_LEASE_ROW: &str = "last_lease";

/// Why a database could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Redb(#[from] Box<redb::Error>),
    #[error("{0}")]
    Content(String),
    #[error("format {0} is not known")]
    Format(u64),
}

/// Everything one durable commit writes.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub plan: &'a Plan,
    pub granted: &'a [(LeaseId, Duration)],
    pub slice: Option<&'a Slice>,
}

impl Work<'_> {
    pub(super) fn is_empty(&self) -> bool {
        let plan_is_empty = self.plan.commits.is_empty() && self.plan.ended.is_empty();
        plan_is_empty && self.granted.is_empty() && self.slice.is_none()
    }
}

/// Creates the tables in a new database, or checks that the format is ours.
pub(super) fn prepare(db: &Database) -> Result<(), LoadError> {
    let txn = db.begin_write().map_err(redb)?;
    let tables: Vec<_> = txn.list_tables().map_err(redb)?.collect();
    if tables.is_empty() {
        txn.open_table(LOG).map_err(redb)?;
        txn.open_table(LEASES).map_err(redb)?;
        let mut meta = txn.open_table(META).map_err(redb)?;
        meta.insert(FORMAT_ROW, FORMAT).map_err(redb)?;
        drop(meta);
        return txn.commit().map_err(redb);
    }
    if !tables.iter().any(|t| t.name() == META.name()) {
        return Err(LoadError::Content("not a store: it has no format".into()));
    }
    let meta = txn.open_table(META).map_err(redb)?;
    match number(&meta, FORMAT_ROW)? {
        FORMAT => Ok(()),
        other => Err(LoadError::Format(other)),
    }
}

fn redb(e: impl Into<redb::Error>) -> LoadError {
    LoadError::Redb(Box::new(e.into()))
}

fn number(meta: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, LoadError> {
    Ok(meta.get(name).map_err(redb)?.map_or(0, |row| row.value()))
}

/// Replays the log. Every lease gets its whole time to live again, as after a change of
/// leader in etcd: its owner may have had nobody to talk to.
pub(super) fn replay(db: &Database, now: Timestamp) -> Result<(State, Leases), LoadError> {
    let txn = db.begin_read().map_err(redb)?;
    let meta = txn.open_table(META).map_err(redb)?;
    let mut leases = Leases::starting_after(number(&meta, LAST_LEASE_ROW)?);
    for row in txn.open_table(LEASES).map_err(redb)?.iter().map_err(redb)? {
        let (id, ttl) = row.map_err(redb)?;
        leases.add(id.value(), Duration::from_millis(ttl.value()), now);
    }
    let log = txn.open_table(LOG).map_err(redb)?;
    let rows = usize::try_from(log.len().map_err(redb)?).unwrap_or_default();
    let mut replay = Replay::after(number(&meta, COMPACTED_ROW)?, rows);
    // Reading takes about as long as taking in what was read: each has a thread.
    let (read, to_take_in) = std::sync::mpsc::sync_channel(CHUNKS_AHEAD);
    std::thread::scope(|threads| {
        let reader = threads.spawn(move || read_log(&log, read));
        for chunk in to_take_in {
            for change in chunk {
                replay.take(change);
            }
        }
        reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let state = replay.finish();
    for (key, lease) in state.leased() {
        leases.attach(key, lease);
    }
    Ok((state, leases))
}

/// Rows that are handed on together, and how many times so many may wait.
const CHUNK_ROWS: usize = 512;
const CHUNKS_AHEAD: usize = 16;

fn read_log(
    log: &impl ReadableTable<(u64, u32), &'static [u8]>,
    to: SyncSender<Vec<Change>>,
) -> Result<(), LoadError> {
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    for row in log.iter().map_err(redb)? {
        let (row, bytes) = row.map_err(redb)?;
        let row = row.value();
        let Some(change) = record::decode(row, bytes.value()) else {
            return Err(LoadError::Content(format!("row {row:?} cannot be read")));
        };
        chunk.push(change);
        if chunk.len() == CHUNK_ROWS {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
            // Nobody takes it in when that panicked, which is told there.
            if to.send(full).is_err() {
                return Ok(());
            }
        }
    }
    let _ = to.send(chunk);
    Ok(())
}

/// Makes `work` durable: all of it or nothing.
///
/// redb's default durability: one fsync. The header and the pages go out together, and a torn
/// commit is told by its checksums and left out at the next open; two-phase commit would add an
/// fsync only against an attacker who chooses which pages survive.
pub(super) fn write(db: &Database, work: &Work<'_>) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    {
        let mut log = txn.open_table(LOG)?;
        let mut bytes = Vec::new();
        for row in work.slice.iter().flat_map(|s| &s.rows) {
            log.remove(row)?;
        }
        for change in work.plan.commits.iter().flat_map(|c| &c.changes) {
            record::encode(change, &mut bytes);
            log.insert(change.version.row, &bytes[..])?;
        }
    }
    if !(work.granted.is_empty() && work.plan.ended.is_empty()) {
        let mut leases = txn.open_table(LEASES)?;
        for (id, ttl) in work.granted {
            leases.insert(id, u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))?;
        }
        for id in &work.plan.ended {
            leases.remove(id)?;
        }
    }
    let last_lease = work.granted.last().map(|(id, _)| (LAST_LEASE_ROW, *id));
    let compacted = work.slice.map(|s| (COMPACTED_ROW, s.upto));
    for (name, value) in [last_lease, compacted].into_iter().flatten() {
        txn.open_table(META)?.insert(name, value)?;
    }
    txn.commit()?;
    Ok(())
}

/// Forgets every key and lease; `revision` is the deletion of all.
pub(super) fn wipe(db: &Database, revision: Revision) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    txn.delete_table(LOG)?;
    txn.delete_table(LEASES)?;
    txn.open_table(LOG)?;
    txn.open_table(LEASES)?;
    txn.open_table(META)?.insert(COMPACTED_ROW, revision)?;
    txn.commit()?;
    Ok(())
}
