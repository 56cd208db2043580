//! The alarms that policies which track a target own: made and deleted by CloudWatch's operations,
//! under the service-linked role, until CloudWatch has what the target's record says.

use crate::model::{Kind, Named, Policy, Target};
use crate::{ecs, metric};
use neargate_api_cloudwatch::{self as api, ops};
use neargate_service::scaling::own_alarm::{self, OwnAlarm};
use neargate_service::{AwsError, Caller, House, Scope, Stored};
use std::sync::Arc;

/// As many names as `DeleteAlarms` takes.
const AT_ONCE: usize = 100;

/// Names for the alarms that a policy of this kind owns: new ones, each time that it is put.
pub fn names(house: &House, named: &Named, kind: &Kind) -> Vec<OwnAlarm> {
    let Kind::TargetTracking(asked) = kind else {
        return Vec::new();
    };
    let shrinks = asked.disable_scale_in != Some(true);
    own_alarm::named(&named.resource_id(), shrinks, || house.rng.uuid())
}

/// Is there anything to make or to delete?
pub fn are_due(target: &Target) -> bool {
    let mut own = target.policies.values().flat_map(|p| &p.alarms);
    !target.unwanted_alarms.is_empty() || own.any(|alarm| !alarm.is_made)
}

/// Makes and deletes what is due, and writes down what was done.
///
/// # Errors
/// CloudWatch's.
pub async fn settle(house: &Arc<House>, key: &str) -> Result<(), AwsError> {
    let found = house.db.get_key::<Target>(key).await?;
    let (Some(target), Some(scope)) = (found, Scope::of_key(key)) else {
        return Ok(());
    };
    let mut made = Vec::new();
    for (name, policy) in &target.policies {
        for alarm in policy.alarms.iter().filter(|alarm| !alarm.is_made) {
            put(house, &scope, &target, name, policy, alarm).await?;
            made.push(alarm.name.clone());
        }
    }
    let unwanted: Vec<String> = target.unwanted_alarms.iter().cloned().collect();
    for names in unwanted.chunks(AT_ONCE) {
        delete(house, &scope, names).await?;
    }
    let write = |target: &mut Target| {
        let before = target.clone();
        let own = target.policies.values_mut().flat_map(|p| &mut p.alarms);
        own.filter(|alarm| made.contains(&alarm.name))
            .for_each(|alarm| alarm.is_made = true);
        target.unwanted_alarms.retain(|n| !unwanted.contains(n));
        Ok(*target != before)
    };
    house.db.modify::<Target, _>(key, write).await?;
    Ok(())
}

async fn put(
    house: &Arc<House>,
    scope: &Scope,
    target: &Stored<Target>,
    name: &str,
    policy: &Policy,
    alarm: &OwnAlarm,
) -> Result<(), AwsError> {
    let Kind::TargetTracking(asked) = &policy.kind else {
        return Ok(());
    };
    let arn = target.policy_arn(scope, name, policy);
    let action = format!("{arn}:createdBy/{}", policy.created_by);
    let input = api::PutMetricAlarmInput {
        alarm_name: alarm.name.clone(),
        alarm_description: Some(own_alarm::description(&action)),
        actions_enabled: Some(true),
        alarm_actions: Some(vec![action]),
        ..metric::alarm(&target.named(), asked, alarm.is_high)
    };
    let role = ecs::role(scope);
    Caller::call::<ops::PutMetricAlarm>(house, scope, &role, &input)
        .await
        .map(drop)
}

/// Those that are gone already are no error.
async fn delete(house: &Arc<House>, scope: &Scope, names: &[String]) -> Result<(), AwsError> {
    let role = ecs::role(scope);
    for name in names {
        let input = api::DeleteAlarmsInput {
            alarm_names: vec![name.clone()],
        };
        match Caller::call::<ops::DeleteAlarms>(house, scope, &role, &input).await {
            Err(e) if e.status >= 500 && e.code != "NotImplemented" => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// The ARN of an alarm.
pub fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("cloudwatch", format!("alarm:{name}"))
}
