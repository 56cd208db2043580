//! The documents of a trace put together: subsegments that were sent apart are put into what they belong to, and
//! services that were called and said nothing get a segment that is inferred from their caller's.

use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// How deep subsegments that were sent apart are put into each other. Deeper ones stay by themselves.
const MOST_DEPTH: usize = 48;

/// A segment, as a caller is shown it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub id: String,
    pub document: Value,
    /// It is a subsegment whose segment is not there.
    pub is_alone: bool,
    pub is_inferred: bool,
}

/// The segments that `documents` make. What is no JSON object is passed over.
pub fn assemble(documents: &[String]) -> Vec<Shown> {
    let parsed = documents.iter().filter_map(|text| {
        let value: Value = serde_json::from_str(text).ok()?;
        value.is_object().then_some(value)
    });
    let (mut segments, mut apart) = (Vec::new(), HashMap::<String, Vec<Value>>::new());
    let mut order = Vec::new();
    for value in parsed {
        match value.get("type").and_then(Value::as_str) {
            Some("subsegment") => {
                let parent = text(&value, "parent_id").unwrap_or_default().to_owned();
                if !apart.contains_key(&parent) {
                    order.push(parent.clone());
                }
                apart.entry(parent).or_default().push(value);
            }
            _ => segments.push(value),
        }
    }
    for segment in &mut segments {
        adopt(segment, &mut apart, 0);
    }
    let mut alone = Vec::new();
    for parent in order {
        // Those that were put into one another meanwhile are gone from here.
        for mut value in apart.remove(&parent).unwrap_or_default() {
            adopt(&mut value, &mut apart, 0);
            alone.push(value);
        }
    }
    let called: HashSet<String> = segments
        .iter()
        .filter_map(|segment| text(segment, "parent_id").map(str::to_owned))
        .collect();
    let mut inferred = Vec::new();
    for segment in segments.iter().chain(&alone) {
        let trace = segment.get("trace_id").cloned().unwrap_or_default();
        each_subsegment(segment, &mut |subsegment| {
            let id = text(subsegment, "id").unwrap_or_default();
            if is_call(subsegment) && !called.contains(id) {
                inferred.push(infer(subsegment, &trace));
            }
        });
        if text(segment, "type") == Some("subsegment") && is_call(segment) {
            let id = text(segment, "id").unwrap_or_default();
            if !called.contains(id) {
                inferred.push(infer(segment, &trace));
            }
        }
    }
    let shown = |is_alone, is_inferred| {
        move |document: Value| Shown {
            id: text(&document, "id").unwrap_or_default().to_owned(),
            document,
            is_alone,
            is_inferred,
        }
    };
    let segments = segments.into_iter().map(shown(false, false));
    let alone = alone.into_iter().map(shown(true, false));
    let inferred = inferred.into_iter().map(shown(false, true));
    segments.chain(alone).chain(inferred).collect()
}

/// Puts into `value` and what is in it the subsegments that say they belong there.
fn adopt(value: &mut Value, apart: &mut HashMap<String, Vec<Value>>, depth: usize) {
    if apart.is_empty() || depth > MOST_DEPTH {
        return;
    }
    if let Some(own) = value.get_mut("subsegments").and_then(Value::as_array_mut) {
        for subsegment in own {
            adopt(subsegment, apart, depth + 1);
        }
    }
    let Some(id) = text(value, "id").map(str::to_owned) else {
        return;
    };
    let Some(mut children) = apart.remove(&id) else {
        return;
    };
    for child in &mut children {
        adopt(child, apart, depth + 1);
    }
    let Some(object) = value.as_object_mut() else {
        return;
    };
    let own = object.entry("subsegments").or_insert_with(|| json!([]));
    if !own.is_array() {
        *own = json!([]);
    }
    if let Some(own) = own.as_array_mut() {
        own.extend(children);
    }
}

/// Is it a call of something else?
pub fn is_call(subsegment: &Value) -> bool {
    matches!(text(subsegment, "namespace"), Some("aws" | "remote"))
}

/// What is inside a segment, a subsegment before what is in it.
pub fn each_subsegment<'a>(segment: &'a Value, take: &mut dyn FnMut(&'a Value)) {
    let inside = segment.get("subsegments").and_then(Value::as_array);
    for subsegment in inside.into_iter().flatten().filter(|s| s.is_object()) {
        take(subsegment);
        each_subsegment(subsegment, take);
    }
}

/// The segment of a service that was called and sent none.
fn infer(subsegment: &Value, trace: &Value) -> Value {
    let mut object = Map::new();
    let id = text(subsegment, "id").unwrap_or_default();
    object.insert("id".into(), inferred_id(id).into());
    let copied = |name: &str| subsegment.get(name).cloned();
    for name in ["name", "start_time", "end_time", "in_progress"] {
        if let Some(value) = copied(name) {
            object.insert(name.into(), value);
        }
    }
    object.insert("parent_id".into(), id.into());
    object.insert("inferred".into(), true.into());
    for name in ["http", "aws", "sql", "error", "fault", "throttle", "cause"] {
        if let Some(value) = copied(name) {
            object.insert(name.into(), value);
        }
    }
    object.insert("trace_id".into(), trace.clone());
    if let Some(origin) = origin(subsegment) {
        object.insert("origin".into(), origin.into());
    }
    Value::Object(object)
}

/// An id that only this subsegment's call has.
fn inferred_id(id: &str) -> String {
    // FNV-1a: the same each time it is asked, whoever asks.
    let seed = 0xcbf2_9ce4_8422_2325_u64;
    let hashed = id.bytes().chain(*b"inferred").fold(seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hashed:016x}")
}

/// The type of what a subsegment calls.
fn origin(subsegment: &Value) -> Option<String> {
    if subsegment.get("sql").is_some_and(Value::is_object) {
        return Some("Database::SQL".into());
    }
    if text(subsegment, "namespace") != Some("aws") {
        return None;
    }
    let name = text(subsegment, "name")?;
    let aws = subsegment.get("aws");
    let has = |field: &str| aws.is_some_and(|aws| aws.get(field).is_some_and(Value::is_string));
    Some(match name {
        "DynamoDB" if has("table_name") => "AWS::DynamoDB::Table".into(),
        "SQS" if has("queue_url") => "AWS::SQS::Queue".into(),
        "S3" if has("bucket_name") => "AWS::S3::Bucket".into(),
        _ => format!("AWS::{name}"),
    })
}

pub fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}
