//! Texts of a policy: with wildcards (`*`, `?`) and with variables (`${aws:username}`), or plain.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
//!
//! Matching takes time proportional to the text times the pattern at worst, never more.

use crate::request::Context;

/// A text that is compared with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
    has_variables: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// `?`: one character.
    One,
    /// `*`: any characters, or none.
    Any,
    /// `${key}` or `${key, 'default'}`; the key is in lower case.
    Variable {
        key: Box<str>,
        default: Option<Box<str>>,
    },
}

/// What is special in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// `*` and `?`.
    pub wildcards: bool,
    /// `${…}`: from version 2012-10-17 on.
    pub variables: bool,
}

impl Pattern {
    /// Compiles a text.
    pub fn new(text: &str, special: Special) -> Pattern {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if special.variables
                && let Some((inner, after)) = variable(rest)
            {
                rest = after;
                match inner {
                    "*" | "?" | "$" => plain.push_str(inner),
                    _ => {
                        flush(&mut plain, &mut pieces);
                        pieces.push(Piece::of_variable(inner));
                    }
                }
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match c {
                '*' if special.wildcards => {
                    flush(&mut plain, &mut pieces);
                    if pieces.last() != Some(&Piece::Any) {
                        pieces.push(Piece::Any);
                    }
                }
                '?' if special.wildcards => {
                    flush(&mut plain, &mut pieces);
                    pieces.push(Piece::One);
                }
                c => plain.push(c),
            }
        }
        flush(&mut plain, &mut pieces);
        let has_variables = pieces.iter().any(|p| matches!(p, Piece::Variable { .. }));
        Pattern {
            pieces,
            has_variables,
        }
    }

    /// Does the text need values that the request may not have?
    pub fn has_variables(&self) -> bool {
        self.has_variables
    }

    /// The keys of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|p| match p {
            Piece::Variable { key, .. } => Some(&**key),
            _ => None,
        })
    }

    /// Have all its variables a value?
    pub fn is_resolved(&self, context: &Context) -> bool {
        !self.has_variables || self.pieces.iter().all(|p| p.text(context).is_some())
    }

    /// Does it match the text? A pattern with a variable that has no value matches nothing. What
    /// a variable stands for is taken as it is: wildcards in it are none.
    pub fn matches(&self, text: &str, context: &Context) -> bool {
        if !self.is_resolved(context) {
            return false;
        }
        let (mut at, mut piece) = (0, 0);
        // Where to go on when what follows the last `*` does not match: that `*` takes one more
        // character. Earlier ones need not be tried again.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let step = match self.pieces.get(piece) {
                None if at == text.len() => return true,
                None => None,
                Some(Piece::Any) => {
                    if piece + 1 == self.pieces.len() {
                        return true;
                    }
                    retry = Some((at, piece + 1));
                    Some(0)
                }
                Some(Piece::One) => text[at..].chars().next().map(char::len_utf8),
                Some(other) => other
                    .text(context)
                    .filter(|t| text[at..].starts_with(*t))
                    .map(str::len),
            };
            match (step, retry) {
                (Some(taken), _) => {
                    at += taken;
                    piece += 1;
                }
                (None, Some((from, after))) => {
                    let Some(next) = text[from..].chars().next() else {
                        return false;
                    };
                    at = from + next.len_utf8();
                    piece = after;
                    retry = Some((at, after));
                }
                (None, None) => return false,
            }
        }
    }

    /// Is it the text, but for the case of letters? Wildcards are not looked for.
    pub fn equals_ignoring_case(&self, text: &str, context: &Context) -> bool {
        let mut own = String::new();
        for piece in &self.pieces {
            match piece.text(context) {
                Some(text) => own.push_str(text),
                None => return false,
            }
        }
        own.to_lowercase() == text.to_lowercase()
    }
}

impl Piece {
    fn of_variable(inner: &str) -> Piece {
        let (key, default) = match inner.split_once(',') {
            None => (inner, None),
            Some((key, default)) => {
                let default = default.trim();
                let quoted = default
                    .strip_prefix('\'')
                    .and_then(|d| d.strip_suffix('\''));
                (key, Some(quoted.unwrap_or(default).into()))
            }
        };
        Piece::Variable {
            key: key.trim().to_lowercase().into(),
            default,
        }
    }

    /// The text that it stands for; wildcards stand for none.
    fn text<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match self {
            Piece::Text(text) => Some(text),
            Piece::Variable { key, default } => context.one(key).or(default.as_deref()),
            Piece::One | Piece::Any => Some(""),
        }
    }
}

/// What is within `${…}` at the beginning of a text, and what follows it. Texts in quotes may
/// contain braces.
fn variable(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("${")?;
    let mut quoted = false;
    for (at, c) in inner.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '}' if !quoted => return Some((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    None
}

fn flush(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into()));
    }
}

/// A pattern of an ARN, each of whose six parts is matched with the same part of another
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArnPattern {
    parts: Vec<Pattern>,
}

impl ArnPattern {
    /// Compiles a pattern.
    pub fn new(text: &str, variables: bool) -> ArnPattern {
        let special = Special {
            wildcards: true,
            variables,
        };
        let mut parts = Vec::new();
        let (mut begin, mut at) = (0, 0);
        while parts.len() < 5 && at < text.len() {
            if variables && let Some((_, after)) = variable(&text[at..]) {
                at = text.len() - after.len();
                continue;
            }
            let c = text[at..].chars().next().map_or(1, char::len_utf8);
            if text[at..].starts_with(':') {
                parts.push(Pattern::new(&text[begin..at], special));
                begin = at + 1;
            }
            at += c;
        }
        if parts.len() < 5 {
            return ArnPattern {
                parts: vec![Pattern::new(text, special)],
            };
        }
        parts.push(Pattern::new(&text[begin..], special));
        ArnPattern { parts }
    }

    /// The keys of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(Pattern::variables)
    }

    /// Have all its variables a value?
    pub fn is_resolved(&self, context: &Context) -> bool {
        self.parts.iter().all(|p| p.is_resolved(context))
    }

    /// Does it match the ARN?
    pub fn matches(&self, arn: &str, context: &Context) -> bool {
        if let [whole] = self.parts.as_slice() {
            return whole.matches(arn, context);
        }
        let mut parts = arn.splitn(6, ':');
        self.parts
            .iter()
            .all(|p| parts.next().is_some_and(|part| p.matches(part, context)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Special = Special {
        wildcards: true,
        variables: true,
    };

    fn matches(pattern: &str, text: &str) -> bool {
        let mut context = Context::new();
        context.set("aws:username", "ann");
        context.set("aws:PrincipalTag/team", "x*y");
        Pattern::new(pattern, ALL).matches(text, &context)
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "a:b/c", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "a\u{e9}c", true),
            ("a?c", "ac", false),
            ("*a", "aaaa", true),
            ("**a**", "bab", true),
            ("?*?", "a", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn variables() {
        for (pattern, text, expected) in [
            ("home/${aws:username}/*", "home/ann/x", true),
            ("home/${AWS:UserName}/*", "home/ann/x", true),
            ("home/${aws:username}/*", "home/bob/x", false),
            ("${aws:PrincipalTag/team}", "x*y", true),
            ("${aws:PrincipalTag/team}", "xzy", false),
            ("${aws:PrincipalTag/none}", "", false),
            ("${aws:PrincipalTag/none, 'all'}", "all", true),
            ("${aws:PrincipalTag/none,'a}b'}c", "a}bc", true),
            ("a${*}b", "a*b", true),
            ("a${*}b", "axb", false),
            ("a${?}${$}b", "a?$b", true),
            ("a${open", "a${open", true),
            ("*${aws:username}", "annann", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_wildcards_take_no_longer() {
        let pattern = "*a".repeat(1000) + "b";
        let text = "a".repeat(4000);
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn arns_are_matched_part_by_part() {
        let context = Context::new();
        let one = |pattern: &str, arn: &str| ArnPattern::new(pattern, true).matches(arn, &context);
        let arn = "arn:aws:sns:us-east-1:1:a:b";
        assert!(one("arn:aws:sns:*:1:*", arn));
        assert!(one("arn:aws:sns:us-*-1:?:a:b", arn));
        assert!(!one("arn:aws:*:1:a:b", arn));
        assert!(!one("arn:aws:sns:*:2:*", arn));
        assert!(one("*", arn));
    }
}
