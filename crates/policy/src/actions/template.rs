//! Patterns of ARNs: `arn:${Partition}:ecs:${Region}:${Account}:task/${ClusterName}/${TaskId}`.

use crate::pattern::ArnPattern;
use crate::request::Context;
use serde::Deserialize;

/// The pattern of a type's ARNs.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "String")]
pub struct Template {
    parts: Vec<Part>,
    /// Any value for each slot.
    pattern: ArnPattern,
    weight: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(String),
}

impl From<String> for Template {
    fn from(text: String) -> Template {
        let mut parts = Vec::new();
        let (mut any, mut weight) = (String::new(), 0);
        let mut rest = text.as_str();
        while let Some((plain, slot)) = rest.split_once("${") {
            let (slot, after) = slot.split_once('}').unwrap_or((slot, ""));
            parts.push(Part::Text(plain.to_owned()));
            parts.push(Part::Slot(slot.to_owned()));
            any.push_str(plain);
            any.push('*');
            weight += plain.len();
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        any.push_str(rest);
        weight += rest.len();
        Template {
            parts,
            pattern: ArnPattern::new(&any, false),
            weight,
        }
    }
}

impl Template {
    /// What is to be filled in, besides partition, region and account.
    pub fn slots(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot) if !matches!(&**slot, "Partition" | "Region" | "Account") => {
                Some(slot.as_str())
            }
            _ => None,
        })
    }

    /// Fills the slots; `*` where there is no value.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Slot(slot) => value(slot).unwrap_or_else(|| "*".into()),
        });
        parts.collect()
    }

    /// Is this an ARN of the type?
    pub fn matches(&self, arn: &str) -> bool {
        self.pattern.matches(arn, &Context::new())
    }

    /// How much it says.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The last slot's value in an ARN of the type: its name, for most.
    pub fn name_in<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let resource = arn.splitn(6, ':').nth(5)?;
        let before = self.parts.iter().rev().find_map(|part| match part {
            Part::Text(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })?;
        let separator = before.rsplit(':').next().filter(|b| !b.is_empty());
        match separator {
            Some(separator) => resource.split_once(separator).map(|(_, name)| name),
            None => Some(resource),
        }
    }
}
