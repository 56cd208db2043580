//! Handlers, one file a resource.

pub mod activities;
pub mod attach;
pub mod capacity;
pub mod delete;
pub mod groups;
pub mod hooks;
pub mod instances;
pub mod launch_configurations;
pub mod metrics;
pub mod notifications;
pub mod policies;
pub mod processes;
pub mod refreshes;
pub mod scheduled;
mod show;
mod source;
pub mod standby;
pub mod tags;
pub mod traffic;
pub mod types;
pub mod update;

use crate::activity::Ended;
use crate::error;
use crate::model::{self, Group};
use neargate_service::page::{Paged, Size, page, page_descending};
use neargate_service::{AwsError, Committed, Ctx, Db, House, Scope, Stored, db};

/// Most lists: 50 on a page, 100 at most.
const PAGE: Size = Size {
    least: 1,
    most: 100,
    default: 50,
};

fn text(s: impl Into<String>) -> Option<String> {
    Some(s.into())
}

async fn all(cx: &Ctx) -> Result<Vec<Stored<Group>>, AwsError> {
    cx.db().list::<Group>(&cx.scope).await
}

/// The group that a call names.
///
/// # Errors
/// `ValidationError` when there is none.
async fn find(cx: &Ctx, name: &str) -> Result<Stored<Group>, AwsError> {
    let key = model::key::<Group>(&cx.scope, name);
    let found = cx.db().get_key::<Group>(&key).await?;
    found.ok_or_else(|| error::group_not_found(name))
}

/// Changes a group until nobody interferes; `decide` answers what the caller is told.
///
/// # Errors
/// That of `decide`; `ValidationError` for a group that is not there or is being deleted.
async fn change<T>(
    cx: &Ctx,
    name: &str,
    decide: impl Fn(&mut Group) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    loop {
        let read = find(cx, name).await?;
        if read.deleting {
            return Err(error::group_is_deleted(name));
        }
        let mut group = read.value.clone();
        let answer = decide(&mut group)?;
        if group == read.value {
            return Ok(answer);
        }
        if let Committed::At(_) = cx.db().tx().update(&read, &group).commit().await? {
            return Ok(answer);
        }
    }
}

fn size(of: Size, asked: Option<i32>) -> Result<usize, AwsError> {
    of.check(asked).map_err(|_| error::max_records(of.most))
}

/// A page of what is in the order of its ids.
fn paged<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    limit: usize,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    page(items, token.filter(|t| !t.is_empty()), limit, id).map_err(|_| error::invalid_next_token())
}

fn paged_descending<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    limit: usize,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let found = page_descending(items, token.filter(|t| !t.is_empty()), limit, id);
    found.map_err(|_| error::invalid_next_token())
}

/// The ended activities of groups of this name, those that were deleted too.
pub(crate) async fn ended_of(
    house: &House,
    scope: &Scope,
    name: &str,
) -> Result<Vec<Stored<Ended>>, AwsError> {
    ended_with(&house.db, scope, &format!("{}/", model::escaped(name))).await
}

async fn ended_with(db: &Db, scope: &Scope, of: &str) -> Result<Vec<Stored<Ended>>, AwsError> {
    db.list_prefix::<Ended>(&db::key::<Ended>(scope, of)).await
}

/// A number that is not less than nothing.
fn number(what: &str, given: i32) -> Result<u32, AwsError> {
    u32::try_from(given).map_err(|_| {
        error::validation(format!(
            "1 validation error detected: Value '{given}' at '{what}' failed to satisfy constraint: \
             Member must have value greater than or equal to 0"
        ))
    })
}
