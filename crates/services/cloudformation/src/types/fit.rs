//! Makes what a template says into what an operation takes, by the operation's shape: members by the model's
//! names, texts that are numbers or booleans, documents that are texts, tags that are maps. What the shape has no
//! member for is refused as AWS refuses it.

use crate::template::text_of;
use neargate_wire::schema::{Kind, Shape};
use serde_json::{Map, Value, json};

/// # Errors
/// What does not fit, by its path.
pub fn input(shape: &'static Shape, value: Value) -> Result<Value, String> {
    fit(shape, value, "#")
}

fn fit(shape: &'static Shape, value: Value, path: &str) -> Result<Value, String> {
    let wrong = |value: &Value, expected: &str| {
        let found = match value {
            Value::Array(_) => "JSONArray",
            Value::Object(_) => "JSONObject",
            Value::Bool(_) => "Boolean",
            Value::Number(_) => "Integer",
            _ => "String",
        };
        Err(format!("{path}: expected type: {expected}, found: {found}"))
    };
    match (shape.kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Structure(members), Value::Object(given)) => {
            let mut out = Map::new();
            for (name, value) in given {
                let named = members.iter().find(|m| m.name.eq_ignore_ascii_case(&name));
                let Some(member) = named else {
                    return Err(format!("{path}: extraneous key [{name}] is not permitted"));
                };
                let value = fit(member.shape.get(), value, &format!("{path}/{name}"))?;
                if !value.is_null() {
                    out.insert(member.name.to_owned(), value);
                }
            }
            Ok(Value::Object(out))
        }
        (Kind::List(of), Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            let items: Result<Vec<Value>, String> = items
                .map(|(i, item)| fit(of.shape.get(), item, &format!("{path}/{i}")))
                .collect();
            Ok(Value::Array(items?))
        }
        // Tags as a map where the operation takes a list.
        (Kind::List(of), Value::Object(map)) if is_pair(of.shape.get()) => {
            let list = map
                .into_iter()
                .map(|(key, value)| json!({"Key": key, "Value": value}));
            fit(shape, list.collect(), path)
        }
        (Kind::List(_), scalar @ Value::String(_)) => fit(shape, json!([scalar]), path),
        // And the other way around.
        (Kind::Map { .. }, Value::Array(items)) if items.iter().all(|i| i.get("Key").is_some()) => {
            let pairs = items
                .into_iter()
                .map(|mut item| (text_of(&item["Key"]), item["Value"].take()));
            fit(shape, Value::Object(pairs.collect()), path)
        }
        (Kind::Map { value: of, .. }, Value::Object(map)) => {
            let mut out = Map::new();
            for (key, value) in map {
                let value = fit(of.shape.get(), value, &format!("{path}/{key}"))?;
                out.insert(key, value);
            }
            Ok(Value::Object(out))
        }
        (Kind::String | Kind::Blob, value @ (Value::Object(_) | Value::Array(_)))
            if shape.values.is_empty() =>
        {
            Ok(Value::String(value.to_string()))
        }
        (Kind::String | Kind::Blob, Value::Bool(b)) => Ok(json!(b.to_string())),
        (Kind::String | Kind::Blob, Value::Number(n)) => Ok(json!(n.to_string())),
        (Kind::String | Kind::Blob, value @ Value::String(_)) => Ok(value),
        (Kind::Boolean, value @ Value::Bool(_)) => Ok(value),
        (Kind::Boolean, value) => match text_of(&value).to_ascii_lowercase().as_str() {
            "true" => Ok(json!(true)),
            "false" => Ok(json!(false)),
            _ => wrong(&value, "Boolean"),
        },
        (Kind::Integer | Kind::Long, value) => match text_of(&value).parse::<i64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => wrong(&value, "Integer"),
        },
        (Kind::Float | Kind::Double, value) => match text_of(&value).parse::<f64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => wrong(&value, "Number"),
        },
        (Kind::Document, value) => Ok(value),
        (Kind::Structure(_), value) => wrong(&value, "JSONObject"),
        (Kind::List(_), value) => wrong(&value, "JSONArray"),
        (Kind::Map { .. }, value) => wrong(&value, "JSONObject"),
        (Kind::Timestamp(_), value) => Ok(value),
        (Kind::String | Kind::Blob, value) => wrong(&value, "String"),
    }
}

fn is_pair(shape: &Shape) -> bool {
    let has = |name: &str| {
        shape
            .members()
            .iter()
            .any(|m| m.name.eq_ignore_ascii_case(name))
    };
    has("Key") && has("Value") && shape.members().len() == 2
}

/// An answer by the model's names; the wire's are others with EC2.
pub fn output(shape: &'static Shape, value: Value) -> Value {
    match (shape.kind, value) {
        (Kind::Structure(members), Value::Object(given)) => {
            let named = given.into_iter().map(|(name, value)| {
                match members.iter().find(|m| m.wire_name() == name) {
                    Some(member) => (member.name.to_owned(), output(member.shape.get(), value)),
                    None => (name, value),
                }
            });
            Value::Object(named.collect())
        }
        (Kind::List(of), Value::Array(items)) => items
            .into_iter()
            .map(|item| output(of.shape.get(), item))
            .collect(),
        (Kind::Map { value: of, .. }, Value::Object(map)) => {
            let all = map
                .into_iter()
                .map(|(key, value)| (key, output(of.shape.get(), value)));
            Value::Object(all.collect())
        }
        (_, value) => value,
    }
}
