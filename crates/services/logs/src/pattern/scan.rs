//! A cursor over a pattern's characters.

use super::InvalidPattern;

#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        Scan { rest }
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Take `token` if it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Take `word`, in any case, if it comes next as a whole word; space before it is skipped.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some(found) = rest.get(..word.len()) else {
            return false;
        };
        let after = rest[word.len()..].chars().next();
        if !found.eq_ignore_ascii_case(word)
            || after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        {
            return false;
        }
        self.rest = &rest[word.len()..];
        true
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A string in double quotes; `\"` and `\\` stand for themselves. The opening quote is next.
    pub(super) fn quoted(&mut self) -> Result<String, InvalidPattern> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(InvalidPattern::Syntax)
    }

    /// What stands between two `%`. The opening one is next.
    pub(super) fn between_percents(&mut self) -> Result<&'a str, InvalidPattern> {
        let inner = &self.rest[1..];
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                '%' if !escaped => {
                    self.rest = &inner[at + 1..];
                    return Ok(&inner[..at]);
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        Err(InvalidPattern::Syntax)
    }
}
