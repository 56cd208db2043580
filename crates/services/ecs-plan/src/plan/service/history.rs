//! Which stopped tasks of a service are forgotten before their hour is over.
//!
//! A large service whose tasks end one after the other, or one that is deployed again and again,
//! would pile up a hundred thousand of them in an hour, at about ten kilobytes each. Nobody can
//! read so many: the newest tell all.

use crate::row::Row;
use neargate_base::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The number of a service's stopped tasks that stay for their whole hour; of a service with more
/// tasks that have not stopped, as many stay.
pub const KEPT_WHOLE: usize = 1_000;
/// Every stopped task stays for this long: its output may still be on its way, and people look at
/// it.
pub const KEPT_AT_LEAST: Duration = Duration::from_secs(60);
/// Nothing is forgotten until this many tasks are to go.
const WORTH_IT: usize = 100;

/// The oldest of the stopped tasks that are too many.
pub fn forgotten(rows: &[Arc<Row>], now: Timestamp) -> Vec<Arc<Row>> {
    let mut stopped: Vec<&Arc<Row>> = rows.iter().filter(|row| is_over(row)).collect();
    let keep = KEPT_WHOLE.max(rows.len() - stopped.len());
    let Some(surplus) = stopped.len().checked_sub(keep).filter(|n| *n >= WORTH_IT) else {
        return Vec::new();
    };
    stopped.sort_by_key(|row| (row.stopped_at, row.revision));
    let old = |row: &&&Arc<Row>| row.stopped_at.is_none_or(|at| at + KEPT_AT_LEAST <= now);
    let oldest = stopped[..surplus].iter();
    oldest.take_while(old).map(|row| (*row).clone()).collect()
}

/// Has the task stopped, and does no target group know it any more?
fn is_over(row: &Row) -> bool {
    row.is_stopped() && row.targets.is_empty()
}
