//! Rules of application load balancers' listeners
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html>).

use super::{paged, references, tags_of, text};
use crate::change::{self, settle};
use crate::error::rule as say;
use crate::model::{Listener, Rule};
use crate::plan::{actions, conditions, protocol, transforms};
use crate::{Elbv2, names};
use neargate_api_elbv2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Of a load balancer, without default ones
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_RULES: usize = 100;

pub async fn create_rule(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::CreateRuleInput,
) -> Result<api::CreateRuleOutput, AwsError> {
    let id = cx.house.rng.hex(16);
    let made = settle(|| created(&cx, &input, &id)).await?;
    Ok(api::CreateRuleOutput {
        rules: Some(vec![made]),
    })
}

async fn created(
    cx: &Ctx,
    input: &api::CreateRuleInput,
    id: &str,
) -> Result<(Tx, api::Rule), AwsError> {
    let listener = change::listener(cx, &input.listener_arn).await?;
    if !protocol::is_http(listener.protocol) {
        return Err(say::unsupported_protocol(protocol::shown(
            listener.protocol,
        )));
    }
    let of = change::load_balancer_of(cx, &listener).await?;
    let priority = u32::try_from(input.priority).unwrap_or_default();
    let new = Rule {
        id: id.to_owned(),
        priority,
        conditions: conditions::checked(input.conditions.clone())?,
        actions: actions::checked(input.actions.clone(), listener.protocol)?,
        transforms: transforms::checked(input.transforms.clone().unwrap_or_default())?,
        tags: tags_of(input.tags.clone())?,
    };
    if listener.rules.iter().any(|r| r.priority == priority) {
        return Err(say::priority_in_use(priority));
    }
    let all = change::listeners_of(cx, of.id()).await?;
    if all.iter().map(|l| l.rules.len()).sum::<usize>() >= MAX_RULES {
        return Err(say::too_many());
    }
    let mut value = listener.value.clone();
    let answer = shown(&value, &new);
    references::check_endpoints(cx, &new.actions)?;
    let groups: BTreeSet<_> = actions::target_groups(&new.actions).collect();
    let tx = cx.db().tx().update(&of, &of.value);
    let tx = references::lead_to(cx, tx, &of, listener.protocol, &groups).await?;
    value.rules.push(new.clone());
    value.rules.sort_by_key(|r| r.priority);
    Ok((tx.update(&listener, &value), answer))
}

pub async fn modify_rule(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyRuleInput,
) -> Result<api::ModifyRuleOutput, AwsError> {
    let modified = settle(|| modified(&cx, &input)).await?;
    Ok(api::ModifyRuleOutput {
        rules: Some(vec![modified]),
    })
}

async fn modified(cx: &Ctx, input: &api::ModifyRuleInput) -> Result<(Tx, api::Rule), AwsError> {
    let resets = input.reset_transforms == Some(true);
    if input.conditions.is_none()
        && input.actions.is_none()
        && input.transforms.is_none()
        && !resets
    {
        return Err(say::nothing_to_modify());
    }
    if resets && input.transforms.is_some() {
        return Err(say::transforms_and_reset());
    }
    let (listener, id) = change::rule(cx, &input.rule_arn).await?;
    let of = change::load_balancer_of(cx, &listener).await?;
    let mut value = listener.value.clone();
    let protocol = listener.protocol;
    let Some(rule) = value.rules.iter_mut().find(|r| r.id == id) else {
        return Err(say::default_rule(&input.rule_arn));
    };
    if let Some(given) = input.conditions.clone() {
        rule.conditions = conditions::checked(given)?;
    }
    if let Some(given) = input.actions.clone() {
        rule.actions = actions::checked(given, protocol)?;
        references::check_endpoints(cx, &rule.actions)?;
    }
    if resets {
        rule.transforms.clear();
    }
    if let Some(given) = input.transforms.clone() {
        rule.transforms = transforms::checked(given)?;
    }
    let rule = rule.clone();
    let groups: BTreeSet<_> = actions::target_groups(&rule.actions).collect();
    let tx = cx
        .db()
        .tx()
        .update(&of, &of.value)
        .update(&listener, &value);
    let tx = references::lead_to(cx, tx, &of, protocol, &groups).await?;
    Ok((tx, shown(&value, &rule)))
}

pub async fn delete_rule(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeleteRuleInput,
) -> Result<api::DeleteRuleOutput, AwsError> {
    settle(|| deleted(&cx, &input.rule_arn)).await?;
    Ok(api::DeleteRuleOutput {})
}

async fn deleted(cx: &Ctx, arn: &str) -> Result<(Tx, ()), AwsError> {
    let (listener, id) = change::rule(cx, arn).await?;
    if listener.default_rule == id {
        return Err(say::default_rule(arn));
    }
    let of = change::load_balancer_of(cx, &listener).await?;
    let mut value = listener.value.clone();
    value.rules.retain(|r| r.id != id);
    let tx = cx
        .db()
        .tx()
        .update(&of, &of.value)
        .update(&listener, &value);
    Ok((tx, ()))
}

pub async fn set_rule_priorities(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::SetRulePrioritiesInput,
) -> Result<api::SetRulePrioritiesOutput, AwsError> {
    let rules = settle(|| reordered(&cx, &input.rule_priorities)).await?;
    Ok(api::SetRulePrioritiesOutput { rules: Some(rules) })
}

async fn reordered(
    cx: &Ctx,
    pairs: &[api::RulePriorityPair],
) -> Result<(Tx, Vec<api::Rule>), AwsError> {
    let mut listener: Option<Stored<Listener>> = None;
    let mut asked: Vec<(String, u32)> = Vec::new();
    for pair in pairs {
        let arn = pair.rule_arn.as_deref().unwrap_or_default();
        let priority = pair.priority.and_then(|p| u32::try_from(p).ok());
        let priority = priority.ok_or_else(say::priority_missing)?;
        let (of, id) = change::rule(cx, arn).await?;
        if of.default_rule == id {
            return Err(say::default_rule(arn));
        }
        if asked.iter().any(|(_, p)| *p == priority) {
            return Err(say::priority_twice(priority));
        }
        if asked.iter().any(|(other, _)| *other == id) {
            return Err(say::rule_twice(arn));
        }
        if listener.as_ref().is_some_and(|l| l.key != of.key) {
            return Err(say::of_several_listeners());
        }
        listener = Some(of);
        asked.push((id, priority));
    }
    let listener = listener.ok_or_else(say::not_found)?;
    let mut value = listener.value.clone();
    for rule in &mut value.rules {
        if let Some((_, priority)) = asked.iter().find(|(id, _)| *id == rule.id) {
            rule.priority = *priority;
        }
    }
    value.rules.sort_by_key(|r| r.priority);
    let twice = value
        .rules
        .windows(2)
        .find(|w| w[0].priority == w[1].priority);
    if let Some(pair) = twice {
        return Err(say::priority_in_use(pair[0].priority));
    }
    let changed = value
        .rules
        .iter()
        .filter(|r| asked.iter().any(|(id, _)| *id == r.id));
    let answer = changed.map(|r| shown(&value, r)).collect();
    let of = change::load_balancer_of(cx, &listener).await?;
    let tx = cx
        .db()
        .tx()
        .update(&of, &of.value)
        .update(&listener, &value);
    Ok((tx, answer))
}

pub async fn describe_rules(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeRulesInput,
) -> Result<api::DescribeRulesOutput, AwsError> {
    let arns = input.rule_arns.unwrap_or_default();
    let mut found = Vec::new();
    match (&input.listener_arn, arns.as_slice()) {
        (None, []) => return Err(say::neither_selector()),
        (Some(_), [_, ..]) => return Err(say::both_selectors()),
        (Some(arn), []) => {
            let listener = change::listener(&cx, arn).await?;
            found.extend(listener.rules.iter().map(|r| shown(&listener, r)));
            found.push(default_rule(&listener));
        }
        (None, arns) => {
            for arn in arns {
                let (listener, id) = change::rule(&cx, arn).await?;
                let rule = listener.rules.iter().find(|r| r.id == id);
                found.push(rule.map_or_else(|| default_rule(&listener), |r| shown(&listener, r)));
            }
        }
    }
    // In the order of their priorities, the default one last.
    let place = |rule: &api::Rule| {
        let number = rule.priority.as_deref().and_then(|p| p.parse::<u32>().ok());
        format!(
            "{:010}{}",
            number.unwrap_or(u32::MAX),
            rule.rule_arn.as_deref().unwrap_or_default()
        )
    };
    found.sort_by_key(place);
    let page = paged(found, input.marker.as_deref(), input.page_size, place)?;
    Ok(api::DescribeRulesOutput {
        rules: Some(page.items),
        next_marker: page.next_token,
    })
}

fn shown(listener: &Listener, rule: &Rule) -> api::Rule {
    api::Rule {
        rule_arn: text(names::rule_arn(&listener.arn, &rule.id)),
        priority: text(rule.priority.to_string()),
        conditions: Some(plain(&rule.conditions)),
        actions: Some(plain(&rule.actions)),
        is_default: Some(false),
        transforms: Some(plain(&rule.transforms)).filter(|t: &Vec<_>| !t.is_empty()),
    }
}

fn default_rule(listener: &Listener) -> api::Rule {
    api::Rule {
        rule_arn: text(names::rule_arn(&listener.arn, &listener.default_rule)),
        priority: text("default"),
        conditions: Some(Vec::new()),
        actions: Some(plain(&listener.default_actions)),
        is_default: Some(true),
        transforms: None,
    }
}

fn plain<T: Clone>(stored: &[Json<T>]) -> Vec<T> {
    stored.iter().map(|one| one.0.clone()).collect()
}
