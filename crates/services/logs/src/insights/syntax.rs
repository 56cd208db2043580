//! A query as it was understood.

use super::functions::Function;
use super::moment::Period;
use super::pattern;
use super::value::Value;
use regex::Regex;
use std::sync::Arc;

/// The name of a field, with its dots.
pub type Name = Arc<str>;

#[derive(Debug, Clone)]
pub enum Command {
    Fields(Vec<Named>),
    Display(Vec<Name>),
    Filter(Expr),
    Parse(Parse),
    Stats(Stats),
    Sort(Vec<SortKey>),
    Limit {
        most: usize,
        /// Whichever come first: the search ends with them.
        any: bool,
    },
    Dedup(Vec<Name>),
    /// What recurs in a text.
    Pattern(Expr),
    Unnest {
        list: Name,
        into: Name,
    },
}

impl Command {
    /// Every field that it reads.
    pub fn reads(&self, read: &mut impl FnMut(&Name)) {
        match self {
            Command::Fields(list) => list.iter().for_each(|named| named.expr.fields(read)),
            Command::Display(names) | Command::Dedup(names) => names.iter().for_each(read),
            Command::Filter(expr) | Command::Pattern(expr) => expr.fields(read),
            Command::Parse(parse) => parse.source.fields(read),
            Command::Stats(stats) => {
                let of = stats.aggregates.iter().filter_map(|a| a.of.as_ref());
                of.for_each(|expr| expr.fields(read));
                stats.by.iter().for_each(|named| named.expr.fields(read));
            }
            Command::Sort(keys) => keys.iter().for_each(|key| key.expr.fields(read)),
            Command::Limit { .. } => {}
            Command::Unnest { list, .. } => read(list),
        }
    }

    /// Every field that it makes.
    pub fn makes(&self, make: &mut impl FnMut(&Name)) {
        match self {
            Command::Fields(list) => list.iter().for_each(|named| make(&named.name)),
            Command::Parse(parse) => parse.names.iter().for_each(|(_, name)| make(name)),
            Command::Stats(stats) => {
                let all = stats.by.iter().chain(&stats.columns);
                all.for_each(|named| make(&named.name));
            }
            Command::Unnest { into, .. } => make(into),
            Command::Pattern(_) => pattern::COLUMNS
                .iter()
                .for_each(|name| make(&(*name).into())),
            Command::Display(_)
            | Command::Filter(_)
            | Command::Sort(_)
            | Command::Limit { .. }
            | Command::Dedup(_) => {}
        }
    }
}

/// An expression and what its value is called.
#[derive(Debug, Clone)]
pub struct Named {
    pub name: Name,
    pub expr: Expr,
}

#[derive(Debug, Clone)]
pub struct Parse {
    pub source: Expr,
    pub regex: Regex,
    /// Groups of the expression, and what they are called.
    pub names: Vec<(usize, Name)>,
}

#[derive(Debug, Clone)]
pub struct Stats {
    pub aggregates: Vec<Aggregate>,
    /// What is made of the aggregates.
    pub columns: Vec<Named>,
    pub by: Vec<Named>,
}

#[derive(Debug, Clone)]
pub struct Aggregate {
    pub kind: AggregateKind,
    /// `None`: of all events.
    pub of: Option<Expr>,
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Stats.html>
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AggregateKind {
    Avg,
    Count,
    CountDistinct,
    Max,
    Min,
    Pct(f64),
    Stddev,
    Sum,
    Earliest,
    Latest,
    SortsFirst,
    SortsLast,
}

#[derive(Debug, Clone)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
}

#[derive(Debug, Clone)]
pub enum Expr {
    Literal(Value),
    Field(Name),
    /// The value of an aggregate, by its number.
    Aggregate(usize),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Compare(Box<Expr>, Comparison, Box<Expr>),
    Arithmetic(Box<Expr>, Arithmetic, Box<Expr>),
    Contains(Box<Expr>, Arc<str>),
    Matches(Box<Expr>, Regex),
    In(Box<Expr>, Vec<Expr>),
    Call(Function, Vec<Expr>),
    Floor(Box<Expr>, Period),
    Ceil(Box<Expr>, Period),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Remainder,
}

impl Expr {
    /// Every field it reads.
    pub fn fields(&self, read: &mut impl FnMut(&Name)) {
        match self {
            Expr::Literal(_) | Expr::Aggregate(_) => {}
            Expr::Field(name) => read(name),
            Expr::Not(one)
            | Expr::Negative(one)
            | Expr::Contains(one, _)
            | Expr::Matches(one, _)
            | Expr::Floor(one, _)
            | Expr::Ceil(one, _) => one.fields(read),
            Expr::All(list) | Expr::Any(list) | Expr::Call(_, list) => {
                list.iter().for_each(|e| e.fields(read));
            }
            Expr::Compare(one, _, other) | Expr::Arithmetic(one, _, other) => {
                one.fields(read);
                other.fields(read);
            }
            Expr::In(one, list) => {
                one.fields(read);
                list.iter().for_each(|e| e.fields(read));
            }
        }
    }
}
