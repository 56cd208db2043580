//! What a schedule does to its target: a templated target, or any operation that is served here
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets.html>). Pure.

use neargate_api_scheduler as api;
use neargate_base::{Arn, Timestamp};
use neargate_service::Scope;
use neargate_service::invocation::{To, queue_url};
use neargate_wire::json::{self, Form};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::structure::Structure;
use neargate_wire::timestamp;
use serde_json::{Map, Value, json};

/// What a target's ARN names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Service and operation of a universal target, by the names that are known here.
    Operation(String, String),
    EcsCluster,
    Queue,
    Topic,
    Bus,
    Build,
    Pipeline,
}

impl Kind {
    /// `None`: there is no such target here.
    pub fn of(arn: &Arn) -> Option<Kind> {
        let starts = |prefix: &str| arn.resource.starts_with(prefix);
        Some(match arn.service.as_str() {
            "scheduler" => {
                let named = arn.resource.strip_prefix("aws-sdk:")?;
                let (service, operation) = named.split_once(':')?;
                let mut name = operation.to_owned();
                name.get_mut(..1)?.make_ascii_uppercase();
                Kind::Operation(service_id(service).to_owned(), name)
            }
            "ecs" if starts("cluster/") => Kind::EcsCluster,
            "sqs" => Kind::Queue,
            "sns" => Kind::Topic,
            "events" if starts("event-bus/") => Kind::Bus,
            "codebuild" if starts("project/") => Kind::Build,
            "codepipeline" => Kind::Pipeline,
            _ => return None,
        })
    }
}

/// The SDKs' name of a service, as it is known here.
fn service_id(sdk: &str) -> &str {
    match sdk {
        "cloudwatchlogs" => "logs",
        "eventbridge" => "events",
        "elasticloadbalancingv2" => "elbv2",
        "applicationautoscaling" => "application-autoscaling",
        other => other,
    }
}

/// Operations that only ask are no universal targets.
pub fn only_asks(operation: &str) -> bool {
    [
        "Get", "Describe", "List", "Poll", "Receive", "Search", "Scan", "Query", "Select", "Read",
    ]
    .iter()
    .any(|verb| operation.starts_with(verb))
}

/// A time of a schedule.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub scope: &'a Scope,
    pub arn: &'a str,
    pub name: &'a str,
    pub execution: &'a str,
    pub at: Timestamp,
}

/// What is to be done, and the text that the target is handed.
pub fn invocation(target: &api::Target, of: Occasion<'_>) -> (To, String) {
    let text = match &target.input {
        Some(given) => filled(given, of),
        None => notification(of).to_string(),
    };
    (made(target, of, &text), text)
}

/// What AWS puts in the place of the attributes of the context. The number of the attempt is known when it is
/// made (`neargate_service::invocation`).
fn filled(text: &str, of: Occasion<'_>) -> String {
    text.replace("<aws.scheduler.schedule-arn>", of.arn)
        .replace("<aws.scheduler.scheduled-time>", &time(of.at))
        .replace("<aws.scheduler.execution-id>", of.execution)
}

fn time(at: Timestamp) -> String {
    let seconds = Timestamp::from_millis(at.as_millis().div_euclid(1_000) * 1_000);
    timestamp::format(seconds, TimestampFormat::DateTime)
}

/// What a target without an input is handed.
fn notification(of: Occasion<'_>) -> Value {
    json!({
        "version": "0",
        "id": of.execution,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": of.scope.account.as_str(),
        "time": time(of.at),
        "region": of.scope.region.as_str(),
        "resources": [of.arn],
        "detail": "{}",
    })
}

fn made(target: &api::Target, of: Occasion<'_>, text: &str) -> To {
    let arn: Option<Arn> = target.arn.parse().ok();
    let Some((arn, kind)) = arn
        .and_then(|arn| Some((Kind::of(&arn)?, arn)))
        .map(|(k, a)| (a, k))
    else {
        return nothing(format!("{} is no target that can be invoked", target.arn));
    };
    // A universal target is of the schedule's own account and region.
    let scope = Scope::of_arn(&target.arn).unwrap_or_else(|| of.scope.clone());
    let operation = |service: &str, operation: &str, input: Value| To::Operation {
        service: service.into(),
        operation: operation.into(),
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        input,
    };
    let object = || match serde_json::from_str(text) {
        Ok(Value::Object(object)) if target.input.is_some() => Some(object),
        _ => None,
    };
    match kind {
        Kind::Operation(service, name) => match object() {
            Some(input) => operation(&service, &name, Value::Object(input)),
            None if target.input.is_none() => operation(&service, &name, json!({})),
            None => nothing("the input of a universal target is a JSON object".into()),
        },
        Kind::Queue => {
            let mut input = json!({ "QueueUrl": queue_url(&arn), "MessageBody": text });
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
        Kind::Bus => {
            let parameters = target.event_bridge_parameters.clone().unwrap_or_default();
            let entry = json!({
                "Source": parameters.source,
                "DetailType": parameters.detail_type,
                "Detail": text,
                "EventBusName": target.arn,
                "Resources": [of.arn],
                "Time": of.at.as_millis() / 1_000,
            });
            operation("events", "PutEvents", json!({ "Entries": [entry] }))
        }
        Kind::Build => {
            let mut input = object().unwrap_or_default();
            let project = arn.resource.trim_start_matches("project/");
            input.insert("projectName".into(), project.into());
            operation("codebuild", "StartBuild", Value::Object(input))
        }
        Kind::Pipeline => operation(
            "codepipeline",
            "StartPipelineExecution",
            json!({ "name": arn.resource }),
        ),
        Kind::EcsCluster => match run_task(target, of, object()) {
            Some(input) => operation("ecs", "RunTask", input),
            None => nothing("the target has no EcsParameters".into()),
        },
    }
}

fn nothing(message: String) -> To {
    To::Nothing {
        code: "INVALID_PARAMETER".into(),
        message,
    }
}

/// `RunTask` of what the target's parameters say; its input is the overrides.
fn run_task(
    target: &api::Target,
    of: Occasion<'_>,
    overrides: Option<Map<String, Value>>,
) -> Option<Value> {
    let parameters = target.ecs_parameters.as_ref()?;
    let written = json::write(
        api::EcsParameters::SHAPE,
        &parameters.to_value(),
        Form::WIRE,
    );
    let Value::Object(written) = written else {
        return None;
    };
    let mut input = Map::new();
    for (name, value) in written {
        let name = match name.as_str() {
            "TaskDefinitionArn" => "taskDefinition".to_owned(),
            "TaskCount" => "count".to_owned(),
            "EnableECSManagedTags" => "enableECSManagedTags".to_owned(),
            name => {
                let mut small = name.to_owned();
                small.get_mut(..1)?.make_ascii_lowercase();
                small
            }
        };
        input.insert(name, value);
    }
    input.insert("cluster".into(), target.arn.clone().into());
    let mut started_by = format!("chronos-schedule/{}", of.name);
    started_by.truncate(36);
    input.insert("startedBy".into(), started_by.into());
    if let Some(overrides) = overrides {
        input.insert("overrides".into(), overrides.into());
    }
    Some(Value::Object(input))
}
