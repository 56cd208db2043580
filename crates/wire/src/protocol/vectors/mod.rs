//! The public protocol test vectors (botocore's, generated from Smithy's), run backwards.
//!
//! Input cases: the serialized request, decoded by us, gives the parameters. Output cases: the
//! result, encoded by us, is the vector's reply; and the vector's reply, read by our readers as
//! a client, is the result. A case leaves the list only by name and with a reason (`lists.rs`).

mod client;
mod lists;
mod models;
mod value;

use super::{ErrorReply, Request, Response};
use crate::json::{self, Form};
use crate::model;
use crate::schema::{Operation, Protocol, Service};
use crate::value::Value;
use bytes::Bytes;
use serde_json::{Value as Tree, json};
use std::path::Path;

struct Case {
    id: String,
    service: &'static Service,
    protocol: Protocol,
    op: &'static Operation,
    json: Tree,
}

fn cases(kind: &str, file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/vectors/protocols/{kind}/{file}.json"));
    let suites: Vec<Tree> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut out = Vec::new();
    for suite in suites {
        for case in suite["cases"].as_array().unwrap() {
            let name = case["given"]["name"].as_str().unwrap_or("OperationName");
            let model = json!({
                "metadata": suite["metadata"],
                "shapes": suite["shapes"],
                "operations": { name: case["given"] },
            });
            let service = model::load("vectors", &model, |_| true).unwrap();
            out.push(Case {
                id: case["id"].as_str().unwrap().to_owned(),
                service,
                protocol: service.protocols[0],
                op: service.operation(name).unwrap(),
                json: case.clone(),
            });
        }
    }
    out
}

fn body(protocol: Protocol, json: &Tree) -> Bytes {
    let text = json["body"].as_str().unwrap_or("");
    match protocol {
        Protocol::RpcV2Cbor => super::text::decode_base64(text).unwrap().into(),
        _ => Bytes::from(text.to_owned()),
    }
}

/// Runs a file; panics with every failure.
fn run(kind: &str, file: &str, check: impl Fn(&Case) -> Result<(), String>) {
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    for case in cases(kind, file) {
        if lists::skipped(kind, &case.id) {
            skipped += 1;
            continue;
        }
        match check(&case) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{}: {why}", case.id)),
        }
    }
    println!(
        "{kind}/{file}: {passed} passed, {skipped} skipped, {} failed",
        failures.len()
    );
    assert!(
        failures.is_empty(),
        "{kind}/{file}\n{}",
        failures.join("\n")
    );
}

fn input(case: &Case) -> Result<(), String> {
    let serialized = &case.json["serialized"];
    let mut request = http::Request::builder()
        .method(serialized["method"].as_str().unwrap_or("POST"))
        .uri(serialized["uri"].as_str().unwrap());
    for (name, value) in serialized["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    let request: Request = request.body(body(case.protocol, serialized)).unwrap();
    let got =
        super::decode(case.service, case.protocol, case.op, &request).map_err(|e| e.to_string())?;
    let want = match case.op.input {
        Some(shape) => value::read(&shape, &case.json["params"]),
        None => Value::Struct(Vec::new()),
    };
    let drop_empty = lists::EMPTY_IS_ABSENT.contains(&case.id.as_str());
    let canonical = |mut value| {
        if let Some(shape) = case.op.input {
            value::unbind(&shape, &mut value);
        }
        value::canonical(value, drop_empty)
    };
    same(canonical(got), canonical(want))
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, want: T) -> Result<(), String> {
    if got == want {
        Ok(())
    } else {
        Err(format!("\n   got {got:?}\n  want {want:?}"))
    }
}

fn vector_response(case: &Case) -> Response {
    let json = &case.json["response"];
    let mut response =
        http::Response::builder().status(json["status_code"].as_u64().unwrap_or(200) as u16);
    for (name, value) in json["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str().unwrap());
    }
    response.body(body(case.protocol, json)).unwrap()
}

fn output(case: &Case) -> Result<(), String> {
    if case.json.get("error").is_some() {
        return error(case);
    }
    let theirs = vector_response(case);
    let Some(shape) = case.op.output else {
        let ours = encode(case, &Value::Struct(Vec::new()));
        return same(ours.status(), theirs.status());
    };
    let want = value::read(&shape, &case.json["result"]);
    let drop_empty = lists::EMPTY_IS_ABSENT.contains(&case.id.as_str());
    let canonical = |value| value::canonical(value, drop_empty);
    let read = |response: &Response| {
        let mut response = response.clone();
        // A member bound to all headers would hold these two.
        response.headers_mut().remove("x-amzn-requestid");
        if !theirs.headers().contains_key("content-type") {
            response.headers_mut().remove("content-type");
        }
        client::read(case, &response)
            .map(canonical)
            .map_err(|e| e.to_string())
    };
    same(read(&theirs)?, canonical(want.clone())).map_err(|e| format!("reading theirs: {e}"))?;
    let ours = encode(case, &want);
    same(read(&ours)?, canonical(want)).map_err(|e| format!("reading ours: {e}"))?;
    same(ours.status(), theirs.status())?;
    if lists::CLIENTS_ONLY.contains(&case.id.as_str()) {
        return Ok(());
    }
    headers(&ours, &theirs)?;
    same(
        client::comparable(case, &ours)?,
        client::comparable(case, &theirs)?,
    )
    .map_err(|e| format!("body: {e}"))
}

fn headers(ours: &Response, theirs: &Response) -> Result<(), String> {
    for (name, value) in theirs.headers() {
        // A reply without a body has no type, whatever the vector says.
        if name == "content-type" && ours.body().is_empty() {
            continue;
        }
        let irrelevant =
            ["content-length", "x-amzn-requestid", "x-amz-target"].contains(&name.as_str());
        let value = value.to_str().unwrap();
        let got = ours.headers().get(name).map_or("", |v| v.to_str().unwrap());
        // EC2 and restXml add a charset; lists may or may not have a space behind their commas.
        let plain = |text: &str| text.split(';').next().unwrap_or("").replace(", ", ",");
        if !irrelevant && plain(got) != plain(value) {
            return Err(format!("header {name}: got {got:?}, want {value:?}"));
        }
    }
    Ok(())
}

fn encode(case: &Case, value: &Value) -> Response {
    super::encode(
        case.service,
        case.protocol,
        case.op,
        value,
        "the-request-id",
    )
}

/// Errors are compared as a client reads them: code, message, members.
fn error(case: &Case) -> Result<(), String> {
    let theirs = vector_response(case);
    let code = case.json["errorCode"].as_str().unwrap();
    let want = client::read_error(case, &theirs).map_err(|e| format!("reading theirs: {e}"))?;
    let modelled = case.op.error(code);
    let mut fields = Vec::new();
    let mut message = want.message.clone();
    if let Some(modelled) = modelled {
        let value = value::read(&modelled.shape, &case.json["error"]);
        let Tree::Object(object) = json::write(&modelled.shape, &value, Form::WIRE) else {
            unreachable!("a structure is an object")
        };
        for (key, value) in object {
            if key.eq_ignore_ascii_case("message") {
                message = value.as_str().unwrap().to_owned();
            } else {
                fields.push((key, value));
            }
        }
    }
    let reply = ErrorReply {
        code: code.to_owned(),
        message,
        status: theirs.status().as_u16(),
        fault: modelled.map_or(crate::schema::Fault::Client, |e| e.fault),
        fields,
        request_id: "the-request-id".into(),
    };
    let ours = super::encode_error(case.service, case.protocol, Some(case.op), &reply);
    same(ours.status(), theirs.status())?;
    let mut got = client::read_error(case, &ours).map_err(|e| format!("reading ours: {e}"))?;
    same(want.code.as_str(), code).map_err(|e| format!("reading theirs: {e}"))?;
    if want.query_error.is_none() {
        got.query_error = None; // we always send it; the vector may not
    }
    same(got, want)
}

macro_rules! files {
    ($($name:ident: $file:literal),* $(,)?) => {
        mod inputs {
            $(#[test] fn $name() { super::run("input", $file, super::input); })*
        }
        mod outputs {
            $(#[test] fn $name() { super::run("output", $file, super::output); })*
        }
    };
}
files! {
    ec2: "ec2",
    json: "json",
    json_1_0: "json_1_0",
    json_1_0_query_compatible: "json_1_0-query-compatible",
    query: "query",
    rest_json: "rest-json",
    rest_xml: "rest-xml",
    cbor: "smithy-rpc-v2-cbor",
    cbor_query_compatible: "smithy-rpc-v2-cbor-query-compatible",
    cbor_not_query_compatible: "smithy-rpc-v2-cbor-non-query-compatible",
}
