//! Branches.

use super::{paged, repository};
use crate::git::names::{self, HEADS};
use crate::git::references::Move;
use crate::model::Repository;
use crate::{CodeCommit, changes, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::structure::Unit;
use std::sync::Arc;

const PAGE: usize = 1_000;

pub async fn list_branches(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListBranchesInput,
) -> Result<api::ListBranchesOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    codecommit.git.ensure(&found.id).await?;
    let heads = codecommit.git.references(&found.id, HEADS).await?;
    let names = heads.into_keys();
    let names: Vec<String> = names
        .filter_map(|name| name.strip_prefix(HEADS).map(str::to_owned))
        .collect();
    let page = paged(names, input.next_token.as_deref(), PAGE, String::clone)?;
    Ok(api::ListBranchesOutput {
        branches: Some(page.items),
        next_token: page.next_token,
    })
}

/// Where a branch is.
pub(super) async fn tip(
    codecommit: &CodeCommit,
    repository: &Repository,
    branch: &str,
) -> Result<Option<String>, AwsError> {
    if !names::is_reference(branch) {
        return Err(error::invalid_branch_name());
    }
    codecommit.git.ensure(&repository.id).await?;
    let full = format!("{HEADS}{branch}");
    Ok(codecommit.git.reference(&repository.id, &full).await?)
}

fn info(name: &str, commit: String) -> Option<api::BranchInfo> {
    Some(api::BranchInfo {
        branch_name: Some(name.to_owned()),
        commit_id: Some(commit),
    })
}

pub async fn get_branch(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetBranchInput,
) -> Result<api::GetBranchOutput, AwsError> {
    let name = input
        .repository_name
        .ok_or_else(error::repository_name_required)?;
    let branch = input.branch_name.ok_or_else(error::branch_name_required)?;
    let found = repository(&cx, &name).await?;
    let commit = tip(&codecommit, &found, &branch).await?;
    let commit = commit.ok_or_else(|| error::no_branch(&branch))?;
    Ok(api::GetBranchOutput {
        branch: info(&branch, commit),
    })
}

/// Moves a branch and tells so. `false`: it was not where it was thought to be.
pub(super) async fn move_branch(
    codecommit: &CodeCommit,
    cx: &Ctx,
    repository: &Stored<Repository>,
    change: Move<'_>,
    merge: Option<crate::model::Merge>,
) -> Result<bool, AwsError> {
    let Ctx { house, scope, .. } = cx;
    let names = vec![change.name.to_owned()];
    let begun = changes::begin(house, scope, repository, &cx.principal.arn, names, merge);
    let begun = begun.await?;
    let moved = codecommit
        .git
        .move_references(&repository.id, &[change])
        .await;
    changes::settle(codecommit, house, &begun).await?;
    Ok(moved?)
}

pub async fn create_branch(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::CreateBranchInput,
) -> Result<Unit, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    let branch = input.branch_name;
    if tip(&codecommit, &found, &branch).await?.is_some() {
        return Err(error::branch_exists(&branch));
    }
    if !names::is_object(&input.commit_id) {
        return Err(error::invalid_commit_id());
    }
    let git = &codecommit.git;
    let asked = format!("{}\n", input.commit_id);
    let kind = git.must(&found.id, &["cat-file", "--batch-check"], asked.as_bytes());
    if !String::from_utf8_lossy(&kind.await?).contains(" commit ") {
        return Err(error::no_commit());
    }
    let full = format!("{HEADS}{branch}");
    let change = Move {
        name: &full,
        to: Some(&input.commit_id.to_ascii_lowercase()),
        from: None,
    };
    match move_branch(&codecommit, &cx, &found, change, None).await? {
        true => Ok(Unit {}),
        false => Err(error::branch_exists(&branch)),
    }
}

/// One that is not there was deleted before, as AWS sees it.
pub async fn delete_branch(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DeleteBranchInput,
) -> Result<api::DeleteBranchOutput, AwsError> {
    loop {
        let found = repository(&cx, &input.repository_name).await?;
        let branch = &input.branch_name;
        let Some(commit) = tip(&codecommit, &found, branch).await? else {
            return Ok(api::DeleteBranchOutput {
                deleted_branch: None,
            });
        };
        if found.default_branch.as_ref() == Some(branch) {
            return Err(error::default_branch());
        }
        let full = format!("{HEADS}{branch}");
        let change = Move {
            name: &full,
            to: None,
            from: Some(&commit),
        };
        if move_branch(&codecommit, &cx, &found, change, None).await? {
            return Ok(api::DeleteBranchOutput {
                deleted_branch: info(branch, commit),
            });
        }
    }
}
