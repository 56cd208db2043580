//! Pull requests that are merged.

use super::merging::{self, FAST_FORWARD, How, SQUASH, THREE_WAY, merge_into};
use super::pulls::{Pull, check_open, pull, shown};
use super::repository;
use crate::git::names::HEADS;
use crate::model::Rule;
use crate::plan::approval::Content;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::authority::{Authority, Circumstances};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Merges a pull request. Its record says so once its branch is moved ([`crate::pulls`]).
async fn merge(
    codecommit: &CodeCommit,
    cx: &Ctx,
    id: &str,
    name: &str,
    source: Option<&str>,
    option: &str,
    how: How,
) -> Result<api::PullRequest, AwsError> {
    let found = pull(cx, id).await?;
    if found.repository.name != name {
        repository(cx, name).await?;
        return Err(error::shown(
            "RepositoryNotAssociatedWithPullRequestException",
            "The repository does not contain any pull requests with that pull request ID. Use GetPullRequest to \
             verify the correct repository name for the pull request ID.",
        ));
    }
    let stored = &found.stored;
    check_open(stored)?;
    may_merge(cx, &found, option).await?;
    if source.is_some_and(|source| source != stored.source_commit) {
        return Err(error::shown(
            "TipOfSourceReferenceIsDifferentException",
            "The tip of the source branch in the destination repository does not match the tip of the source \
             branch specified in your request. The pull request might have been updated. Make sure that you have \
             the latest changes.",
        ));
    }
    let is_satisfied = |rule: &Rule| {
        let content = Content::parse(&rule.content);
        content.is_some_and(|content| content.is_satisfied(&stored.approvals))
    };
    if stored.overrider.is_none() && !stored.rules.iter().all(is_satisfied) {
        return Err(error::shown(
            "PullRequestApprovalRulesNotSatisfiedException",
            "The pull request cannot be merged because one or more approval rules applied to the pull request have \
             conditions that have not been met.",
        ));
    }
    let target = &stored.destination_reference;
    let sides = merging::sides(codecommit, cx, name, &stored.source_commit, target).await?;
    let short = target.strip_prefix(HEADS).unwrap_or(target);
    let how = How {
        pull_request: Some(stored.number),
        ..how
    };
    merge_into(codecommit, cx, &sides, short, option, how).await?;
    let merged = pull(cx, id).await?;
    shown(codecommit, &merged.stored, &merged.repository).await
}

/// Policies may keep a branch from some: which branch a pull request is for, the call does not say.
async fn may_merge(cx: &Ctx, pull: &Pull, option: &str) -> Result<(), AwsError> {
    if !cx.is_bounded() {
        return Ok(());
    }
    let action = match option {
        FAST_FORWARD => "codecommit:MergePullRequestByFastForward",
        SQUASH => "codecommit:MergePullRequestBySquash",
        _ => "codecommit:MergePullRequestByThreeWay",
    };
    let key = (
        "codecommit:References",
        vec![pull.stored.destination_reference.clone()],
    );
    let from = Circumstances::default();
    let authority = Authority::of(cx, &from);
    let allowed = authority
        .may_with(action, &pull.repository.arn(&cx.scope), &[key])
        .await;
    allowed.map_err(|denied| error::shown("AccessDeniedException", denied.sentence))
}

pub async fn merge_pull_request_by_fast_forward(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::MergePullRequestByFastForwardInput,
) -> Result<api::MergePullRequestByFastForwardOutput, AwsError> {
    let (id, name) = (&input.pull_request_id, &input.repository_name);
    let source = input.source_commit_id.as_deref();
    let merged = merge(
        &codecommit,
        &cx,
        id,
        name,
        source,
        FAST_FORWARD,
        How::default(),
    );
    Ok(api::MergePullRequestByFastForwardOutput {
        pull_request: Some(merged.await?),
    })
}

pub async fn merge_pull_request_by_squash(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::MergePullRequestBySquashInput,
) -> Result<api::MergePullRequestBySquashOutput, AwsError> {
    let (id, name) = (&input.pull_request_id, &input.repository_name);
    let detail = input.conflict_detail_level.as_deref();
    let how = How {
        resolution: input.conflict_resolution,
        author_name: input.author_name,
        email: input.email,
        message: input.commit_message,
        ..How::new(detail, input.conflict_resolution_strategy.as_deref())
    };
    let source = input.source_commit_id.as_deref();
    let merged = merge(&codecommit, &cx, id, name, source, SQUASH, how);
    Ok(api::MergePullRequestBySquashOutput {
        pull_request: Some(merged.await?),
    })
}

pub async fn merge_pull_request_by_three_way(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::MergePullRequestByThreeWayInput,
) -> Result<api::MergePullRequestByThreeWayOutput, AwsError> {
    let (id, name) = (&input.pull_request_id, &input.repository_name);
    let detail = input.conflict_detail_level.as_deref();
    let how = How {
        resolution: input.conflict_resolution,
        author_name: input.author_name,
        email: input.email,
        message: input.commit_message,
        ..How::new(detail, input.conflict_resolution_strategy.as_deref())
    };
    let source = input.source_commit_id.as_deref();
    let merged = merge(&codecommit, &cx, id, name, source, THREE_WAY, how);
    Ok(api::MergePullRequestByThreeWayOutput {
        pull_request: Some(merged.await?),
    })
}
