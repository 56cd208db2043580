//! Lines, arguments, and what was seen.

use super::seen::Seen;
use super::{Since, detail_type, line, since};
use crate::view::Paint;
use neargate_base::Timestamp;
use neargate_ecs::events::DetailType;
use serde_json::json;
use std::time::Duration;

#[test]
fn times_and_spans() {
    assert_eq!(since("10m"), Ok(Since::Ago(Duration::from_secs(600))));
    assert_eq!(since("2d"), Ok(Since::Ago(Duration::from_secs(172_800))));
    let at = Timestamp::from_millis(1_700_000_000_000);
    assert_eq!(since("2023-11-14T22:13:20Z"), Ok(Since::At(at)));
    for bad in ["", "m", "x", "-5m", "99999999999999999999d"] {
        assert!(since(bad).is_err(), "{bad}");
    }
}

#[test]
fn types_have_short_names() {
    assert_eq!(detail_type("task"), Ok(DetailType::Task));
    assert_eq!(
        detail_type("ECS Service Action"),
        Ok(DetailType::ServiceAction)
    );
    assert!(detail_type("tasks").is_err());
}

#[test]
fn a_task_that_ends_says_why() {
    let event = json!({
        "time": "2026-11-23T09:00:00Z",
        "detail-type": "ECS Task State Change",
        "resources": ["arn:aws:ecs:us-east-1:0:task/prod/1dc5c17a304bdd29"],
        "detail": {
            "clusterArn": "arn:aws:ecs:us-east-1:0:cluster/prod",
            "group": "service:web",
            "lastStatus": "STOPPED",
            "desiredStatus": "STOPPED",
            "stoppedReason": "Essential container in task exited",
            "containers": [{ "name": "app", "lastStatus": "STOPPED", "exitCode": 1 }],
        },
    });
    assert_eq!(
        line::of(&event, Paint::NONE, None),
        "2026-11-23T09:00:00Z  prod  task 1dc5c17a web  STOPPED  app=STOPPED(1)  Essential container in task exited"
    );
}

#[test]
fn services_and_instances() {
    let event = json!({
        "time": "t",
        "detail-type": "ECS Deployment State Change",
        "resources": ["arn:aws:ecs:us-east-1:0:service/prod/web"],
        "detail": {
            "clusterArn": "arn:aws:ecs:us-east-1:0:cluster/prod",
            "eventName": "SERVICE_DEPLOYMENT_COMPLETED",
            "reason": "ECS deployment ecs-svc/1 completed.",
        },
    });
    assert_eq!(
        line::of(&event, Paint::NONE, None),
        "t  prod  service web  SERVICE_DEPLOYMENT_COMPLETED  ECS deployment ecs-svc/1 completed."
    );
    let event = json!({
        "time": "t",
        "detail-type": "ECS Container Instance State Change",
        "resources": ["arn:aws:ecs:us-east-1:0:container-instance/prod/0123456789abcdef"],
        "detail": {
            "clusterArn": "arn:aws:ecs:us-east-1:0:cluster/prod",
            "ec2InstanceId": "i-1",
            "status": "ACTIVE",
            "agentConnected": true,
            "remainingResources": [{ "name": "CPU", "integerValue": 1 }, { "name": "MEMORY", "integerValue": 2 }],
        },
    });
    assert_eq!(
        line::of(&event, Paint::NONE, None),
        "t  prod  instance 01234567 i-1  ACTIVE  agent connected  1 CPU units, 2 MiB free"
    );
}

#[test]
fn an_event_is_new_once() {
    let mut seen = Seen::default();
    assert!(seen.is_new("a") && seen.is_new("b") && !seen.is_new("a"));
    assert_eq!(seen.last(), Some("b"));
}
