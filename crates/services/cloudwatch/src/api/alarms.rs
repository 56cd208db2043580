//! Alarms are made, shown, set and deleted. How one is written, which all of that shares, is here.

mod change;
mod composite;
mod describe;
mod metric;

pub use change::{delete_alarms, disable_alarm_actions, enable_alarm_actions, set_alarm_state};
pub use composite::put_composite_alarm;
pub use describe::{describe_alarms, describe_alarms_for_metric};
pub use metric::put_metric_alarm;

use crate::alarm::change::{history, reading};
use crate::alarm::rule::Rule;
use crate::alarm::{arn, name_of};
use crate::model::{Alarm, State, Watches};
use crate::{CloudWatch, error};
use neargate_domain::alarm::AlarmState;
use neargate_service::{AwsError, Ctx, alarm, db};
use neargate_wire::structure::Unit;
use serde_json::json;

/// Alarms of an account in a region (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>
/// has no limit of them; this one keeps a mistake in bounds).
const MOST: usize = 100_000;

fn key(cx: &Ctx, name: &str) -> String {
    db::key::<Alarm>(&cx.scope, &alarm::id(name))
}

fn only_built(what: &[(bool, &str)]) -> Result<(), AwsError> {
    match what.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(AwsError::not_implemented("cloudwatch", name)),
        None => Ok(()),
    }
}

fn initial(cx: &Ctx) -> State {
    let now = cx.now();
    State {
        value: AlarmState::InsufficientData,
        reason: "Unchecked: Initial alarm creation".into(),
        reason_data: None,
        updated_at: now,
        transitioned_at: now,
        set_by_hand: false,
    }
}

/// "When you update an existing alarm, its state is left unchanged, but the update completely overwrites the
/// previous configuration of the alarm"; its tags stay, too.
async fn write(cloudwatch: &CloudWatch, cx: &Ctx, alarm: Alarm) -> Result<Unit, AwsError> {
    if cloudwatch.index.all().len() >= MOST {
        return Err(error::limit_exceeded(format!(
            "There are {MOST} alarms already."
        )));
    }
    let key = key(cx, &alarm.name);
    db::settle(|| async {
        let before = cx.db().get_key::<Alarm>(&key).await?;
        let mut alarm = alarm.clone();
        let tx = cx.db().tx();
        let (tx, what) = match &before {
            None => (tx.create(key.clone(), &alarm), "created"),
            Some(before) => {
                if before.kind() != alarm.kind() {
                    return Err(error::validation(format!(
                        "An alarm of another type with the name {} exists already.",
                        alarm.name
                    )));
                }
                alarm.state = before.state.clone();
                alarm.muted = before.muted.clone();
                alarm.tags = before.tags.clone();
                if let (Watches::Composite(new), Some(old)) =
                    (&mut alarm.watches, before.composite())
                {
                    new.held = old.held.clone().filter(|_| new.suppressor.is_some());
                }
                (tx.update(before, &alarm), "updated")
            }
        };
        let kind = if what == "created" {
            "Create"
        } else {
            "Update"
        };
        let data = json!({
            "version": "1.0",
            "type": kind,
            format!("{what}Alarm"): configuration(cx, &alarm),
        });
        let summary = format!("Alarm \"{}\" {what}", alarm.name);
        let tx = history(
            tx,
            &cx.house,
            &cx.scope,
            &alarm,
            "ConfigurationUpdate",
            summary,
            &data,
        );
        Ok((reading(tx, &cx.scope, &alarm, None, cx.now()), ()))
    })
    .await?;
    Ok(Unit {})
}

/// As an alarm's history has it.
fn configuration(cx: &Ctx, alarm: &Alarm) -> serde_json::Value {
    let mut told = json!({
        "alarmName": alarm.name,
        "alarmArn": arn(&cx.scope, &alarm.name),
        "alarmDescription": alarm.description,
        "actionsEnabled": alarm.actions_enabled,
        "okActions": alarm.ok_actions,
        "alarmActions": alarm.alarm_actions,
        "insufficientDataActions": alarm.insufficient_data_actions,
        "stateValue": alarm.state.value.as_str(),
    });
    if let Some(watch) = alarm.metric() {
        told["threshold"] = watch.threshold.into();
        told["comparisonOperator"] = watch.comparison_operator.clone().into();
        told["evaluationPeriods"] = watch.evaluation_periods.into();
    }
    if let Some(watch) = alarm.composite() {
        told["alarmRule"] = watch.rule.clone().into();
    }
    told
}

fn depends_on(alarm: &Alarm, child: &str) -> bool {
    let Some(watch) = alarm.composite() else {
        return false;
    };
    let suppressor = watch
        .suppressor
        .as_ref()
        .is_some_and(|s| name_of(&s.alarm) == child);
    suppressor || Rule::parse(&watch.rule).is_ok_and(|rule| rule.names().contains(&child))
}
