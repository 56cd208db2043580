//! Pull requests.

use super::{paged, repository};
use crate::git::names::{self, HEADS};
use crate::model::{Number, PullEvent, PullRequest, Repository, Rule, RuleTemplate};
use crate::plan::approval::Content;
use crate::pulls::{merge_metadata, post, record, remember};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

const PAGE: usize = 100;
/// "The maximum number of open pull requests for a repository is 1,000."
const MOST_OPEN: usize = 1_000;

/// A pull request, and the repository that it is of.
pub(super) struct Pull {
    pub(super) stored: Stored<PullRequest>,
    pub(super) repository: Stored<Repository>,
}

fn does_not_exist() -> AwsError {
    error::shown(
        "PullRequestDoesNotExistException",
        "The pull request ID could not be found. Make sure that you have specified the correct repository name and \
         pull request ID, and then try again.",
    )
}

pub(super) async fn of_id(cx: &Ctx, id: &str) -> Result<Option<Stored<Repository>>, AwsError> {
    let all = cx.db().list::<Repository>(&cx.scope).await?;
    Ok(all.into_iter().find(|r| r.id == id))
}

pub(super) async fn pull(cx: &Ctx, id: &str) -> Result<Pull, AwsError> {
    let number: u64 = id.parse().map_err(|_| {
        error::shown(
            "InvalidPullRequestIdException",
            "The pull request ID is not valid. Make sure that you have provided the full ID and that the pull \
             request is in the specified repository, and then try again.",
        )
    })?;
    let stored = cx
        .db()
        .get::<PullRequest>(&cx.scope, &PullRequest::id(number))
        .await?;
    let stored = stored.ok_or_else(does_not_exist)?;
    // Those of a repository that is gone are gone with it.
    let repository = of_id(cx, &stored.repository_id)
        .await?
        .ok_or_else(does_not_exist)?;
    Ok(Pull { stored, repository })
}

pub(super) fn shown_rule(rule: &Rule) -> api::ApprovalRule {
    let origin = rule.template.as_ref();
    api::ApprovalRule {
        approval_rule_id: Some(rule.id.clone()),
        approval_rule_name: Some(rule.name.clone()),
        approval_rule_content: Some(rule.content.clone()),
        rule_content_sha256: Some(neargate_wire::sigv4::sha256_hex(rule.content.as_bytes())),
        last_modified_date: Some(rule.modified_at),
        creation_date: Some(rule.created_at),
        last_modified_user: Some(rule.by.clone()),
        origin_approval_rule_template: origin.map(|(id, name)| api::OriginApprovalRuleTemplate {
            approval_rule_template_id: Some(id.clone()),
            approval_rule_template_name: Some(name.clone()),
        }),
    }
}

pub(super) async fn shown(
    codecommit: &CodeCommit,
    pull: &PullRequest,
    repository: &Repository,
) -> Result<api::PullRequest, AwsError> {
    let mut destination = pull.destination_commit.clone();
    if pull.open {
        codecommit.git.ensure(&repository.id).await?;
        let at = codecommit
            .git
            .reference(&repository.id, &pull.destination_reference)
            .await?;
        destination = at.unwrap_or(destination);
    }
    let target = api::PullRequestTarget {
        repository_name: Some(repository.name.clone()),
        source_reference: Some(pull.source_reference.clone()),
        destination_reference: Some(pull.destination_reference.clone()),
        destination_commit: Some(destination),
        source_commit: Some(pull.source_commit.clone()),
        merge_base: pull.merge_base.clone(),
        merge_metadata: Some(merge_metadata(pull)),
    };
    Ok(api::PullRequest {
        pull_request_id: Some(pull.number.to_string()),
        title: Some(pull.title.clone()),
        description: pull.description.clone(),
        last_activity_date: Some(pull.active_at),
        creation_date: Some(pull.created_at),
        pull_request_status: Some(if pull.open { "OPEN" } else { "CLOSED" }.into()),
        author_arn: Some(pull.author.clone()),
        pull_request_targets: Some(vec![target]),
        client_request_token: pull.client_token.clone(),
        revision_id: Some(pull.revision.clone()),
        approval_rules: Some(pull.rules.iter().map(shown_rule).collect()),
    })
}

/// The full name of a branch that a target names, and where it is.
async fn branch(
    codecommit: &CodeCommit,
    repository: &Repository,
    name: &str,
) -> Result<(String, String), AwsError> {
    let short = name.strip_prefix(HEADS).unwrap_or(name);
    if short.starts_with("refs/") || !names::is_reference(short) {
        return Err(error::shown(
            "InvalidReferenceNameException",
            "The specified reference name format is not valid. Reference names must conform to the Git references \
             format (for example, refs/heads/main). For more information, see Git Internals - Git References or \
             consult your Git documentation.",
        ));
    }
    let full = format!("{HEADS}{short}");
    let at = codecommit.git.reference(&repository.id, &full).await?;
    let at = at.ok_or_else(|| {
        error::shown(
            "ReferenceDoesNotExistException",
            "The specified reference does not exist. You must provide a full commit ID.",
        )
    })?;
    Ok((full, at))
}

pub async fn create_pull_request(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::CreatePullRequestInput,
) -> Result<api::CreatePullRequestOutput, AwsError> {
    let [target] = input.targets.as_slice() else {
        return Err(match input.targets.is_empty() {
            true => error::shown(
                "TargetsRequiredException",
                "An array of target objects is required. It cannot be empty or null.",
            ),
            false => error::shown(
                "MultipleRepositoriesInPullRequestException",
                "You cannot include more than one repository in a pull request. Make sure you have specified only \
                 one repository name in your request, and then try again.",
            ),
        });
    };
    let repository = repository(&cx, &target.repository_name).await?;
    let id = &repository.id;
    codecommit.git.ensure(id).await?;
    let default = repository.default_branch.clone().unwrap_or_default();
    let destination = target.destination_reference.clone().unwrap_or(default);
    let (source_reference, source) =
        branch(&codecommit, &repository, &target.source_reference).await?;
    let (destination_reference, destination) =
        branch(&codecommit, &repository, &destination).await?;
    if source_reference == destination_reference {
        return Err(error::shown(
            "SourceAndDestinationAreSameException",
            "The source branch and destination branch for the pull request are the same. You must specify \
             different branches for the source and destination.",
        ));
    }
    let merge_base = codecommit.git.merge_base(id, &source, &destination).await?;
    let author = cx.principal.arn.clone();
    loop {
        let all = cx.db().list::<PullRequest>(&cx.scope).await?;
        if let Some(token) = &input.client_request_token
            && let Some(there) = all
                .iter()
                .find(|p| p.client_token.as_ref() == Some(token) && p.author == author)
        {
            let same = there.title == input.title && there.source_reference == source_reference;
            return match same {
                true => Ok(api::CreatePullRequestOutput {
                    pull_request: Some(shown(&codecommit, there, &repository).await?),
                }),
                false => Err(error::shown(
                    "IdempotencyParameterMismatchException",
                    "The client request token is not valid. Either the token is not in a valid format, or the \
                     token has been used in a previous request and cannot be reused.",
                )),
            };
        }
        if all
            .iter()
            .filter(|p| p.open && p.repository_id == *id)
            .count()
            >= MOST_OPEN
        {
            return Err(error::shown(
                "MaximumOpenPullRequestsExceededException",
                "You cannot create the pull request because the repository has too many open pull requests. The \
                 maximum number of open pull requests for a repository is 1,000. Close one or more open pull \
                 requests, and then try again.",
            ));
        }
        let last = cx.db().get::<Number>(&cx.scope, "pull-request").await?;
        let number = last.as_ref().map_or(0, |n| n.last) + 1;
        let mut made = PullRequest {
            number,
            repository_id: id.clone(),
            title: input.title.clone(),
            description: input.description.clone(),
            author: author.clone(),
            client_token: input.client_request_token.clone(),
            open: true,
            source_reference: source_reference.clone(),
            destination_reference: destination_reference.clone(),
            source_commit: source.clone(),
            destination_commit: destination.clone(),
            merge_base: merge_base.clone(),
            merged: None,
            revision: cx.house.rng.hex(64),
            rules: rules_of_templates(&cx, id, &destination_reference).await?,
            approvals: Vec::new(),
            overrider: None,
            events: 0,
            created_at: cx.now(),
            active_at: cx.now(),
        };
        let event = api::PullRequestEvent {
            pull_request_event_type: Some("PULL_REQUEST_CREATED".into()),
            pull_request_created_event_metadata: Some(api::PullRequestCreatedEventMetadata {
                repository_name: Some(repository.name.clone()),
                source_commit_id: Some(source.clone()),
                destination_commit_id: Some(destination.clone()),
                merge_base: merge_base.clone(),
            }),
            ..Default::default()
        };
        let counted = Number { last: number };
        let tx = match &last {
            Some(last) => cx.db().tx().update(last, &counted),
            None => cx
                .db()
                .tx()
                .create(db::key::<Number>(&cx.scope, "pull-request"), &counted),
        };
        let tx = remember(tx, &cx.house, &cx.scope, &mut made, &author, event);
        let key = db::key::<PullRequest>(&cx.scope, &PullRequest::id(number));
        let tx = tx.create(key, &made).unchanged(&repository);
        let tx = post(
            tx,
            &cx.house,
            &cx.scope,
            &repository,
            &made,
            &author,
            "pullRequestCreated",
        );
        match tx.commit().await? {
            Committed::At(_) => {
                return Ok(api::CreatePullRequestOutput {
                    pull_request: Some(shown(&codecommit, &made, &repository).await?),
                });
            }
            // It may be the repository that is another now, or gone.
            Committed::Conflict => {
                let again = super::repository(&cx, &repository.name).await?;
                if again.revision != repository.revision {
                    return Box::pin(create_pull_request(codecommit, cx, input)).await;
                }
            }
        }
    }
}

async fn rules_of_templates(cx: &Ctx, id: &str, destination: &str) -> Result<Vec<Rule>, AwsError> {
    let all = cx.db().list::<RuleTemplate>(&cx.scope).await?;
    let ours = all.into_iter().filter(|t| {
        let content = Content::parse(&t.content);
        t.repositories.contains(id) && content.is_some_and(|c| c.is_for(destination))
    });
    let rule = |t: Stored<RuleTemplate>| Rule {
        id: cx.house.rng.uuid(),
        name: t.name.clone(),
        content: t.content.clone(),
        template: Some((t.id.clone(), t.name.clone())),
        by: cx.principal.arn.clone(),
        created_at: cx.now(),
        modified_at: cx.now(),
    };
    Ok(ours.map(rule).collect())
}

pub async fn get_pull_request(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetPullRequestInput,
) -> Result<api::GetPullRequestOutput, AwsError> {
    let Pull { stored, repository } = pull(&cx, &input.pull_request_id).await?;
    Ok(api::GetPullRequestOutput {
        pull_request: Some(shown(&codecommit, &stored, &repository).await?),
    })
}

pub async fn list_pull_requests(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListPullRequestsInput,
) -> Result<api::ListPullRequestsOutput, AwsError> {
    let repository = repository(&cx, &input.repository_name).await?;
    let all = cx.db().list::<PullRequest>(&cx.scope).await?;
    let open = input
        .pull_request_status
        .as_deref()
        .map(|status| status == "OPEN");
    let author = input.author_arn.as_ref();
    let ours = all.into_iter().rev().filter(|p| {
        p.repository_id == repository.id
            && open.is_none_or(|open| open == p.open)
            && author.is_none_or(|author| *author == p.author)
    });
    let most = input.max_results.and_then(|n| usize::try_from(n).ok());
    let most = most.map_or(PAGE, |n| n.clamp(1, PAGE));
    let ours: Vec<_> = ours.collect();
    let token = input.next_token.as_deref();
    // The newest is first.
    let page =
        neargate_service::page::page_descending(ours, token, most, |p| PullRequest::id(p.number));
    let page = page.map_err(|_| error::invalid_token())?;
    let ids = page.items.into_iter().map(|p| p.number.to_string());
    Ok(api::ListPullRequestsOutput {
        pull_request_ids: Some(ids.collect()),
        next_token: page.next_token,
    })
}

/// Changes a pull request until nobody else interferes; `change` answers what its history has of it, and
/// EventBridge's name of it.
pub(super) async fn change(
    cx: &Ctx,
    id: &str,
    change: impl Fn(
        &mut PullRequest,
    ) -> Result<(Option<&'static str>, Vec<api::PullRequestEvent>), AwsError>,
) -> Result<(PullRequest, Stored<Repository>), AwsError> {
    loop {
        let Pull { stored, repository } = pull(cx, id).await?;
        let mut value = stored.value.clone();
        let (told, history) = change(&mut value)?;
        let (house, scope, actor) = (&cx.house, &cx.scope, &cx.principal.arn);
        let written = record(
            house,
            scope,
            &repository,
            &stored,
            value.clone(),
            actor,
            told,
            history,
        );
        if written.await? {
            return Ok((pull(cx, id).await?.stored.value, repository));
        }
    }
}

pub async fn update_pull_request_title(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdatePullRequestTitleInput,
) -> Result<api::UpdatePullRequestTitleOutput, AwsError> {
    let (value, repository) = change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        pull.title.clone_from(&input.title);
        Ok((None, Vec::new()))
    })
    .await?;
    Ok(api::UpdatePullRequestTitleOutput {
        pull_request: Some(shown(&codecommit, &value, &repository).await?),
    })
}

pub async fn update_pull_request_description(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdatePullRequestDescriptionInput,
) -> Result<api::UpdatePullRequestDescriptionOutput, AwsError> {
    let (value, repository) = change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        pull.description = Some(input.description.clone());
        Ok((None, Vec::new()))
    })
    .await?;
    Ok(api::UpdatePullRequestDescriptionOutput {
        pull_request: Some(shown(&codecommit, &value, &repository).await?),
    })
}

pub async fn update_pull_request_status(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdatePullRequestStatusInput,
) -> Result<api::UpdatePullRequestStatusOutput, AwsError> {
    let (value, repository) = change(&cx, &input.pull_request_id, |pull| {
        if input.pull_request_status != "CLOSED" || !pull.open {
            return Err(error::shown(
                "InvalidPullRequestStatusUpdateException",
                "The pull request status update is not valid. The only valid update is from OPEN to CLOSED.",
            ));
        }
        pull.open = false;
        let event = api::PullRequestEvent {
            pull_request_event_type: Some("PULL_REQUEST_STATUS_CHANGED".into()),
            pull_request_status_changed_event_metadata: Some(api::PullRequestStatusChangedEventMetadata {
                pull_request_status: Some("CLOSED".into()),
            }),
            ..Default::default()
        };
        Ok((Some("pullRequestStatusChanged"), vec![event]))
    })
    .await?;
    Ok(api::UpdatePullRequestStatusOutput {
        pull_request: Some(shown(&codecommit, &value, &repository).await?),
    })
}

pub(super) fn check_open(pull: &PullRequest) -> Result<(), AwsError> {
    match pull.open {
        true => Ok(()),
        false => Err(error::shown(
            "PullRequestAlreadyClosedException",
            "The pull request status cannot be updated because it is already closed.",
        )),
    }
}

pub async fn describe_pull_request_events(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DescribePullRequestEventsInput,
) -> Result<api::DescribePullRequestEventsOutput, AwsError> {
    let Pull { stored, .. } = pull(&cx, &input.pull_request_id).await?;
    let prefix = format!("{}/", PullRequest::id(stored.number));
    let prefix = db::key::<PullEvent>(&cx.scope, &prefix);
    let all = cx.db().list_prefix::<PullEvent>(&prefix).await?;
    let kind = input.pull_request_event_type.as_ref();
    let ours = all.into_iter().filter(|e| {
        let is_kind =
            kind.is_none_or(|kind| e.event.0.pull_request_event_type.as_ref() == Some(kind));
        is_kind
            && input
                .actor_arn
                .as_ref()
                .is_none_or(|actor| *actor == e.actor)
    });
    let most = input.max_results.and_then(|n| usize::try_from(n).ok());
    let most = most.map_or(PAGE, |n| n.clamp(1, PAGE));
    let page = paged(ours.collect(), input.next_token.as_deref(), most, |e| {
        e.key.clone()
    })?;
    let shown = |e: Stored<PullEvent>| api::PullRequestEvent {
        pull_request_id: Some(stored.number.to_string()),
        event_date: Some(e.at),
        actor_arn: Some(e.actor.clone()),
        ..e.value.event.0
    };
    Ok(api::DescribePullRequestEventsOutput {
        pull_request_events: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

/// The answer of calls that have none.
pub(super) const NOTHING: Unit = Unit;
