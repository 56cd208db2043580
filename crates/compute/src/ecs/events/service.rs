//! "ECS Deployment State Change" and "ECS Service Action"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html>).
//!
//! A deployment that is new or whose `rolloutState` changes makes an event of the first kind. A
//! sentence appended to the service's own events makes one of the second kind, if AWS has a name
//! for what it says.

use super::event::{DetailType, iso};
use crate::ecs::fleet::ClusterId;
use crate::ecs::model::{Rollout, Service, ServiceEvent};
use neargate_base::Timestamp;
use serde_json::{Value, json};

/// What is remembered of one deployment of a service.
pub(super) type Seen = (Box<str>, Rollout);

/// An event whose detail is made at once: it is small.
#[derive(Debug, PartialEq)]
pub struct Made {
    pub detail_type: DetailType,
    pub time: Timestamp,
    pub resources: Vec<String>,
    pub detail: Value,
}

/// What to remember of the service.
pub(super) fn seen(service: &Service) -> Vec<Seen> {
    let deployments = service.status.deployments.iter();
    deployments
        .map(|d| (d.id.as_str().into(), d.rollout))
        .collect()
}

/// The deployment events of a change; `before` is what was remembered.
pub(super) fn deployments(before: &[Seen], service: &Service) -> Vec<Made> {
    let changed = service.status.deployments.iter().filter(|d| {
        let known = before.iter().find(|(id, _)| **id == *d.id);
        known.is_none_or(|(_, rollout)| *rollout != d.rollout)
    });
    let made = changed.map(|d| {
        let (event_type, event_name) = match d.rollout {
            Rollout::InProgress => ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
            Rollout::Completed => ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
            Rollout::Failed => ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
        };
        Made {
            detail_type: DetailType::Deployment,
            time: d.updated_at,
            resources: vec![service.spec.arn.clone()],
            detail: json!({
                "eventType": event_type,
                "eventName": event_name,
                "clusterArn": service.spec.cluster_arn,
                "deploymentId": d.id,
                "updatedAt": iso(d.updated_at),
                "reason": d.reason,
            }),
        }
    });
    made.collect()
}

/// The service action of a sentence, if there is one.
pub(super) fn action(cluster: &ClusterId, service: &str, event: &ServiceEvent) -> Option<Made> {
    let (event_type, event_name, reason) = named(&event.message)?;
    let arn = |resource: String| cluster.scope.arn("ecs", resource);
    let mut detail = json!({
        "eventType": event_type,
        "eventName": event_name,
        "clusterArn": arn(format!("cluster/{}", cluster.name)),
        "createdAt": iso(event.at),
    });
    if let Some(reason) = reason {
        detail["reason"] = reason.into();
    }
    Some(Made {
        detail_type: DetailType::ServiceAction,
        time: event.at,
        resources: vec![arn(format!("service/{}/{service}", cluster.name))],
        detail,
    })
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
