//! Which stopped tasks of a service are forgotten before their hour is over.
//!
//! A large service whose tasks end one after the other, or one that is deployed again and again,
//! would pile up a hundred thousand of them in an hour, at about ten kilobytes each. Nobody can
//! read so many: the newest tell all.

use crate::row::Row;
use neargate_base::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// So many stopped tasks of a service stay for their whole hour, or as many as it has others.
pub const KEPT_WHOLE: usize = 1_000;
/// All stay so long: their output may still be on its way, and people look at them.
pub const KEPT_AT_LEAST: Duration = Duration::from_secs(60);
/// It is begun once so many are to go.
const WORTH_IT: usize = 100;

/// The oldest of the stopped tasks that are too many.
pub fn forgotten(rows: &[Arc<Row>], now: Timestamp) -> Vec<Arc<Row>> {
    let mut stopped: Vec<&Arc<Row>> = rows.iter().filter(|row| row.is_stopped()).collect();
    let keep = KEPT_WHOLE.max(rows.len() - stopped.len());
    let Some(surplus) = stopped.len().checked_sub(keep).filter(|n| *n >= WORTH_IT) else {
        return Vec::new();
    };
    stopped.sort_by_key(|row| (row.stopped_at, row.revision));
    let old = |row: &&&Arc<Row>| row.stopped_at.is_none_or(|at| at + KEPT_AT_LEAST <= now);
    let oldest = stopped[..surplus].iter();
    oldest.take_while(old).map(|row| (*row).clone()).collect()
}
