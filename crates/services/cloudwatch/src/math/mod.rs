//! Metric math: expressions over time series
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>).
//!
//! [`parse`] reads an expression, [`eval`] computes it. They know no store: what an identifier or a search
//! stands for is asked of [`Names`].

mod eval;
mod function;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

pub use eval::{MOST, Names, evaluate};
pub use parse::{Expression, parse};

use std::fmt;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MathError {
    Wrong(String),
    /// AWS has it, and it is not built here.
    NotBuilt(&'static str),
}

impl MathError {
    fn new(why: impl Into<String>) -> MathError {
        MathError::Wrong(why.into())
    }
}

impl fmt::Display for MathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MathError::Wrong(why) => f.write_str(why),
            MathError::NotBuilt(what) => write!(f, "Neargate does not implement {what} yet."),
        }
    }
}
