//! Mute rules of alarms.

use crate::alarm::mute::{Begins, duration, status};
use crate::model::{Alarm, MuteRule};
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Committed, Ctx, Scope, alarm, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

const PAGE: Size = Size {
    least: 1,
    most: 100,
    default: 50,
};
/// AWS names no limit; this one keeps a mistake in bounds.
const MOST: usize = 5_000;

pub fn key(scope: &Scope, name: &str) -> String {
    db::key::<MuteRule>(scope, &alarm::id(name))
}

fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("cloudwatch", format!("alarm-mute-rule:{name}"))
}

/// What it does when, in AWS's word.
fn mute_type(rule: &MuteRule) -> &'static str {
    match rule.expression.starts_with("at(") {
        true => "ONE_TIME",
        false => "RECURRING",
    }
}

/// "If you specify a rule name that already exists, this operation updates the existing rule with the new
/// configuration"; tags are the new rule's alone.
pub async fn put_alarm_mute_rule(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutAlarmMuteRuleInput,
) -> Result<Unit, AwsError> {
    let schedule = input.rule.schedule;
    if Begins::parse(&schedule.expression, schedule.timezone.as_deref()).is_none() {
        return Err(error::validation(format!(
            "The schedule {} in the time zone {} is not valid: use cron(Minutes Hours Day-of-month Month \
             Day-of-week) or at(yyyy-MM-ddThh:mm), and a time zone such as Europe/London.",
            schedule.expression,
            schedule.timezone.as_deref().unwrap_or("UTC")
        )));
    }
    if duration(&schedule.duration).is_none() {
        return Err(error::validation(format!(
            "The duration {} is not valid: use an ISO 8601 duration between PT1M and P15D.",
            schedule.duration
        )));
    }
    if let (Some(start), Some(end)) = (input.start_date, input.expire_date)
        && start >= end
    {
        return Err(error::validation("StartDate must be before ExpireDate."));
    }
    let alarm_names = input.mute_targets.map(|targets| targets.alarm_names);
    let mut missing = Vec::new();
    for name in alarm_names.iter().flatten() {
        let key = db::key::<Alarm>(&cx.scope, &alarm::id(name));
        if cx.db().get_key::<Alarm>(&key).await?.is_none() {
            missing.push(name.clone());
        }
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(error::validation(format!(
            "The alarms [{missing}] in MuteTargets do not exist."
        )));
    }
    let tags = super::tags::parse(input.tags.unwrap_or_default())?;
    let wanted = MuteRule {
        name: input.name,
        description: input.description,
        expression: schedule.expression,
        duration: schedule.duration,
        timezone: schedule.timezone,
        alarm_names,
        start_date: input.start_date,
        expire_date: input.expire_date,
        updated_at: cx.now(),
        tags,
    };
    let key = key(&cx.scope, &wanted.name);
    db::settle(|| async {
        let mut rule = wanted.clone();
        let tx = cx.db().tx();
        let Some(before) = cx.db().get_key::<MuteRule>(&key).await? else {
            if cx.db().list::<MuteRule>(&cx.scope).await?.len() >= MOST {
                return Err(error::limit_exceeded(format!(
                    "There are {MOST} alarm mute rules already."
                )));
            }
            return Ok((tx.create(key.clone(), &rule), ()));
        };
        rule.tags = before.tags.clone();
        Ok((tx.update(&before, &rule), ()))
    })
    .await?;
    // What it muted before may not be any more.
    cloudwatch.index.changed.notify_one();
    Ok(Unit {})
}

pub async fn get_alarm_mute_rule(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::GetAlarmMuteRuleInput,
) -> Result<api::GetAlarmMuteRuleOutput, AwsError> {
    let name = &input.alarm_mute_rule_name;
    let found = cx.db().get_key::<MuteRule>(&key(&cx.scope, name)).await?;
    let rule = found.ok_or_else(|| error::mute_rule_not_found(name))?.value;
    Ok(api::GetAlarmMuteRuleOutput {
        alarm_mute_rule_arn: Some(arn(&cx.scope, &rule.name)),
        status: Some(status(&rule, cx.now()).as_str().into()),
        mute_type: Some(mute_type(&rule).into()),
        name: Some(rule.name),
        description: rule.description,
        rule: Some(api::Rule {
            schedule: api::Schedule {
                expression: rule.expression,
                duration: rule.duration,
                timezone: rule.timezone,
            },
        }),
        mute_targets: rule
            .alarm_names
            .map(|alarm_names| api::MuteTargets { alarm_names }),
        start_date: rule.start_date,
        expire_date: rule.expire_date,
        last_updated_timestamp: Some(rule.updated_at),
    })
}

pub async fn list_alarm_mute_rules(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::ListAlarmMuteRulesInput,
) -> Result<api::ListAlarmMuteRulesOutput, AwsError> {
    let now = cx.now();
    let statuses = input.statuses.filter(|statuses| !statuses.is_empty());
    let mut all = cx.db().list::<MuteRule>(&cx.scope).await?;
    all.retain(|rule| {
        let of_alarm = input.alarm_name.as_ref().is_none_or(|name| {
            let mut names = rule.alarm_names.iter().flatten();
            names.any(|target| target == name)
        });
        let shown = status(rule, now).as_str();
        let wanted = statuses.as_ref();
        of_alarm && wanted.is_none_or(|wanted| wanted.iter().any(|status| status == shown))
    });
    let size = PAGE.clamp(input.max_records);
    let paged = page(all, input.next_token.as_deref(), size, |rule| {
        rule.key.clone()
    });
    let paged = paged.map_err(|_| error::unknown_token())?;
    let summary = |rule: &MuteRule| api::AlarmMuteRuleSummary {
        alarm_mute_rule_arn: Some(arn(&cx.scope, &rule.name)),
        expire_date: rule.expire_date,
        status: Some(status(rule, now).as_str().into()),
        mute_type: Some(mute_type(rule).into()),
        last_updated_timestamp: Some(rule.updated_at),
    };
    Ok(api::ListAlarmMuteRulesOutput {
        alarm_mute_rule_summaries: Some(paged.items.iter().map(|rule| summary(rule)).collect()),
        next_token: paged.next_token,
    })
}

/// "If you delete a mute rule that does not exist, the operation succeeds without returning an error."
pub async fn delete_alarm_mute_rule(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DeleteAlarmMuteRuleInput,
) -> Result<Unit, AwsError> {
    let key = key(&cx.scope, &input.alarm_mute_rule_name);
    let _: Committed = cx.db().tx().delete_key(key).commit().await?;
    cloudwatch.index.changed.notify_one();
    Ok(Unit {})
}
