//! One row a rule: what is asked for besides a definition that is fine, and what ECS says to it.

mod container;
mod fargate;
mod logging;
mod network;
mod order;
mod registered;
mod storage;
mod task;

use super::{check, definition};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_wire::json::Json;
use serde_json::{Value, json};

/// Makes the definition that a row changes.
type Given = fn() -> Value;

const ARN: &str = "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/web:1";
const ROLE: &str = "arn:aws:iam::123456789012:role/exec";

fn with(mut base: Value, task: &Value, container: &Value) -> api::RegisterTaskDefinitionInput {
    let merge = |into: &mut Value, from: &Value| {
        for (name, value) in from.as_object().expect("an object") {
            into[name] = value.clone();
        }
    };
    merge(&mut base["containerDefinitions"][0], container);
    merge(&mut base, task);
    let input: Json<_> = serde_json::from_value(base).expect("a definition");
    input.0
}

/// Fine on an instance.
fn bridge() -> Value {
    json!({"family": "web", "executionRoleArn": ROLE,
        "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}]})
}

fn awsvpc() -> Value {
    let mut base = bridge();
    base["networkMode"] = json!("awsvpc");
    base
}

fn fargate() -> Value {
    let mut base = awsvpc();
    base["requiresCompatibilities"] = json!(["FARGATE"]);
    (base["cpu"], base["memory"]) = (json!("256"), json!("512"));
    base
}

fn windows(cpu: u32, memory: u32) -> Value {
    json!({"cpu": cpu.to_string(), "memory": memory.to_string(),
        "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}})
}

fn said(input: &api::RegisterTaskDefinitionInput) -> String {
    match check(input) {
        Ok(()) => String::new(),
        Err(error) => {
            assert_eq!(error.code, "ClientException");
            error.message
        }
    }
}

/// More of the task, more of its container, and the sentence.
type Row = (Value, Value, &'static str);

fn refused(base: Given, rows: Vec<Row>) {
    let none = json!({});
    assert_eq!(said(&with(base(), &none, &none)), "");
    for (task, container, sentence) in rows {
        let input = with(base(), &task, &container);
        assert_eq!(said(&input), sentence, "{task} {container}");
    }
}

fn two(other: Value) -> Value {
    json!({"containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}, other]})
}

fn logs(options: Value) -> Value {
    json!({"logConfiguration": {"logDriver": "awslogs", "options": options}})
}

fn secret(from: &str) -> Value {
    json!([{"name": "S", "valueFrom": from}])
}

/// Nothing is asked for besides.
fn no() -> Value {
    json!({})
}

/// What looks wrong and is not.
#[test]
fn what_ecs_takes() {
    let rows: Vec<(Given, Value, Value)> = vec![
        (
            bridge,
            json!({"taskRoleArn": "", "executionRoleArn": ""}),
            no(),
        ),
        (
            bridge,
            json!({"taskRoleArn": "arn:aws:iam::123456789012:role/service-role/x"}),
            no(),
        ),
        (
            bridge,
            no(),
            logs(
                json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "awslogs-create-group": "True"}),
            ),
        ),
        (
            bridge,
            no(),
            json!({"portMappings": [{"containerPort": 80, "protocol": "HTTP"}, {"containerPort": 80, "protocol": "udp"}]}),
        ),
        (
            bridge,
            no(),
            json!({"portMappings": [{"containerPort": 53, "hostPort": 53}, {"containerPort": 53, "hostPort": 53, "protocol": "udp"}]}),
        ),
        (
            bridge,
            no(),
            json!({"links": ["b:c"], "hostname": "h", "privileged": true}),
        ),
        (
            bridge,
            no(),
            json!({"healthCheck": {"command": ["/healthcheck"]}}),
        ),
        (
            bridge,
            no(),
            json!({"ulimits": [{"name": "core", "softLimit": -1, "hardLimit": -1}]}),
        ),
        (
            bridge,
            json!({"volumes": [{"name": "v", "host": {}, "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]}),
            no(),
        ),
        (
            awsvpc,
            no(),
            json!({"links": [], "dnsServers": [], "extraHosts": [], "hostname": ""}),
        ),
        (
            fargate,
            json!({"pidMode": "task", "volumes": [{"name": "v", "host": {}}]}),
            json!({"dockerSecurityOptions": [], "privileged": false}),
        ),
        (
            fargate,
            no(),
            json!({"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 1}], "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}}}),
        ),
        (fargate, windows(1_024, 2_048), no()),
    ];
    for (base, task, container) in rows {
        assert_eq!(
            said(&with(base(), &task, &container)),
            "",
            "{task} {container}"
        );
    }
}
