//! Importing the API models: botocore's `service-2.json` without documentation.
//!
//! Kept: all operations' names and HTTP bindings, and whatever the taken operations reach. One
//! operation or shape a line, so that an update reads as a diff.

use crate::taken;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Keys of the model that say nothing about the wire.
const DROPPED: [&str; 13] = [
    "documentation",
    "deprecated",
    "deprecatedMessage",
    "deprecatedSince",
    "contextParam",
    "staticContextParams",
    "operationContextParams",
    "endpoint",
    "endpointdiscovery",
    "httpChecksum",
    "requestcompression",
    "auth",
    "synthetic",
];

/// Imports every listed service from an unpacked botocore (its root, its package or its `data`).
pub fn import(root: &Path, source: &Path) -> Result<()> {
    let candidates = [
        source.join("botocore/data"),
        source.join("data"),
        source.to_owned(),
    ];
    let data = candidates.iter().find(|p| p.join("ecs").is_dir());
    let data = data.with_context(|| format!("no botocore data in {}", source.display()))?;
    for service in taken::read(root)? {
        let path = newest(&data.join(&service.id))?;
        let text = std::fs::read_to_string(&path)?;
        let mut model: Value = serde_json::from_str(&text).context(path.display().to_string())?;
        let older = root
            .join("models/older")
            .join(format!("{}.json", service.id));
        if older.is_file() {
            let text = std::fs::read_to_string(&older)?;
            let more = serde_json::from_str(&text).context(older.display().to_string())?;
            merge(&mut model, more);
        }
        if let taken::Operations::Some(names) = &service.operations
            && let Some(unknown) = names.iter().find(|n| model["operations"][n].is_null())
        {
            bail!("{}: no operation {unknown}", service.id);
        }
        let out = root.join("models").join(format!("{}.json", service.id));
        std::fs::write(&out, render(&reduce(model, &service.operations))?)?;
    }
    Ok(())
}

/// Adds to a model what it says no more: how its service is spoken to in the protocol that it had before.
fn merge(model: &mut Value, more: Value) {
    match (model, more) {
        (Value::Object(model), Value::Object(more)) => {
            for (key, value) in more {
                merge(model.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(model), Value::Array(more)) => model.extend(more),
        (model, more) => *model = more,
    }
}

/// The newest API version of a service.
fn newest(service: &Path) -> Result<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir(service)
        .with_context(|| service.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path().join("service-2.json")))
        .filter(|path| path.is_file())
        .collect();
    versions.sort();
    versions
        .pop()
        .with_context(|| format!("no service-2.json below {}", service.display()))
}

fn reduce(mut model: Value, taken: &taken::Operations) -> Value {
    let metadata = model["metadata"].take();
    strip(&mut model);
    let mut operations = Map::new();
    let mut wanted = Vec::new();
    for (name, op) in model["operations"].as_object().into_iter().flatten() {
        if taken.contains(name) {
            named_shapes(op, &mut wanted);
            operations.insert(name.clone(), op.clone());
        } else {
            operations.insert(name.clone(), json!({"name": name, "http": op["http"]}));
        }
    }
    let mut kept = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if kept.insert(name.clone()) {
            named_shapes(&model["shapes"][&name], &mut wanted);
        }
    }
    let shapes: Map<String, Value> = kept
        .into_iter()
        .map(|name| (name.clone(), model["shapes"][&name].take()))
        .collect();
    json!({"version": "2.0", "metadata": metadata, "operations": operations, "shapes": shapes})
}

/// The values of all `shape` keys that are strings. No member of a model is called `shape` and
/// has a string for its description.
fn named_shapes(json: &Value, out: &mut Vec<String>) {
    match json {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(name) if key == "shape" => out.push(name.clone()),
                    other => named_shapes(other, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named_shapes(item, out)),
        _ => {}
    }
}

/// Drops what is not about the wire. A member or shape that happens to have a dropped name is
/// an object with a `shape` or a `type` and stays.
fn strip(json: &mut Value) {
    match json {
        Value::Object(map) => {
            let is_model = |v: &Value| v["shape"].is_string() || v["type"].is_string();
            map.retain(|key, value| !DROPPED.contains(&key.as_str()) || is_model(value));
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// One operation or shape a line.
fn render(model: &Value) -> Result<String> {
    let mut out = String::from("{\n");
    writeln!(
        out,
        "\"version\": \"2.0\",\n\"metadata\": {},",
        model["metadata"]
    )?;
    for (key, end) in [("operations", ","), ("shapes", "")] {
        write!(out, "\"{key}\": {{")?;
        let mut separator = "\n";
        for (name, value) in model[key].as_object().into_iter().flatten() {
            write!(out, "{separator}{}: {value}", Value::from(name.as_str()))?;
            separator = ",\n";
        }
        writeln!(out, "\n}}{end}")?;
    }
    out.push_str("}\n");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_taken_operations_reach_is_kept() {
        let model = json!({
            "metadata": {"protocol": "query", "auth": ["x"]},
            "documentation": "text",
            "operations": {
                "A": {"name": "A", "http": {"method": "POST"}, "input": {"shape": "In"},
                      "documentation": "text", "auth": ["x"], "errors": [{"shape": "Bad"}]},
                "B": {"name": "B", "http": {"method": "GET"}, "input": {"shape": "Other"}}
            },
            "shapes": {
                "In": {"type": "structure", "documentation": "text", "members": {
                    "documentation": {"shape": "endpoint", "documentation": "text"}}},
                "endpoint": {"type": "string"},
                "Bad": {"type": "structure", "members": {}, "exception": true},
                "Other": {"type": "structure", "members": {}}
            }
        });
        let reduced = reduce(model, &taken::Operations::Some(vec!["A".into()]));
        let expected = json!({
            "version": "2.0",
            "metadata": {"protocol": "query", "auth": ["x"]},
            "operations": {
                "A": {"name": "A", "http": {"method": "POST"}, "input": {"shape": "In"},
                      "errors": [{"shape": "Bad"}]},
                "B": {"name": "B", "http": {"method": "GET"}}
            },
            "shapes": {
                "Bad": {"type": "structure", "members": {}, "exception": true},
                "In": {"type": "structure", "members": {"documentation": {"shape": "endpoint"}}},
                "endpoint": {"type": "string"}
            }
        });
        assert_eq!(reduced, expected);
        let text = render(&reduced).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        assert_eq!(
            text.lines().filter(|l| l.starts_with("\"In\": {")).count(),
            1
        );
    }
}
