//! The cluster query language: which container instances an expression selects.
//!
//! Owns the grammar, the rules of each subject and the evaluation of one expression against
//! one instance. Knows nothing of placement or of the API: `memberOf` constraints and the
//! `filter` of `ListContainerInstances` both come here.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cluster-query-language.html>
//!
//! ```text
//! or         := and  { ("||" | "or")  and }
//! and        := not  { ("&&" | "and") not }
//! not        := ("!" | "not") not | "(" or ")" | subject operator [argument]
//! argument   := word | 'quoted' | "quoted" | "[" value { "," value } "]"
//! ```
//!
//! Any text is either an [`Expression`] or an [`Invalid`] with a position: parsing never
//! panics and is bounded in length, in depth and in the size of its patterns.

mod eval;
mod operator;
mod parse;
mod scan;

#[cfg(test)]
mod tests;

pub use eval::Queried;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The longest expression ECS takes, in characters
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PlacementConstraint.html>).
pub const MAX_CHARS: usize = 2000;

/// A checked expression. Cheap to clone; equal when written the same.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    root: Arc<eval::Node>,
    of_tasks: bool,
}

/// Why a text is no expression, and where (in characters, from 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub at: usize,
    pub reason: String,
}

impl Expression {
    /// Checks and compiles an expression.
    pub fn parse(source: &str) -> Result<Expression, Invalid> {
        let root = parse::expression(source)?;
        Ok(Expression {
            source: source.into(),
            of_tasks: root.of_tasks(),
            root: Arc::new(root),
        })
    }

    /// Whether the instance is one of those selected.
    pub fn selects(&self, instance: &impl Queried) -> bool {
        self.root.selects(instance)
    }

    /// The text it was made of.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the answer can change with the tasks of an instance or its agent's connection,
    /// not only with its registration and attributes.
    pub fn of_tasks(&self) -> bool {
        self.of_tasks
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl Hash for Expression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.reason, self.at)
    }
}

impl std::error::Error for Invalid {}
