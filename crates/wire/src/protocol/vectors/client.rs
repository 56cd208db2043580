//! Replies as a client reads them, and bodies in a comparable form.

use super::super::xml::{self, Element};
use super::super::{DecodeError, Response, cbor, rest};
use super::{Case, value};
use crate::json::{self, Form};
use crate::schema::{Kind, Location, Member, Protocol, Shape};
use crate::value::Value;
use serde_json::Value as Tree;

/// Reads a successful reply.
pub(super) fn read(case: &Case, response: &Response) -> Result<Value, DecodeError> {
    let shape = case.op.output.unwrap().get();
    let nothing = Ok(Value::Struct(Vec::new()));
    let body = response.body();
    match case.protocol {
        Protocol::RestJson => rest::client::read(shape, response, true),
        Protocol::RestXml => rest::client::read(shape, response, false),
        Protocol::AwsJson10 | Protocol::AwsJson11 => json::parse(shape, body, Form::WIRE),
        _ if body.is_empty() => nothing,
        Protocol::RpcV2Cbor => cbor::read_body(shape, body),
        Protocol::Ec2 => members(shape, &xml::parse(body)?),
        Protocol::Query => {
            let mut root = xml::parse(body)?;
            match root
                .children
                .iter_mut()
                .find(|child| child.local().ends_with("Result"))
            {
                Some(result) => {
                    name_as_modelled(shape, result);
                    members(shape, result)
                }
                None => nothing,
            }
        }
    }
}

/// Gives members that awsQuery calls by another name the one that they have elsewhere.
fn name_as_modelled(shape: &Shape, element: &mut Element) {
    match shape.kind {
        Kind::Structure(_) => {
            for child in &mut element.children {
                let of_item = |m: &Member| match m.shape.kind {
                    Kind::List(item) if m.shape.flattened => item.location_name,
                    _ => None,
                };
                let is_it = |m: &&Member| {
                    m.query_name.unwrap_or(m.wire_name()) == child.local()
                        || of_item(m) == Some(child.local())
                };
                let Some(member) = shape.members().iter().find(is_it) else {
                    continue;
                };
                match member.shape.kind {
                    Kind::List(item) if member.is_flattened() => {
                        name_as_modelled(&item.shape, child);
                    }
                    _ => name_as_modelled(&member.shape, child),
                }
                if member.query_name.is_some() {
                    child.name = member.wire_name().to_owned();
                }
            }
        }
        Kind::List(item) => {
            let items = element.children.iter_mut();
            items.for_each(|child| name_as_modelled(&item.shape, child));
        }
        _ => {}
    }
}

fn members(shape: &Shape, element: &Element) -> Result<Value, DecodeError> {
    xml::read_members(shape, element, &|_| true).map(Value::Struct)
}

/// A body that can be compared: JSON, XML without insignificant space and without our request
/// id, CBOR with its maps sorted.
pub(super) fn comparable(case: &Case, response: &Response) -> Result<String, String> {
    let body = response.body();
    let is_type = |wanted: &str| {
        response
            .headers()
            .get("content-type")
            .is_some_and(|v| v.to_str().unwrap().contains(wanted))
    };
    let text = || String::from_utf8(body.to_vec()).unwrap();
    match case.protocol {
        // A client takes no JSON for an empty object.
        Protocol::RestJson if body.is_empty() && case.op.output.unwrap().payload.is_none() => {
            Ok("{}".into())
        }
        _ if body.is_empty() => Ok(String::new()),
        Protocol::RpcV2Cbor => {
            let tree: ciborium::Value =
                ciborium::from_reader(&body[..]).map_err(|e| e.to_string())?;
            Ok(cbor_text(&tree))
        }
        Protocol::AwsJson10 | Protocol::AwsJson11 => json_text(body),
        Protocol::RestXml if !is_type("xml") => Ok(text()),
        Protocol::RestJson => Ok(json_text(body).unwrap_or_else(|_| text())),
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            let mut root = xml::parse(body).map_err(|e| e.to_string())?;
            let own = ["ResponseMetadata", "requestId", "RequestId"];
            root.children.retain(|child| !own.contains(&child.local()));
            if case.protocol != Protocol::RestXml {
                // The vectors' metadata names no namespace, but their replies have one.
                root.attributes.clear();
            }
            Ok(xml_text(&root))
        }
    }
}

fn json_text(body: &[u8]) -> Result<String, String> {
    let tree: Tree = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(sorted(&tree))
}

fn sorted(tree: &Tree) -> String {
    match tree {
        Tree::Object(object) => {
            let mut pairs: Vec<_> = object
                .iter()
                .filter(|(k, v)| !v.is_null() && *k != "__type")
                .map(|(k, v)| format!("{k:?}:{}", sorted(v)))
                .collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(","))
        }
        Tree::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(sorted).collect::<Vec<_>>().join(",")
            )
        }
        Tree::Number(n) => n.as_f64().unwrap().to_string(),
        other => other.to_string(),
    }
}

fn cbor_text(tree: &ciborium::Value) -> String {
    use ciborium::Value::{Array, Float, Integer, Map, Tag};
    match tree {
        Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| format!("{}:{}", cbor_text(k), cbor_text(v)))
                .collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(","))
        }
        Array(items) => format!(
            "[{}]",
            items.iter().map(cbor_text).collect::<Vec<_>>().join(",")
        ),
        Tag(tag, inner) => format!("{tag}({})", cbor_text(inner)),
        Float(f) => (*f as f32).to_string(),
        Integer(i) => (i128::from(*i) as f32).to_string(),
        other => format!("{other:?}"),
    }
}

fn xml_text(element: &Element) -> String {
    let mut attributes: Vec<String> = element
        .attributes
        .iter()
        .map(|(k, v)| format!(" {k}={v:?}"))
        .collect();
    attributes.sort();
    let children: Vec<String> = element.children.iter().map(xml_text).collect();
    // Space over several lines is layout.
    let layout = element.text.trim().is_empty() && element.text.contains('\n');
    let text = if children.is_empty() && !layout {
        element.text.as_str()
    } else {
        ""
    };
    format!(
        "<{}{}>{text}{}</>",
        element.name,
        attributes.concat(),
        children.concat()
    )
}

/// What a client gets out of an error.
#[derive(Debug, PartialEq)]
pub(super) struct ReadError {
    pub(super) code: String,
    pub(super) message: String,
    members: Value,
    pub(super) query_error: Option<String>,
}

pub(super) fn read_error(case: &Case, response: &Response) -> Result<ReadError, String> {
    let of_header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    let plain = |code: &str| {
        let code = code.rsplit('#').next().unwrap_or("");
        code.split(':').next().unwrap_or("").to_owned()
    };
    let query_error = of_header("x-amzn-query-error");
    let mut code = query_error
        .clone()
        .and_then(|both| both.split(';').next().map(str::to_owned))
        .or_else(|| of_header("x-amzn-errortype").map(|code| plain(&code)));
    let body = response.body();
    let mut message = String::new();
    let shape = |code: &Option<String>| {
        code.as_ref()
            .and_then(|code| case.op.error(code))
            .map(|e| e.shape.get())
    };
    let mut members = Value::Struct(Vec::new());
    match case.protocol {
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            let root = xml::parse(body).map_err(|e| e.to_string())?;
            let error = match root.child("Errors") {
                Some(errors) => errors.child("Error"),
                None => root.child("Error"),
            };
            let error = error.ok_or("no Error element")?;
            let text = |name: &str| {
                error
                    .child(name)
                    .map(|e| e.text.clone())
                    .unwrap_or_default()
            };
            code = Some(text("Code"));
            message = text("Message");
            if let Some(shape) = shape(&code) {
                let in_body = |m: &crate::schema::Member| m.location == Location::Body;
                let fields =
                    xml::read_members(shape, error, &in_body).map_err(|e| e.to_string())?;
                members = Value::Struct(fields);
            }
        }
        _ => {
            let tree = match case.protocol {
                Protocol::RpcV2Cbor => {
                    let tree: ciborium::Value =
                        ciborium::from_reader(&body[..]).map_err(|e| e.to_string())?;
                    tree.deserialized().map_err(|e| e.to_string())?
                }
                _ if body.is_empty() => Tree::Object(serde_json::Map::new()),
                _ => serde_json::from_slice::<Tree>(body).map_err(|e| e.to_string())?,
            };
            let of_body = || tree["__type"].as_str().or(tree["code"].as_str()).map(plain);
            code = code.or_else(of_body);
            for key in ["message", "Message"] {
                message.push_str(tree[key].as_str().unwrap_or(""));
            }
            if let Some(shape) = shape(&code) {
                members = json::read(shape, tree, Form::WIRE).map_err(|e| e.to_string())?;
            }
        }
    }
    if let (Some(shape), Value::Struct(fields)) = (shape(&code), &mut members) {
        fields.retain(|(at, _)| {
            let member = &shape.members()[*at];
            member.location == Location::Body && !member.name.eq_ignore_ascii_case("message")
        });
        fields.extend(rest::client::read_headers(shape, response));
    }
    let members = value::canonical(members, true);
    Ok(ReadError {
        code: code.unwrap_or_default(),
        message,
        members,
        query_error,
    })
}
