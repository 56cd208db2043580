//! CloudWatch Logs' filter pattern language
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>).
//!
//! Pure: text in, yes or no out. Three languages share one entrance: terms (`ERROR -"not this"`),
//! JSON (`{ $.status = 4* && $.latency > 100 }`) and space-delimited (`[ip, ..., status = 4*]`).
//! Matching is case sensitive. Where the documentation is silent, the choice is said at the code.

mod condition;
mod fields;
mod json;
mod scan;
mod terms;

#[cfg(test)]
mod tests;

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
        match self {
            Pattern::Terms(terms) => terms.matches(message),
            Pattern::Json(json) => json.matches(message),
            Pattern::Fields(fields) => fields.matches(message),
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
}
