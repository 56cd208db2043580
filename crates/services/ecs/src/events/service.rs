//! "ECS Deployment State Change" and "ECS Service Action"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html>).
//!
//! A deployment that is new or whose `rolloutState` changes makes an event of either kind: both
//! pages list the three names. A sentence appended to the service's own events makes one of the
//! second kind, if AWS has a name for what it says, and a steady state one more of the capacity
//! providers. The page has samples of some names only; the members of the others are those of
//! EventBridge's own schema of the type.

use super::event::{DetailType, iso};
use crate::fleet::ClusterId;
use crate::model::{Rollout, Service, ServiceEvent};
use neargate_base::Timestamp;
use serde_json::{Value, json};

/// What is remembered of a service.
#[derive(Debug, Default)]
pub(super) struct Seen {
    deployments: Vec<(Box<str>, Rollout)>,
    /// How many tasks the scheduler computed: DAEMON only.
    seats: Option<u32>,
}

/// An event whose detail is made at once: it is small.
#[derive(Debug, PartialEq)]
pub struct Made {
    pub detail_type: DetailType,
    pub time: Timestamp,
    pub resources: Vec<String>,
    pub detail: Value,
}

/// What to remember of the service.
pub(super) fn seen(service: &Service) -> Seen {
    let deployments = service.status.deployments.iter();
    let deployments = deployments.map(|d| (d.id.as_str().into(), d.rollout));
    Seen {
        deployments: deployments.collect(),
        seats: service.status.seats,
    }
}

/// The events of a change; `before` is what was remembered.
pub(super) fn changes(before: &Seen, service: &Service, now: Timestamp) -> Vec<Made> {
    let mut made = deployments(before, service);
    made.extend(desired_count(before, service, now));
    made
}

/// "When the service scheduler updates the computed desired count": that of a DAEMON service, with
/// the instances it can run on. A caller's own change makes none.
fn desired_count(before: &Seen, service: &Service, now: Timestamp) -> Option<Made> {
    let (was, is) = (before.seats?, service.status.seats?);
    (was != is).then(|| Made {
        detail_type: DetailType::ServiceAction,
        time: now,
        resources: vec![service.spec.arn.clone()],
        detail: json!({
            "eventType": "INFO",
            "eventName": "SERVICE_DESIRED_COUNT_UPDATED",
            "clusterArn": service.spec.cluster_arn,
            "desiredCount": is,
            "createdAt": iso(now),
        }),
    })
}

fn deployments(before: &Seen, service: &Service) -> Vec<Made> {
    let changed = service.status.deployments.iter().filter(|d| {
        let known = before.deployments.iter().find(|(id, _)| **id == *d.id);
        known.is_none_or(|(_, rollout)| *rollout != d.rollout)
    });
    let made = changed.flat_map(|d| {
        let (event_type, event_name) = match d.rollout {
            Rollout::InProgress => ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
            Rollout::Completed => ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
            Rollout::Failed => ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
        };
        let made = |detail_type, at: &str, more: Value| Made {
            detail_type,
            time: d.updated_at,
            resources: vec![service.spec.arn.clone()],
            detail: merged(
                json!({
                    "eventType": event_type,
                    "eventName": event_name,
                    "clusterArn": service.spec.cluster_arn,
                    at: iso(d.updated_at),
                }),
                more,
            ),
        };
        let change = json!({ "deploymentId": d.id, "reason": d.reason });
        let action = match d.rollout {
            Rollout::Failed => json!({ "reason": d.reason }),
            Rollout::InProgress | Rollout::Completed => json!({}),
        };
        [
            made(DetailType::Deployment, "updatedAt", change),
            made(DetailType::ServiceAction, "createdAt", action),
        ]
    });
    made.collect()
}

/// The service actions of a sentence.
pub(super) fn action(cluster: &ClusterId, service: &str, event: &ServiceEvent) -> Vec<Made> {
    let arn = |resource: String| cluster.scope.arn("ecs", resource);
    let made = |event_type: &str, event_name: &str, more: Value| Made {
        detail_type: DetailType::ServiceAction,
        time: event.at,
        resources: vec![arn(format!("service/{}/{service}", cluster.name))],
        detail: merged(
            json!({
                "eventType": event_type,
                "eventName": event_name,
                "clusterArn": arn(format!("cluster/{}", cluster.name)),
                "createdAt": iso(event.at),
            }),
            more,
        ),
    };
    let Some((event_type, event_name, reason)) = named(&event.message) else {
        return Vec::new();
    };
    let providers = event.providers.iter();
    let providers = providers.map(|p| arn(format!("capacity-provider/{p}")));
    let providers: Vec<String> = providers.collect();
    let mut more = about(cluster, service, &event.message, event_name);
    if let Some(reason) = reason {
        more["reason"] = reason.into();
    }
    if event_name == "SERVICE_TASK_PLACEMENT_FAILURE" && !providers.is_empty() {
        more["capacityProviderArns"] = json!(providers);
    }
    let mut all = vec![made(event_type, event_name, more)];
    if event_name == "SERVICE_STEADY_STATE" && !providers.is_empty() {
        let more = json!({ "capacityProviderArns": providers });
        all.push(made("INFO", "CAPACITY_PROVIDER_STEADY_STATE", more));
    }
    all
}

fn merged(mut detail: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut detail, more) {
        members.extend(more);
    }
    detail
}

/// What the sentence names besides the service: tasks, a task set, a container instance.
fn about(cluster: &ClusterId, service: &str, message: &str, event_name: &str) -> Value {
    let of = &cluster.name;
    let arn = |resource: String| cluster.scope.arn("ecs", resource);
    let mut more = json!({});
    if event_name == "TASKS_STOPPED" {
        let tasks = message.split("(task ").skip(1);
        let tasks = tasks.filter_map(|rest| rest.split_once(')').map(|(id, _)| id));
        let arns = tasks.map(|id| arn(format!("task/{of}/{id}")));
        more["taskArns"] = arns.collect::<Vec<_>>().into();
    }
    let set = message.split_once(", taskSet ");
    if let Some((set, _)) = set.and_then(|(_, rest)| rest.split_once(')')) {
        more["taskSetArns"] = json!([arn(format!("task-set/{of}/{service}/{set}"))]);
    }
    let instance = message.split_once("matching container-instance ");
    if let Some((id, _)) = instance.and_then(|(_, rest)| rest.split_once(' ')) {
        let instance = arn(format!("container-instance/{of}/{id}"));
        more["containerInstanceArns"] = json!([instance]);
    }
    more
}

/// `eventType`, `eventName` and `reason` of a service event's sentence
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>).
fn named(message: &str) -> Option<(&'static str, &'static str, Option<String>)> {
    let said = |part: &str| message.contains(part);
    let of = |event_type, name| Some((event_type, name, None));
    if said("has reached a steady state") {
        // "(service web, taskSet ecs-svc/1) has reached a steady state."
        return match message.split_once(')') {
            Some((who, _)) if who.contains("taskSet ") => of("INFO", "TASKSET_STEADY_STATE"),
            _ => of("INFO", "SERVICE_STEADY_STATE"),
        };
    }
    if said("is unable to consistently start tasks successfully") {
        return of("WARN", "SERVICE_TASK_START_IMPAIRED");
    }
    if said("was unable to place a task") {
        return Some(match placement(message) {
            Placement::None(reason) => ("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE", Some(reason)),
            Placement::Configuration(reason) => {
                ("ERROR", "SERVICE_TASK_CONFIGURATION_FAILURE", Some(reason))
            }
        });
    }
    if said("operations are being throttled on") {
        return of("ERROR", "ECS_OPERATION_THROTTLED");
    }
    if said(" has stopped ") && said("running tasks") {
        return of("INFO", "TASKS_STOPPED");
    }
    None
}

/// Why a task was not started.
enum Placement {
    /// Nothing has room for it.
    None(String),
    /// It could not be started anywhere.
    Configuration(String),
}

/// The reason is the code of `RunTask`'s failures where there is one
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>),
/// else the sentence's own words.
fn placement(message: &str) -> Placement {
    const CODES: [(&str, &str); 5] = [
        ("insufficient CPU", "RESOURCE:CPU"),
        ("insufficient memory", "RESOURCE:MEMORY"),
        ("a port required by your task", "RESOURCE:PORTS"),
        ("missing an attribute", "ATTRIBUTE"),
        ("Capacity is unavailable at this time", "RESOURCE:FARGATE"),
    ];
    if let Some((_, code)) = CODES.iter().find(|(words, _)| message.contains(words)) {
        return Placement::None((*code).into());
    }
    let quoted = message.split_once("encountered error \"");
    if let Some((code, _)) = quoted.and_then(|(_, rest)| rest.split_once('"')) {
        return Placement::None(code.into());
    }
    let why = message.split(" For more information").next();
    let why = why.unwrap_or(message);
    if let Some((_, reason)) = why.split_once("place a task. Reason: ") {
        return Placement::Configuration(reason.into());
    }
    let after = |words| why.split_once(words).map(|(_, rest)| rest);
    Placement::None(
        after("Reason: ")
            .or(after("because "))
            .unwrap_or(why)
            .into(),
    )
}
