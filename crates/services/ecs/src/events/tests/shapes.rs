//! The documented sample events and ours have the same members
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html> and its
//! siblings).

use super::{changed, golden};
use crate::events::event::{DetailType, Event, Subject};
use crate::events::instance::InstanceChange;
use crate::fleet::ClusterId;
use crate::model::{ContainerInstance, Task};
use crate::plan::resources;
use neargate_base::{AccountId, Region, Timestamp};
use neargate_service::{Scope, db};
use serde_json::{Value, json};
use std::sync::Arc;

const ENVELOPE: [&str; 9] = [
    "account",
    "detail",
    "detail-type",
    "id",
    "region",
    "resources",
    "source",
    "time",
    "version",
];

pub(super) fn cluster() -> ClusterId {
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    ClusterId::new(&scope, "c")
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

fn has(value: &Value, members: &[&str]) {
    for member in members {
        assert!(!value[*member].is_null(), "{member} of {value}");
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_007_123);

#[test]
fn a_task_event_has_the_documented_members() {
    let entry = changed(
        &golden::<Task>(),
        &[("/r/spec/assignment/launch_type", json!("FARGATE"))],
    );
    let subject = Subject::Task(entry.clone());
    let event = Event::new(DetailType::Task, &entry.key, 8, cluster(), NOW, subject);
    let value = event.to_value();
    assert_eq!(keys(&value), ENVELOPE);
    assert_eq!(value["version"], "0");
    assert_eq!(value["source"], "aws.ecs");
    assert_eq!(value["detail-type"], "ECS Task State Change");
    assert_eq!(value["time"], "2023-11-14T22:13:27Z", "whole seconds");
    assert_eq!(value["resources"], json!([value["detail"]["taskArn"]]));
    let detail = &value["detail"];
    has(
        detail,
        &[
            "attachments",
            "attributes",
            "availabilityZone",
            "capacityProviderName",
            "clusterArn",
            "connectivity",
            "connectivityAt",
            "containers",
            "cpu",
            "createdAt",
            "desiredStatus",
            "enableExecuteCommand",
            "ephemeralStorage",
            "group",
            "lastStatus",
            "launchType",
            "memory",
            "overrides",
            "platformVersion",
            "pullStartedAt",
            "pullStoppedAt",
            "startedAt",
            "stopCode",
            "stoppedReason",
            "taskArn",
            "taskDefinitionArn",
            "updatedAt",
            "version",
        ],
    );
    assert_eq!(detail["updatedAt"], "2023-11-14T22:13:27.123Z");
    assert_eq!(detail["createdAt"], "2023-11-14T22:13:20Z");
    assert_eq!(detail["connectivityAt"], "2023-11-14T22:13:20.123Z");
    assert_eq!(detail["version"], 3);
    assert_eq!(detail["attachments"][0]["type"], "eni");
    assert!(detail["tags"].is_null() && detail["inferenceAccelerators"].is_null());
    let overridden = detail["overrides"]["containerOverrides"].as_array();
    let names: Vec<&Value> = overridden
        .expect("listed")
        .iter()
        .map(|o| &o["name"])
        .collect();
    assert_eq!(names, ["app", "init"]);
    has(
        &detail["containers"][0],
        &[
            "containerArn",
            "cpu",
            "image",
            "imageDigest",
            "lastStatus",
            "name",
            "networkInterfaces",
            "runtimeId",
            "taskArn",
        ],
    );
    assert!(!event.json().contains('\n'), "one line");
}

#[test]
fn an_instance_event_has_the_documented_members() {
    let entry = golden::<ContainerInstance>();
    let instance = db::decode::<ContainerInstance>(&entry).expect("read").value;
    let change = InstanceChange {
        remaining: resources::remaining(&instance.registered, std::iter::empty()),
        instance: Arc::new(instance),
        agent_connected: true,
        running: 1,
        pending: 0,
        revision: 14_801,
    };
    let subject = Subject::Instance(Box::new(change));
    let of = DetailType::ContainerInstance;
    let value = Event::new(of, &entry.key, 14_801, cluster(), NOW, subject).to_value();
    assert_eq!(keys(&value), ENVELOPE);
    let detail = &value["detail"];
    has(
        detail,
        &[
            "agentConnected",
            "attributes",
            "clusterArn",
            "containerInstanceArn",
            "ec2InstanceId",
            "registeredResources",
            "remainingResources",
            "status",
            "updatedAt",
            "version",
            "versionInfo",
        ],
    );
    assert_eq!(
        detail["clusterArn"],
        "arn:aws:ecs:us-east-1:000000000000:cluster/c"
    );
    assert_eq!(detail["version"], 14_801);
    let names: Vec<&Value> = detail["registeredResources"]
        .as_array()
        .expect("listed")
        .iter()
        .map(|r| &r["name"])
        .collect();
    assert_eq!(names, ["CPU", "MEMORY", "PORTS", "PORTS_UDP", "GPU"]);
    assert_eq!(detail["registeredResources"][0]["integerValue"], 2048);
    assert_eq!(
        detail["registeredResources"][2]["stringSetValue"],
        json!(["22"])
    );
    has(
        &detail["versionInfo"],
        &["agentHash", "agentVersion", "dockerVersion"],
    );
}

#[test]
fn ids_are_derived() {
    let make = |revision, index| {
        let subject = Subject::Plain(vec![], Value::Null);
        let of = DetailType::ServiceAction;
        let mut event = Event::new(of, "ecs/service/x", revision, cluster(), NOW, subject);
        event.index = index;
        event.id()
    };
    assert_eq!(make(1, 0), make(1, 0));
    assert_ne!(make(1, 0), make(2, 0));
    assert_ne!(make(1, 0), make(1, 1));
    let id = make(1, 0);
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'8'), "{id}");
}

#[test]
fn detail_types_are_named_in_any_case() {
    for of in DetailType::ALL {
        assert_eq!(of.as_str().to_lowercase().parse(), Ok(of));
    }
    let error = "ECS"
        .parse::<DetailType>()
        .expect_err("unknown")
        .to_string();
    assert!(error.contains("ECS Service Action"), "{error}");
}
