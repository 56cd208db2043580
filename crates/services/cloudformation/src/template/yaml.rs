//! The text of a template, JSON or YAML, as a tree. JSON is read as YAML, of which it is a part. Reading is
//! bounded in size, in depth and in nodes: an alias is worth as much as what it stands for, so nothing small can
//! stand for something huge. Short forms (`!Sub`) become the functions that they stand for.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Deeper than any template of AWS goes.
const MAX_DEPTH: usize = 100;
/// More than a template of 1 MB can have.
const MAX_NODES: usize = 600_000;

/// # Errors
/// Why it is no YAML, with the place.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut root = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd | Event::DocumentStart(_) | Event::Nothing => {}
            _ if root.is_some() => return Err("a template is one document".to_owned()),
            event => root = Some(reader.node(event, 0)?),
        }
    }
    Ok(root.unwrap_or(Value::Null))
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker();
                let (line, column) = (at.line(), at.col() + 1);
                Err(format!("{} (line {line}, column {column})", error.info()))
            }
            None => Err("the text ends too early".to_owned()),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err("its aliases stand for too much".to_owned());
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        self.count(1)?;
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor);
                let value = value
                    .cloned()
                    .ok_or("an alias stands within its own anchor")?;
                self.count(size(&value))?;
                if depth + deep(&value) > MAX_DEPTH {
                    return Err(format!("it is nested more than {MAX_DEPTH} deep"));
                }
                (0, value)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = match style {
                    ScalarStyle::Plain => scalar(&text),
                    _ => Value::String(text.into_owned()),
                };
                (anchor, tagged(tag.as_deref(), plain)?)
            }
            Event::SequenceStart(anchor, tag) => {
                let list = self.list(depth)?;
                (anchor, tagged(tag.as_deref(), Value::Array(list))?)
            }
            Event::MappingStart(anchor, tag) => {
                let map = self.map(depth)?;
                (anchor, tagged(tag.as_deref(), Value::Object(map))?)
            }
            other => return Err(format!("unexpected {other:?}")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(items),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Map<String, Value>, String> {
        let mut entries = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err("a key is a text".to_owned()),
            };
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            match (key.as_str(), value) {
                ("<<", Value::Object(merged)) => {
                    for (key, value) in merged {
                        entries.entry(key).or_insert(value);
                    }
                }
                (_, value) => {
                    entries.insert(key, value);
                }
            }
        }
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn deep(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(deep).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(deep).max().unwrap_or(0),
        _ => 0,
    }
}

/// A number with a fraction stays the text that it is: `1.10` may be a version.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let is_padded = digits.len() > 1 && digits.starts_with('0');
    match text.parse::<i64>() {
        Ok(number) if is_number && !is_padded => json!(number),
        _ => Value::String(text.to_owned()),
    }
}

/// What a short form stands for.
fn tagged(tag: Option<&Tag>, value: Value) -> Result<Value, String> {
    let Some(tag) = tag else { return Ok(value) };
    if tag.handle != "!" {
        return Ok(match (tag.suffix.as_str(), value) {
            ("str", Value::Number(number)) => Value::String(number.to_string()),
            ("str", Value::Bool(bool)) => Value::String(bool.to_string()),
            (_, value) => value,
        });
    }
    let name = match tag.suffix.as_str() {
        name @ ("Ref" | "Condition") => name.to_owned(),
        name @ ("And" | "Base64" | "Cidr" | "Equals" | "FindInMap" | "GetAZs" | "GetAtt" | "If"
        | "ImportValue" | "Join" | "Length" | "Not" | "Or" | "Select" | "Split" | "Sub"
        | "ToJsonString" | "Transform" | "Contains" | "EachMemberEquals"
        | "EachMemberIn" | "RefAll" | "ValueOf" | "ValueOfAll") => {
            format!("Fn::{name}")
        }
        name => return Err(format!("the tag !{name} is none of CloudFormation's")),
    };
    let value = match (name.as_str(), value) {
        ("Fn::GetAtt", Value::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            json!([resource, attribute])
        }
        (_, value) => value,
    };
    Ok(json!({ name: value }))
}
