//! Where what is outside answers: the addresses of `AWS::CloudFormation::WaitConditionHandle`, and the response
//! URLs of custom resources. Who knows an address may write there once for each unique id; nobody reads there.
//!
//! AWS's are presigned addresses of S3; here the address itself is the proof, by the token in it.

use crate::engine::ANSWER;
use crate::model::{Signal, Stack, StackResource};
use crate::types::{self, Own};
use async_trait::async_trait;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use neargate_service::door::{Body, HttpDoor, RequestBody, Visitor};
use neargate_service::{AwsError, Committed, House, Scope};
use serde_json::Value;
use std::sync::Arc;

/// `/cloudformation/<account>/<region>/<stack's uuid>/<logical id>/<token>`.
pub const PATH: &str = "/cloudformation/";
/// AWS takes no longer answer of a custom resource.
const MOST_BYTES: usize = 64 << 10;
/// What a handle takes at most.
const MOST_SIGNALS: usize = 1_000;

#[derive(Debug)]
pub struct SignalDoor;

#[async_trait]
impl HttpDoor for SignalDoor {
    async fn serve(
        &self,
        house: Arc<House>,
        _: Visitor,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        if request.method() != Method::PUT {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "");
        }
        let path = request.uri().path().to_owned();
        let Ok(body) = Limited::new(request.into_body(), MOST_BYTES)
            .collect()
            .await
        else {
            return answer(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The response is longer than 64 KB.",
            );
        };
        match take(&house, &path, &body.to_bytes()).await {
            Ok((status, text)) => answer(status, text),
            Err(error) => {
                tracing::error!(%error, "what was said of a resource could not be written");
                answer(StatusCode::SERVICE_UNAVAILABLE, "")
            }
        }
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

pub async fn take(
    house: &Arc<House>,
    path: &str,
    body: &[u8],
) -> Result<(StatusCode, &'static str), AwsError> {
    const NOBODY: (StatusCode, &str) = (StatusCode::FORBIDDEN, "Nobody waits here.");
    let parts: Vec<&str> = path
        .strip_prefix(PATH)
        .unwrap_or_default()
        .split('/')
        .collect();
    let &[account, region, stack_id, logical_id, token] = parts.as_slice() else {
        return Ok(NOBODY);
    };
    let (Ok(account), Ok(region)) = (account.parse(), region.parse()) else {
        return Ok(NOBODY);
    };
    let scope = Scope { account, region };
    let key =
        neargate_service::db::key::<StackResource>(&scope, &format!("{stack_id}/{logical_id}"));
    let Some(resource) = house.db.get_key::<StackResource>(&key).await? else {
        return Ok(NOBODY);
    };
    let made = [&resource.next, &resource.now].into_iter().flatten();
    let made = made
        .chain(&resource.doomed)
        .find_map(|made| types::kind(&made.kind)?.own);
    let (Some(own), true) = (made, !token.is_empty() && resource.token == token) else {
        return Ok(NOBODY);
    };
    let Ok(said) = serde_json::from_slice::<Value>(body) else {
        return Ok((StatusCode::BAD_REQUEST, "The body is no JSON object."));
    };
    let signal = match own {
        Own::Handle => condition(house, &said),
        Own::Custom => custom(house, &said, &resource),
        _ => None,
    };
    let Some(signal) = signal else {
        return Ok((
            StatusCode::BAD_REQUEST,
            "Status must be SUCCESS or FAILURE (of a custom resource FAILED).",
        ));
    };
    let all = Signal::key(&scope, stack_id, token, "");
    if own == Own::Handle && house.db.list_prefix::<Signal>(&all).await?.len() >= MOST_SIGNALS {
        return Ok((StatusCode::FORBIDDEN, "Enough was said."));
    }
    let tx = house.db.tx().create(
        Signal::key(&scope, stack_id, token, &signal.unique_id),
        &signal,
    );
    let (Committed::At(_) | Committed::Conflict) = tx.commit().await?;
    // The engine looks at what is under way; a write of the stack makes it look now.
    let stacks = house.db.list::<Stack>(&scope).await?;
    if let Some(stack) = stacks.into_iter().find(|s| s.id == stack_id) {
        house
            .db
            .modify::<Stack, _>(&stack.key, |stack| Ok(stack.operation.is_some()))
            .await?;
    }
    Ok((StatusCode::OK, ""))
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)
        .filter(|v| !v.is_null())
        .map(crate::template::text_of)
}

fn condition(house: &House, said: &Value) -> Option<Signal> {
    let status = text(said, "Status").filter(|s| s == "SUCCESS" || s == "FAILURE")?;
    let unique_id = text(said, "UniqueId").unwrap_or_else(|| house.rng.uuid());
    (unique_id.len() <= 1024).then(|| Signal {
        unique_id,
        status,
        at: house.now(),
        reason: text(said, "Reason"),
        data: said.get("Data").cloned(),
        physical_id: None,
    })
}

/// An answer that is none makes the resource fail, as AWS has it.
fn custom(house: &House, said: &Value, resource: &StackResource) -> Option<Signal> {
    said.as_object()?;
    let physical_id = text(said, "PhysicalResourceId").filter(|id| !id.is_empty());
    let own = text(said, "LogicalResourceId").is_none_or(|id| id == resource.logical_id)
        && text(said, "RequestId").is_none_or(|id| id == resource.token);
    let (status, reason) = match text(said, "Status").as_deref() {
        Some("FAILED") => ("FAILED", text(said, "Reason")),
        Some("SUCCESS") if physical_id.is_none() => {
            ("FAILED", Some("Invalid PhysicalResourceId".into()))
        }
        Some("SUCCESS") if !own => (
            "FAILED",
            Some("Invalid RequestId or LogicalResourceId".into()),
        ),
        Some("SUCCESS") => ("SUCCESS", None),
        _ => ("FAILED", Some("Invalid Status".into())),
    };
    Some(Signal {
        unique_id: ANSWER.into(),
        status: status.into(),
        at: house.now(),
        reason,
        data: said.get("Data").cloned(),
        physical_id,
    })
}
