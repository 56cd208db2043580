//! `PutCompositeAlarm`.

use super::{initial, key, only_built, write};
use crate::alarm::name_of;
use crate::alarm::rule::Rule;
use crate::model::{Alarm, CompositeWatch, Suppressor, Watches};
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

pub async fn put_composite_alarm(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutCompositeAlarmInput,
) -> Result<Unit, AwsError> {
    only_built(&[(
        input.action_configuration.is_some(),
        "action configurations of alarms",
    )])?;
    let rule = Rule::parse(&input.alarm_rule)
        .map_err(|why| error::validation(format!("AlarmRule is not valid: {why}.")))?;
    let mut missing = Vec::new();
    for name in rule.names() {
        if cx.db().get_key::<Alarm>(&key(&cx, name)).await?.is_none() {
            missing.push(name.to_owned());
        }
    }
    if !missing.is_empty() {
        return Err(error::validation(format!(
            "Could not save the composite alarm as alarms [{}] in the alarm rule do not exist",
            missing.join(", ")
        )));
    }
    let suppressor = match input.actions_suppressor {
        None => None,
        Some(named) => {
            let (Some(wait_seconds), Some(extension_seconds)) = (
                input.actions_suppressor_wait_period,
                input.actions_suppressor_extension_period,
            ) else {
                return Err(error::validation(
                    "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod are required with \
                     ActionsSuppressor.",
                ));
            };
            if cx
                .db()
                .get_key::<Alarm>(&key(&cx, name_of(&named)))
                .await?
                .is_none()
            {
                return Err(error::validation(format!(
                    "The actions suppressor {named} does not exist."
                )));
            }
            Some(Suppressor {
                alarm: named,
                wait_seconds,
                extension_seconds,
            })
        }
    };
    let watch = CompositeWatch {
        rule: input.alarm_rule,
        suppressor,
        held: None,
    };
    let alarm = Alarm {
        name: input.alarm_name,
        description: input.alarm_description,
        actions_enabled: input.actions_enabled.unwrap_or(true),
        ok_actions: input.ok_actions.unwrap_or_default(),
        alarm_actions: input.alarm_actions.unwrap_or_default(),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_default(),
        tags: crate::api::tags::parse(input.tags.unwrap_or_default())?,
        configured_at: cx.now(),
        watches: Watches::Composite(watch),
        state: initial(&cx),
        muted: None,
    };
    write(&cloudwatch, &cx, alarm).await
}
