//! What `AWS::LanguageExtensions` adds and is carried out before anything else: `Fn::ForEach`
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-foreach.html>).
//! Its collections are written out, or the defaults of parameters with lists.

use serde_json::{Map, Value};

/// A loop of loops stands for no more than this.
const MOST: usize = 10_000;

/// # Errors
/// What is wrong with a loop.
pub fn language_extensions(tree: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let named = |v: &Value| match v {
        Value::String(one) => one == "AWS::LanguageExtensions",
        Value::Array(all) => all.iter().any(|one| one == "AWS::LanguageExtensions"),
        _ => false,
    };
    if !tree.get("Transform").is_some_and(named) {
        return Ok(tree);
    }
    let parameters = tree.get("Parameters").cloned().unwrap_or_default();
    let mut budget = MOST;
    match unfold(Value::Object(tree), &parameters, &mut budget)? {
        Value::Object(tree) => Ok(tree),
        _ => Err("Template format error: unsupported structure.".into()),
    }
}

fn unfold(value: Value, parameters: &Value, budget: &mut usize) -> Result<Value, String> {
    match value {
        Value::Array(items) => {
            let items: Result<Vec<Value>, String> = items
                .into_iter()
                .map(|item| unfold(item, parameters, budget))
                .collect();
            Ok(Value::Array(items?))
        }
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                match key.strip_prefix("Fn::ForEach::") {
                    None => {
                        out.insert(key, unfold(value, parameters, budget)?);
                    }
                    Some(name) => out.extend(each(name, &value, parameters, budget)?),
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
    parameters: &Value,
    budget: &mut usize,
) -> Result<Map<String, Value>, String> {
    let malformed = || format!("Fn::ForEach::{name} layout is incorrect");
    let [Value::String(variable), collection, Value::Object(body)] =
        of.as_array().map(Vec::as_slice).ok_or_else(malformed)?
    else {
        return Err(malformed());
    };
    let mut out = Map::new();
    for item in collected(name, collection, parameters)? {
        *budget = budget
            .checked_sub(1)
            .ok_or("Fn::ForEach stands for too much")?;
        let body = replaced(&Value::Object(body.clone()), variable, &item);
        let Value::Object(body) = unfold(body, parameters, budget)? else {
            return Err(malformed());
        };
        out.extend(body);
    }
    Ok(out)
}

fn collected(name: &str, collection: &Value, parameters: &Value) -> Result<Vec<String>, String> {
    match collection {
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match item {
                    Value::Object(_) => all.extend(collected(name, item, parameters)?),
                    item => all.push(super::text_of(item)),
                }
            }
            Ok(all)
        }
        Value::Object(map) => {
            let parameter = map
                .get("Ref")
                .and_then(Value::as_str)
                .and_then(|n| parameters.get(n));
            let default = parameter
                .and_then(|p| p.get("Default"))
                .and_then(Value::as_str);
            let Some(default) = default else {
                return Err(format!(
                    "Neargate takes for the collection of Fn::ForEach::{name} a list, or a parameter with a default"
                ));
            };
            Ok(default.split(',').map(|s| s.trim().to_owned()).collect())
        }
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
