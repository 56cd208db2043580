//! What is done to a target when its rule matches an event
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html>). Pure.

use crate::input::{self, Known};
use neargate_api_events as api;
use neargate_base::{Arn, Timestamp};
use neargate_service::Scope;
use neargate_service::invocation::{To, queue_url};
use neargate_wire::json::{self, Form};
use neargate_wire::structure::Structure;
use serde_json::{Map, Value, json};

/// What a target's ARN names, as far as it can be invoked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    EcsCluster,
    Topic,
    Queue,
    LogGroup,
    Bus,
    Pipeline,
    Build,
    ApiDestination,
}

impl Kind {
    /// `None`: AWS has such targets, or none; nothing here invokes it.
    pub fn of(arn: &Arn) -> Option<Kind> {
        let starts = |prefix: &str| arn.resource.starts_with(prefix);
        match arn.service.as_str() {
            "ecs" if starts("cluster/") => Some(Kind::EcsCluster),
            "sns" => Some(Kind::Topic),
            "sqs" => Some(Kind::Queue),
            "logs" if starts("log-group:") => Some(Kind::LogGroup),
            "events" if starts("event-bus/") => Some(Kind::Bus),
            "events" if starts("api-destination/") => Some(Kind::ApiDestination),
            "codepipeline" => Some(Kind::Pipeline),
            "codebuild" if starts("project/") => Some(Kind::Build),
            _ => None,
        }
    }
}

/// An event, and the rule that it matched.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    pub event: &'a Value,
    pub rule_arn: &'a str,
    pub rule_name: &'a str,
    pub hops: u8,
    pub now: Timestamp,
}

/// What is to be done. What cannot be made of this event is told, too.
pub fn invocation(target: &api::Target, of: Match<'_>) -> To {
    let arn: Option<Arn> = target.arn.parse().ok();
    let known = arn
        .as_ref()
        .and_then(|arn| Some((arn, Kind::of(arn)?, Scope::of_arn(&target.arn)?)));
    let Some((arn, kind, scope)) = known else {
        return nothing(
            "INVALID_PARAMETER",
            format!("{} is no target that can be invoked", target.arn),
        );
    };
    let ingestion =
        neargate_wire::timestamp::format(of.now, neargate_wire::schema::TimestampFormat::DateTime);
    let text = input::made(
        target,
        of.event,
        Known {
            rule_arn: of.rule_arn,
            rule_name: of.rule_name,
            ingestion_time: &ingestion,
        },
    );
    let Ok(text) = text else {
        return nothing(
            "INVALID_JSON",
            "the input template does not make JSON of this event".into(),
        );
    };
    let operation = |service: &str, operation: &str, input: Value| To::Operation {
        service: service.into(),
        operation: operation.into(),
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        input,
    };
    match kind {
        Kind::Queue => {
            let mut input = json!({ "QueueUrl": queue_url(arn), "MessageBody": text });
            let group = target
                .sqs_parameters
                .as_ref()
                .and_then(|p| p.message_group_id.as_deref());
            if let Some(group) = group {
                input["MessageGroupId"] = group.into();
            }
            operation("sqs", "SendMessage", input)
        }
        Kind::Topic => operation(
            "sns",
            "Publish",
            json!({ "TopicArn": target.arn, "Message": text }),
        ),
        Kind::LogGroup => operation("logs", "PutLogEvents", log_event(arn, of, &text)),
        Kind::EcsCluster => match run_task(target, of, &text) {
            Some(input) => operation("ecs", "RunTask", input),
            None => nothing(
                "INVALID_PARAMETER",
                "the target has no EcsParameters".into(),
            ),
        },
        Kind::Pipeline => operation(
            "codepipeline",
            "StartPipelineExecution",
            json!({ "name": arn.resource }),
        ),
        Kind::Build => operation("codebuild", "StartBuild", build(arn, target, &text)),
        Kind::Bus => To::Bus {
            event: of.event.clone(),
            hops: of.hops + 1,
        },
        Kind::ApiDestination => {
            let parameters = target.http_parameters.clone().unwrap_or_default();
            To::ApiDestination {
                body: text,
                path: parameters.path_parameter_values.unwrap_or_default(),
                headers: parameters.header_parameters.unwrap_or_default(),
                query: parameters.query_string_parameters.unwrap_or_default(),
            }
        }
    }
}

fn nothing(code: &str, message: String) -> To {
    To::Nothing {
        code: code.into(),
        message,
    }
}

/// AWS makes a stream of its own for each event.
fn log_event(arn: &Arn, of: Match<'_>, text: &str) -> Value {
    let group = arn.resource.strip_prefix("log-group:").unwrap_or_default();
    let group = group.trim_end_matches(":*");
    // A template may say both when and what.
    let told: Option<Value> = serde_json::from_str(text).ok();
    let told = told
        .as_ref()
        .filter(|t| t["timestamp"].is_i64() && t["message"].is_string());
    let time = of.event["time"].as_str();
    let time = time.and_then(|t| {
        neargate_wire::timestamp::parse(t, neargate_wire::schema::TimestampFormat::DateTime)
    });
    let (at, message) = match told {
        Some(told) => (told["timestamp"].clone(), told["message"].clone()),
        None => (time.unwrap_or(of.now).as_millis().into(), text.into()),
    };
    json!({
        "logGroupName": group,
        "logStreamName": of.event["id"],
        "logEvents": [{ "timestamp": at, "message": message }],
    })
}

/// An input may be all that `StartBuild` takes besides the project.
fn build(arn: &Arn, target: &api::Target, text: &str) -> Value {
    let project = arn.resource.strip_prefix("project/").unwrap_or_default();
    let is_given = target.input.is_some() || target.input_transformer.is_some();
    let given = serde_json::from_str(text).ok().filter(|_| is_given);
    let mut input = match given {
        Some(Value::Object(given)) => given,
        _ => Map::new(),
    };
    input.insert("projectName".into(), project.into());
    Value::Object(input)
}

/// `RunTask` of what the target's parameters say; its input is the overrides.
fn run_task(target: &api::Target, of: Match<'_>, text: &str) -> Option<Value> {
    let parameters = target.ecs_parameters.as_ref()?;
    let written = json::write(
        api::EcsParameters::SHAPE,
        &parameters.to_value(),
        Form::WIRE,
    );
    let Value::Object(mut input) = written else {
        return None;
    };
    let mut rename = |from: &str, to: &str| {
        if let Some(value) = input.remove(from) {
            input.insert(to.into(), value);
        }
    };
    rename("TaskDefinitionArn", "taskDefinition");
    rename("TaskCount", "count");
    rename("EnableECSManagedTags", "enableECSManagedTags");
    rename("EnableExecuteCommand", "enableExecuteCommand");
    for name in [
        "LaunchType",
        "NetworkConfiguration",
        "PlatformVersion",
        "Group",
        "CapacityProviderStrategy",
    ] {
        let mut small = name.to_owned();
        small[..1].make_ascii_lowercase();
        rename(name, &small);
    }
    for name in [
        "PlacementConstraints",
        "PlacementStrategy",
        "PropagateTags",
        "Tags",
    ] {
        let mut small = name.to_owned();
        small[..1].make_ascii_lowercase();
        rename(name, &small);
    }
    // `ReferenceId` is the name it has here.
    input.remove("ReferenceId");
    input.insert("cluster".into(), target.arn.clone().into());
    input.insert("startedBy".into(), started_by(of.rule_name).into());
    let is_given = target.input.is_some() || target.input_transformer.is_some();
    if is_given && let Ok(overrides @ Value::Object(_)) = serde_json::from_str::<Value>(text) {
        input.insert("overrides".into(), overrides);
    }
    Some(Value::Object(input))
}

/// As tasks of rules have it: `events-rule/` and the rule's name, cut to what ECS takes.
fn started_by(rule: &str) -> String {
    let mut name = format!("events-rule/{rule}");
    name.truncate(36);
    name
}
