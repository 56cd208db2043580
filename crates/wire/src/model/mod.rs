//! Reading an AWS API model (botocore's `service-2.json`) into the [`schema`](crate::schema).
//!
//! The generator of `neargate-api` and the protocol vectors both read models here, so that
//! there is one interpretation. What is loaded lives for the rest of the process: that is what
//! makes it the same type as the generated tables.

mod shapes;

use crate::schema::{ErrorShape, Fault, OPERATION, Operation, Protocol, Service, Target};
use serde_json::Value as Json;
use shapes::Shapes;

/// Why a model cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model of {0} has no {1}")]
    Missing(String, &'static str),
    #[error("unknown protocol {0:?}")]
    Protocol(String),
    #[error("shape {0} is of unknown type {1:?}")]
    Type(String, String),
    #[error("shape {0} is named but not defined")]
    Undefined(String),
}

/// Loads a model. Only operations that `taken` names get their shapes.
pub fn load(
    id: &str,
    model: &Json,
    taken: impl Fn(&str) -> bool,
) -> Result<&'static Service, ModelError> {
    let metadata = &model["metadata"];
    let text = |key: &str| metadata[key].as_str().map(leak);
    let protocols = protocols(metadata)?;
    let empty = serde_json::Map::new();
    let mut shapes = Shapes::new(model["shapes"].as_object().unwrap_or(&empty));
    let mut operations = Vec::new();
    for (name, json) in model["operations"].as_object().unwrap_or(&empty) {
        operations.push(operation(name, json, taken(name), &mut shapes)?);
    }
    shapes.finish()?;
    operations.sort_by_key(|op| op.name);
    let endpoint_prefix = text("endpointPrefix").unwrap_or_default();
    Ok(Box::leak(Box::new(Service {
        id: leak(id),
        sdk_id: text("serviceId").unwrap_or_default(),
        signing_name: text("signingName").unwrap_or(endpoint_prefix),
        endpoint_prefix,
        api_version: text("apiVersion").unwrap_or_default(),
        target_prefix: text("targetPrefix"),
        json_version: text("jsonVersion"),
        xml_namespace: match &metadata["xmlNamespace"] {
            Json::Object(o) => o.get("uri").and_then(Json::as_str).map(leak),
            other => other.as_str().map(leak),
        },
        protocols,
        query_compatible: !metadata["awsQueryCompatible"].is_null(),
        operations: Box::leak(operations.into_boxed_slice()),
    })))
}

fn protocols(metadata: &Json) -> Result<&'static [Protocol], ModelError> {
    let names: Vec<&str> = match metadata["protocols"].as_array() {
        Some(list) => list.iter().filter_map(Json::as_str).collect(),
        None => metadata["protocol"].as_str().into_iter().collect(),
    };
    let json_version = metadata["jsonVersion"].as_str();
    let of = |name: &&str| {
        Ok(match *name {
            "json" if json_version == Some("1.0") => Protocol::AwsJson10,
            "json" => Protocol::AwsJson11,
            "query" => Protocol::Query,
            "ec2" => Protocol::Ec2,
            "rest-json" => Protocol::RestJson,
            "rest-xml" => Protocol::RestXml,
            "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
            other => return Err(ModelError::Protocol(other.into())),
        })
    };
    let list = names.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::leak(list.into_boxed_slice()))
}

fn operation(
    name: &str,
    json: &Json,
    taken: bool,
    shapes: &mut Shapes<'_>,
) -> Result<Operation, ModelError> {
    let http = &json["http"];
    let mut op = Operation {
        name: leak(name),
        method: http["method"].as_str().map_or("POST", leak),
        uri: http["requestUri"].as_str().map_or("/", leak),
        status: http["responseCode"].as_u64().map_or(200, |s| s as u16),
        taken,
        ..OPERATION
    };
    if !taken {
        return Ok(op);
    }
    let mut target = |json: &Json| -> Result<Option<Target>, ModelError> {
        json["shape"]
            .as_str()
            .map(|name| shapes.target(name))
            .transpose()
    };
    op.input = target(&json["input"])?;
    op.output = target(&json["output"])?;
    op.input_name = json["input"]["locationName"].as_str().map(leak);
    op.input_namespace = shapes::namespace(&json["input"]["xmlNamespace"]).map(|n| n.uri);
    op.result_wrapper = json["output"]["resultWrapper"].as_str().map(leak);
    let mut errors = Vec::new();
    for error in json["errors"].as_array().into_iter().flatten() {
        let name = error["shape"]
            .as_str()
            .ok_or_else(|| ModelError::Missing(name.into(), "shape of an error"))?;
        let error: &'static ErrorShape = Box::leak(Box::new(error_shape(name, shapes)?));
        errors.push(error);
    }
    op.errors = Box::leak(errors.into_boxed_slice());
    Ok(op)
}

fn error_shape(name: &str, shapes: &mut Shapes<'_>) -> Result<ErrorShape, ModelError> {
    let shape = shapes.target(name)?;
    let json = shapes.json(name)?;
    let details = &json["error"];
    let status = details["httpStatusCode"].as_u64().map(|s| s as u16);
    let is_fault = |json: &Json| json["fault"].as_bool().unwrap_or(false);
    let server = is_fault(json) || is_fault(details) || status.is_some_and(|s| s >= 500);
    Ok(ErrorShape {
        name: leak(name),
        code: leak(details["code"].as_str().unwrap_or(name)),
        status: status.unwrap_or(if server { 500 } else { 400 }),
        fault: if server { Fault::Server } else { Fault::Client },
        shape,
    })
}

fn leak(s: &str) -> &'static str {
    Box::leak(s.to_owned().into_boxed_str())
}
