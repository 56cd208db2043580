//! One condition of a statement: an operator, a key, and the values that are allowed.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

mod date;
mod network;

use crate::pattern::{ArnPattern, Pattern, Special};
use crate::request::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use network::Network;

/// A condition that holds or does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// In lower case.
    key: Box<str>,
    over: Over,
    if_exists: bool,
    /// The values must match none.
    negated: bool,
    allowed: Allowed,
}

/// Which of a key's values must match
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The one that there is; of several, any.
    One,
    /// `ForAllValues`: each; none will do, too.
    All,
    /// `ForAnyValue`: at least one.
    Any,
}

/// What a value is compared with: one match is enough.
#[derive(Debug, Clone, PartialEq)]
enum Allowed {
    Texts(Vec<Pattern>),
    TextsIgnoringCase(Vec<Pattern>),
    Numbers(Order, Vec<f64>),
    Dates(Order, Vec<i128>),
    Bools(Vec<bool>),
    Bytes(Vec<Vec<u8>>),
    Networks(Vec<Network>),
    Arns(Vec<ArnPattern>),
    /// Is the key absent?
    Null(Vec<bool>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn of(name: &str) -> Option<Order> {
        Some(match name {
            "Equals" => Order::Equal,
            "LessThan" => Order::Less,
            "LessThanEquals" => Order::LessOrEqual,
            "GreaterThan" => Order::Greater,
            "GreaterThanEquals" => Order::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds<T: PartialOrd>(self, value: &T, allowed: &T) -> bool {
        match self {
            Order::Equal => value == allowed,
            Order::Less => value < allowed,
            Order::LessOrEqual => value <= allowed,
            Order::Greater => value > allowed,
            Order::GreaterOrEqual => value >= allowed,
        }
    }
}

/// Why a condition is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// There is no such operator.
    Operator,
    /// A date is none.
    Date,
}

impl Condition {
    /// Compiles a condition. A value that is not of the operator's type matches nothing, but a
    /// date: IAM takes none that it cannot read.
    ///
    /// # Errors
    /// When there is no such operator, or a date is none.
    pub fn new(
        operator: &str,
        key: &str,
        values: &[String],
        variables: bool,
    ) -> Result<Condition, Unusable> {
        let (over, rest) = match operator.split_once(':') {
            None => (Over::One, operator),
            Some(("ForAllValues", rest)) => (Over::All, rest),
            Some(("ForAnyValue", rest)) => (Over::Any, rest),
            Some(_) => return Err(Unusable::Operator),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (name, negated) = positive(name);
        let texts = |wildcards| {
            let special = Special {
                wildcards,
                variables,
            };
            values.iter().map(|v| Pattern::new(v, special)).collect()
        };
        let allowed = match name {
            "StringEquals" => Allowed::Texts(texts(false)),
            "StringLike" => Allowed::Texts(texts(true)),
            "StringEqualsIgnoreCase" => Allowed::TextsIgnoringCase(texts(false)),
            "Bool" => Allowed::Bools(values.iter().filter_map(|v| boolean(v)).collect()),
            "BinaryEquals" => {
                let decoded = values.iter().filter_map(|v| STANDARD.decode(v).ok());
                Allowed::Bytes(decoded.collect())
            }
            "IpAddress" => {
                Allowed::Networks(values.iter().filter_map(|v| Network::parse(v)).collect())
            }
            "ArnEquals" | "ArnLike" => {
                let patterns = values.iter().map(|v| ArnPattern::new(v, variables));
                Allowed::Arns(patterns.collect())
            }
            "Null" if !if_exists && over == Over::One => {
                Allowed::Null(values.iter().filter_map(|v| boolean(v)).collect())
            }
            _ => {
                if let Some(order) = name.strip_prefix("Numeric").and_then(Order::of) {
                    Allowed::Numbers(order, values.iter().filter_map(|v| number(v)).collect())
                } else if let Some(order) = name.strip_prefix("Date").and_then(Order::of) {
                    let dates: Option<Vec<i128>> = values.iter().map(|v| date::parse(v)).collect();
                    Allowed::Dates(order, dates.ok_or(Unusable::Date)?)
                } else {
                    return Err(Unusable::Operator);
                }
            }
        };
        Ok(Condition {
            key: key.to_lowercase().into(),
            over,
            if_exists,
            negated,
            allowed,
        })
    }

    /// Its key, in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The keys whose values its own are made of.
    pub fn variables(&self) -> Vec<&str> {
        match &self.allowed {
            Allowed::Texts(all) | Allowed::TextsIgnoringCase(all) => {
                all.iter().flat_map(Pattern::variables).collect()
            }
            Allowed::Arns(all) => all.iter().flat_map(ArnPattern::variables).collect(),
            _ => Vec::new(),
        }
    }

    /// Have all variables a value? `StringNotEquals` and its like hold of what cannot be told;
    /// a statement that grants must not rest on that.
    pub fn is_resolved(&self, context: &Context) -> bool {
        match &self.allowed {
            Allowed::Texts(all) | Allowed::TextsIgnoringCase(all) => {
                all.iter().all(|p| p.is_resolved(context))
            }
            Allowed::Arns(all) => all.iter().all(|p| p.is_resolved(context)),
            _ => true,
        }
    }

    /// Must values match none?
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// Does it hold in these circumstances?
    pub fn holds(&self, context: &Context) -> bool {
        let values = context.get(&self.key);
        if let Allowed::Null(wanted) = &self.allowed {
            return wanted.contains(&values.is_none());
        }
        let values = match values {
            Some(values) if !values.is_empty() => values,
            // Absent.
            _ => {
                return self.if_exists
                    || self.over == Over::All
                    || (self.negated && self.over == Over::One);
            }
        };
        let matches = |value: &String| self.allowed.has(value, context);
        match (self.over, self.negated) {
            (Over::One | Over::Any, false) => values.iter().any(matches),
            (Over::One | Over::All, true) => !values.iter().any(matches),
            (Over::All, false) => values.iter().all(matches),
            (Over::Any, true) => !values.iter().all(matches),
        }
    }
}

impl Allowed {
    fn has(&self, value: &str, context: &Context) -> bool {
        match self {
            Allowed::Texts(all) => all.iter().any(|p| p.matches(value, context)),
            Allowed::TextsIgnoringCase(all) => {
                all.iter().any(|p| p.equals_ignoring_case(value, context))
            }
            Allowed::Numbers(order, all) => {
                number(value).is_some_and(|v| all.iter().any(|a| order.holds(&v, a)))
            }
            Allowed::Dates(order, all) => {
                date::parse(value).is_some_and(|v| all.iter().any(|a| order.holds(&v, a)))
            }
            Allowed::Bools(all) => boolean(value).is_some_and(|v| all.contains(&v)),
            Allowed::Bytes(all) => STANDARD.decode(value).is_ok_and(|v| all.contains(&v)),
            Allowed::Networks(all) => {
                let address = value.parse();
                address.is_ok_and(|a| all.iter().any(|n| n.contains(a)))
            }
            Allowed::Arns(all) => all.iter().any(|p| p.matches(value, context)),
            Allowed::Null(_) => false,
        }
    }
}

/// The operator that a negated one is the contrary of.
fn positive(name: &str) -> (&str, bool) {
    let positive = match name {
        "StringNotEquals" => "StringEquals",
        "StringNotEqualsIgnoreCase" => "StringEqualsIgnoreCase",
        "StringNotLike" => "StringLike",
        "NumericNotEquals" => "NumericEquals",
        "DateNotEquals" => "DateEquals",
        "NotIpAddress" => "IpAddress",
        "ArnNotEquals" => "ArnEquals",
        "ArnNotLike" => "ArnLike",
        other => return (other, false),
    };
    (positive, true)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

#[cfg(test)]
mod tests;
