//! The static tables: services, operations, shapes. Only what differs from the defaults is
//! written.

use super::graph::Graph;
use super::names;
use anyhow::Result;
use neargate_wire::schema::{
    Element, ErrorShape, Kind, Member, Operation, Service, Shape, Target, XmlNamespace,
};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

/// What the compiler would say of code that nobody reads.
const ALLOWED: &str = "#![allow(clippy::all, non_upper_case_globals, unused_imports)]\n\n";

/// The root module of a service: the whole of one of which we take nothing.
pub fn service(service: &'static Service) -> Result<String> {
    let taken = service.operations.iter().any(|op| op.taken);
    let mut out = format!("//! The API of {}.\n\n", service.sdk_id);
    if taken {
        out.push_str(ALLOWED);
        out.push_str("pub mod ops;\n#[rustfmt::skip]\npub mod shapes;\npub mod types;\n\n");
        out.push_str("pub use ops::*;\npub use types::*;\n\n");
    }
    let here = if taken { ", Target::Here" } else { "" };
    let list: Vec<String> = service
        .protocols
        .iter()
        .map(|p| format!("Protocol::{p:?}"))
        .collect();
    writeln!(
        out,
        "use neargate_wire::schema::{{self as wire, OPERATION, Protocol{here}}};\n\n\
         pub static SERVICE: wire::Service = wire::Service {{\n\
         id: {:?},\nsdk_id: {:?},\nsigning_name: {:?},\nendpoint_prefix: {:?},\napi_version: {:?},\n\
         target_prefix: {:?},\njson_version: {:?},\nxml_namespace: {:?},\nprotocols: &[{}],\n\
         query_compatible: {:?},\noperations: OPERATIONS,\n}};\n",
        service.id,
        service.sdk_id,
        service.signing_name,
        service.endpoint_prefix,
        service.api_version,
        service.target_prefix,
        service.json_version,
        service.xml_namespace,
        list.join(", "),
        service.query_compatible,
    )?;
    writeln!(out, "static OPERATIONS: &[wire::Operation] = &[")?;
    for op in service.operations {
        operation(op, &mut out)?;
    }
    writeln!(out, "];")?;
    Ok(out)
}

fn operation(op: &'static Operation, out: &mut String) -> Result<()> {
    write!(out, "wire::Operation {{ name: {:?}, ", op.name)?;
    field(out, "method", (op.method != "POST").then_some(op.method))?;
    field(out, "uri", (op.uri != "/").then_some(op.uri))?;
    field(out, "status", (op.status != 200).then_some(op.status))?;
    for (name, target) in [("input", op.input), ("output", op.output)] {
        if let Some(target) = target {
            write!(
                out,
                "{name}: Some(Here(&shapes::{})), ",
                names::table(target.name)
            )?;
        }
    }
    field(out, "input_name", op.input_name.map(Some))?;
    field(out, "input_namespace", op.input_namespace.map(Some))?;
    field(out, "result_wrapper", op.result_wrapper.map(Some))?;
    if !op.errors.is_empty() {
        let list: Vec<String> = op
            .errors
            .iter()
            .map(|e| format!("&shapes::{}", error_table(e)))
            .collect();
        write!(out, "errors: &[{}], ", list.join(", "))?;
    }
    field(out, "taken", op.taken.then_some(true))?;
    writeln!(out, "..OPERATION }},")?;
    Ok(())
}

fn error_table(error: &ErrorShape) -> String {
    format!("ERROR_{}", error.name)
}

/// `shapes.rs`: a line for a shape and for a member, which rustfmt would make many.
pub fn shapes(_: &'static Service, graph: &Graph) -> Result<String> {
    let mut out = String::from(
        "//! The tables of the shapes of the operations we take.\n\n\
         use neargate_wire::schema::*;\n\
         use neargate_wire::schema::{SHAPE as DEFAULT, Target::Here};\n\n",
    );
    let mut patterns: BTreeMap<&str, usize> = BTreeMap::new();
    for pattern in graph.shapes.values().filter_map(|s| s.pattern) {
        let next = patterns.len();
        patterns.entry(pattern.source).or_insert(next);
    }
    for shape in graph.shapes.values() {
        write!(
            out,
            "pub static {}: Shape = Shape {{ name: {:?}, ",
            names::table(shape.name),
            shape.name
        )?;
        if !matches!(shape.kind, Kind::String) {
            write!(out, "kind: {}, ", kind(shape))?;
        }
        field(&mut out, "min", shape.min.map(Some))?;
        field(&mut out, "max", shape.max.map(Some))?;
        if let Some(pattern) = shape.pattern {
            write!(
                out,
                "pattern: Some(&PATTERN_{}), ",
                patterns[pattern.source]
            )?;
        }
        field(
            &mut out,
            "values",
            (!shape.values.is_empty()).then_some(Slice(shape.values)),
        )?;
        field(&mut out, "union", shape.union.then_some(true))?;
        field(&mut out, "event_stream", shape.event_stream.then_some(true))?;
        field(&mut out, "payload", shape.payload.map(Some))?;
        field(&mut out, "flattened", shape.flattened.then_some(true))?;
        field(&mut out, "sensitive", shape.sensitive.then_some(true))?;
        field(&mut out, "location_name", shape.location_name.map(Some))?;
        namespace(&mut out, shape.xml_namespace)?;
        writeln!(out, "..DEFAULT }};")?;
    }
    for error in graph.errors.values() {
        writeln!(
            out,
            "pub static {}: ErrorShape = ErrorShape {{ name: {:?}, code: {:?}, status: {}, \
             fault: Fault::{:?}, shape: Here(&{}) }};",
            error_table(error),
            error.name,
            error.code,
            error.status,
            error.fault,
            names::table(error.shape.name),
        )?;
    }
    for (source, at) in patterns {
        writeln!(
            out,
            "static PATTERN_{at}: Pattern = Pattern::new({source:?});"
        )?;
    }
    Ok(out)
}

fn kind(shape: &'static Shape) -> String {
    match shape.kind {
        Kind::Structure(members) => {
            let list: Vec<String> = members
                .iter()
                .map(|m| member(m).unwrap_or_default())
                .collect();
            let lines: String = list.iter().map(|m| format!("    {m},\n")).collect();
            format!("Kind::Structure(&[\n{lines}])")
        }
        Kind::List(of) => format!("Kind::List({})", element(of)),
        Kind::Map { key, value } => {
            format!(
                "Kind::Map {{ key: {}, value: {} }}",
                element(key),
                element(value)
            )
        }
        Kind::Timestamp(Some(f)) => format!("Kind::Timestamp(Some(TimestampFormat::{f:?}))"),
        other => format!("Kind::{other:?}"),
    }
}

fn here(target: Target) -> String {
    format!("Here(&{})", names::table(target.name))
}

fn member(member: &Member) -> Result<String> {
    let mut out = String::new();
    field(&mut out, "required", member.required.then_some(true))?;
    if member.location != neargate_wire::schema::Location::Body {
        write!(out, "location: Location::{:?}, ", member.location)?;
    }
    field(&mut out, "location_name", member.location_name.map(Some))?;
    field(&mut out, "query_name", member.query_name.map(Some))?;
    if let Some(format) = member.timestamp {
        write!(out, "timestamp: Some(TimestampFormat::{format:?}), ")?;
    }
    for (name, set) in [
        ("flattened", member.flattened),
        ("xml_attribute", member.xml_attribute),
        ("streaming", member.streaming),
        ("idempotency_token", member.idempotency_token),
        ("host_label", member.host_label),
        ("json_value", member.json_value),
        ("boxed", member.boxed),
        ("event_payload", member.event_payload),
        ("event_header", member.event_header),
    ] {
        field(&mut out, name, set.then_some(true))?;
    }
    namespace(&mut out, member.xml_namespace)?;
    let plain = format!("member({:?}, {})", member.name, here(member.shape));
    Ok(if out.is_empty() {
        plain
    } else {
        format!("Member {{ {out}..{plain} }}")
    })
}

fn element(element: Element) -> String {
    let mut out = String::new();
    let mut add = || -> Result<()> {
        field(&mut out, "location_name", element.location_name.map(Some))?;
        if let Some(format) = element.timestamp {
            write!(out, "timestamp: Some(TimestampFormat::{format:?}), ")?;
        }
        namespace(&mut out, element.xml_namespace)
    };
    add().expect("writing to a string cannot fail");
    let plain = format!("Element::of({})", here(element.shape));
    if out.is_empty() {
        plain
    } else {
        format!("Element {{ {out}..{plain} }}")
    }
}

fn namespace(out: &mut String, namespace: Option<XmlNamespace>) -> Result<()> {
    if let Some(n) = namespace {
        write!(
            out,
            "xml_namespace: Some(XmlNamespace {{ prefix: {:?}, uri: {:?} }}), ",
            n.prefix, n.uri
        )?;
    }
    Ok(())
}

fn field(out: &mut String, name: &str, value: Option<impl Debug>) -> Result<()> {
    if let Some(value) = value {
        write!(out, "{name}: {value:?}, ")?;
    }
    Ok(())
}

struct Slice(&'static [&'static str]);

impl Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "&{:?}", self.0)
    }
}
