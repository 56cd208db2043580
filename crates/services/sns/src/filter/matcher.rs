//! What one value of a filter policy takes.

use serde_json::Value;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    Null,
    Bool(bool),
    Text(String),
    Number(f64),
    /// In lower case.
    IgnoringCase(String),
    Prefix(String),
    Suffix(String),
    Wildcard(String),
    Numeric(Vec<(Comparison, f64)>),
    Cidr(IpAddr, u8),
    /// None of these takes it. There must be a value.
    AnythingBut(Vec<Matcher>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl Matcher {
    /// Of the values of a list, one is enough.
    pub(super) fn takes(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Matcher::Exists(exists), value) => *exists == value.is_some(),
            (_, None) => false,
            (_, Some(Value::Array(all))) => all.iter().any(|v| self.takes(Some(v))),
            (_, Some(value)) => self.is(value),
        }
    }

    fn is(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Matcher::Null => value.is_null(),
            Matcher::Bool(is) => value.as_bool() == Some(*is),
            Matcher::Text(wanted) => text == Some(wanted),
            Matcher::Number(wanted) => value.as_f64() == Some(*wanted),
            Matcher::IgnoringCase(lower) => text.is_some_and(|t| t.to_lowercase() == *lower),
            Matcher::Prefix(prefix) => text.is_some_and(|t| t.starts_with(prefix)),
            Matcher::Suffix(suffix) => text.is_some_and(|t| t.ends_with(suffix)),
            Matcher::Wildcard(pattern) => text.is_some_and(|t| is_like(pattern, t)),
            Matcher::Numeric(all) => {
                let number = value.as_f64();
                number.is_some_and(|n| all.iter().all(|(c, bound)| c.holds(n, *bound)))
            }
            Matcher::Cidr(network, bits) => {
                let address = text.and_then(|t| t.parse().ok());
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Matcher::AnythingBut(none) => {
                !value.is_object() && none.iter().all(|matcher| !matcher.is(value))
            }
            Matcher::Exists(exists) => *exists,
        }
    }
}

impl Comparison {
    pub(super) fn of(text: &str) -> Option<Comparison> {
        Some(match text {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::More,
            ">=" => Comparison::MoreOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Comparison::Equal => number == bound,
            Comparison::Less => number < bound,
            Comparison::LessOrEqual => number <= bound,
            Comparison::More => number > bound,
            Comparison::MoreOrEqual => number >= bound,
        }
    }
}

/// `*` is any text, and nothing else is special but what a backslash takes that from.
fn is_like(pattern: &str, text: &str) -> bool {
    wildcard_parts(pattern).is_some_and(|parts| {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return text.is_empty();
        };
        if parts.len() == 1 {
            return text == first;
        }
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in &parts[1..parts.len() - 1] {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    })
}

/// What is between the stars. `None`: a backslash before something that is not special.
pub(super) fn wildcard_parts(pattern: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let last = parts.last_mut().expect("there is always one");
        match c {
            '*' => parts.push(String::new()),
            '\\' => match chars.next() {
                Some(c @ ('*' | '\\')) => last.push(c),
                _ => return None,
            },
            c => last.push(c),
        }
    }
    Some(parts)
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width - u32::from(bits).min(width);
        a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}
