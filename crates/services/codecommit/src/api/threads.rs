//! The comments of a comparison or a pull request, each with its replies.

use super::comments::shown;
use super::pulls::{self};
use super::{paged, repository};
use crate::CodeCommit;
use crate::model::Comment;
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

const PAGE: usize = 100;

/// Comments by what they are on, oldest first.
fn threads(all: Vec<Stored<Comment>>) -> Vec<Vec<Comment>> {
    let mut threads: Vec<Vec<Comment>> = Vec::new();
    let mut all: Vec<Comment> = all.into_iter().map(|c| c.value).collect();
    all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    for comment in all {
        let is_same = |of: &&mut Vec<Comment>| {
            let first = &of[0];
            first.after == comment.after
                && first.before == comment.before
                && first.location == comment.location
        };
        match threads.iter_mut().find(is_same) {
            Some(thread) => thread.push(comment),
            None => threads.push(vec![comment]),
        }
    }
    threads
}

fn page_of(
    threads: Vec<Vec<Comment>>,
    token: Option<&str>,
    most: Option<i32>,
) -> Result<neargate_service::page::Paged<(usize, Vec<Comment>)>, AwsError> {
    let most = most.and_then(|n| usize::try_from(n).ok());
    let most = most.map_or(PAGE, |n| n.clamp(1, PAGE));
    let numbered = threads.into_iter().enumerate().collect();
    paged(numbered, token, most, |(at, _)| format!("{at:010}"))
}

pub async fn get_comments_for_compared_commit(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetCommentsForComparedCommitInput,
) -> Result<api::GetCommentsForComparedCommitOutput, AwsError> {
    let repository = repository(&cx, &input.repository_name).await?;
    let mut all = cx.db().list::<Comment>(&cx.scope).await?;
    all.retain(|c| {
        c.repository_id == repository.id
            && c.pull_request.is_none()
            && c.after == input.after_commit_id
            && (input.before_commit_id.is_none() || c.before == input.before_commit_id)
    });
    let page = page_of(threads(all), input.next_token.as_deref(), input.max_results)?;
    let thread = |(_, comments): (usize, Vec<Comment>)| {
        let first = &comments[0];
        api::CommentsForComparedCommit {
            repository_name: Some(repository.name.clone()),
            before_commit_id: first.before.clone(),
            after_commit_id: Some(first.after.clone()),
            before_blob_id: first.before_blob.clone(),
            after_blob_id: first.after_blob.clone(),
            location: first.location.as_ref().map(|at| at.0.clone()),
            comments: Some(comments.iter().map(|c| shown(&cx, c)).collect()),
        }
    };
    Ok(api::GetCommentsForComparedCommitOutput {
        comments_for_compared_commit_data: Some(page.items.into_iter().map(thread).collect()),
        next_token: page.next_token,
    })
}

pub async fn get_comments_for_pull_request(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetCommentsForPullRequestInput,
) -> Result<api::GetCommentsForPullRequestOutput, AwsError> {
    let pull = pulls::pull(&cx, &input.pull_request_id).await?;
    let mut all = cx.db().list::<Comment>(&cx.scope).await?;
    let number = pull.stored.number;
    all.retain(|c| {
        c.pull_request == Some(number)
            && input
                .after_commit_id
                .as_ref()
                .is_none_or(|after| *after == c.after)
            && (input.before_commit_id.is_none() || c.before == input.before_commit_id)
    });
    let page = page_of(threads(all), input.next_token.as_deref(), input.max_results)?;
    let thread = |(_, comments): (usize, Vec<Comment>)| {
        let first = &comments[0];
        api::CommentsForPullRequest {
            pull_request_id: Some(number.to_string()),
            repository_name: Some(pull.repository.name.clone()),
            before_commit_id: first.before.clone(),
            after_commit_id: Some(first.after.clone()),
            before_blob_id: first.before_blob.clone(),
            after_blob_id: first.after_blob.clone(),
            location: first.location.as_ref().map(|at| at.0.clone()),
            comments: Some(comments.iter().map(|c| shown(&cx, c)).collect()),
        }
    };
    Ok(api::GetCommentsForPullRequestOutput {
        comments_for_pull_request_data: Some(page.items.into_iter().map(thread).collect()),
        next_token: page.next_token,
    })
}
