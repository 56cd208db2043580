//! The JSON of a pattern as tokens with their places. What is wrong with a pattern is said in the words of the
//! parser that AWS uses, with the place that it was at.

use super::Invalid;
use std::iter::Peekable;
use std::str::CharIndices;

/// How much of the source a message repeats.
const SOURCE_CHARS: usize = 500;
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    /// A member's name.
    Name(String),
    String(String),
    /// As it is written, and what it is.
    Number(String, f64),
    True,
    False,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Object,
    Array,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    /// A name or the end, right behind `{`.
    First,
    /// A value or the end, right behind `[`.
    FirstValue,
    /// A comma or the end.
    Further,
}

/// A text, token by token.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    source: &'a str,
    chars: Peekable<CharIndices<'a>>,
    at: Place,
    /// What is open, and where each began.
    inside: Vec<(Inside, Place)>,
    expected: Expected,
    /// Behind the quote that opened the last text.
    opened: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

impl<'a> Tokens<'a> {
    pub fn of(source: &'a str) -> Tokens<'a> {
        Tokens {
            source,
            chars: source.char_indices().peekable(),
            at: Place { line: 1, column: 1 },
            inside: Vec::new(),
            expected: Expected::Value,
            opened: Place { line: 1, column: 1 },
        }
    }

    /// Something is wrong here. Behind a name the parser has looked at what follows, too.
    pub fn wrong(&self, message: impl std::fmt::Display) -> Invalid {
        if self.expected != Expected::Value || self.inside.is_empty() {
            return self.wrong_at(self.at, message);
        }
        let mut ahead = self.clone();
        ahead.space();
        match ahead.peek() {
            Some('"' | '[' | '{') => drop(ahead.take()),
            Some('-' | '0'..='9') => drop(ahead.number()),
            Some(c) if c.is_alphabetic() => drop(ahead.word()),
            _ => {}
        }
        self.wrong_at(ahead.at, message)
    }

    /// This token is not what must stand here. A text is not read to its end for that.
    pub fn unlike(&self, token: &Token, message: impl std::fmt::Display) -> Invalid {
        match token {
            Token::String(_) => self.wrong_at(self.opened, message),
            _ => self.wrong(message),
        }
    }

    fn wrong_at(&self, at: Place, message: impl std::fmt::Display) -> Invalid {
        let source = self.shown();
        let Place { line, column } = at;
        Invalid(format!(
            "{message}\n at [Source: {source}; line: {line}, column: {column}]"
        ))
    }

    fn shown(&self) -> String {
        let cut = self.source.char_indices().nth(SOURCE_CHARS);
        match cut {
            None => format!("(String)\"{}\"", self.source),
            Some((at, _)) => {
                let left = self.source[at..].chars().count();
                format!("(String)\"{}\"[truncated {left} chars]", &self.source[..at])
            }
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn take(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        if c == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.take();
        }
    }

    fn ended(&self) -> Invalid {
        let what = match self.inside.last().map(|(inside, _)| inside) {
            Some(Inside::Object) => "Unexpected end-of-input: expected close marker for Object",
            Some(Inside::Array) => "Unexpected end-of-input: expected close marker for Array",
            None => "No content to map due to end-of-input",
        };
        self.wrong(what)
    }

    fn unexpected(&mut self, c: char, wanted: &str) -> Invalid {
        self.take();
        self.wrong(format!(
            "Unexpected character ('{c}' (code {})): {wanted}",
            u32::from(c)
        ))
    }

    /// The next token.
    pub fn next(&mut self) -> Result<Token, Invalid> {
        self.space();
        let inside = self.inside.last().map(|(inside, _)| *inside);
        let c = self.peek().ok_or_else(|| self.ended())?;
        if matches!(c, '}' | ']') && self.expected != Expected::Value {
            return self.end(c);
        }
        if self.expected == Expected::Further {
            let of = match inside {
                Some(Inside::Array) => "Array",
                _ => "Object",
            };
            if c != ',' {
                let wanted = format!("was expecting comma to separate {of} entries");
                return Err(self.unexpected(c, &wanted));
            }
            self.take();
            self.space();
        }
        let in_object = inside == Some(Inside::Object);
        if in_object && self.expected != Expected::Value {
            return self.name();
        }
        self.value()
    }

    fn end(&mut self, c: char) -> Result<Token, Invalid> {
        let (token, of) = match c {
            '}' => (Token::EndObject, Inside::Object),
            _ => (Token::EndArray, Inside::Array),
        };
        self.take();
        if let Some((inside, begun)) = self.inside.last()
            && *inside != of
        {
            let (expected, name) = match inside {
                Inside::Array => (']', "Array"),
                Inside::Object => ('}', "Object"),
            };
            let Place { line, column } = begun;
            return Err(self.wrong(format!(
                "Unexpected close marker '{c}': expected '{expected}' (for {name} starting at \
                 [Source: {}; line: {line}, column: {column}])",
                self.shown()
            )));
        }
        self.inside.pop();
        self.expected = Expected::Further;
        Ok(token)
    }

    fn name(&mut self) -> Result<Token, Invalid> {
        let c = self.peek().ok_or_else(|| self.ended())?;
        if c != '"' {
            return Err(self.unexpected(c, "was expecting double-quote to start field name"));
        }
        let name = self.string()?;
        self.space();
        match self.peek() {
            Some(':') => {}
            Some(c) => {
                let wanted = "was expecting a colon to separate field name and value";
                return Err(self.unexpected(c, wanted));
            }
            None => return Err(self.ended()),
        }
        self.take();
        self.expected = Expected::Value;
        Ok(Token::Name(name))
    }

    fn value(&mut self) -> Result<Token, Invalid> {
        let c = self.peek().ok_or_else(|| self.ended())?;
        self.expected = Expected::Further;
        match c {
            '{' => {
                self.inside.push((Inside::Object, self.at));
                self.take();
                self.expected = Expected::First;
                Ok(Token::BeginObject)
            }
            '[' => {
                self.inside.push((Inside::Array, self.at));
                self.take();
                self.expected = Expected::FirstValue;
                Ok(Token::BeginArray)
            }
            '"' => self.string().map(Token::String),
            '-' | '0'..='9' => self.number(),
            c if c.is_alphabetic() || c == '_' || c == '$' => self.word(),
            c => Err(self.unexpected(c, &format!("expected a valid value {VALUES}"))),
        }
    }

    fn word(&mut self) -> Result<Token, Invalid> {
        let mut word = String::new();
        while let Some(c) = self.peek()
            && (c.is_alphanumeric() || c == '_' || c == '$')
        {
            word.push(c);
            self.take();
        }
        match word.as_str() {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.wrong(format!(
                "Unrecognized token '{word}': was expecting {VALUES}"
            ))),
        }
    }

    fn number(&mut self) -> Result<Token, Invalid> {
        let mut text = String::new();
        while let Some(c) = self.peek()
            && matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')
        {
            text.push(c);
            self.take();
        }
        // JSON's numbers are fewer than Rust's.
        match serde_json::from_str::<serde_json::Number>(&text) {
            Ok(number) => {
                let value = number.as_f64().unwrap_or(f64::INFINITY);
                Ok(Token::Number(text, value))
            }
            // Too large for a double: the reader of the number says so.
            Err(_) => match text.parse::<f64>() {
                Ok(value) if value.is_infinite() => Ok(Token::Number(text, value)),
                _ => Err(self.wrong(format!("Invalid numeric value: {text}"))),
            },
        }
    }

    fn string(&mut self) -> Result<String, Invalid> {
        let at = self.chars.peek().map_or(self.source.len(), |(at, _)| *at);
        self.take();
        self.opened = self.at;
        let mut escaped = false;
        while let Some((here, c)) = self.chars.peek().copied() {
            self.take();
            match c {
                '"' if !escaped => {
                    let text = &self.source[at..=here];
                    let read = serde_json::from_str(text);
                    return read.map_err(|_| self.wrong("Unrecognized character escape"));
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        Err(self.wrong("Unexpected end-of-input: was expecting closing quote for a string value"))
    }
}

impl Token {
    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Token::BeginObject => "{",
            Token::EndObject => "}",
            Token::BeginArray => "[",
            Token::EndArray => "]",
            Token::Name(text) | Token::String(text) | Token::Number(text, _) => text,
            Token::True => "true",
            Token::False => "false",
            Token::Null => "null",
        }
    }
}
