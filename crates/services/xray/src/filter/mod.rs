//! Filter expressions, by which traces are found and grouped
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-console-filters.html>). Pure.

mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

pub use evaluate::{matches, matches_edge, matches_node};
pub use parser::parse;

use crate::trace::{CauseKind, Scalar};
use serde_json::Value;

/// Why text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at character {at}")]
pub struct Invalid {
    pub what: String,
    /// From 1.
    pub at: usize,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    BeginsWith,
    EndsWith,
}

/// A keyword that is true or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    Ok,
    Error,
    Throttle,
    Fault,
    Partial,
    Inferred,
    First,
    Last,
    Remote,
    Root,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    ResponseTime,
    Duration,
    Status,
    Index,
    Coverage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    Url,
    Method,
    UserAgent,
    ClientIp,
    User,
    Name,
    Type,
    Message,
    Zone,
    Instance,
    Resource,
}

/// Which services are meant; what is not said may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Id {
    pub name: Option<String>,
    pub kind: Option<String>,
    pub account: Option<String>,
}

/// What of a root cause is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Service,
    Entity,
    Exception,
}

/// How a group is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    Name(String),
    Arn(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Flag(Flag),
    Number(Number, Op, f64),
    HasNumber(Number),
    Text(Text, Op, String),
    HasText(Text),
    Annotation(String, Op, Scalar),
    HasAnnotation(String),
    Service(Id, Option<Box<Expression>>),
    Edge(Id, Id, Option<Box<Expression>>),
    Cause(CauseKind, Part, Option<Box<Expression>>),
    /// The causes that the value describes; what it leaves out may be anything.
    CauseLike(Value),
    /// Stands for the expression of a group until [`Expression::expand`].
    Group(GroupName),
    /// What an empty expression says.
    Always,
}

impl Expression {
    /// Groups that it names.
    pub fn groups(&self, found: &mut Vec<GroupName>) {
        match self {
            Expression::And(all) | Expression::Or(all) => {
                all.iter().for_each(|one| one.groups(found));
            }
            Expression::Not(one) => one.groups(found),
            Expression::Group(name) => found.push(name.clone()),
            _ => {}
        }
    }

    /// Puts expressions in the place of groups' names.
    pub fn expand(&mut self, known: &dyn Fn(&GroupName) -> Option<Expression>) {
        match self {
            Expression::And(all) | Expression::Or(all) => {
                all.iter_mut().for_each(|one| one.expand(known));
            }
            Expression::Not(one) => one.expand(known),
            Expression::Group(name) => {
                if let Some(expression) = known(name) {
                    *self = expression;
                }
            }
            _ => {}
        }
    }
}
