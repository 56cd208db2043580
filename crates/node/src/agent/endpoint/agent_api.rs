//! `$ECS_AGENT_URI`: what a container may ask to be done with its own task. The answers are the ECS
//! agent's (<https://github.com/aws/amazon-ecs-agent/tree/master/ecs-agent/tmds/handlers/taskprotection>).

use super::{Caller, TaskEndpoint, fault};
use crate::upstream::UpstreamError;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use neargate_domain::{ProtectionAnswer, ProtectionChange};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const MAX_BODY_BYTES: usize = 4 << 10;
/// As long as the agent waits for ECS.
const PATIENCE: Duration = Duration::from_secs(4);

/// How a task wants to be protected.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wish {
    protection_enabled: Option<bool>,
    expires_in_minutes: Option<i64>,
}

pub(super) async fn answer(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    id: &str,
    rest: &[&str],
    request: Request<Incoming>,
) -> (StatusCode, Value) {
    match rest {
        ["task-protection", "v1", "state"] => protection(endpoint, caller, id, request).await,
        ["fault", "v1", of, act] => {
            let answered = fault::answer(endpoint, caller, id, (*of, *act), request).await;
            answered.unwrap_or_else(unknown)
        }
        _ => unknown(),
    }
}

fn unknown() -> (StatusCode, Value) {
    (StatusCode::NOT_FOUND, "404 page not found".into())
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html>
async fn protection(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    id: &str,
    request: Request<Incoming>,
) -> (StatusCode, Value) {
    let wish = match *request.method() {
        Method::GET => None,
        Method::PUT => {
            let body = Limited::new(request.into_body(), MAX_BODY_BYTES)
                .collect()
                .await;
            let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
            match serde_json::from_slice::<Wish>(&bytes) {
                Ok(wish) => Some(wish),
                Err(_) => {
                    let text = "UpdateTaskProtection: failed to decode request";
                    return refused(400, "", "InvalidParameterException", text);
                }
            }
        }
        _ => return (StatusCode::METHOD_NOT_ALLOWED, Value::Null),
    };
    let Some(found) = endpoint.find(id, caller).await else {
        let text = "Failed to find a task for the request";
        return refused(404, "", "ResourceNotFoundException", text);
    };
    let task = &found.seen.state.assignment;
    let arn = &task.task_arn;
    let change = match wish {
        None => None,
        Some(wish) => {
            let Some(enabled) = wish.protection_enabled else {
                let text = "Invalid request: does not contain 'ProtectionEnabled' field";
                return refused(400, arn, "InvalidParameterException", text);
            };
            // What no number of minutes can be is refused by ECS as one that is too large.
            let minutes = wish.expires_in_minutes;
            let expires_in_minutes = minutes.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
            Some(ProtectionChange {
                enabled,
                expires_in_minutes: expires_in_minutes.filter(|_| enabled),
            })
        }
    };
    if task.task_role_arn.is_none() {
        let text = "Invalid Request: no task IAM role credentials available for task";
        return refused(403, arn, "AccessDeniedException", text);
    }
    let resident = &found.resident;
    let ask = resident.upstream.protection(&resident.task_id, change);
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(answer)) => shown(arn, answer),
        Ok(Err(UpstreamError::Refused(why))) => refused(400, arn, "ClientException", &why),
        Ok(Err(UpstreamError::Unavailable(why))) => refused(500, arn, "ServerException", &why),
        Err(_) => {
            let text = "Timed out calling ECS Task Protection API";
            refused(504, arn, "RequestCanceled", text)
        }
    }
}

fn shown(arn: &str, answer: ProtectionAnswer) -> (StatusCode, Value) {
    match answer {
        ProtectionAnswer::Protected { enabled, until } => {
            let body = json!({ "protection": {
                "ExpirationDate": until.map(|until| until.rfc3339()),
                "ProtectionEnabled": enabled,
                "TaskArn": arn,
            }});
            (StatusCode::OK, body)
        }
        ProtectionAnswer::Failed { reason, detail } => {
            let body = json!({ "failure": { "Arn": arn, "Detail": detail, "Reason": reason } });
            (StatusCode::OK, body)
        }
        ProtectionAnswer::Refused {
            code,
            message,
            status,
        } => refused(status, arn, &code, &message),
    }
}

fn refused(status: u16, arn: &str, code: &str, message: &str) -> (StatusCode, Value) {
    let mut error = json!({ "Code": code, "Message": message });
    if !arn.is_empty() {
        error["Arn"] = arn.into();
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, json!({ "error": error }))
}
