//! The Scheduler's handlers, a file for each resource.

pub mod groups;
pub mod schedules;
pub mod tags;

use crate::error;
use crate::model::{DEFAULT_GROUP, Group};
use neargate_service::page::{Paged, page};
use neargate_service::{AwsError, Ctx, Stored};

/// The most of a page, and what it has where nothing is said.
const PAGE: usize = 100;

/// The group has a record, or is the default one, which has none.
async fn group(cx: &Ctx, name: &str) -> Result<Option<Stored<Group>>, AwsError> {
    let stored = cx.db().get::<Group>(&cx.scope, name).await?;
    match stored {
        None if name != DEFAULT_GROUP => Err(error::group_not_found(name)),
        stored => Ok(stored),
    }
}

fn paged<T>(
    all: Vec<T>,
    token: Option<&str>,
    most: Option<i32>,
    key: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let most = most.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
    page(all, token, most.clamp(1, PAGE), key).map_err(|_| error::validation("Invalid NextToken."))
}
