//! RDS's handlers, a file for each resource.

pub mod account;
pub mod create;
pub mod describe;
pub mod events;
pub mod modify;
pub mod parameter_groups;
pub mod power;
pub mod restore;
pub mod shown;
pub mod snapshots;
pub mod subnet_groups;
pub mod tags;
pub mod versions;

use crate::error;
use crate::model::{Instance, Snapshot};
use neargate_api_rds as api;
use neargate_service::{AwsError, Ctx, Stored, page};

const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// `db-` and 26 letters and digits, as RDS's resource ids are.
fn new_resource_id(cx: &Ctx) -> String {
    let letter = |_| char::from(LETTERS[usize::try_from(cx.house.rng.below(36)).unwrap_or(0)]);
    format!("db-{}", (0..26).map(letter).collect::<String>())
}

/// What is named by its identifier or by its ARN, `arn:aws:rds:…:db:<identifier>`.
fn id(cx: &Ctx, kind: &str, given: &str) -> String {
    let own = cx.arn("rds", format!("{kind}:"));
    given
        .strip_prefix(&own)
        .unwrap_or(given)
        .to_ascii_lowercase()
}

async fn instance(cx: &Ctx, given: &str) -> Result<Stored<Instance>, AwsError> {
    let id = id(cx, "db", given);
    let found = match is_key(&id) {
        true => cx.db().get::<Instance>(&cx.scope, &id).await?,
        false => None,
    };
    found.ok_or_else(|| error::instance_not_found(given))
}

async fn snapshot(cx: &Ctx, given: &str) -> Result<Stored<Snapshot>, AwsError> {
    let id = id(cx, "snapshot", given);
    let found = match is_key(&id) {
        true => cx.db().get::<Snapshot>(&cx.scope, &id).await?,
        false => None,
    };
    found.ok_or_else(|| error::snapshot_not_found(given))
}

/// Could this be the last part of a key?
fn is_key(id: &str) -> bool {
    !id.is_empty() && !id.contains('/')
}

/// A page of what ascends by `of`, and the marker of the next one.
fn paged<T>(
    items: Vec<T>,
    marker: Option<&str>,
    max_records: Option<i32>,
    of: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let size = page::Size {
        least: 20,
        most: 100,
        default: 100,
    };
    let limit = size
        .check(max_records)
        .map_err(|_| error::max_records(max_records.unwrap_or_default()))?;
    // The command line sends an empty one.
    let marker = marker.filter(|marker| !marker.is_empty());
    let page = page::page(items, marker, limit, of).map_err(|_| error::marker())?;
    Ok((page.items, page.next_token))
}

/// Does what has these values, by the names of filters, pass all of them?
///
/// # Errors
/// A filter of another name.
fn passes(filters: Option<&Vec<api::Filter>>, has: &[(&str, &[&str])]) -> Result<bool, AwsError> {
    let mut all = true;
    for filter in filters.into_iter().flatten() {
        let Some((_, values)) = has.iter().find(|(name, _)| *name == filter.name) else {
            return Err(error::value(format!(
                "Unrecognized filter name: {}",
                filter.name
            )));
        };
        all &= filter.values.iter().any(|v| values.contains(&v.as_str()));
    }
    Ok(all)
}

/// Refuses what was asked for and is not built, by AWS's name of it.
fn refuse<const N: usize>(asked: [(bool, &str); N]) -> Result<(), AwsError> {
    match asked.into_iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(error::unsupported(what)),
        None => Ok(()),
    }
}
