//! CodeCommit's handlers, a file for each resource.

pub mod approvals;
pub mod branches;
pub mod comments;
pub mod commits;
pub mod differences;
pub mod files;
pub mod hunks;
pub mod merges;
mod merging;
pub mod pull_merges;
pub mod pulls;
pub mod reactions;
pub mod repositories;
pub mod tags;
pub mod templates;
pub mod threads;
pub mod triggers;

use crate::git::names;
use crate::model::Repository;
use crate::{CodeCommit, error};
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

/// The commit that a caller calls so; the default branch's where he says nothing.
async fn commit_of(
    codecommit: &CodeCommit,
    repository: &Repository,
    specifier: Option<&str>,
) -> Result<String, AwsError> {
    let default = repository.default_branch.as_deref();
    let specifier = match specifier.filter(|s| !s.is_empty()) {
        None | Some("HEAD") => default.ok_or_else(error::no_commit)?,
        Some(specifier) => specifier,
    };
    codecommit.git.ensure(&repository.id).await?;
    let found = codecommit.git.resolve(&repository.id, specifier).await?;
    found.ok_or_else(error::no_commit)
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
