//! What a target is handed: the event, a part of it, a fixed text, or what a template makes of it
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>). Pure.

use neargate_api_events as api;
use serde_json::{Map, Value};

/// What the variables that AWS defines stand for.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub rule_arn: &'a str,
    pub rule_name: &'a str,
    /// RFC 3339.
    pub ingestion_time: &'a str,
}

/// The template does not make JSON of this event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoJson;

/// The text for the target.
pub fn made(target: &api::Target, event: &Value, known: Known<'_>) -> Result<String, NoJson> {
    if let Some(fixed) = &target.input {
        return Ok(fixed.clone());
    }
    if let Some(path) = &target.input_path {
        let part = part(event, path).unwrap_or(&Value::Null);
        return Ok(part.to_string());
    }
    match &target.input_transformer {
        Some(transformer) => transformed(transformer, event, known),
        None => Ok(event.to_string()),
    }
}

/// The part of a JSON document that a path like `$.detail.items[0]['a b']` leads to.
pub fn part<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path.strip_prefix('$')?;
    let mut here = document;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (key, left) = inside.split_once(']')?;
            let name = key.trim_matches(['\'', '"']);
            here = match key.parse::<usize>() {
                Ok(index) => here.get(index)?,
                Err(_) => here.get(name)?,
            };
            rest = left;
        } else {
            let named = rest.strip_prefix('.')?;
            let end = named.find(['.', '[']).unwrap_or(named.len());
            here = here.get(&named[..end])?;
            rest = &named[end..];
        }
    }
    Some(here)
}

/// Is it a path as these are written?
pub fn is_path(path: &str) -> bool {
    let Some(mut rest) = path.strip_prefix('$') else {
        return false;
    };
    while !rest.is_empty() {
        let step = match rest.as_bytes()[0] {
            b'[' => rest.find(']').map(|end| end + 1),
            b'.' => {
                let end = rest[1..].find(['.', '[']).map_or(rest.len(), |end| end + 1);
                (end > 1).then_some(end)
            }
            _ => None,
        };
        match step {
            Some(step) => rest = &rest[step..],
            None => return false,
        }
    }
    true
}

/// The variables between `<` and `>` in a template.
pub fn variables(template: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((_, behind)) = rest.split_once('<') {
        match behind.split_once('>') {
            Some((name, left)) if is_variable(name) => {
                found.push(name);
                rest = left;
            }
            _ => rest = behind,
        }
    }
    found
}

fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.chars().all(letter)
}

/// The variables that AWS defines.
pub const DEFINED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

fn transformed(
    transformer: &api::InputTransformer,
    event: &Value,
    known: Known<'_>,
) -> Result<String, NoJson> {
    let paths = transformer.input_paths_map.iter().flatten();
    let value = |name: &str| -> Option<Value> {
        match name {
            "aws.events.rule-arn" => Some(known.rule_arn.into()),
            "aws.events.rule-name" => Some(known.rule_name.into()),
            "aws.events.event.ingestion-time" => Some(known.ingestion_time.into()),
            "aws.events.event" => Some(without_detail(event)),
            "aws.events.event.json" => Some(event.clone()),
            name => {
                let (_, path) = paths.clone().find(|(n, _)| *n == name)?;
                // What the event does not have is an empty text.
                Some(part(event, path).cloned().unwrap_or_else(|| "".into()))
            }
        }
    };
    let template = transformer.input_template.as_str();
    let is_text = template.trim_start().starts_with('"');
    let mut out = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((name, left)) = rest[1..].split_once('>')
            && is_variable(name)
            && let Some(value) = value(name)
        {
            out.push_str(&written(&value, quoted, is_text));
            rest = left;
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let whole = match is_text {
        // Several texts may stand in as many lines.
        true => out
            .lines()
            .filter(|line| !line.trim().is_empty())
            .all(is_json),
        false => is_json(&out),
    };
    whole.then_some(out).ok_or(NoJson)
}

/// A value in its place: between quotes a text has none of its own, and in a template that is a text nothing
/// has.
fn written(value: &Value, quoted: bool, is_text: bool) -> String {
    match value {
        Value::String(text) if quoted => {
            let json = Value::String(text.clone()).to_string();
            json[1..json.len() - 1].to_owned()
        }
        Value::Array(_) | Value::Object(_) if quoted && is_text => {
            value.to_string().replace('"', "")
        }
        value => value.to_string(),
    }
}

/// What `<aws.events.event>` stands for.
fn without_detail(event: &Value) -> Value {
    let members = event.as_object().into_iter().flatten();
    let kept = members.filter(|(name, _)| *name != "detail");
    let named = kept.map(|(name, value)| match name.as_str() {
        "detail-type" => ("detailType".to_owned(), value.clone()),
        name => (name.to_owned(), value.clone()),
    });
    Value::Object(named.collect::<Map<_, _>>())
}
