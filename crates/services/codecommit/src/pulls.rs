//! What branches do to pull requests: a source that moves is another revision, a destination that has the source
//! is a merge. It is looked for whenever branches were moved, and each finding is written down once.

use crate::CodeCommit;
use crate::git::references::Tip;
use crate::model::{Change, Merged, PullEvent, PullRequest, Repository};
use neargate_api_codecommit as api;
use neargate_service::events::Event;
use neargate_service::{AwsError, Committed, House, Scope, Stored, Tx, db};
use serde_json::json;
use std::collections::BTreeMap;

const SOURCE: &str = "aws.codecommit";
const DETAIL_TYPE: &str = "CodeCommit Pull Request State Change";

/// Looks at every open pull request of a repository.
pub async fn follow(
    codecommit: &CodeCommit,
    house: &House,
    scope: &Scope,
    repository: &Repository,
    change: &Change,
    tips: &BTreeMap<String, Tip>,
) -> Result<(), AwsError> {
    let all = house.db.list::<PullRequest>(scope).await?;
    for found in all {
        if found.open && found.repository_id == repository.id {
            look(
                codecommit, house, scope, repository, change, tips, found.key,
            )
            .await?;
        }
    }
    Ok(())
}

async fn look(
    codecommit: &CodeCommit,
    house: &House,
    scope: &Scope,
    repository: &Repository,
    change: &Change,
    tips: &BTreeMap<String, Tip>,
    key: String,
) -> Result<(), AwsError> {
    loop {
        let Some(found) = house.db.get_key::<PullRequest>(&key).await? else {
            return Ok(());
        };
        if !found.open {
            return Ok(());
        }
        let mut pull = found.value.clone();
        let destination = tips.get(&pull.destination_reference).map(|tip| &tip.target);
        let source = tips.get(&pull.source_reference).map(|tip| &tip.target);
        let git = &codecommit.git;
        let mut said = None;
        if let Some(merged) = merged(codecommit, &pull, change, destination).await? {
            said = Some("pullRequestMergeStatusUpdated");
            pull.destination_commit.clone_from(&merged.commit);
            pull.merged = Some(merged);
            pull.open = false;
        } else if let Some(source) = source.filter(|source| **source != pull.source_commit) {
            let before = std::mem::replace(&mut pull.source_commit, source.clone());
            if let Some(destination) = destination {
                pull.destination_commit.clone_from(destination);
            }
            let (one, two) = (&pull.source_commit, &pull.destination_commit);
            pull.merge_base = git.merge_base(&repository.id, one, two).await?;
            pull.revision = house.rng.hex(64);
            pull.approvals.clear();
            pull.overrider = None;
            said = Some("pullRequestSourceBranchUpdated");
            let of = source_updated(repository, &pull, before);
            if record(
                house,
                scope,
                repository,
                &found,
                pull,
                &change.caller,
                said,
                vec![of],
            )
            .await?
            {
                return Ok(());
            }
            continue;
        }
        let Some(name) = said else {
            return Ok(());
        };
        let of = vec![merge_changed(repository, &pull)];
        if record(
            house,
            scope,
            repository,
            &found,
            pull,
            &change.caller,
            Some(name),
            of,
        )
        .await?
        {
            return Ok(());
        }
    }
}

/// How a pull request was merged, if it was.
async fn merged(
    codecommit: &CodeCommit,
    pull: &PullRequest,
    change: &Change,
    destination: Option<&String>,
) -> Result<Option<Merged>, AwsError> {
    let Some(destination) = destination else {
        return Ok(None);
    };
    let by_call = change
        .merge
        .as_ref()
        .filter(|merge| merge.pull_request == Some(pull.number));
    let git = &codecommit.git;
    let has = async |commit: &str| -> Result<bool, AwsError> {
        let base = git
            .merge_base(&pull.repository_id, commit, destination)
            .await?;
        Ok(base.as_deref() == Some(commit))
    };
    if let Some(merge) = by_call {
        let commit = merge.commit.as_ref().unwrap_or(&merge.source);
        return Ok(has(commit).await?.then(|| Merged {
            by: change.caller.clone(),
            commit: commit.clone(),
            option: Some(merge.option.clone()),
        }));
    }
    // A push that moved the destination may have brought the source's commits along.
    let is_moved = change.references.contains(&pull.destination_reference)
        && *destination != pull.destination_commit;
    Ok(
        (is_moved && has(&pull.source_commit).await?).then(|| Merged {
            by: change.caller.clone(),
            commit: destination.clone(),
            option: None,
        }),
    )
}

fn event(kind: &str) -> api::PullRequestEvent {
    api::PullRequestEvent {
        pull_request_event_type: Some(kind.to_owned()),
        ..Default::default()
    }
}

fn source_updated(
    repository: &Repository,
    pull: &PullRequest,
    before: String,
) -> api::PullRequestEvent {
    let of = api::PullRequestSourceReferenceUpdatedEventMetadata {
        repository_name: Some(repository.name.clone()),
        before_commit_id: Some(before),
        after_commit_id: Some(pull.source_commit.clone()),
        merge_base: pull.merge_base.clone(),
    };
    api::PullRequestEvent {
        pull_request_source_reference_updated_event_metadata: Some(of),
        ..event("PULL_REQUEST_SOURCE_REFERENCE_UPDATED")
    }
}

fn merge_changed(repository: &Repository, pull: &PullRequest) -> api::PullRequestEvent {
    let of = api::PullRequestMergedStateChangedEventMetadata {
        repository_name: Some(repository.name.clone()),
        destination_reference: Some(pull.destination_reference.clone()),
        merge_metadata: Some(merge_metadata(pull)),
    };
    api::PullRequestEvent {
        pull_request_merged_state_changed_event_metadata: Some(of),
        ..event("PULL_REQUEST_MERGE_STATE_CHANGED")
    }
}

pub fn merge_metadata(pull: &PullRequest) -> api::MergeMetadata {
    let merged = pull.merged.as_ref();
    api::MergeMetadata {
        is_merged: Some(merged.is_some()),
        merged_by: merged.map(|m| m.by.clone()),
        merge_commit_id: merged.map(|m| m.commit.clone()),
        merge_option: merged.and_then(|m| m.option.clone()),
    }
}

/// Writes down what became of a pull request, by whom, what its own history has of it, and what EventBridge is
/// told. `false`: somebody else has changed it.
#[allow(clippy::too_many_arguments, reason = "all of them are of one change")]
pub async fn record(
    house: &House,
    scope: &Scope,
    repository: &Repository,
    found: &Stored<PullRequest>,
    mut pull: PullRequest,
    actor: &str,
    told: Option<&str>,
    history: Vec<api::PullRequestEvent>,
) -> Result<bool, AwsError> {
    pull.active_at = house.now();
    let mut tx = history.into_iter().fold(house.db.tx(), |tx, event| {
        remember(tx, house, scope, &mut pull, actor, event)
    });
    tx = tx.update(found, &pull);
    if let Some(name) = told {
        tx = post(tx, house, scope, repository, &pull, actor, name);
    }
    Ok(matches!(tx.commit().await?, Committed::At(_)))
}

/// Adds to a pull request's own history.
pub fn remember(
    tx: Tx,
    house: &House,
    scope: &Scope,
    pull: &mut PullRequest,
    actor: &str,
    event: api::PullRequestEvent,
) -> Tx {
    pull.events += 1;
    let id = format!("{}/{:010}", PullRequest::id(pull.number), pull.events);
    let event = PullEvent {
        at: house.now(),
        actor: actor.to_owned(),
        event: neargate_wire::json::Json(event),
    };
    tx.create(db::key::<PullEvent>(scope, &id), &event)
}

/// <https://docs.aws.amazon.com/codecommit/latest/userguide/monitoring-events.html>
pub fn post(
    tx: Tx,
    house: &House,
    scope: &Scope,
    repository: &Repository,
    pull: &PullRequest,
    actor: &str,
    name: &str,
) -> Tx {
    house.events.post(tx, scope, SOURCE, DETAIL_TYPE, || {
        let mut detail = json!({
            "author": pull.author,
            "callerUserArn": actor,
            "creationDate": pull.created_at.rfc3339(),
            "destinationCommit": pull.destination_commit,
            "destinationReference": pull.destination_reference,
            "event": name,
            "isMerged": if pull.merged.is_some() { "True" } else { "False" },
            "lastModifiedDate": pull.active_at.rfc3339(),
            "notificationBody": format!(
                "A pull request event occurred in the following AWS CodeCommit repository: {}. Event: {name}. \
                 Pull request: {}. Title: {}.",
                repository.name, pull.number, pull.title
            ),
            "pullRequestId": pull.number.to_string(),
            "pullRequestStatus": if pull.open { "Open" } else { "Closed" },
            "repositoryNames": [repository.name],
            "revisionId": pull.revision,
            "sourceCommit": pull.source_commit,
            "sourceReference": pull.source_reference,
            "title": pull.title,
        });
        if let Some(description) = &pull.description {
            detail["description"] = description.clone().into();
        }
        if let Some(option) = pull.merged.as_ref().and_then(|m| m.option.as_ref()) {
            detail["mergeOption"] = option.clone().into();
        }
        Event::new(house, SOURCE, DETAIL_TYPE, vec![repository.arn(scope)], detail)
    })
}
