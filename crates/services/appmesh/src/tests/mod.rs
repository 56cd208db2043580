//! Operations through their table, on a store in memory.

mod compile;
mod objects;
mod refusals;

use crate::AppMesh;
use crate::model::{
    Changes, GatewayRoute, Mesh, Object, Route, VirtualGateway, VirtualNode, VirtualRouter,
    VirtualService,
};
use neargate_api_appmesh::ops;
use neargate_service::golden::check;
use neargate_service::{AwsError, Component};
use neargate_testkit::{Lab, call};
use neargate_wire::json::{self, Form};
use neargate_wire::structure::{OperationDef, Structure, from_value};
use serde_json::{Value, json};
use std::sync::Arc;

pub fn read<T: Structure>(tree: Value) -> T {
    from_value(json::read(T::SHAPE, tree, Form::WIRE).expect("it fits its shape"))
}

/// An operation with its input and output as the SDKs write them.
pub async fn ask<O: OperationDef>(lab: &Lab, op: O, input: Value) -> Result<Value, AwsError> {
    let table = Arc::new(AppMesh).table();
    let output = call(&*table, lab.cx(), op, read::<O::Input>(input)).await?;
    Ok(json::write(
        O::Output::SHAPE,
        &output.to_value(),
        Form::WIRE,
    ))
}

pub async fn done<O: OperationDef>(lab: &Lab, op: O, input: Value) -> Value {
    ask(lab, op, input).await.expect("done")
}

pub fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

pub fn node_spec(port: u16, protocol: &str) -> Value {
    json!({
        "listeners": [{ "portMapping": { "port": port, "protocol": protocol } }],
        "serviceDiscovery": { "dns": { "hostname": "node.local" } },
    })
}

pub async fn mesh(lab: &Lab) {
    done(lab, ops::CreateMesh, json!({ "meshName": "m" })).await;
}

pub async fn node(lab: &Lab, name: &str, spec: Value) {
    let input = json!({ "meshName": "m", "virtualNodeName": name, "spec": spec });
    done(lab, ops::CreateVirtualNode, input).await;
}

pub async fn router(lab: &Lab, name: &str, listeners: Value) {
    let input =
        json!({ "meshName": "m", "virtualRouterName": name, "spec": { "listeners": listeners } });
    done(lab, ops::CreateVirtualRouter, input).await;
}

pub async fn route(lab: &Lab, name: &str, spec: Value) -> Result<Value, AwsError> {
    let input =
        json!({ "meshName": "m", "virtualRouterName": "r", "routeName": name, "spec": spec });
    ask(lab, ops::CreateRoute, input).await
}

pub async fn service(lab: &Lab, name: &str, provider: Value) -> Result<Value, AwsError> {
    let input =
        json!({ "meshName": "m", "virtualServiceName": name, "spec": { "provider": provider } });
    ask(lab, ops::CreateVirtualService, input).await
}

pub fn http_8080() -> Value {
    json!([{ "portMapping": { "port": 8080, "protocol": "http" } }])
}

pub fn to(targets: &[(&str, i32)]) -> Value {
    let targets = targets.iter();
    targets
        .map(|(node, weight)| json!({ "virtualNode": node, "weight": weight }))
        .collect()
}

pub fn http_route(targets: &[(&str, i32)]) -> Value {
    json!({ "httpRoute": { "action": { "weightedTargets": to(targets) }, "match": { "prefix": "/" } } })
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Object<Mesh>>(dir);
    check::<Object<VirtualNode>>(dir);
    check::<Object<VirtualRouter>>(dir);
    check::<Object<VirtualService>>(dir);
    check::<Object<VirtualGateway>>(dir);
    check::<Object<Route>>(dir);
    check::<Object<GatewayRoute>>(dir);
    check::<Changes>(dir);
}
