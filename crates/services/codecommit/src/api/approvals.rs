//! Approval rules of pull requests, and who approved.

use super::pulls::{NOTHING, change, check_open, pull, shown_rule};
use crate::model::{PullRequest, Rule};
use crate::plan::approval::Content;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::sigv4::sha256_hex;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// "30 rules for a pull request".
const MOST: usize = 30;
type Event = api::PullRequestEvent;

pub(super) fn check_content(content: &str) -> Result<(), AwsError> {
    Content::parse(content).map(drop).ok_or_else(|| {
        error::shown(
            "InvalidApprovalRuleContentException",
            "The content for the approval rule is not valid.",
        )
    })
}

fn rule_event(kind: &str, rule: &Rule) -> Event {
    Event {
        pull_request_event_type: Some(kind.to_owned()),
        approval_rule_event_metadata: Some(api::ApprovalRuleEventMetadata {
            approval_rule_name: Some(rule.name.clone()),
            approval_rule_id: Some(rule.id.clone()),
            approval_rule_content: Some(rule.content.clone()),
        }),
        ..Event::default()
    }
}

fn check_revision(pull: &PullRequest, revision: &str) -> Result<(), AwsError> {
    match pull.revision == revision {
        true => Ok(()),
        false => Err(error::shown(
            "RevisionNotCurrentException",
            "The revision ID provided in the request does not match the current revision ID. Use GetPullRequest to \
             retrieve the current revision ID.",
        )),
    }
}

pub async fn create_pull_request_approval_rule(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::CreatePullRequestApprovalRuleInput,
) -> Result<api::CreatePullRequestApprovalRuleOutput, AwsError> {
    check_content(&input.approval_rule_content)?;
    let made = Rule {
        id: cx.house.rng.uuid(),
        name: input.approval_rule_name,
        content: input.approval_rule_content,
        template: None,
        by: cx.principal.arn.clone(),
        created_at: cx.now(),
        modified_at: cx.now(),
    };
    change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        if pull.rules.iter().any(|rule| rule.name == made.name) {
            return Err(error::shown(
                "ApprovalRuleNameAlreadyExistsException",
                "An approval rule with that name already exists. Approval rule names must be unique within the \
                 scope of a pull request.",
            ));
        }
        if pull.rules.len() >= MOST {
            return Err(error::shown(
                "NumberOfRulesExceededException",
                "The approval rule cannot be added. The pull request has the maximum number of approval rules \
                 associated with it.",
            ));
        }
        pull.rules.push(made.clone());
        let event = rule_event("PULL_REQUEST_APPROVAL_RULE_CREATED", &made);
        Ok((Some("pullRequestApprovalRuleCreated"), vec![event]))
    })
    .await?;
    Ok(api::CreatePullRequestApprovalRuleOutput {
        approval_rule: Some(shown_rule(&made)),
    })
}

pub async fn update_pull_request_approval_rule_content(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdatePullRequestApprovalRuleContentInput,
) -> Result<api::UpdatePullRequestApprovalRuleContentOutput, AwsError> {
    check_content(&input.new_rule_content)?;
    let name = &input.approval_rule_name;
    let (value, _) = change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        let rule = pull.rules.iter_mut().find(|rule| rule.name == *name).ok_or_else(no_rule)?;
        if rule.template.is_some() {
            return Err(error::shown(
                "CannotModifyApprovalRuleFromTemplateException",
                "The approval rule cannot be modified for the pull request because it was created by an approval \
                 rule template and applied to the pull request automatically.",
            ));
        }
        check_hash(input.existing_rule_content_sha256.as_deref(), &rule.content)?;
        rule.content.clone_from(&input.new_rule_content);
        rule.modified_at = cx.now();
        rule.by.clone_from(&cx.principal.arn);
        let event = rule_event("PULL_REQUEST_APPROVAL_RULE_UPDATED", rule);
        Ok((Some("pullRequestApprovalRuleUpdated"), vec![event]))
    })
    .await?;
    let rule = value.rules.iter().find(|rule| rule.name == *name);
    Ok(api::UpdatePullRequestApprovalRuleContentOutput {
        approval_rule: rule.map(shown_rule),
    })
}

/// Is the content still the one that the caller saw?
pub(super) fn check_hash(seen: Option<&str>, content: &str) -> Result<(), AwsError> {
    match seen {
        Some(seen) if seen != sha256_hex(content.as_bytes()) => Err(error::shown(
            "InvalidRuleContentSha256Exception",
            "The SHA-256 hash signature for the rule content is not valid.",
        )),
        _ => Ok(()),
    }
}

fn no_rule() -> AwsError {
    error::shown(
        "ApprovalRuleDoesNotExistException",
        "The specified approval rule does not exist.",
    )
}

/// One that is not there was deleted before, as AWS sees it.
pub async fn delete_pull_request_approval_rule(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DeletePullRequestApprovalRuleInput,
) -> Result<api::DeletePullRequestApprovalRuleOutput, AwsError> {
    let name = &input.approval_rule_name;
    let before = pull(&cx, &input.pull_request_id).await?.stored;
    let Some(rule) = before.rules.iter().find(|rule| rule.name == *name) else {
        return Ok(api::DeletePullRequestApprovalRuleOutput {
            approval_rule_id: None,
        });
    };
    if rule.template.is_some() {
        return Err(error::shown(
            "CannotDeleteApprovalRuleFromTemplateException",
            "The approval rule cannot be deleted from the pull request because it was created by an approval rule \
             template and applied to the pull request automatically.",
        ));
    }
    change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        pull.rules.retain(|other| other.id != rule.id);
        let event = rule_event("PULL_REQUEST_APPROVAL_RULE_DELETED", rule);
        Ok((Some("pullRequestApprovalRuleDeleted"), vec![event]))
    })
    .await?;
    Ok(api::DeletePullRequestApprovalRuleOutput {
        approval_rule_id: Some(rule.id.clone()),
    })
}

pub async fn update_pull_request_approval_state(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdatePullRequestApprovalStateInput,
) -> Result<Unit, AwsError> {
    let who = &cx.principal.arn;
    change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        check_revision(pull, &input.revision_id)?;
        if pull.author == *who {
            return Err(error::shown(
                "PullRequestCannotBeApprovedByAuthorException",
                "The approval cannot be applied because the user approving the pull request matches the user who \
                 created the pull request. You cannot approve a pull request that you created.",
            ));
        }
        pull.approvals.retain(|other| other != who);
        if input.approval_state == "APPROVE" {
            pull.approvals.push(who.clone());
        }
        let of = api::ApprovalStateChangedEventMetadata {
            revision_id: Some(pull.revision.clone()),
            approval_status: Some(input.approval_state.clone()),
        };
        let event = Event {
            pull_request_event_type: Some("PULL_REQUEST_APPROVAL_STATE_CHANGED".into()),
            approval_state_changed_event_metadata: Some(of),
            ..Event::default()
        };
        Ok((Some("pullRequestApprovalStateChanged"), vec![event]))
    })
    .await?;
    Ok(NOTHING)
}

pub async fn get_pull_request_approval_states(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetPullRequestApprovalStatesInput,
) -> Result<api::GetPullRequestApprovalStatesOutput, AwsError> {
    let pull = pull(&cx, &input.pull_request_id).await?.stored.value;
    // An earlier revision's approvals ended with it.
    let is_current = pull.revision == input.revision_id;
    let approvals = pull.approvals.iter().filter(|_| is_current);
    let approval = |who: &String| api::Approval {
        user_arn: Some(who.clone()),
        approval_state: Some("APPROVE".into()),
    };
    Ok(api::GetPullRequestApprovalStatesOutput {
        approvals: Some(approvals.map(approval).collect()),
    })
}

pub async fn override_pull_request_approval_rules(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::OverridePullRequestApprovalRulesInput,
) -> Result<Unit, AwsError> {
    change(&cx, &input.pull_request_id, |pull| {
        check_open(pull)?;
        check_revision(pull, &input.revision_id)?;
        let overrides = input.override_status == "OVERRIDE";
        if overrides && pull.overrider.is_some() {
            return Err(error::shown(
                "OverrideAlreadySetException",
                "The pull request has already had its approval rules set to override.",
            ));
        }
        pull.overrider = overrides.then(|| cx.principal.arn.clone());
        let of = api::ApprovalRuleOverriddenEventMetadata {
            revision_id: Some(pull.revision.clone()),
            override_status: Some(input.override_status.clone()),
        };
        let event = Event {
            pull_request_event_type: Some("PULL_REQUEST_APPROVAL_RULE_OVERRIDDEN".into()),
            approval_rule_overridden_event_metadata: Some(of),
            ..Event::default()
        };
        Ok((Some("pullRequestApprovalRuleOverridden"), vec![event]))
    })
    .await?;
    Ok(NOTHING)
}

pub async fn get_pull_request_override_state(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetPullRequestOverrideStateInput,
) -> Result<api::GetPullRequestOverrideStateOutput, AwsError> {
    let pull = pull(&cx, &input.pull_request_id).await?.stored.value;
    let overrider = pull
        .overrider
        .clone()
        .filter(|_| pull.revision == input.revision_id);
    Ok(api::GetPullRequestOverrideStateOutput {
        overridden: Some(overrider.is_some()),
        overrider,
    })
}

pub async fn evaluate_pull_request_approval_rules(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::EvaluatePullRequestApprovalRulesInput,
) -> Result<api::EvaluatePullRequestApprovalRulesOutput, AwsError> {
    let pull = pull(&cx, &input.pull_request_id).await?.stored.value;
    check_revision(&pull, &input.revision_id)?;
    let (good, bad): (Vec<&Rule>, Vec<&Rule>) = pull.rules.iter().partition(|rule| {
        let content = Content::parse(&rule.content);
        content.is_some_and(|content| content.is_satisfied(&pull.approvals))
    });
    let names = |rules: &[&Rule]| Some(rules.iter().map(|rule| rule.name.clone()).collect());
    let overridden = pull.overrider.is_some();
    Ok(api::EvaluatePullRequestApprovalRulesOutput {
        evaluation: Some(api::Evaluation {
            approved: Some(bad.is_empty() || overridden),
            overridden: Some(overridden),
            approval_rules_satisfied: names(&good),
            approval_rules_not_satisfied: names(&bad),
        }),
    })
}
