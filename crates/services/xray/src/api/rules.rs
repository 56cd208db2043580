//! Sampling rules.

use super::{paged, tags};
use crate::model::{DEFAULT, Rule, rule_arn};
use crate::{XRay, error};
use neargate_api_xray as api;
use neargate_service::db::settle;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::json::Json;
use std::sync::Arc;

/// Rules of an account and region, besides the default one.
const MOST: usize = 25;

pub async fn create_sampling_rule(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::CreateSamplingRuleInput,
) -> Result<api::CreateSamplingRuleOutput, AwsError> {
    let mut rule = input.sampling_rule;
    if rule.sampling_rate_boost.is_some() {
        return Err(error::not_built("sampling rate boost"));
    }
    let Some(name) = rule.rule_name.clone() else {
        return Err(error::invalid_request("RuleName is required."));
    };
    if rule.rule_arn.is_some() {
        return Err(error::invalid_request(
            "RuleARN cannot be specified for a rule that is created.",
        ));
    }
    if rule.version != 1 {
        return Err(error::invalid_request(
            "The version of a sampling rule is 1.",
        ));
    }
    let exists = || error::invalid_request(format!("A sampling rule named {name} already exists."));
    if name == DEFAULT {
        return Err(exists());
    }
    rule.rule_arn = Some(rule_arn(&cx.scope, &name));
    rule.attributes.get_or_insert_default();
    let made = Rule {
        rule: Json(rule),
        tags: tags::parse(input.tags.unwrap_or_default(), &name)?,
        created_at: cx.now(),
        modified_at: cx.now(),
    };
    let all = cx.db().list::<Rule>(&cx.scope).await?;
    if all.iter().any(|there| there.name() == name) {
        return Err(exists());
    }
    if all.iter().filter(|there| there.name() != DEFAULT).count() >= MOST {
        return Err(error::too_many_rules(MOST));
    }
    let key = db::key::<Rule>(&cx.scope, &name);
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::At(_) => Ok(api::CreateSamplingRuleOutput {
            sampling_rule_record: Some(made.shown()),
        }),
        Committed::Conflict => Err(exists()),
    }
}

/// The name that is meant.
fn named(cx: &Ctx, name: Option<&str>, arn: Option<&str>) -> Result<String, AwsError> {
    match (name, arn) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(arn)) => {
            let name = arn.split_once("sampling-rule/").map(|(_, name)| name);
            let name = name.filter(|name| rule_arn(&cx.scope, name) == arn);
            name.map(str::to_owned).ok_or_else(error::rule_not_found)
        }
        _ => Err(error::invalid_request(
            "Specify a rule by either name or ARN, but not both.",
        )),
    }
}

async fn find(cx: &Ctx, name: &str) -> Result<Option<Stored<Rule>>, AwsError> {
    let stored = cx.db().get::<Rule>(&cx.scope, name).await?;
    match stored {
        None if name != DEFAULT => Err(error::rule_not_found()),
        stored => Ok(stored),
    }
}

pub async fn update_sampling_rule(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::UpdateSamplingRuleInput,
) -> Result<api::UpdateSamplingRuleOutput, AwsError> {
    let change = input.sampling_rule_update;
    if change.sampling_rate_boost.is_some() {
        return Err(error::not_built("sampling rate boost"));
    }
    let name = named(&cx, change.rule_name.as_deref(), change.rule_arn.as_deref())?;
    check(&change, name == DEFAULT)?;
    let record = settle(async || {
        let stored = find(&cx, &name).await?;
        let mut rule = match &stored {
            Some(stored) => stored.value.clone(),
            None => Rule::default_of(&cx.scope),
        };
        apply(&mut rule.rule.0, change.clone());
        rule.modified_at = cx.now();
        let tx = match &stored {
            Some(stored) => cx.db().tx().update(stored, &rule),
            None => {
                let key = db::key::<Rule>(&cx.scope, &name);
                cx.db().tx().create(key, &rule)
            }
        };
        Ok((tx, rule.shown()))
    });
    Ok(api::UpdateSamplingRuleOutput {
        sampling_rule_record: Some(record.await?),
    })
}

/// The numbers have no bounds in the update's model as they have in the rule's.
fn check(change: &api::SamplingRuleUpdate, is_default: bool) -> Result<(), AwsError> {
    let wrong = |what: &str| Err(error::invalid_request(what));
    if change.priority.is_some_and(|p| !(1..=9_999).contains(&p)) {
        return wrong("The priority is from 1 to 9999.");
    }
    if change.fixed_rate.is_some_and(|r| !(0.0..=1.0).contains(&r)) {
        return wrong("The fixed rate is from 0 to 1.");
    }
    if change.reservoir_size.is_some_and(|size| size < 0) {
        return wrong("The reservoir size is not less than 0.");
    }
    let says_who = change.priority.is_some()
        || change.resource_arn.is_some()
        || change.host.is_some()
        || change.service_name.is_some()
        || change.service_type.is_some()
        || change.http_method.is_some()
        || change.url_path.is_some()
        || change.attributes.as_ref().is_some_and(|a| !a.is_empty());
    match is_default && says_who {
        true => {
            wrong("Only the fixed rate and the reservoir size of the default rule can be changed.")
        }
        false => Ok(()),
    }
}

fn apply(rule: &mut api::SamplingRule, change: api::SamplingRuleUpdate) {
    fn set<T>(field: &mut T, to: Option<T>) {
        if let Some(to) = to {
            *field = to;
        }
    }
    set(&mut rule.resource_arn, change.resource_arn);
    set(&mut rule.priority, change.priority);
    set(&mut rule.fixed_rate, change.fixed_rate);
    set(&mut rule.reservoir_size, change.reservoir_size);
    set(&mut rule.host, change.host);
    set(&mut rule.service_name, change.service_name);
    set(&mut rule.service_type, change.service_type);
    set(&mut rule.http_method, change.http_method);
    set(&mut rule.url_path, change.url_path);
    if change.attributes.is_some() {
        rule.attributes = change.attributes;
    }
}

pub async fn delete_sampling_rule(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::DeleteSamplingRuleInput,
) -> Result<api::DeleteSamplingRuleOutput, AwsError> {
    let name = named(&cx, input.rule_name.as_deref(), input.rule_arn.as_deref())?;
    if name == DEFAULT {
        return Err(error::invalid_request(
            "The default rule cannot be deleted.",
        ));
    }
    let record = settle(async || {
        let stored = find(&cx, &name).await?.ok_or_else(error::rule_not_found)?;
        Ok((cx.db().tx().delete(&stored), stored.shown()))
    });
    let record = record.await?;
    xray.clients.forget_rule(&cx.scope, &name);
    Ok(api::DeleteSamplingRuleOutput {
        sampling_rule_record: Some(record),
    })
}

/// Every rule, in the order in which they are tried.
pub async fn all(cx: &Ctx) -> Result<Vec<Rule>, AwsError> {
    let stored = cx.db().list::<Rule>(&cx.scope).await?;
    let mut rules: Vec<Rule> = stored.into_iter().map(|rule| rule.value).collect();
    if !rules.iter().any(|rule| rule.name() == DEFAULT) {
        rules.push(Rule::default_of(&cx.scope));
    }
    rules.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(rules)
}

fn order(rule: &Rule) -> (i32, &str) {
    (rule.rule.0.priority, rule.name())
}

pub async fn get_sampling_rules(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::GetSamplingRulesInput,
) -> Result<api::GetSamplingRulesOutput, AwsError> {
    let key = |rule: &Rule| {
        let (priority, name) = order(rule);
        format!("{priority:010} {name}")
    };
    let page = paged(all(&cx).await?, input.next_token.as_deref(), key)?;
    Ok(api::GetSamplingRulesOutput {
        sampling_rule_records: Some(page.items.iter().map(Rule::shown).collect()),
        next_token: page.next_token,
    })
}
