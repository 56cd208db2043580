//! Neargate's own calls under `/_neargate/`, for its command line: what AWS has no operation for.
//! They take and answer JSON, and are authenticated as every AWS call is.

use super::super::auth::{self, Shown};
use super::super::body::{Body, Paced, read};
use super::super::{Gateway, Peer};
use super::{answer, host::Host, refuse};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use neargate_ecs::slices::{self, NewSlices};
use neargate_ecs::{model::InstanceSlice, spot};
use neargate_service::{AwsError, Scope};
use neargate_wire::Structure;
use neargate_wire::json::{self, Form};
use neargate_wire::sigv4::{ErrorStyle, SigV4Error};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The service name of these calls' signatures.
pub const OWN_SIGNING_NAME: &str = "neargate";

const MAX_BODY_BYTES: usize = 64 << 10;

/// Everything under `/_neargate/` but the reset.
pub(super) async fn serve(
    gateway: &Gateway,
    peer: &Peer,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    let request_id = gateway.built.house.rng.uuid();
    let shown = match look(gateway, peer, &parts) {
        Ok(shown) => shown,
        Err(error) => return peer.last(failed(&error, &request_id)),
    };
    let outcome = respond(gateway, peer, shown, &parts, incoming).await;
    match outcome {
        Ok(body) => answer(StatusCode::OK, &body),
        Err(error) => {
            if error.status >= 500 {
                tracing::error!(request_id, path = parts.uri.path(), %error, "call failed");
            }
            failed(&error, &request_id)
        }
    }
}

/// An error as these pages answer it.
pub(in crate::gateway) fn failed(error: &AwsError, request_id: &str) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refuse(status, &error.code, &error.message, request_id)
}

/// What the head of a request for these pages shows of its caller.
pub(in crate::gateway) fn look(
    gateway: &Gateway,
    peer: &Peer,
    parts: &Parts,
) -> Result<Shown, AwsError> {
    let now = gateway.built.house.now();
    let shown = auth::look(&gateway.mode, peer.free, parts, &gateway.default_scope, now);
    shown.map_err(refused)
}

/// Whose pages are asked for.
pub(in crate::gateway) fn caller(
    gateway: &Gateway,
    shown: Shown,
    parts: &Parts,
    body: &[u8],
) -> Result<Scope, AwsError> {
    let now = gateway.built.house.now();
    let caller = auth::prove(&gateway.mode, shown, parts, body, now).map_err(refused)?;
    caller.calls(OWN_SIGNING_NAME).map_err(refused)?;
    Ok(caller.scope)
}

async fn respond(
    gateway: &Gateway,
    peer: &Peer,
    shown: Shown,
    parts: &Parts,
    incoming: Incoming,
) -> Result<Value, AwsError> {
    let mut share = gateway.rooms.strangers.share(peer.origin);
    let paced = Paced::new(incoming, gateway.patience, Some(gateway.patience));
    let body = read(paced, MAX_BODY_BYTES, Some(&mut share)).await;
    let body = body.map_err(|_| {
        AwsError::client("SerializationException", "The request body cannot be read.")
    })?;
    let scope = caller(gateway, shown, parts, &body)?;
    let house = &gateway.built.house;
    let path: Vec<&str> = parts.uri.path().split('/').skip(2).collect();
    match (&parts.method, &path[..]) {
        (&Method::GET, ["usage"]) => {
            let tasks = host(gateway)?.usage(&scope.account).await;
            Ok(json!({ "tasks": tasks }))
        }
        (&Method::POST, ["spot", "interrupt"]) => {
            let asked: Interrupt = parse(&body)?;
            let cluster = asked.cluster.as_deref();
            let task = spot::interrupt(house, &scope, cluster, &asked.task).await?;
            let task = json::write(neargate_api_ecs::Task::SHAPE, &task.to_value(), Form::WIRE);
            Ok(json!({ "task": task }))
        }
        (&Method::GET, ["instances"]) => {
            let all = slices::list(house, &scope).await?;
            let shown: Vec<Value> = all.iter().map(|s| instance(gateway, s)).collect();
            Ok(json!({ "instances": shown }))
        }
        (&Method::POST, ["instances"]) => {
            let made = add_instances(gateway, &scope, parse(&body)?).await?;
            let shown: Vec<Value> = made.iter().map(|s| instance(gateway, s)).collect();
            Ok(json!({ "instances": shown }))
        }
        (&Method::DELETE, ["instances", id]) => {
            let asked: Removal = if body.is_empty() {
                Removal::default()
            } else {
                parse(&body)?
            };
            let gone = slices::remove(house, &scope, id, asked.force).await?;
            Ok(json!({ "instances": [instance(gateway, &gone)] }))
        }
        (_, ["usage" | "instances" | "spot", ..]) => Err(AwsError::client(
            "UnsupportedOperation",
            "The page exists, but not for this method.",
        )
        .status(405)),
        _ => Err(AwsError::client("UnknownOperationException", "no such page").status(404)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Interrupt {
    cluster: Option<String>,
    task: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Removal {
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Addition {
    cluster: Option<String>,
    instance_type: String,
    availability_zone: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    capacity_provider: Option<String>,
    #[serde(default = "one")]
    count: u32,
}

fn one() -> u32 {
    1
}

async fn add_instances(
    gateway: &Gateway,
    scope: &Scope,
    asked: Addition,
) -> Result<Vec<InstanceSlice>, AwsError> {
    let resources = host(gateway)?
        .instance_resources(&asked.instance_type)
        .map_err(|why| AwsError::client("InvalidParameterException", why))?;
    let new = NewSlices {
        cluster: asked.cluster,
        instance_type: asked.instance_type,
        resources,
        availability_zone: asked.availability_zone,
        attributes: asked.attributes,
        capacity_provider: asked.capacity_provider,
        count: asked.count,
    };
    slices::add(&gateway.built.house, scope, &new).await
}

/// A slice as these pages show it. `RUNNING` means that its agent is connected now.
fn instance(gateway: &Gateway, slice: &InstanceSlice) -> Value {
    let connected = gateway.built.ecs.nodes.is_connected(&slice.id);
    let state = match (slice.removing, connected, &slice.problem) {
        (true, ..) => "SHUTTING_DOWN",
        (_, _, Some(_)) => "FAILED",
        (_, true, None) => "RUNNING",
        (_, false, None) => "PENDING",
    };
    json!({
        "ec2InstanceId": slice.id,
        "cluster": slice.cluster,
        "instanceType": slice.instance_type,
        "availabilityZone": slice.interface.availability_zone,
        "privateIpAddress": slice.interface.private_ipv4,
        "networkInterfaceId": slice.interface.id,
        "state": state,
        "stateReason": slice.problem,
        "cpu": slice.resources.cpu_units,
        "memory": slice.resources.memory_mib,
        "attributes": slice.attributes,
        "capacityProviderName": slice.capacity_provider,
        "launchTime": slice.created_at.as_secs_f64(),
    })
}

fn host(gateway: &Gateway) -> Result<&Arc<dyn Host>, AwsError> {
    gateway.host.as_ref().ok_or_else(|| {
        AwsError::not_implemented("neargate", "host pages of a control plane without a node")
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    serde_json::from_slice(body)
        .map_err(|e| AwsError::client("SerializationException", e.to_string()))
}

fn refused(refusal: auth::Refusal) -> AwsError {
    let error = match refusal {
        auth::Refusal::Signature(error) => error,
        auth::Refusal::Region(region) => SigV4Error::Mismatch(format!(
            "Credential should be scoped to a valid region, not '{region}'."
        )),
    };
    let answer = error.answer(ErrorStyle::RestJson);
    AwsError::client(answer.code, answer.message).status(answer.status)
}
