//! Rules.

use super::{bus, commit, paged, rule};
use crate::model::{DISABLED, ENABLED, Rule, rule_arn};
use crate::schedule::{self, fired_key};
use crate::{Events, error, name};
use neargate_api_events as api;
use neargate_service::event_pattern::Pattern;
use neargate_service::events::DEFAULT_BUS;
use neargate_service::{AwsError, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Rules of a bus.
const MOST: usize = 300;

pub async fn put_rule(
    events: Arc<Events>,
    cx: Ctx,
    input: api::PutRuleInput,
) -> Result<api::PutRuleOutput, AwsError> {
    let bus_name = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let set = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (pattern, schedule) = (set(input.event_pattern), set(input.schedule_expression));
    if pattern.is_none() && schedule.is_none() {
        return Err(error::validation(
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ));
    }
    if let Some(text) = &pattern {
        Pattern::parse(text).map_err(|why| error::invalid_pattern(&why))?;
    }
    if let Some(text) = &schedule {
        schedule::parse(text)?;
        if bus_name != DEFAULT_BUS {
            return Err(error::validation(
                "ScheduleExpression is supported only on the default event bus.",
            ));
        }
    }
    let tags = super::tags::parse(input.tags.unwrap_or_default())?;
    bus(&cx, &bus_name).await?;
    let id = Rule::id(&bus_name, &input.name);
    loop {
        let there = cx.db().get::<Rule>(&cx.scope, &id).await?;
        let state = input.state.clone().unwrap_or_else(|| ENABLED.into());
        let mut made = Rule {
            name: input.name.clone(),
            bus: bus_name.clone(),
            pattern: pattern.clone(),
            schedule: schedule.clone(),
            scheduled_since: cx.now(),
            state,
            description: input.description.clone(),
            role_arn: input.role_arn.clone(),
            targets: Vec::new(),
            tags: tags.clone(),
        };
        let tx = match &there {
            // What a rule has besides stays, and so do the times of a schedule that is the same.
            Some(there) => {
                made.targets.clone_from(&there.targets);
                made.tags.clone_from(&there.tags);
                let same = there.schedule == made.schedule && there.is_enabled();
                if same {
                    made.scheduled_since = there.scheduled_since;
                }
                cx.db().tx().update(there, &made)
            }
            None => {
                let prefix = db::key::<Rule>(&cx.scope, &Rule::id(&bus_name, ""));
                if cx.db().list_prefix::<Rule>(&prefix).await?.len() >= MOST {
                    return Err(error::limit(
                        "The requested resource exceeds the maximum number allowed.",
                    ));
                }
                let key = db::key::<Rule>(&cx.scope, &id);
                cx.db().tx().create(key, &made)
            }
        };
        if commit(&events, tx).await? {
            return Ok(api::PutRuleOutput {
                rule_arn: Some(made.arn(&cx.scope)),
            });
        }
    }
}

pub async fn describe_rule(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DescribeRuleInput,
) -> Result<api::DescribeRuleOutput, AwsError> {
    let bus = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let rule = rule(&cx, &bus, &input.name).await?.value;
    Ok(api::DescribeRuleOutput {
        arn: Some(rule.arn(&cx.scope)),
        name: Some(rule.name),
        event_pattern: rule.pattern,
        schedule_expression: rule.schedule,
        state: Some(rule.state),
        description: rule.description,
        role_arn: rule.role_arn,
        event_bus_name: Some(rule.bus),
        created_by: Some(cx.scope.account.to_string()),
        ..Default::default()
    })
}

async fn of_bus(cx: &Ctx, given: Option<&str>) -> Result<Vec<Stored<Rule>>, AwsError> {
    let name = name::own_bus(cx, given)?;
    bus(cx, &name).await?;
    let prefix = db::key::<Rule>(&cx.scope, &Rule::id(&name, ""));
    cx.db().list_prefix::<Rule>(&prefix).await
}

pub async fn list_rules(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListRulesInput,
) -> Result<api::ListRulesOutput, AwsError> {
    let mut all = of_bus(&cx, input.event_bus_name.as_deref()).await?;
    let prefix = input.name_prefix.unwrap_or_default();
    all.retain(|rule| rule.name.starts_with(&prefix));
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |rule| rule.name.clone())?;
    let shown = |rule: Stored<Rule>| {
        let rule = rule.value;
        api::Rule {
            arn: Some(rule_arn(&cx.scope, &rule.bus, &rule.name)),
            name: Some(rule.name),
            event_pattern: rule.pattern,
            state: Some(rule.state),
            description: rule.description,
            schedule_expression: rule.schedule,
            role_arn: rule.role_arn,
            managed_by: None,
            event_bus_name: Some(rule.bus),
        }
    };
    Ok(api::ListRulesOutput {
        rules: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

/// Changes a rule.
pub async fn change(
    events: &Events,
    cx: &Ctx,
    bus: &str,
    name: &str,
    change: impl Fn(&mut Rule) -> Result<(), AwsError> + Send + Sync,
) -> Result<(), AwsError> {
    loop {
        let there = rule(cx, bus, name).await?;
        let mut changed = there.value.clone();
        change(&mut changed)?;
        if changed == there.value || commit(events, cx.db().tx().update(&there, &changed)).await? {
            return Ok(());
        }
    }
}

pub async fn enable_rule(
    events: Arc<Events>,
    cx: Ctx,
    input: api::EnableRuleInput,
) -> Result<Unit, AwsError> {
    let bus = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let now = cx.now();
    let enabled = change(&events, &cx, &bus, &input.name, |rule| {
        if !rule.is_enabled() {
            rule.state = ENABLED.into();
            rule.scheduled_since = now;
        }
        Ok(())
    });
    enabled.await.map(|()| Unit)
}

pub async fn disable_rule(
    events: Arc<Events>,
    cx: Ctx,
    input: api::DisableRuleInput,
) -> Result<Unit, AwsError> {
    let bus = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let disabled = change(&events, &cx, &bus, &input.name, |rule| {
        rule.state = DISABLED.into();
        Ok(())
    });
    disabled.await.map(|()| Unit)
}

/// A rule that does not exist is as good as deleted.
pub async fn delete_rule(
    events: Arc<Events>,
    cx: Ctx,
    input: api::DeleteRuleInput,
) -> Result<Unit, AwsError> {
    let bus_name = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    bus(&cx, &bus_name).await?;
    let id = Rule::id(&bus_name, &input.name);
    loop {
        let Some(there) = cx.db().get::<Rule>(&cx.scope, &id).await? else {
            return Ok(Unit);
        };
        if !there.targets.is_empty() {
            return Err(error::validation(
                "Rule can't be deleted since it has targets.",
            ));
        }
        let fired = fired_key(&cx.scope, &bus_name, &input.name);
        let tx = cx.db().tx().delete(&there).delete_key(fired);
        if commit(&events, tx).await? {
            return Ok(Unit);
        }
    }
}

pub async fn list_rule_names_by_target(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListRuleNamesByTargetInput,
) -> Result<api::ListRuleNamesByTargetOutput, AwsError> {
    let mut all = of_bus(&cx, input.event_bus_name.as_deref()).await?;
    all.retain(|rule| rule.targets.iter().any(|t| t.arn == input.target_arn));
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |rule| rule.name.clone())?;
    Ok(api::ListRuleNamesByTargetOutput {
        rule_names: Some(page.items.into_iter().map(|rule| rule.value.name).collect()),
        next_token: page.next_token,
    })
}
