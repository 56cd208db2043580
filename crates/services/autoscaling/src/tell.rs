//! Who is told of what a group does to its instances: topics of what has ended
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-sns-notifications.html>), and
//! EventBridge and the targets of lifecycle hooks of instances that wait
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/prepare-for-lifecycle-notifications.html>).
//!
//! All of it is written with the change that it tells of; EventBridge carries it out. Its keys follow from what is
//! told, so that what is told twice is the same.

use crate::activity::{Activity, Ended, derived};
use crate::event::{self, SOURCE, iso};
use crate::hook::{Hook, Transition, Wait};
use crate::model::{self, Group};
use neargate_base::Timestamp;
use neargate_service::events::Event;
use neargate_service::invocation::{Invocation, Origin, Retry, To};
use neargate_service::{House, Scope, Tx, db};
use serde_json::{Value, json};

/// The only type that is told when it is asked for, instead of when something happens.
pub const TEST: &str = "autoscaling:TEST_NOTIFICATION";

/// What waits for a lifecycle hook that did not wait before.
pub struct Waiting<'a> {
    instance: &'a str,
    name: &'a str,
    hook: &'a Hook,
    wait: &'a Wait,
}

/// Lifecycle actions that begin where `before` becomes `after`.
pub fn waiting<'a>(before: &Group, after: &'a Group) -> Vec<Waiting<'a>> {
    let mut all = Vec::new();
    for (instance, member) in &after.instances {
        let known = before.instances.get(instance);
        for (name, wait) in &member.waits {
            let old = known.and_then(|member| member.waits.get(name));
            let is_new = old.is_none_or(|old| old.token != wait.token);
            if let (true, Some(hook)) = (is_new, after.hooks.get(name)) {
                all.push(Waiting {
                    instance,
                    name,
                    hook,
                    wait,
                });
            }
        }
    }
    all
}

/// Where an instance comes from, and where it goes.
fn ends(transition: Transition) -> (&'static str, &'static str) {
    match transition {
        Transition::Launching => ("EC2", "AutoScalingGroup"),
        Transition::Terminating => ("AutoScalingGroup", "EC2"),
    }
}

/// Tells that an instance waits: two changes of a transaction at most.
pub fn waits(tx: Tx, house: &House, scope: &Scope, group: &Group, of: &Waiting<'_>) -> Tx {
    let (origin, destination) = ends(of.hook.transition);
    let detail_type = match of.hook.transition {
        Transition::Launching => "EC2 Instance-launch Lifecycle Action",
        Transition::Terminating => "EC2 Instance-terminate Lifecycle Action",
    };
    let mut detail = json!({
        "LifecycleActionToken": of.wait.token,
        "AutoScalingGroupName": group.name,
        "LifecycleHookName": of.name,
        "EC2InstanceId": of.instance,
        "LifecycleTransition": of.hook.transition.shown(),
        "Origin": origin,
        "Destination": destination,
    });
    if let Some(metadata) = &of.hook.metadata {
        detail["NotificationMetadata"] = metadata.as_str().into();
    }
    let tx = house.events.post(tx, scope, SOURCE, detail_type, || Event {
        id: of.wait.token.clone(),
        source: SOURCE.into(),
        detail_type: detail_type.into(),
        time: house.now(),
        resources: vec![group.arn(scope)],
        detail: detail.clone(),
    });
    let Some(target) = &of.hook.target else {
        return tx;
    };
    for (name, value) in [
        ("AccountId", scope.account.to_string()),
        ("RequestId", of.wait.token.clone()),
        ("Service", "AWS Auto Scaling".to_owned()),
        ("Time", iso(house.now())),
    ] {
        detail[name] = value.into();
    }
    let subject = format!(
        "Auto Scaling:  Lifecycle action '{}' for instance {} in progress.",
        describe(of.hook.transition),
        of.instance
    );
    let invocation = invocation(
        group,
        scope,
        target,
        of.hook.role.clone(),
        &subject,
        &detail,
        house.now(),
    );
    tx.put(db::key::<Invocation>(scope, &of.wait.token), &invocation)
}

fn describe(transition: Transition) -> &'static str {
    match transition {
        Transition::Launching => "LAUNCHING",
        Transition::Terminating => "TERMINATING",
    }
}

/// The type of the notifications of an activity that has ended.
fn kind(activity: &Activity) -> &'static str {
    let launch = activity.description.starts_with("Launching");
    match (launch, activity.status == "Successful") {
        (true, true) => "autoscaling:EC2_INSTANCE_LAUNCH",
        (true, false) => "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
        (false, true) => "autoscaling:EC2_INSTANCE_TERMINATE",
        (false, false) => "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    }
}

/// Tells topics that an activity has ended: as many changes of a transaction as the group has topics.
pub fn ended(tx: Tx, house: &House, scope: &Scope, group: &Group, activity: &Activity) -> Tx {
    let kind = kind(activity);
    let topics = group
        .notifications
        .iter()
        .filter(|(_, types)| types.contains(kind));
    topics.fold(tx, |tx, (topic, _)| {
        let worked = activity.status == "Successful";
        let instance = activity
            .description
            .rsplit(": ")
            .next()
            .filter(|id| id.starts_with("i-"));
        let details: Value = serde_json::from_str(&activity.details).unwrap_or(Value::Null);
        let message = json!({
            "Progress": activity.progress,
            "AccountId": scope.account.as_str(),
            "Description": activity.description,
            "RequestId": activity.id,
            "EndTime": iso(activity.ended_at.unwrap_or_else(|| house.now())),
            "AutoScalingGroupARN": group.arn(scope),
            "ActivityId": activity.id,
            "StartTime": iso(activity.started_at),
            "Service": "AWS Auto Scaling",
            "Time": iso(house.now()),
            "EC2InstanceId": instance.unwrap_or_default(),
            "StatusCode": if worked { "InProgress" } else { "Failed" },
            "StatusMessage": activity.message.clone().unwrap_or_default(),
            "Details": details,
            "AutoScalingGroupName": group.name,
            "Cause": activity.cause,
            "Event": kind,
        });
        let what = match kind {
            "autoscaling:EC2_INSTANCE_LAUNCH" | "autoscaling:EC2_INSTANCE_LAUNCH_ERROR" => "launch",
            _ => "termination",
        };
        let subject = format!("Auto Scaling: {what} for group \"{}\"", group.name);
        let invocation = invocation(group, scope, topic, None, &subject, &message, house.now());
        let id = derived(&format!("{}/{topic}", activity.id), 0);
        tx.put(db::key::<Invocation>(scope, &id), &invocation)
    })
}

/// Records of activities that have ended, and all that is told of them and of lifecycle actions.
pub fn all(
    house: &House,
    scope: &Scope,
    group: &Group,
    ended_now: &[Activity],
    waiting: &[Waiting<'_>],
) -> Tx {
    let tell = |tx, of| waits(tx, house, scope, group, of);
    let tx = waiting.iter().fold(house.db.tx(), tell);
    ended_now.iter().fold(tx, |tx, activity| {
        let tx = event::posted(tx, house, scope, group, activity);
        let tx = ended(tx, house, scope, group, activity);
        let id = format!("{}/{}", model::escaped(&group.name), activity.id);
        let record = Ended {
            group: group.name.clone(),
            group_id: group.id.clone(),
            activity: activity.clone(),
        };
        tx.put(db::key::<Ended>(scope, &id), &record)
    })
}

/// What a target that was just configured is told.
pub fn test(
    tx: Tx,
    house: &House,
    scope: &Scope,
    group: &Group,
    target: &str,
    role: Option<String>,
) -> Tx {
    let id = house.rng.uuid();
    let message = json!({
        "AccountId": scope.account.as_str(),
        "RequestId": id,
        "AutoScalingGroupARN": group.arn(scope),
        "AutoScalingGroupName": group.name,
        "Service": "AWS Auto Scaling",
        "Event": TEST,
        "Time": iso(house.now()),
    });
    let subject = format!(
        "Auto Scaling: test notification for group \"{}\"",
        group.name
    );
    let invocation = invocation(group, scope, target, role, &subject, &message, house.now());
    tx.put(db::key::<Invocation>(scope, &id), &invocation)
}

fn invocation(
    group: &Group,
    scope: &Scope,
    target: &str,
    role: Option<String>,
    subject: &str,
    message: &Value,
    now: Timestamp,
) -> Invocation {
    Invocation {
        origin: Origin::AutoScalingGroup {
            arn: group.arn(scope),
        },
        target_arn: target.to_owned(),
        to: To::message(target, subject, &message.to_string()),
        role,
        retry: Retry::DEFAULT,
        dead_letter: None,
        made_at: now,
        attempts: 0,
        next_at: now,
    }
}
