//! What a query sees of a log event, and of what it made of events so far.

use super::syntax::Name;
use super::value::Value;
use crate::engine::Position;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cell::OnceCell;

/// The longest way into a document, counted in keys that are tried: keys may have dots.
const MAX_STEPS: usize = 256;

/// A log event.
#[derive(Debug)]
pub struct Event<'e> {
    pub at: Position,
    pub ingested: i64,
    pub stream: &'e str,
    pub message: &'e str,
    pub group: &'e Source,
    document: OnceCell<Option<Json>>,
}

/// The log group of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub account: String,
    pub region: String,
}

impl Source {
    /// What `@ptr` is, which GetLogRecord takes.
    pub fn pointer(&self, at: Position) -> String {
        neargate_service::page::encode(&format!("{}/{}", at.digits(), self.name))
    }

    /// The position and the group's name that a pointer is made of.
    pub fn of_pointer(pointer: &str) -> Option<(Position, String)> {
        let text = neargate_service::page::decode(pointer).ok()?;
        let (digits, group) = text.split_once('/')?;
        Some((Position::parse(digits)?, group.to_owned()))
    }
}

impl<'e> Event<'e> {
    pub fn new(
        at: Position,
        ingested: i64,
        stream: &'e str,
        message: &'e str,
        group: &'e Source,
    ) -> Self {
        let document = OnceCell::new();
        Event {
            at,
            ingested,
            stream,
            message,
            group,
            document,
        }
    }

    /// "Logs Insights extracts only the first JSON fragment from each log event."
    pub fn document(&self) -> Option<&Json> {
        let read = || {
            let start = self.message.find('{')?;
            let text = serde_json::Deserializer::from_str(&self.message[start..]);
            text.into_iter::<Json>().next()?.ok()
        };
        self.document.get_or_init(read).as_ref()
    }

    /// A field that CloudWatch Logs gives, or one that was found in the message: there, maps and
    /// lists are no fields, only what is in them.
    fn field(&self, name: &str) -> Value {
        match name {
            "@timestamp" => Value::Moment(self.at.millis),
            "@ingestionTime" => Value::Moment(self.ingested),
            "@message" => Value::text(self.message),
            "@logStream" => Value::text(self.stream),
            "@log" => Value::text(&format!("{}:{}", self.group.account, self.group.name)),
            "@ptr" => Value::text(&self.group.pointer(self.at)),
            "@aws.account" => Value::text(&self.group.account),
            "@aws.region" => Value::text(&self.group.region),
            name => {
                let found = self.document().and_then(|d| descend(d, name));
                let leaf = found.filter(|j| !j.is_array() && !j.is_object());
                leaf.map_or(Value::Null, Value::of_json)
            }
        }
    }
}

/// An event with what a query made of it; without an event, a row of results.
#[derive(Debug, Clone, Default)]
pub struct Record<'e> {
    pub event: Option<&'e Event<'e>>,
    /// Later ones hide earlier ones of the name.
    pub made: Vec<(Name, Value)>,
}

impl<'e> Record<'e> {
    pub fn of(event: &'e Event<'e>) -> Self {
        Record {
            event: Some(event),
            made: Vec::new(),
        }
    }

    pub fn get(&self, name: &str) -> Value {
        if let Some((_, value)) = self.made.iter().rev().find(|(n, _)| **n == *name) {
            return value.clone();
        }
        for (prefix, value) in self.made.iter().rev() {
            let path = name
                .strip_prefix(&**prefix)
                .and_then(|p| p.strip_prefix('.'));
            if let (Some(path), Value::Structure(json)) = (path, value) {
                return descend(json, path).map_or(Value::Null, Value::of_json);
            }
        }
        self.event.map_or(Value::Null, |event| event.field(name))
    }

    /// The text of a field, without a copy where that is possible.
    pub fn text(&self, name: &str) -> Option<Cow<'e, str>> {
        let hidden = || self.made.iter().any(|(n, _)| **n == *name);
        if let Some(event) = self.event {
            match name {
                "@message" if !hidden() => return Some(Cow::Borrowed(event.message)),
                "@logStream" if !hidden() => return Some(Cow::Borrowed(event.stream)),
                _ => {}
            }
        }
        match self.get(name) {
            Value::Null => None,
            value => Some(Cow::Owned(value.to_string())),
        }
    }

    pub fn set(&mut self, name: &Name, value: Value) {
        self.made.push((name.clone(), value));
    }
}

/// What is at `path` in a document.
pub fn descend<'j>(json: &'j Json, path: &str) -> Option<&'j Json> {
    fn step<'j>(json: &'j Json, path: &str, left: &mut usize) -> Option<&'j Json> {
        *left = left.checked_sub(1)?;
        match json {
            Json::Object(map) => {
                if let Some(whole) = map.get(path) {
                    return Some(whole);
                }
                path.match_indices('.').find_map(|(dot, _)| {
                    let inner = map.get(&path[..dot])?;
                    step(inner, &path[dot + 1..], left)
                })
            }
            Json::Array(list) => {
                let (index, rest) = path.split_once('.').unwrap_or((path, ""));
                let inner = list.get(index.parse::<usize>().ok()?)?;
                if rest.is_empty() {
                    Some(inner)
                } else {
                    step(inner, rest, left)
                }
            }
            _ => None,
        }
    }
    step(json, path, &mut { MAX_STEPS })
}

/// The names and values of a document's fields, as they are found: maps and lists by what is in
/// them, at most `most`.
pub fn flatten(json: &Json, most: usize) -> Vec<(String, Value)> {
    fn add(json: &Json, path: &str, most: usize, fields: &mut Vec<(String, Value)>) {
        let inner = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        if fields.len() >= most {
            return;
        }
        match json {
            Json::Object(map) => {
                for (key, value) in map {
                    add(value, &inner(key), most, fields);
                }
            }
            Json::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    add(value, &inner(&index.to_string()), most, fields);
                }
            }
            Json::Null => {}
            leaf => fields.push((path.to_owned(), Value::of_json(leaf))),
        }
    }
    let mut fields = Vec::new();
    add(json, "", most, &mut fields);
    fields
}
