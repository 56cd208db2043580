//! Targets of notification rules: topics of SNS.

use super::{change, paged, rules};
use crate::controller::{self, MOST_TARGETS};
use crate::model::{Rule, Target, arn};
use crate::{CodeStarNotifications, error};
use neargate_api_codestar_notifications as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of target a topic is.
const TOPIC: &str = "SNS";

/// The targets of a call, each once, each a topic that is there.
pub async fn checked(cx: &Ctx, given: Vec<api::Target>) -> Result<Vec<Target>, AwsError> {
    let mut all: Vec<Target> = Vec::new();
    for target in given {
        let target = one(cx, target).await?;
        if !all.iter().any(|there| there.address == target.address) {
            all.push(target);
        }
    }
    if all.len() > MOST_TARGETS {
        return Err(error::limit(format!(
            "A notification rule has up to {MOST_TARGETS} targets"
        )));
    }
    Ok(all)
}

async fn one(cx: &Ctx, given: api::Target) -> Result<Target, AwsError> {
    let kind = given.target_type.unwrap_or_else(|| TOPIC.to_owned());
    if kind.starts_with("AWSChatbot") {
        return Err(error::not_built("targets that are chat clients:"));
    }
    if kind != TOPIC {
        return Err(error::validation(format!("Invalid target type: {kind}")));
    }
    let address = given.target_address.unwrap_or_default();
    let parsed: Option<Arn> = address.parse().ok();
    let parsed = parsed.filter(|arn| arn.service == "sns" && !arn.resource.contains(':'));
    let Some(parsed) = parsed else {
        return Err(error::validation(format!(
            "Invalid target address: {address}"
        )));
    };
    if !cx.scope.holds(&parsed) {
        return Err(error::not_built("topics of other accounts and regions:"));
    }
    let named = ("sns", "GetTopicAttributes");
    let asked = json!({ "TopicArn": address });
    match controller::call(&cx.house, &cx.scope, named, asked).await {
        Ok(_) => Ok(Target { kind, address }),
        Err(error) if error.status < 500 => Err(error::configuration(format!(
            "The topic {address} does not exist"
        ))),
        Err(error) => Err(error),
    }
}

/// A target is active once EventBridge knows of it.
pub fn shown(rule: &Rule) -> Vec<api::TargetSummary> {
    let known = rule.observed == rule.generation;
    let shown = |target: &Target| api::TargetSummary {
        target_address: Some(target.address.clone()),
        target_type: Some(target.kind.clone()),
        target_status: Some(if known { "ACTIVE" } else { "PENDING" }.into()),
    };
    rule.targets.iter().map(shown).collect()
}

pub async fn subscribe(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::SubscribeInput,
) -> Result<api::SubscribeOutput, AwsError> {
    let target = one(&cx, input.target).await?;
    let rule = super::rules::with_target(&cx, &input.arn, target).await?;
    Ok(api::SubscribeOutput {
        arn: Some(arn(&cx.scope, &rule.id)),
    })
}

pub async fn unsubscribe(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::UnsubscribeInput,
) -> Result<api::UnsubscribeOutput, AwsError> {
    let address = &input.target_address;
    let removed = change(&cx, &input.arn, |rule| {
        rule.targets.retain(|target| target.address != *address);
        Ok(())
    });
    removed.await?;
    Ok(api::UnsubscribeOutput {
        arn: Some(input.arn),
    })
}

pub async fn list_targets(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::ListTargetsInput,
) -> Result<api::ListTargetsOutput, AwsError> {
    let mut all: BTreeMap<String, api::TargetSummary> = BTreeMap::new();
    for rule in rules(&cx).await? {
        for target in shown(&rule) {
            let address = target.target_address.clone().unwrap_or_default();
            all.entry(address).or_insert(target);
        }
    }
    let mut all: Vec<api::TargetSummary> = all.into_values().collect();
    for filter in input.filters.iter().flatten() {
        all.retain(|target| {
            let value = match filter.name.as_str() {
                "TARGET_TYPE" => &target.target_type,
                "TARGET_ADDRESS" => &target.target_address,
                _ => &target.target_status,
            };
            value.as_ref() == Some(&filter.value)
        });
    }
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.max_results, |target| {
        target.target_address.clone().unwrap_or_default()
    })?;
    Ok(api::ListTargetsOutput {
        targets: Some(page.items),
        next_token: page.next_token,
    })
}

pub async fn delete_target(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::DeleteTargetInput,
) -> Result<api::DeleteTargetOutput, AwsError> {
    let address = &input.target_address;
    let has = |rule: &Rule| rule.targets.iter().any(|target| target.address == *address);
    let of: Vec<String> = rules(&cx)
        .await?
        .iter()
        .filter(|rule| has(rule))
        .map(|rule| arn(&cx.scope, &rule.id))
        .collect();
    if !of.is_empty() && input.force_unsubscribe_all != Some(true) {
        return Err(error::validation(format!(
            "The target {address} is associated with notification rules; unsubscribe it first, or use \
             ForceUnsubscribeAll"
        )));
    }
    for named in of {
        let removed = change(&cx, &named, |rule| {
            rule.targets.retain(|target| target.address != *address);
            Ok(())
        });
        removed.await?;
    }
    Ok(api::DeleteTargetOutput {})
}
