//! Comparisons that JSON and space-delimited patterns share: an operator and a value.

use super::InvalidPattern;
use super::scan::Scan;
use regex::{Regex, RegexBuilder};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The right-hand side.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// `*` at either end stands for any text; elsewhere it is itself.
    Text(Glob),
    Number(f64, Glob),
    Regex(Regex),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    any_before: bool,
    text: String,
    any_after: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub operator: Operator,
    pub value: Value,
}

impl Glob {
    fn new(pattern: &str) -> Glob {
        if pattern == "*" {
            return Glob {
                any_before: true,
                text: String::new(),
                any_after: true,
            };
        }
        let (any_before, rest) = pattern
            .strip_prefix('*')
            .map_or((false, pattern), |r| (true, r));
        let (any_after, text) = rest.strip_suffix('*').map_or((false, rest), |r| (true, r));
        Glob {
            any_before,
            text: text.to_owned(),
            any_after,
        }
    }

    fn matches(&self, text: &str) -> bool {
        match (self.any_before, self.any_after) {
            (false, false) => text == self.text,
            (true, false) => text.ends_with(&self.text),
            (false, true) => text.starts_with(&self.text),
            (true, true) => text.contains(&self.text),
        }
    }
}

impl Comparison {
    /// An operator and its value, if an operator comes next.
    pub(super) fn parse(
        scan: &mut Scan<'_>,
        regexes: &mut usize,
    ) -> Result<Option<Comparison>, InvalidPattern> {
        scan.skip_space();
        let operators = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let Some((_, operator)) = operators.into_iter().find(|(token, _)| scan.eat(token)) else {
            return Ok(None);
        };
        scan.skip_space();
        let value = value(scan, regexes)?;
        let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ordered && !matches!(value, Value::Number(..)) {
            return Err(InvalidPattern::Syntax);
        }
        Ok(Some(Comparison { operator, value }))
    }

    /// Compare with a field's text. Only numbers are ordered; text that is not one is unequal
    /// to every number, and neither below nor above it.
    pub(super) fn text(&self, text: &str) -> bool {
        let equal = match &self.value {
            Value::Text(glob) => glob.matches(text),
            Value::Regex(regex) => regex.is_match(text),
            Value::Number(number, glob) => {
                return match number_of(text) {
                    Some(n) => self.number_with(n, *number),
                    None => match self.operator {
                        Operator::Equal => glob.matches(text),
                        Operator::NotEqual => !glob.matches(text),
                        _ => false,
                    },
                };
            }
        };
        (self.operator == Operator::Equal) == equal
    }

    /// Compare with a number that is written as `text`.
    pub(super) fn number(&self, n: f64, text: &str) -> bool {
        match &self.value {
            Value::Number(number, _) => self.number_with(n, *number),
            Value::Text(_) | Value::Regex(_) => self.text(text),
        }
    }

    fn number_with(&self, left: f64, right: f64) -> bool {
        match self.operator {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
        }
    }
}

/// "An integer or a decimal with an optional sign, or that with `e` and a signed integer."
fn number_of(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    if digits && text.chars().all(plain) {
        text.parse().ok()
    } else {
        None
    }
}

fn value(scan: &mut Scan<'_>, regexes: &mut usize) -> Result<Value, InvalidPattern> {
    match scan.peek() {
        Some('"') => Ok(Value::Text(Glob::new(&scan.quoted()?))),
        Some('%') => {
            // "There is a limit of 2 regex for each delimited or JSON filter pattern."
            *regexes += 1;
            if *regexes > 2 {
                return Err(InvalidPattern::Syntax);
            }
            Ok(Value::Regex(regex(scan.between_percents()?)?))
        }
        _ => {
            let text = scan.take_while(|c| !c.is_whitespace() && !"&|(),\"<>=!{}[]".contains(c));
            if text.is_empty() {
                return Err(InvalidPattern::Syntax);
            }
            if !text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.*:/+#@".contains(c))
            {
                return Err(InvalidPattern::Characters(text.to_owned()));
            }
            let glob = Glob::new(text);
            Ok(number_of(text).map_or(Value::Text(glob.clone()), |n| Value::Number(n, glob)))
        }
    }
}

/// A regular expression of the subset AWS takes: letters, digits, `:_#=@/;,-` and space, the
/// operators `^ $ ? [ ] { } | \ * + .`; no groups, no multi-byte characters.
pub(super) fn regex(source: &str) -> Result<Regex, InvalidPattern> {
    let mut escaped = false;
    for c in source.chars() {
        let plain = c.is_ascii_alphanumeric() || " :_#=@/;,-^$?[]{}|\\*+.".contains(c);
        // A backslash makes any printable character a literal, or a class such as `\d`.
        if !(plain || escaped && c.is_ascii_graphic()) {
            return Err(InvalidPattern::Syntax);
        }
        escaped = c == '\\' && !escaped;
    }
    if source.is_empty() {
        return Err(InvalidPattern::Syntax);
    }
    let built = RegexBuilder::new(source).size_limit(1 << 20).build();
    built.map_err(|_| InvalidPattern::Syntax)
}
