//! Comments on commits and pull requests.

use super::pulls::{self, of_id};
use super::repository;
use crate::git::names::is_object;
use crate::model::{Comment, Repository};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::events::Event;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::json::Json;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const MAX_CHARS: usize = 10_240;

pub(super) async fn comment(cx: &Ctx, id: &str) -> Result<Stored<Comment>, AwsError> {
    let found = cx.db().get::<Comment>(&cx.scope, id).await?;
    let found = found.ok_or_else(no_comment)?;
    // Those on a repository that is gone are gone with it.
    of_id(cx, &found.repository_id)
        .await?
        .ok_or_else(no_comment)?;
    Ok(found)
}

pub(super) fn no_comment() -> AwsError {
    error::shown(
        "CommentDoesNotExistException",
        "No comment exists with the provided ID. Verify that you have used the correct ID, and then try again.",
    )
}

pub(super) fn deleted() -> AwsError {
    error::shown(
        "CommentDeletedException",
        "This comment has already been deleted. You cannot edit or delete a deleted comment.",
    )
}

fn check_content(content: &str) -> Result<(), AwsError> {
    if content.is_empty() {
        return Err(error::shown(
            "CommentContentRequiredException",
            "The comment is empty. You must provide some content for a comment. The content cannot be null.",
        ));
    }
    if content.chars().count() > MAX_CHARS {
        return Err(error::shown(
            "CommentContentSizeLimitExceededException",
            "The comment is too large. Comments are limited to 10,240 characters.",
        ));
    }
    Ok(())
}

pub(super) fn shown(cx: &Ctx, comment: &Comment) -> api::Comment {
    let mut counts = BTreeMap::new();
    for code in comment.reactions.values() {
        *counts.entry(code.clone()).or_insert(0) += 1;
    }
    let own = comment.reactions.get(&cx.principal.arn);
    api::Comment {
        comment_id: Some(comment.id.clone()),
        content: comment.content.clone(),
        in_reply_to: comment.in_reply_to.clone(),
        creation_date: Some(comment.created_at),
        last_modified_date: Some(comment.modified_at),
        author_arn: Some(comment.author.clone()),
        deleted: Some(comment.content.is_none()),
        client_request_token: comment.client_token.clone(),
        caller_reactions: Some(own.into_iter().cloned().collect()),
        reaction_counts: Some(counts),
    }
}

/// What EventBridge is told of a comment.
pub(super) fn told(
    cx: &Ctx,
    tx: neargate_service::Tx,
    repository: &Repository,
    comment: &Comment,
    what: &str,
) -> neargate_service::Tx {
    let (on, detail_type) = match comment.pull_request {
        Some(_) => ("PullRequest", "CodeCommit Comment on Pull Request"),
        None => ("Commit", "CodeCommit Comment on Commit"),
    };
    let house = &cx.house;
    house
        .events
        .post(tx, &cx.scope, "aws.codecommit", detail_type, || {
            let mut detail = json!({
                "afterCommitId": comment.after,
                "callerUserArn": cx.principal.arn,
                "commentId": comment.id,
                "event": format!("commentOn{on}{what}"),
                "notificationBody": format!(
                    "A comment event occurred in the following AWS CodeCommit repository: {}.",
                    repository.name
                ),
                "repositoryId": repository.id,
                "repositoryName": repository.name,
            });
            if let Some(before) = &comment.before {
                detail["beforeCommitId"] = before.clone().into();
            }
            if let Some(to) = &comment.in_reply_to {
                detail["inReplyTo"] = to.clone().into();
            }
            if let Some(number) = comment.pull_request {
                detail["pullRequestId"] = number.to_string().into();
            }
            let resources = vec![repository.arn(&cx.scope)];
            Event::new(house, "aws.codecommit", detail_type, resources, detail)
        })
}

/// What a comment is on.
struct On {
    repository: Stored<Repository>,
    pull_request: Option<u64>,
    before: Option<String>,
    after: String,
    location: Option<api::Location>,
}

/// Posts a comment, once for one token of a caller.
async fn post(
    codecommit: &CodeCommit,
    cx: &Ctx,
    on: On,
    content: String,
    token: Option<String>,
) -> Result<Stored<Comment>, AwsError> {
    check_content(&content)?;
    let git = &codecommit.git;
    let id = &on.repository.id;
    git.ensure(id).await?;
    for commit in on.before.iter().chain([&on.after]) {
        if !is_object(commit) {
            return Err(error::invalid_commit_id());
        }
        git.resolve(id, commit)
            .await?
            .ok_or_else(error::no_commit)?;
    }
    if on.before.as_ref() == Some(&on.after) {
        return Err(error::shown(
            "BeforeCommitIdAndAfterCommitIdAreSameException",
            "The before commit ID and the after commit ID are the same, which is not valid. The before commit ID \
             and the after commit ID must be different commit IDs.",
        ));
    }
    let (mut before_blob, mut after_blob) = (None, None);
    if let Some(given) = on.location.as_ref().and_then(|at| at.file_path.as_ref()) {
        let path = super::commits::path(given)?;
        let entry = git.entry(id, &on.after, &path).await?;
        after_blob = entry.map(|entry| entry.id);
        if let Some(before) = &on.before {
            before_blob = git.entry(id, before, &path).await?.map(|entry| entry.id);
        }
        if before_blob.is_none() && after_blob.is_none() {
            return Err(error::shown(
                "PathDoesNotExistException",
                "The specified path does not exist.",
            ));
        }
    }
    let author = cx.principal.arn.clone();
    if let Some(token) = &token {
        let all = cx.db().list::<Comment>(&cx.scope).await?;
        let same =
            |c: &Stored<Comment>| c.client_token.as_ref() == Some(token) && c.author == author;
        if let Some(there) = all.into_iter().find(same) {
            return match there.content.as_ref() == Some(&content) && there.after == on.after {
                true => Ok(there),
                false => Err(error::shown(
                    "IdempotencyParameterMismatchException",
                    "The client request token is not valid. Either the token is not in a valid format, or the token \
                     has been used in a previous request and cannot be reused.",
                )),
            };
        }
    }
    let made = Comment {
        id: format!("{}:{}", cx.house.rng.uuid(), cx.house.rng.uuid()),
        repository_id: id.clone(),
        pull_request: on.pull_request,
        in_reply_to: None,
        before: on.before,
        after: on.after,
        before_blob,
        after_blob,
        location: on.location.map(Json),
        content: Some(content),
        author,
        client_token: token,
        reactions: BTreeMap::new(),
        created_at: cx.now(),
        modified_at: cx.now(),
    };
    create(cx, &on.repository, made).await
}

async fn create(
    cx: &Ctx,
    repository: &Repository,
    made: Comment,
) -> Result<Stored<Comment>, AwsError> {
    let key = db::key::<Comment>(&cx.scope, &made.id);
    loop {
        let tx = cx.db().tx().create(key.clone(), &made);
        let tx = told(cx, tx, repository, &made, "Created");
        if let Committed::At(revision) = tx.commit().await? {
            return Ok(Stored {
                key,
                revision,
                value: made,
            });
        }
    }
}

pub async fn post_comment_for_compared_commit(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::PostCommentForComparedCommitInput,
) -> Result<api::PostCommentForComparedCommitOutput, AwsError> {
    let repository = repository(&cx, &input.repository_name).await?;
    let on = On {
        repository,
        pull_request: None,
        before: input.before_commit_id,
        after: input.after_commit_id,
        location: input.location,
    };
    let made = post(
        &codecommit,
        &cx,
        on,
        input.content,
        input.client_request_token,
    )
    .await?;
    Ok(api::PostCommentForComparedCommitOutput {
        repository_name: Some(input.repository_name),
        before_commit_id: made.before.clone(),
        after_commit_id: Some(made.after.clone()),
        before_blob_id: made.before_blob.clone(),
        after_blob_id: made.after_blob.clone(),
        location: made.location.as_ref().map(|at| at.0.clone()),
        comment: Some(shown(&cx, &made)),
    })
}

pub async fn post_comment_for_pull_request(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::PostCommentForPullRequestInput,
) -> Result<api::PostCommentForPullRequestOutput, AwsError> {
    let pull = pulls::pull(&cx, &input.pull_request_id).await?;
    let repository = repository(&cx, &input.repository_name).await?;
    if pull.stored.repository_id != repository.id {
        return Err(error::shown(
            "RepositoryNotAssociatedWithPullRequestException",
            "The repository does not contain any pull requests with that pull request ID. Use GetPullRequest to \
             verify the correct repository name for the pull request ID.",
        ));
    }
    let on = On {
        repository,
        pull_request: Some(pull.stored.number),
        before: Some(input.before_commit_id),
        after: input.after_commit_id,
        location: input.location,
    };
    let made = post(
        &codecommit,
        &cx,
        on,
        input.content,
        input.client_request_token,
    )
    .await?;
    Ok(api::PostCommentForPullRequestOutput {
        repository_name: Some(input.repository_name),
        pull_request_id: Some(input.pull_request_id),
        before_commit_id: made.before.clone(),
        after_commit_id: Some(made.after.clone()),
        before_blob_id: made.before_blob.clone(),
        after_blob_id: made.after_blob.clone(),
        location: made.location.as_ref().map(|at| at.0.clone()),
        comment: Some(shown(&cx, &made)),
    })
}

pub async fn post_comment_reply(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::PostCommentReplyInput,
) -> Result<api::PostCommentReplyOutput, AwsError> {
    check_content(&input.content)?;
    let to = comment(&cx, &input.in_reply_to).await?;
    let repository = of_id(&cx, &to.repository_id)
        .await?
        .ok_or_else(no_comment)?;
    let made = Comment {
        id: format!("{}:{}", cx.house.rng.uuid(), cx.house.rng.uuid()),
        in_reply_to: Some(to.value.id.clone()),
        content: Some(input.content),
        author: cx.principal.arn.clone(),
        client_token: input.client_request_token,
        reactions: BTreeMap::new(),
        created_at: cx.now(),
        modified_at: cx.now(),
        ..to.value
    };
    let made = create(&cx, &repository, made).await?;
    Ok(api::PostCommentReplyOutput {
        comment: Some(shown(&cx, &made)),
    })
}

pub async fn get_comment(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetCommentInput,
) -> Result<api::GetCommentOutput, AwsError> {
    let found = comment(&cx, &input.comment_id).await?;
    if found.content.is_none() {
        return Err(deleted());
    }
    Ok(api::GetCommentOutput {
        comment: Some(shown(&cx, &found)),
    })
}

/// Changes a comment that is not deleted.
pub(super) async fn change(
    cx: &Ctx,
    id: &str,
    what: Option<&str>,
    change: impl Fn(&mut Comment) -> Result<(), AwsError>,
) -> Result<Comment, AwsError> {
    loop {
        let found = comment(cx, id).await?;
        let repository = of_id(cx, &found.repository_id)
            .await?
            .ok_or_else(no_comment)?;
        let mut value = found.value.clone();
        if value.content.is_none() {
            return Err(deleted());
        }
        change(&mut value)?;
        let mut tx = cx.db().tx().update(&found, &value);
        if let Some(what) = what {
            tx = told(cx, tx, &repository, &value, what);
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(value);
        }
    }
}

pub async fn update_comment(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateCommentInput,
) -> Result<api::UpdateCommentOutput, AwsError> {
    check_content(&input.content)?;
    let changed = change(&cx, &input.comment_id, Some("Updated"), |comment| {
        if comment.author != cx.principal.arn {
            return Err(error::shown(
                "CommentNotCreatedByCallerException",
                "You cannot modify or delete this comment. Only comment authors can modify or delete their \
                 comments.",
            ));
        }
        comment.content = Some(input.content.clone());
        comment.modified_at = cx.now();
        Ok(())
    });
    let changed = changed.await?;
    Ok(api::UpdateCommentOutput {
        comment: Some(shown(&cx, &changed)),
    })
}

pub async fn delete_comment_content(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DeleteCommentContentInput,
) -> Result<api::DeleteCommentContentOutput, AwsError> {
    let changed = change(&cx, &input.comment_id, None, |comment| {
        comment.content = None;
        comment.modified_at = cx.now();
        Ok(())
    });
    let changed = changed.await?;
    Ok(api::DeleteCommentContentOutput {
        comment: Some(shown(&cx, &changed)),
    })
}
