//! CloudWatch Logs' filter pattern language
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>).
//!
//! Pure: text in, yes or no out. Three languages share one entrance: terms (`ERROR -"not this"`),
//! JSON (`{ $.status = 4* && $.latency > 100 }`) and space-delimited (`[ip, ..., status = 4*]`).
//! Matching is case sensitive. Where the documentation is silent, the choice is said at the code.

mod condition;
mod fields;
mod json;
mod message;
mod scan;
mod terms;

#[cfg(test)]
mod tests;

pub use message::{Matched, Message, Reference};

use std::collections::BTreeMap;

/// The pattern breaks the language's rules; `Display` is AWS's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    #[error("Invalid filter pattern")]
    Syntax,
    #[error("If a filter pattern starts with '{{' it must end with '}}'")]
    UnclosedJson,
    #[error("If a filter pattern starts with '[' it must end with ']'")]
    UnclosedFields,
    #[error("Invalid character(s) in term '{0}'")]
    Characters(String),
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub enum Pattern {
    Terms(terms::Terms),
    Json(json::Json),
    Fields(fields::Fields),
}

impl Pattern {
    pub fn parse(pattern: &str) -> Result<Pattern, InvalidPattern> {
        let trimmed = pattern.trim();
        if trimmed.starts_with('{') {
            let inner = trimmed.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
            return Ok(Pattern::Json(json::Json::parse(
                inner.ok_or(InvalidPattern::UnclosedJson)?,
            )?));
        }
        if trimmed.starts_with('[') {
            let inner = trimmed.strip_prefix('[').and_then(|p| p.strip_suffix(']'));
            let inner = inner.ok_or(InvalidPattern::UnclosedFields)?;
            return Ok(Pattern::Fields(fields::Fields::parse(inner)?));
        }
        Ok(Pattern::Terms(terms::Terms::parse(trimmed)?))
    }

    pub fn matches(&self, message: &str) -> bool {
        self.read(&Message::new(message)).is_some()
    }

    /// If the message matches, what can be read from it.
    pub fn read<'a>(&'a self, message: &'a Message<'_>) -> Option<Matched<'a>> {
        match self {
            Pattern::Terms(terms) => terms.matches(message.text()).then_some(Matched::Terms),
            Pattern::Json(json) => {
                let document = message.document().filter(|d| json.holds(d))?;
                Some(Matched::Document(document))
            }
            Pattern::Fields(fields) => fields.read(message.text()).map(Matched::Fields),
        }
    }

    /// If the message matches, the values the pattern names: `$.selector` for JSON, `$name` (or
    /// `$1`, counted from the left, for a nameless field) for space-delimited patterns, none for
    /// terms. As TestMetricFilter answers them.
    pub fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        match self {
            Pattern::Terms(terms) => terms.matches(message).then(BTreeMap::new),
            Pattern::Json(json) => json.extract(message),
            Pattern::Fields(fields) => fields.extract(message),
        }
    }

    /// How many regular expressions it has, which a log group has a quota of.
    pub fn regexes(&self) -> usize {
        match self {
            Pattern::Terms(terms) => terms.regexes(),
            Pattern::Json(json) => json.regexes,
            Pattern::Fields(fields) => fields.regexes,
        }
    }

    /// Can a value be read from what it matches?
    pub fn has(&self, reference: &Reference) -> bool {
        match (self, reference) {
            (Pattern::Json(_), Reference::Selector(_)) => true,
            (Pattern::Fields(fields), Reference::Field(name)) => fields.has(name),
            _ => false,
        }
    }
}
