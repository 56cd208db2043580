//! Reads an expression's characters: words, quoted strings and symbols, with positions.
//!
//! There is no separate token list, for what ends a word depends on what is being read: a
//! pattern may hold brackets and commas, a value may not.

use super::Invalid;

/// A position in the text.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a str,
    /// In bytes, always at a character.
    at: usize,
    /// Patterns read so far.
    patterns: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Scan<'a> {
        Scan {
            text,
            at: 0,
            patterns: 0,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// An error here.
    pub(super) fn invalid(&self, reason: impl Into<String>) -> Invalid {
        Invalid {
            at: self.text[..self.at].chars().count(),
            reason: reason.into(),
        }
    }

    /// An error that says what should have been here.
    pub(super) fn expected(&self, what: &str) -> Invalid {
        match self.rest().chars().next() {
            Some(found) => self.invalid(format!("expected {what}, found '{found}'")),
            None => self.invalid(format!("expected {what}, found the end")),
        }
    }

    /// Takes the symbol if it is next.
    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Takes the word if it is next and not the start of a longer one; letter case is free.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
            && !rest[word.len()..].starts_with(|c: char| is_name(c) || c == ':');
        if found {
            self.at += word.len();
        }
        found
    }

    /// The name of a subject: `attribute:` is part of it.
    pub(super) fn name(&mut self) -> &'a str {
        self.take(|c| is_name(c) || c == ':')
    }

    /// The letters of an operator written as a word, without taking them.
    pub(super) fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphabetic() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn take(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !keep(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// A value: quoted, or a bare word.
    pub(super) fn value(&mut self) -> Result<String, Invalid> {
        if let Some(quoted) = self.quoted()? {
            return Ok(quoted);
        }
        let start = self.at;
        while let Some(c) = self.rest().chars().next() {
            if c.is_whitespace() || "()[],'\"".contains(c) || self.at_boolean() {
                break;
            }
            self.at += c.len_utf8();
        }
        match &self.text[start..self.at] {
            "" => Err(self.expected("a value")),
            word => Ok(word.to_owned()),
        }
    }

    /// A pattern: quoted, or bare up to a space or the bracket that closes one before it.
    pub(super) fn pattern(&mut self) -> Result<String, Invalid> {
        self.patterns += 1;
        if let Some(quoted) = self.quoted()? {
            return Ok(quoted);
        }
        let (start, mut open) = (self.at, 0_u32);
        while let Some(c) = self.rest().chars().next() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                c if c.is_whitespace() || self.at_boolean() => break,
                '\\' => {
                    // What follows is escaped, so it closes nothing.
                    self.at += 1;
                    match self.rest().chars().next() {
                        Some(c) if !c.is_whitespace() => self.at += c.len_utf8(),
                        _ => {}
                    }
                    continue;
                }
                _ => {}
            }
            self.at += c.len_utf8();
        }
        match &self.text[start..self.at] {
            "" => Err(self.expected("a pattern")),
            word => Ok(word.to_owned()),
        }
    }

    /// How many patterns were read.
    pub(super) fn patterns(&self) -> usize {
        self.patterns
    }

    fn at_boolean(&self) -> bool {
        self.rest().starts_with("&&") || self.rest().starts_with("||")
    }

    /// Inside quotes a backslash escapes the quote, and stands for itself elsewhere: patterns
    /// and values are full of them.
    fn quoted(&mut self) -> Result<Option<String>, Invalid> {
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else {
            return Ok(None);
        };
        let open = self.clone();
        self.at += 1;
        let mut value = String::new();
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            if c == quote {
                return Ok(Some(value));
            }
            if c == '\\' && self.rest().starts_with(quote) {
                self.at += 1;
                value.push(quote);
            } else {
                value.push(c);
            }
        }
        Err(open.invalid("a string that does not end"))
    }
}

/// What attribute names are made of
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Attribute.html>).
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./\\".contains(c)
}
