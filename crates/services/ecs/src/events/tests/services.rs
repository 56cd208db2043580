//! What service and deployment changes are called.

use super::shapes::cluster;
use super::{changed, golden};
use crate::events::DetailType;
use crate::events::service::{Seen, action, changes, seen};
use crate::model::{Service, ServiceEvent};
use neargate_base::Timestamp;
use neargate_service::db;
use serde_json::{Value, json};

/// All events that the message makes, said of a service on these capacity providers.
fn all_said(message: &str, providers: &[&str]) -> Vec<Value> {
    let event = ServiceEvent {
        number: 1,
        id: "x".into(),
        at: Timestamp::from_millis(1_574_191_642_695),
        message: message.into(),
        providers: providers.iter().map(|p| (*p).to_owned()).collect(),
    };
    let made = action(&cluster(), "web", &event).into_iter();
    let detail = made.map(|made| {
        assert_eq!(
            made.resources,
            ["arn:aws:ecs:us-east-1:000000000000:service/c/web"]
        );
        made.detail
    });
    detail.collect()
}

fn said(message: &str) -> Option<Value> {
    let all = all_said(message, &[]);
    assert!(all.len() < 2, "{all:?}");
    all.into_iter().next()
}

/// The samples of
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html>.
#[test]
fn what_an_event_is_about() {
    let cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/c";
    let (at, arn) = (
        "2019-11-19T19:27:22.695Z",
        "arn:aws:ecs:us-east-1:000000000000",
    );
    let steady = all_said("(service web) has reached a steady state.", &["asg"]);
    assert_eq!(steady.len(), 2);
    let of_provider = json!({
        "eventType": "INFO",
        "eventName": "CAPACITY_PROVIDER_STEADY_STATE",
        "clusterArn": cluster,
        "capacityProviderArns": [format!("{arn}:capacity-provider/asg")],
        "createdAt": at,
    });
    assert_eq!(steady[1], of_provider);
    let none = all_said(
        "(service web) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.",
        &["FARGATE_SPOT"],
    );
    let placement = json!({
        "eventType": "ERROR",
        "eventName": "SERVICE_TASK_PLACEMENT_FAILURE",
        "clusterArn": cluster,
        "capacityProviderArns": [format!("{arn}:capacity-provider/FARGATE_SPOT")],
        "reason": "RESOURCE:FARGATE",
        "createdAt": at,
    });
    assert_eq!(none, [placement]);
    let id = "2dd1b186f39845a584488d2ef155c131";
    let full = said(&format!(
        "(service web) was unable to place a task because no container instance met all of its requirements. The closest matching container-instance {id} has insufficient CPU units available. For more information, see the Troubleshooting section."
    ));
    let placement = json!({
        "eventType": "ERROR",
        "eventName": "SERVICE_TASK_PLACEMENT_FAILURE",
        "clusterArn": cluster,
        "containerInstanceArns": [format!("{arn}:container-instance/c/{id}")],
        "reason": "RESOURCE:CPU",
        "createdAt": at,
    });
    assert_eq!(full, Some(placement));
    let stopped = said("(service web) has stopped 2 running tasks: (task 1) (task 2).");
    let tasks = json!([format!("{arn}:task/c/1"), format!("{arn}:task/c/2")]);
    assert_eq!(stopped.expect("said")["taskArns"], tasks);
    let set = said("(service web, taskSet ecs-svc/1) has reached a steady state.");
    let sets = json!([format!("{arn}:task-set/c/web/ecs-svc/1")]);
    assert_eq!(set.expect("said")["taskSetArns"], sets);
}

#[test]
fn the_steady_state_is_the_documented_sample() {
    let steady = json!({
        "eventType": "INFO",
        "eventName": "SERVICE_STEADY_STATE",
        "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/c",
        "createdAt": "2019-11-19T19:27:22.695Z",
    });
    assert_eq!(
        said("(service web) has reached a steady state."),
        Some(steady)
    );
}

#[test]
fn sentences_have_names() {
    let cases = [
        (
            "(service web, taskSet ecs-svc/1) has reached a steady state.",
            "INFO",
            "TASKSET_STEADY_STATE",
            "",
        ),
        (
            "(service web) is unable to consistently start tasks successfully. For more information, see the Troubleshooting section.",
            "WARN",
            "SERVICE_TASK_START_IMPAIRED",
            "",
        ),
        (
            "(service web) was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster. For more information, see the Troubleshooting section.",
            "ERROR",
            "SERVICE_TASK_PLACEMENT_FAILURE",
            "No Container Instances were found in your cluster.",
        ),
        (
            "(service web) was unable to place a task because no container instance met all of its requirements. The closest matching container-instance 1 has insufficient CPU units available. For more information, see the Troubleshooting section.",
            "ERROR",
            "SERVICE_TASK_PLACEMENT_FAILURE",
            "RESOURCE:CPU",
        ),
        (
            "(service web) was unable to place a task because no container instance met all of its requirements. The closest matching container-instance 1 has insufficient memory available.",
            "ERROR",
            "SERVICE_TASK_PLACEMENT_FAILURE",
            "RESOURCE:MEMORY",
        ),
        (
            "(service web) was unable to place a task because no container instance met all of its requirements. The closest matching container-instance 1 is already using a port required by your task.",
            "ERROR",
            "SERVICE_TASK_PLACEMENT_FAILURE",
            "RESOURCE:PORTS",
        ),
        (
            "(service web) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.",
            "ERROR",
            "SERVICE_TASK_PLACEMENT_FAILURE",
            "RESOURCE:FARGATE",
        ),
        (
            "(service web) was unable to place a task because no container instance met all of its requirements. The closest matching container-instance 1 encountered error \"AGENT\". For more information, see the Troubleshooting section.",
            "ERROR",
            "SERVICE_TASK_PLACEMENT_FAILURE",
            "AGENT",
        ),
        (
            "(service web) was unable to place a task. Reason: TaskDefinition not found.",
            "ERROR",
            "SERVICE_TASK_CONFIGURATION_FAILURE",
            "TaskDefinition not found.",
        ),
        (
            "(service web) has stopped 1 running tasks: (task 1).",
            "INFO",
            "TASKS_STOPPED",
            "",
        ),
    ];
    for (message, event_type, event_name, reason) in cases {
        let detail = said(message).expect(message);
        assert_eq!(detail["eventType"], event_type, "{message}");
        assert_eq!(detail["eventName"], event_name, "{message}");
        let told = detail["reason"].as_str().unwrap_or_default();
        assert!(told == reason, "{told}");
    }
    for message in [
        "(service web) has started 2 tasks: (task 1) (task 2).",
        "(service web) (deployment ecs-svc/1) deployment completed.",
    ] {
        assert_eq!(said(message), None, "{message}");
    }
}

#[test]
fn a_deployment_is_told_of_when_its_rollout_changes() {
    let entry = golden::<Service>();
    let service = db::decode::<Service>(&entry).expect("read").value;
    let first = &service.status.deployments[0];
    let now = Timestamp::from_millis(1_574_191_642_695);
    let made = changes(&Seen::default(), &service, now);
    assert_eq!(made.len(), 2 * service.status.deployments.len());
    assert_eq!(made[0].detail["deploymentId"], first.id.as_str());
    assert_eq!(made[0].resources, [service.spec.arn.as_str()]);
    for member in [
        "eventType",
        "eventName",
        "updatedAt",
        "reason",
        "clusterArn",
    ] {
        assert!(made[0].detail[member].is_string(), "{member}");
    }
    assert_eq!(made[0].detail_type, DetailType::Deployment);
    assert_eq!(made[1].detail_type, DetailType::ServiceAction);
    for member in ["eventType", "eventName", "createdAt", "clusterArn"] {
        assert!(made[1].detail[member].is_string(), "{member}");
    }
    let before = seen(&service);
    assert_eq!(changes(&before, &service, now), []);
    // A DAEMON service is to have one task more.
    let mut daemon = service.clone();
    daemon.status.seats = Some(2);
    assert_eq!(changes(&before, &daemon, now), [], "nothing was known");
    let counted = seen(&daemon);
    daemon.status.seats = Some(3);
    let made = changes(&counted, &daemon, now);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].detail["eventName"], "SERVICE_DESIRED_COUNT_UPDATED");
    assert_eq!(made[0].detail["desiredCount"], 3);
    for (rollout, event_type, name) in [
        ("IN_PROGRESS", "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
        ("COMPLETED", "INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
        ("FAILED", "ERROR", "SERVICE_DEPLOYMENT_FAILED"),
    ] {
        let entry = changed(
            &entry,
            &[("/r/status/deployments/0/rollout", json!(rollout))],
        );
        let after = db::decode::<Service>(&entry).expect("read").value;
        let made = changes(&before, &after, now);
        if first.rollout.as_str() == rollout {
            assert_eq!(made, []);
            continue;
        }
        assert_eq!(made.len(), 2);
        for made in made {
            assert_eq!(made.detail["eventType"], event_type);
            assert_eq!(made.detail["eventName"], name);
        }
    }
}
