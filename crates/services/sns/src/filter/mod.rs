//! Filter policies: which messages a subscription is for
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html>). [`parse`] reads one and
//! refuses it in AWS's words; [`Filter::takes`] is pure.

mod matcher;
mod parse;
#[cfg(test)]
mod tests;

use crate::message::Message;
use matcher::Matcher;
use serde_json::{Map, Value};

/// What a policy looks at: `FilterPolicyScope`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum On {
    #[default]
    Attributes,
    Body,
}

/// A policy, read.
#[derive(Debug, Clone)]
pub struct Filter {
    pub on: On,
    policy: All,
}

/// Everything that must be true of an object.
#[derive(Debug, Clone, Default)]
struct All(Vec<Term>);

#[derive(Debug, Clone)]
enum Term {
    /// The field has a value that one of these takes.
    Field(String, Vec<Matcher>),
    /// What must be true of the object in the field.
    Within(String, All),
    /// One of these is true.
    Either(Vec<All>),
}

/// What a filter makes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    /// Why not, as the metric `NumberOfNotificationsFilteredOut` tells it apart by the end of its name.
    FilteredOut(&'static str),
}

impl Filter {
    /// Reads a policy.
    ///
    /// # Errors
    /// AWS's sentence on what is wrong with it.
    pub fn parse(policy: &str, on: On) -> Result<Filter, String> {
        Ok(Filter {
            on,
            policy: parse::policy(policy, on)?,
        })
    }

    /// Is the subscription for this message?
    pub fn takes(&self, message: &Message, text: &str) -> Verdict {
        let (object, no, invalid) = match self.on {
            On::Attributes if message.attributes.is_empty() => {
                let empty = Some(Value::Object(Map::new()));
                (empty, "-NoMessageAttributes", "")
            }
            On::Attributes => (
                attributes(message),
                "-MessageAttributes",
                "-InvalidAttributes",
            ),
            On::Body => (body(text), "-MessageBody", "-InvalidMessageBody"),
        };
        match object {
            None => Verdict::FilteredOut(invalid),
            Some(object) if self.policy.holds(&object) => Verdict::Taken,
            Some(_) => Verdict::FilteredOut(no),
        }
    }
}

impl All {
    /// Of an object; of a list of them, it is enough that it is true of one, whole.
    fn holds(&self, value: &Value) -> bool {
        match value {
            Value::Array(all) => all.iter().any(|one| self.holds(one)),
            value => self.0.iter().all(|term| term.holds(value)),
        }
    }
}

impl Term {
    fn holds(&self, object: &Value) -> bool {
        match self {
            Term::Field(name, matchers) => {
                let found = object.get(name).filter(|v| !v.is_object());
                matchers.iter().any(|matcher| matcher.takes(found))
            }
            // Nothing is like an empty object: something may have to be absent in it.
            Term::Within(name, all) => match object.get(name) {
                Some(within) => all.holds(within),
                None => all.holds(&Value::Null),
            },
            Term::Either(all) => all.iter().any(|one| one.holds(object)),
        }
    }
}

/// A message's attributes as an object; `None`: one says that it is a list and is none.
fn attributes(message: &Message) -> Option<Value> {
    let mut object = Map::new();
    for (name, attribute) in &message.attributes {
        let value = match attribute.data_type.as_str() {
            "String.Array" => {
                let value: Value = serde_json::from_str(&attribute.value).ok()?;
                value.is_array().then_some(value)?
            }
            kind if kind.starts_with("Number") => {
                let number: f64 = attribute.value.trim().parse().ok()?;
                number.into()
            }
            kind if kind.starts_with("Binary") => continue,
            _ => attribute.value.clone().into(),
        };
        object.insert(name.clone(), value);
    }
    Some(Value::Object(object))
}

fn body(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value)
}
