//! Notification rules.

use super::{change, kinds, paged, rule, rules, targets};
use crate::controller::{self, MOST_TARGETS};
use crate::kinds::{Of, find};
use crate::model::{Name, Rule, arn};
use crate::{CodeStarNotifications, error};
use neargate_api_codestar_notifications as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Committed, Ctx, db, tags};
use serde_json::json;
use std::sync::Arc;

const MOST_RULES: usize = 1_000;
const MOST_RULES_OF_A_RESOURCE: usize = 10;

/// The service that the resource is of, which has it.
async fn resource(cx: &Ctx, named: &str) -> Result<Of, AwsError> {
    let invalid = || error::validation(format!("The resource {named} is not valid"));
    let parsed: Arn = named.parse().map_err(|_| invalid())?;
    if !cx.scope.holds(&parsed) {
        return Err(error::configuration(format!(
            "The resource {named} is not in this account and region"
        )));
    }
    let found = Of::of_resource(&parsed.service, &parsed.resource);
    let (of, name) = found.ok_or_else(invalid)?;
    let (asked, input) = match of {
        Of::CodeBuild => (
            ("codebuild", "BatchGetProjects"),
            json!({ "names": [name] }),
        ),
        Of::CodeCommit => (
            ("codecommit", "GetRepository"),
            json!({ "repositoryName": name }),
        ),
        Of::CodeDeploy => (
            ("codedeploy", "GetApplication"),
            json!({ "applicationName": name }),
        ),
        Of::CodePipeline => (("codepipeline", "GetPipeline"), json!({ "name": name })),
    };
    let missing = || error::configuration(format!("The resource {named} does not exist"));
    match controller::call(&cx.house, &cx.scope, asked, input).await {
        Ok(found) => {
            let projects = found["projects"].as_array();
            let none = projects.is_some_and(Vec::is_empty);
            if none { Err(missing()) } else { Ok(of) }
        }
        Err(error) if error.status < 500 => Err(missing()),
        Err(error) => Err(error),
    }
}

/// Types in order, each once, all of the resource's service.
fn event_types(given: Vec<String>, of: Of) -> Result<Vec<String>, AwsError> {
    let mut ids = given;
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Err(error::validation(
            "EventTypeIds must have at least one event type",
        ));
    }
    for id in &ids {
        let kind = find(id);
        let kind = kind.ok_or_else(|| error::validation(format!("Invalid event type: {id}")))?;
        if kind.of != of {
            return Err(error::configuration(format!(
                "The event type {id} is not one of {}'s",
                of.name()
            )));
        }
    }
    Ok(ids)
}

pub async fn create_notification_rule(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::CreateNotificationRuleInput,
) -> Result<api::CreateNotificationRuleOutput, AwsError> {
    let answer = |id: &str| api::CreateNotificationRuleOutput {
        arn: Some(arn(&cx.scope, id)),
    };
    let all = rules(&cx).await?;
    if let Some(token) = &input.client_request_token
        && let Some(again) = all.iter().find(|rule| rule.token.as_ref() == Some(token))
    {
        return Ok(answer(&again.id));
    }
    let of = resource(&cx, &input.resource).await?;
    let event_types = event_types(input.event_type_ids, of)?;
    let targets = targets::checked(&cx, input.targets).await?;
    let given = tags::parse(input.tags.unwrap_or_default()).map_err(|why| error::tags(&why))?;
    let of_it = all
        .iter()
        .filter(|rule| rule.resource == input.resource)
        .count();
    if all.len() >= MOST_RULES || of_it >= MOST_RULES_OF_A_RESOURCE {
        return Err(error::limit(format!(
            "There may be {MOST_RULES} notification rules, and {MOST_RULES_OF_A_RESOURCE} of a resource"
        )));
    }
    let made = Rule {
        id: cx.house.rng.uuid(),
        name: input.name.clone(),
        event_types,
        resource: input.resource,
        targets,
        detail_type: input.detail_type,
        enabled: input.status.as_deref() != Some("DISABLED"),
        created_by: cx.principal.arn.clone(),
        created_at: cx.now(),
        updated_at: cx.now(),
        tags: given,
        token: input.client_request_token,
        generation: 1,
        observed: 0,
        deleting: false,
    };
    let name = Name {
        id: made.id.clone(),
    };
    let tx = cx.db().tx();
    let tx = tx
        .create(db::key::<Name>(&cx.scope, &made.name), &name)
        .create(db::key::<Rule>(&cx.scope, &made.id), &made);
    match tx.commit().await? {
        Committed::At(_) => Ok(answer(&made.id)),
        Committed::Conflict => Err(error::exists(&made.name)),
    }
}

pub async fn update_notification_rule(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::UpdateNotificationRuleInput,
) -> Result<api::UpdateNotificationRuleOutput, AwsError> {
    let there = rule(&cx, &input.arn).await?;
    let types = match input.event_type_ids {
        Some(ids) => {
            let of = there.event_types.first().and_then(|id| find(id));
            let of = of.map_or(Of::CodePipeline, |kind| kind.of);
            Some(event_types(ids, of)?)
        }
        None => None,
    };
    let targets = match input.targets {
        Some(given) => Some(targets::checked(&cx, given).await?),
        None => None,
    };
    loop {
        let there = rule(&cx, &input.arn).await?;
        let mut after = there.value.clone();
        if let Some(types) = &types {
            after.event_types.clone_from(types);
        }
        if let Some(targets) = &targets {
            after.targets.clone_from(targets);
        }
        if let Some(status) = &input.status {
            after.enabled = status == "ENABLED";
        }
        if let Some(detail) = &input.detail_type {
            after.detail_type.clone_from(detail);
        }
        after.generation += 1;
        after.updated_at = cx.now();
        let mut tx = cx.db().tx();
        let new = input.name.as_ref().filter(|name| **name != there.name);
        if let Some(new) = new {
            after.name.clone_from(new);
            let name = Name {
                id: there.id.clone(),
            };
            tx = tx
                .create(db::key::<Name>(&cx.scope, new), &name)
                .delete_key(db::key::<Name>(&cx.scope, &there.name));
        }
        if let Committed::At(_) = tx.update(&there, &after).commit().await? {
            return Ok(api::UpdateNotificationRuleOutput {});
        }
        if let Some(new) = new
            && cx.db().get::<Name>(&cx.scope, new).await?.is_some()
        {
            return Err(error::exists(new));
        }
    }
}

pub async fn describe_notification_rule(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::DescribeNotificationRuleInput,
) -> Result<api::DescribeNotificationRuleOutput, AwsError> {
    let rule = rule(&cx, &input.arn).await?.value;
    let types = rule.event_types.iter().filter_map(|id| find(id));
    Ok(api::DescribeNotificationRuleOutput {
        arn: Some(arn(&cx.scope, &rule.id)),
        event_types: Some(types.map(kinds::shown).collect()),
        targets: Some(targets::shown(&rule)),
        name: Some(rule.name),
        resource: Some(rule.resource),
        detail_type: Some(rule.detail_type),
        created_by: Some(rule.created_by),
        status: Some(if rule.enabled { "ENABLED" } else { "DISABLED" }.into()),
        created_timestamp: Some(rule.created_at),
        last_modified_timestamp: Some(rule.updated_at),
        tags: Some(rule.tags),
    })
}

/// A rule that is not there is deleted already.
pub async fn delete_notification_rule(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::DeleteNotificationRuleInput,
) -> Result<api::DeleteNotificationRuleOutput, AwsError> {
    while let Some(there) = controller::find(&cx.house, &cx.scope, &input.arn).await? {
        let mut after = there.value.clone();
        after.deleting = true;
        let name = db::key::<Name>(&cx.scope, &there.name);
        let tx = cx.db().tx().within_reserve().delete_key(name);
        if let Committed::At(_) = tx.update(&there, &after).commit().await? {
            break;
        }
    }
    Ok(api::DeleteNotificationRuleOutput {
        arn: Some(input.arn),
    })
}

pub async fn list_notification_rules(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::ListNotificationRulesInput,
) -> Result<api::ListNotificationRulesOutput, AwsError> {
    let mut all = rules(&cx).await?;
    for filter in input.filters.iter().flatten() {
        let value = &filter.value;
        all.retain(|rule| match filter.name.as_str() {
            "EVENT_TYPE_ID" => rule.event_types.contains(value),
            "CREATED_BY" => rule.created_by == *value,
            "RESOURCE" => rule.resource == *value,
            _ => rule.targets.iter().any(|target| target.address == *value),
        });
    }
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.max_results, |rule| rule.id.clone())?;
    let shown = page.items.iter().map(|rule| api::NotificationRuleSummary {
        id: Some(rule.id.clone()),
        arn: Some(arn(&cx.scope, &rule.id)),
    });
    Ok(api::ListNotificationRulesOutput {
        notification_rules: Some(shown.collect()),
        next_token: page.next_token,
    })
}

/// Adds a target to a rule that has room for it.
pub async fn with_target(
    cx: &Ctx,
    named: &str,
    target: crate::model::Target,
) -> Result<Rule, AwsError> {
    change(cx, named, |rule| {
        if rule
            .targets
            .iter()
            .any(|there| there.address == target.address)
        {
            return Ok(());
        }
        if rule.targets.len() >= MOST_TARGETS {
            return Err(error::limit(format!(
                "A notification rule has up to {MOST_TARGETS} targets"
            )));
        }
        rule.targets.push(target.clone());
        Ok(())
    })
    .await
}
