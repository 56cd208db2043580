//! Alarms are set by hand, enabled, disabled and deleted.

use super::{depends_on, key};
use crate::alarm::change::{Next, change, reading};
use crate::model::Alarm;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::{AwsError, Committed, Ctx, Stored, alarm, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

pub async fn set_alarm_state(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::SetAlarmStateInput,
) -> Result<Unit, AwsError> {
    let value = match input.state_value.as_str() {
        "OK" => AlarmState::Ok,
        "ALARM" => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    };
    if let Some(data) = &input.state_reason_data
        && serde_json::from_str::<serde_json::Value>(data).is_err()
    {
        return Err(AwsError::client(
            "InvalidFormat",
            "StateReasonData is not valid JSON.",
        ));
    }
    loop {
        let stored = cx
            .db()
            .get_key::<Alarm>(&key(&cx, &input.alarm_name))
            .await?;
        let stored = stored.ok_or_else(error::alarm_not_found)?;
        let next = Next {
            value,
            reason: input.state_reason.clone(),
            reason_data: input.state_reason_data.clone(),
            seen: None,
            by_hand: true,
        };
        if let Committed::At(_) = change(&cx.house, &cx.scope, &stored, next).await? {
            return Ok(Unit {});
        }
    }
}

pub async fn enable_alarm_actions(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::EnableAlarmActionsInput,
) -> Result<Unit, AwsError> {
    enable(&cx, &input.alarm_names, true).await
}

pub async fn disable_alarm_actions(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DisableAlarmActionsInput,
) -> Result<Unit, AwsError> {
    enable(&cx, &input.alarm_names, false).await
}

/// Alarms that do not exist are passed over.
async fn enable(cx: &Ctx, names: &[String], enabled: bool) -> Result<Unit, AwsError> {
    for name in names {
        loop {
            let Some(stored) = cx.db().get_key::<Alarm>(&key(cx, name)).await? else {
                break;
            };
            if stored.actions_enabled == enabled {
                break;
            }
            let alarm = Alarm {
                actions_enabled: enabled,
                ..stored.value.clone()
            };
            let tx =
                reading(cx.db().tx(), &cx.scope, &alarm, None, cx.now()).update(&stored, &alarm);
            if let Committed::At(_) = tx.commit().await? {
                break;
            }
        }
    }
    Ok(Unit {})
}

/// "If you specify at least one alarm that can't be deleted, none is"; those that do not exist are passed over.
pub async fn delete_alarms(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DeleteAlarmsInput,
) -> Result<Unit, AwsError> {
    let names = &input.alarm_names;
    db::settle(|| async {
        let all = cx.db().list::<Alarm>(&cx.scope).await?;
        let doomed: Vec<&Stored<Alarm>> = all.iter().filter(|a| names.contains(&a.name)).collect();
        if doomed.len() > 1 && doomed.iter().any(|alarm| alarm.composite().is_some()) {
            return Err(error::validation(
                "DeleteAlarms can delete one composite alarm at a time, and no other alarm with it.",
            ));
        }
        let kept = all.iter().filter(|a| !names.contains(&a.name) || a.composite().is_some());
        let kept: Vec<&Stored<Alarm>> = kept.collect();
        for alarm in &doomed {
            let parents = kept.iter().filter(|parent| depends_on(parent, &alarm.name));
            let parents: Vec<&str> = parents.map(|parent| parent.name.as_str()).collect();
            if !parents.is_empty() {
                return Err(error::validation(format!(
                    "Cannot delete {} as there are composite alarm(s) depending on it: [{}]",
                    alarm.name,
                    parents.join(", ")
                )));
            }
        }
        let mut tx = cx.db().tx();
        for alarm in doomed {
            tx = tx.delete(alarm);
            tx = tx.delete_key(db::key::<AlarmReading>(&cx.scope, &alarm::id(&alarm.name)));
        }
        Ok((tx, ()))
    })
    .await?;
    Ok(Unit {})
}
