//! Event patterns: which events a rule, an archive or a filter policy is for
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html>). Pure.
//!
//! Matching is as that of event-ruler (<https://github.com/aws/event-ruler>), which AWS uses: all members that a
//! pattern names must fit, each by one of its values; of an array one element must do so, and of an array of
//! objects one element all that the pattern says of it.

mod compile;
#[cfg(test)]
mod tests;
mod token;
mod value;

use serde_json::{Map, Value};
use value::Test;

/// What is wrong with a pattern, in AWS's words, behind `Event pattern is not valid. Reason: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// A pattern that is ready to be matched: an event must fit one of these.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Vec<Node>);

/// What a pattern says of one object.
#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    members: Vec<(String, Member)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Member {
    Leaf(Vec<Test>),
    Inner(Node),
}

impl Pattern {
    /// # Errors
    /// When it is no pattern.
    pub fn parse(text: &str) -> Result<Pattern, Invalid> {
        compile::pattern(text).map(Pattern)
    }

    /// One that matches no event.
    pub fn nothing() -> Pattern {
        let mut node = Node::default();
        node.set(&[], "source", Vec::new());
        Pattern(vec![node])
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.0.iter().any(|node| node.fits(event))
    }

    /// The texts of which a member at the top must be one; `None` where it may be others, too. Rules are found by
    /// it without matching all of them.
    pub fn exact(&self, member: &str) -> Option<Vec<&str>> {
        let mut all = Vec::new();
        for node in &self.0 {
            let named = node.members.iter().find(|(name, _)| name == member)?;
            let (_, Member::Leaf(tests)) = named else {
                return None;
            };
            let texts: Option<Vec<&str>> = tests.iter().map(Test::text).collect();
            all.extend(texts?);
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    }
}

impl Node {
    /// What is said of a member last holds.
    fn set(&mut self, path: &[String], name: &str, tests: Vec<Test>) {
        let Some((first, rest)) = path.split_first() else {
            let is_other = |(other, member): &(String, Member)| {
                other != name || matches!(member, Member::Inner(_))
            };
            self.members.retain(is_other);
            self.members.push((name.to_owned(), Member::Leaf(tests)));
            return;
        };
        let inner = self
            .members
            .iter_mut()
            .find_map(|(other, member)| match member {
                Member::Inner(inner) if other == first => Some(inner),
                _ => None,
            });
        match inner {
            Some(inner) => inner.set(rest, name, tests),
            None => {
                let mut inner = Node::default();
                inner.set(rest, name, tests);
                self.members.push((first.clone(), Member::Inner(inner)));
            }
        }
    }

    /// `value` is the object that it speaks of, or an array with it.
    fn fits(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements.iter().any(|element| self.fits(element)),
            Value::Object(object) => {
                let member = |(name, member): &(String, Member)| member.fits(named(object, name));
                self.members.iter().all(member)
            }
            _ => self.fits_nothing(),
        }
    }

    /// Does it hold where there is nothing?
    fn fits_nothing(&self) -> bool {
        self.members.iter().all(|(_, member)| member.fits(None))
    }
}

/// The member of that name, or of a path that is written as one.
fn named<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(name) {
        return Some(value);
    }
    let mut steps = name.match_indices('.');
    steps.find_map(|(at, _)| match object.get(&name[..at])? {
        Value::Object(inner) => named(inner, &name[at + 1..]),
        _ => None,
    })
}

impl Member {
    fn fits(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Member::Inner(node), Some(value)) => node.fits(value),
            (Member::Inner(node), None) => node.fits_nothing(),
            (Member::Leaf(tests), value) => {
                let absent = !value.is_some_and(has_leaf);
                absent && tests.contains(&Test::Absent)
                    || value.is_some_and(|value| {
                        any_leaf(value, &|leaf| tests.iter().any(|test| test.passes(leaf)))
                    })
            }
        }
    }
}

/// Is it a value, or an array with one?
fn has_leaf(value: &Value) -> bool {
    any_leaf(value, &|_| true)
}

fn any_leaf(value: &Value, passes: &impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(elements) => elements.iter().any(|element| any_leaf(element, passes)),
        value => passes(value),
    }
}
