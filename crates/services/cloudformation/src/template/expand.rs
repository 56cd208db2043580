//! What `AWS::LanguageExtensions` adds and is carried out before anything else: `Fn::ForEach`
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-foreach.html>).
//! Its collections are written out, or parameters with lists, or found in mappings.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A loop of loops stands for no more than this.
const MOST: usize = 10_000;

/// What collections look at.
struct Seen {
    parameters: BTreeMap<String, String>,
    mappings: Value,
}

/// The tree without loops, when it asks for that. `given` are the values of parameters; others have their
/// defaults.
///
/// # Errors
/// What is wrong with a loop.
pub fn language_extensions(
    tree: &Map<String, Value>,
    given: &BTreeMap<String, String>,
) -> Result<Option<Map<String, Value>>, String> {
    let named = |v: &Value| match v {
        Value::String(one) => one == "AWS::LanguageExtensions",
        Value::Array(all) => all.iter().any(|one| one == "AWS::LanguageExtensions"),
        _ => false,
    };
    if !tree.get("Transform").is_some_and(named) {
        return Ok(None);
    }
    let declared = tree.get("Parameters").and_then(Value::as_object);
    let defaults = declared.into_iter().flatten().filter_map(|(name, of)| {
        let default = of.get("Default").filter(|v| !v.is_null())?;
        Some((name.clone(), super::text_of(default)))
    });
    let mut parameters: BTreeMap<String, String> = defaults.collect();
    parameters.extend(given.clone());
    let seen = Seen {
        parameters,
        mappings: tree.get("Mappings").cloned().unwrap_or_default(),
    };
    let mut budget = MOST;
    match unfold(Value::Object(tree.clone()), &seen, &mut budget)? {
        Value::Object(tree) => Ok(Some(tree)),
        _ => Err("Template format error: unsupported structure.".into()),
    }
}

fn unfold(value: Value, seen: &Seen, budget: &mut usize) -> Result<Value, String> {
    match value {
        Value::Array(items) => {
            let items: Result<Vec<Value>, String> = items
                .into_iter()
                .map(|item| unfold(item, seen, budget))
                .collect();
            Ok(Value::Array(items?))
        }
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                match key.strip_prefix("Fn::ForEach::") {
                    None => {
                        out.insert(key, unfold(value, seen, budget)?);
                    }
                    Some(name) => out.extend(each(name, &value, seen, budget)?),
                }
            }
            Ok(Value::Object(out))
        }
        other => Ok(other),
    }
}

fn each(
    name: &str,
    of: &Value,
    seen: &Seen,
    budget: &mut usize,
) -> Result<Map<String, Value>, String> {
    let malformed = || format!("Fn::ForEach::{name} layout is incorrect");
    let [Value::String(variable), collection, Value::Object(body)] =
        of.as_array().map(Vec::as_slice).ok_or_else(malformed)?
    else {
        return Err(malformed());
    };
    let mut out = Map::new();
    for item in collected(name, collection, seen)? {
        *budget = budget
            .checked_sub(1)
            .ok_or("Fn::ForEach stands for too much")?;
        let body = replaced(&Value::Object(body.clone()), variable, &item);
        let Value::Object(body) = unfold(body, seen, budget)? else {
            return Err(malformed());
        };
        out.extend(body);
    }
    Ok(out)
}

fn collected(name: &str, collection: &Value, seen: &Seen) -> Result<Vec<String>, String> {
    let unknown = || format!("Fn::ForEach::{name} could not resolve its collection");
    match collection {
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match item {
                    Value::Object(_) => all.extend(collected(name, item, seen)?),
                    item => all.push(super::text_of(item)),
                }
            }
            Ok(all)
        }
        Value::Object(map) => match (map.get("Ref"), map.get("Fn::FindInMap")) {
            (Some(of), _) => {
                let value = seen
                    .parameters
                    .get(&super::text_of(of))
                    .ok_or_else(unknown)?;
                Ok(value.split(',').map(|s| s.trim().to_owned()).collect())
            }
            (_, Some(Value::Array(path))) => {
                let mut at = &seen.mappings;
                for key in path {
                    let key = match key.get("Ref") {
                        Some(of) => seen
                            .parameters
                            .get(&super::text_of(of))
                            .ok_or_else(unknown)?,
                        None => key.as_str().ok_or_else(unknown)?,
                    };
                    at = at.get(key).ok_or_else(unknown)?;
                }
                collected(name, at, seen)
            }
            _ => Err(unknown()),
        },
        _ => Err(format!("Fn::ForEach::{name} layout is incorrect")),
    }
}

/// With `${variable}` and `&{variable}` in every text, and where `Ref` names it.
fn replaced(value: &Value, variable: &str, item: &str) -> Value {
    let text = |text: &str| {
        let plain: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
        let text = text.replace(&format!("${{{variable}}}"), item);
        text.replace(&format!("&{{{variable}}}"), &plain)
    };
    match value {
        Value::String(of) => Value::String(text(of)),
        Value::Array(items) => {
            Value::Array(items.iter().map(|v| replaced(v, variable, item)).collect())
        }
        Value::Object(map) => {
            if map.len() == 1 && map.get("Ref").and_then(Value::as_str) == Some(variable) {
                return Value::String(item.to_owned());
            }
            let all = map
                .iter()
                .map(|(k, v)| (text(k), replaced(v, variable, item)));
            Value::Object(all.collect())
        }
        other => other.clone(),
    }
}
