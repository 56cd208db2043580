//! CodeCommit's handlers, a file for each resource.

pub mod branches;
pub mod repositories;
pub mod tags;

use crate::error;
use crate::git::names;
use crate::model::Repository;
use neargate_service::page::{Paged, page};
use neargate_service::{AwsError, Ctx, Stored};

/// The repository of this name.
async fn repository(cx: &Ctx, name: &str) -> Result<Stored<Repository>, AwsError> {
    if !names::is_repository(name) {
        return Err(error::invalid_repository_name());
    }
    let found = cx.db().get::<Repository>(&cx.scope, name).await?;
    found.ok_or_else(|| error::no_repository(name))
}

/// A page of what ascends by `key`.
fn paged<T>(
    all: Vec<T>,
    token: Option<&str>,
    most: usize,
    key: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    page(all, token, most, key).map_err(|_| error::invalid_token())
}
