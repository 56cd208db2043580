//! One event as one line: when, where, what, and why.

use crate::view::{Paint, Tone, last_part, plain, short, wrapped};
use serde_json::Value;

/// `2026-11-23T09:00:00Z prod task 1dc5c17a web PENDING -> …`; with a `width`, in lines no wider.
pub fn of(event: &Value, paint: Paint, width: Option<usize>) -> String {
    let detail = &event["detail"];
    let text = |v: &Value| plain(v.as_str().unwrap_or_default());
    let resource = text(&event["resources"][0]);
    let cluster = text(&detail["clusterArn"]);
    let (what, state, rest) = match event["detail-type"].as_str().unwrap_or_default() {
        "ECS Task State Change" => task(&resource, detail),
        "ECS Container Instance State Change" => instance(&resource, detail),
        _ => service(&resource, detail),
    };
    let mut parts = vec![
        paint.text(&text(&event["time"]), Tone::Quiet),
        last_part(&cluster).to_owned(),
        paint.text(&what, Tone::Strong),
        paint.text(&state, tone(&state)),
    ];
    parts.extend(rest.into_iter().filter(|r| !r.is_empty()));
    parts.retain(|part| !part.is_empty());
    let line = parts.join("  ");
    match width {
        Some(width) => wrapped(&line, width, "    "),
        None => line,
    }
}

type Parts = (String, String, Vec<String>);

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn task(arn: &str, detail: &Value) -> Parts {
    let group = text(&detail["group"]);
    let name = group.split_once(':').map_or(&*group, |(_, name)| name);
    let what = format!("task {} {name}", short(last_part(arn)));
    let (last, desired) = (text(&detail["lastStatus"]), text(&detail["desiredStatus"]));
    let mut rest = Vec::new();
    if desired == "STOPPED" && last != "STOPPED" {
        rest.push("to be STOPPED".to_owned());
    }
    let empty = Vec::new();
    let containers = detail["containers"].as_array().unwrap_or(&empty);
    // One container says what its task says, unless it ended.
    let telling = |c: &&Value| {
        containers.len() > 1 || c["exitCode"].is_number() || c["healthStatus"] == "UNHEALTHY"
    };
    for container in containers.iter().filter(telling) {
        let mut said = format!(
            "{}={}",
            text(&container["name"]),
            text(&container["lastStatus"])
        );
        if let Some(code) = container["exitCode"].as_i64() {
            said.push_str(&format!("({code})"));
        }
        if container["healthStatus"] == "UNHEALTHY" || container["healthStatus"] == "HEALTHY" {
            said.push_str(&format!(",{}", text(&container["healthStatus"])));
        }
        rest.push(said);
    }
    let stopped = text(&detail["stoppedReason"]);
    // A container that could not start says what its task says.
    let why = containers.iter().map(|c| text(&c["reason"]));
    let why: Vec<String> = why.filter(|why| *why != stopped).collect();
    rest.push(stopped);
    rest.extend(why);
    (what, last, rest)
}

fn instance(arn: &str, detail: &Value) -> Parts {
    let what = format!(
        "instance {} {}",
        short(last_part(arn)),
        text(&detail["ec2InstanceId"])
    );
    let connected = match detail["agentConnected"].as_bool() {
        Some(true) => "agent connected",
        _ => "agent not connected",
    };
    let left = |name: &str| {
        let all = detail["remainingResources"].as_array();
        let one = all.and_then(|all| all.iter().find(|r| r["name"] == name));
        one.and_then(|r| r["integerValue"].as_i64()).unwrap_or(0)
    };
    let free = format!("{} CPU units, {} MiB free", left("CPU"), left("MEMORY"));
    (
        what,
        text(&detail["status"]),
        vec![connected.into(), free, text(&detail["statusReason"])],
    )
}

fn service(arn: &str, detail: &Value) -> Parts {
    let what = format!("service {}", last_part(arn));
    let name = text(&detail["eventName"]);
    (what, name, vec![text(&detail["reason"])])
}

fn tone(state: &str) -> Tone {
    match state {
        "RUNNING"
        | "ACTIVE"
        | "SERVICE_STEADY_STATE"
        | "TASKSET_STEADY_STATE"
        | "SERVICE_DEPLOYMENT_COMPLETED" => Tone::Good,
        "STOPPED" | "INACTIVE" => Tone::Bad,
        other if other.ends_with("_FAILED") || other.ends_with("_FAILURE") => Tone::Bad,
        _ => Tone::Waiting,
    }
}
