//! Whether a resource is what it was made: the properties that its template gives, beside what the type's read
//! call answers. Pure but for that call.
//!
//! Only what both sides say in the same form is compared; a type that is not read is not checked, as AWS does not
//! check types without support for it.

use super::provision::Provider;
use super::reason::Problem;
use crate::model::{Difference, Made, ResourceDrift};
use crate::template::text_of;
use crate::types::Kind;
use serde_json::Value;

impl Provider<'_> {
    pub async fn drift(&self, kind: &Kind, made: &Made) -> Result<ResourceDrift, Problem> {
        let at = self.house.now();
        let found = |status: &str, differences| ResourceDrift {
            status: status.into(),
            at,
            differences,
        };
        if kind.read.is_none() || kind.own.is_some() {
            return Ok(found("NOT_CHECKED", Vec::new()));
        }
        let answer = match self.seen(kind, made).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(found("DELETED", Vec::new())),
            Err(problem) if problem.is_missing => return Ok(found("DELETED", Vec::new())),
            Err(problem) => return Err(problem),
        };
        let real = self.real(kind, made).await?;
        let differences = differences(kind, &real, &answer);
        Ok(match differences.is_empty() {
            true => found("IN_SYNC", differences),
            false => found("MODIFIED", differences),
        })
    }
}

/// Properties that differ from what was read.
pub fn differences(kind: &Kind, properties: &Value, answer: &Value) -> Vec<Difference> {
    let renamed = |name: &str| {
        let steps = kind.create.iter().chain(&kind.update);
        steps
            .into_iter()
            .find_map(|step| step.rename.get(name).cloned())
            .unwrap_or_else(|| name.to_owned())
    };
    let mut all = Vec::new();
    for (name, expected) in properties.as_object().into_iter().flatten() {
        if name == "Tags" {
            continue;
        }
        let Some(actual) = member(answer, &renamed(name)) else {
            continue;
        };
        compare(expected, actual, &format!("/{name}"), &mut all);
    }
    all
}

fn member<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let found = of
        .as_object()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|v| !v.is_null())
}

fn compare(expected: &Value, actual: &Value, path: &str, into: &mut Vec<Difference>) {
    let differ = |into: &mut Vec<Difference>| {
        into.push(Difference {
            path: path.to_owned(),
            expected: expected.clone(),
            actual: actual.clone(),
            kind: "NOT_EQUAL".into(),
        });
    };
    match (expected, actual) {
        // A document, which IAM answers as an encoded text.
        (Value::Object(_), Value::String(text)) => {
            let plain = percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned();
            let read =
                serde_json::from_str::<Value>(text).or_else(|_| serde_json::from_str(&plain));
            if read.is_ok_and(|read| read != *expected) {
                differ(into);
            }
        }
        (Value::Object(map), Value::Object(_)) => {
            for (name, expected) in map {
                if let Some(actual) = member(actual, name) {
                    compare(expected, actual, &format!("{path}/{name}"), into);
                }
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            let plain = |items: &[Value]| {
                items
                    .iter()
                    .all(|item| !item.is_array() && !item.is_object())
            };
            if plain(items) && plain(others) {
                let sorted = |items: &[Value]| {
                    let mut all: Vec<String> = items.iter().map(text_of).collect();
                    all.sort();
                    all
                };
                if sorted(items) != sorted(others) {
                    differ(into);
                }
            } else if plain(items) == plain(others) {
                if items.len() != others.len() {
                    return differ(into);
                }
                for (number, (expected, actual)) in items.iter().zip(others).enumerate() {
                    compare(expected, actual, &format!("{path}/{number}"), into);
                }
            }
        }
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {}
        (expected, actual) => {
            let number = |v: &Value| text_of(v).parse::<f64>().ok();
            let same = text_of(expected) == text_of(actual)
                || (number(expected).is_some() && number(expected) == number(actual))
                || (actual.is_boolean()
                    && text_of(expected).eq_ignore_ascii_case(&text_of(actual)));
            // A name and the ARN that ends with it are the same thing.
            let is_arn = |of: &Value, other: &Value| {
                let (of, other) = (text_of(of), text_of(other));
                of.starts_with("arn:")
                    && (of.ends_with(&format!("/{other}")) || of.ends_with(&format!(":{other}")))
            };
            if !same && !is_arn(actual, expected) && !is_arn(expected, actual) {
                differ(into);
            }
        }
    }
}
