//! The words of a query, one at a time: the parser says whether a regular expression or a period
//! may come, which other words look like.

/// Why a query cannot be understood, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub message: String,
    /// In characters.
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A word: a command, an operator, a function or a field with its dots.
    Word(String),
    /// A field in backticks, which is nothing else.
    Field(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 20] = [
    "!=", "<=", ">=", "=~", "==", "|", "(", ")", "[", "]", ",", "=", "<", ">", "+", "-", "*", "/",
    "%", "^",
];

#[derive(Debug, Clone)]
pub struct Lexer<'q> {
    query: &'q str,
    at: usize,
}

impl<'q> Lexer<'q> {
    pub fn new(query: &'q str) -> Self {
        Lexer { query, at: 0 }
    }

    fn rest(&self) -> &'q str {
        &self.query[self.at..]
    }

    /// The byte where the next token begins.
    pub fn place(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// What stands from `start` to the end of the last token.
    pub fn since(&self, start: usize) -> &'q str {
        self.query[start..self.at].trim()
    }

    /// Space, and comments: from `#` to the end of the line.
    fn skip_space(&mut self) {
        loop {
            let rest = self.rest().trim_start();
            self.at = self.query.len() - rest.len();
            if !rest.starts_with('#') {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    /// Take these very characters, if they come next.
    pub fn eats(&mut self, written: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(written);
        if found {
            self.at += written.len();
        }
        found
    }

    pub fn peek(&self) -> Result<Token, Malformed> {
        self.clone().next()
    }

    pub fn next(&mut self) -> Result<Token, Malformed> {
        self.skip_space();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        match first {
            '"' | '\'' => self.quoted(first).map(Token::Text),
            '`' => self.path().map(Token::Field),
            c if is_word_start(c) => self.path().map(Token::Word),
            c if c.is_ascii_digit()
                || c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit()) =>
            {
                self.number()
            }
            _ => {
                let symbol = SYMBOLS.into_iter().find(|s| rest.starts_with(s));
                let symbol = symbol.ok_or_else(|| self.unexpected())?;
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
        }
    }

    fn number(&mut self) -> Result<Token, Malformed> {
        let rest = self.rest();
        let digits = |from: usize| {
            let tail = rest.get(from..).unwrap_or_default();
            from + tail
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(tail.len())
        };
        let mut end = digits(0);
        if rest[end..].starts_with('.') {
            end = digits(end + 1);
        }
        let exponent = rest[end..].strip_prefix(['e', 'E']);
        if let Some(tail) = exponent {
            let signed = tail.strip_prefix(['+', '-']);
            let sign = usize::from(signed.is_some());
            if signed
                .unwrap_or(tail)
                .starts_with(|c: char| c.is_ascii_digit())
            {
                end = digits(end + 1 + sign);
            }
        }
        let number = rest[..end].parse().map_err(|_| self.unexpected())?;
        self.at += end;
        Ok(Token::Number(number))
    }

    /// Words and names in backticks, joined by dots; `[0]` is `.0`.
    fn path(&mut self) -> Result<String, Malformed> {
        let mut path = String::new();
        loop {
            let rest = self.rest();
            if let Some(inner) = rest.strip_prefix('`') {
                let end = inner.find('`').ok_or_else(|| self.unexpected())?;
                path.push_str(&inner[..end]);
                self.at += end + 2;
            } else {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                path.push_str(&rest[..end]);
                self.at += end;
            }
            while let Some(index) = index(self.rest()) {
                path.push('.');
                path.push_str(index);
                self.at += index.len() + 2;
            }
            let rest = self.rest();
            if rest.starts_with('`') || rest.starts_with('.') && rest[1..].starts_with('`') {
                if let Some(behind) = rest.strip_prefix('.') {
                    path.push('.');
                    self.at = self.query.len() - behind.len();
                }
                continue;
            }
            if rest.starts_with('.') && rest[1..].starts_with(is_word) {
                continue;
            }
            return Ok(path);
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Malformed> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\'' | '\\'))) => text.push(c),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.unexpected())
    }

    /// What stands between two slashes, if one comes next.
    pub fn regex(&mut self) -> Result<Option<&'q str>, Malformed> {
        self.skip_space();
        let Some(inner) = self.rest().strip_prefix('/') else {
            return Ok(None);
        };
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                '/' if !escaped => {
                    self.at += at + 2;
                    return Ok(Some(&inner[..at]));
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        Err(self.unexpected())
    }

    /// The error of what comes next.
    pub fn unexpected(&self) -> Malformed {
        let mut lexer = self.clone();
        lexer.skip_space();
        let rest = lexer.rest();
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let symbol = match (word, rest.chars().next()) {
            (_, None) => "<EOF>",
            (0, Some(c)) => &rest[..c.len_utf8()],
            (word, _) => &rest[..word],
        };
        let before = &lexer.query[..lexer.at];
        let line = before.matches('\n').count() + 1;
        let position = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        let message =
            format!("unexpected symbol found {symbol} at line {line} and position {position}");
        self.error(
            message,
            lexer.at,
            lexer.at + if rest.is_empty() { 0 } else { symbol.len() },
        )
    }

    /// An error of what stands between two bytes.
    pub fn error(&self, message: impl Into<String>, start: usize, end: usize) -> Malformed {
        let place = |at: usize| self.query.floor_char_boundary(at);
        let chars = |at: usize| self.query[..place(at)].chars().count();
        Malformed {
            message: message.into(),
            start: chars(start),
            end: chars(end),
        }
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '@'
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '@' || c == '.'
}

/// The number in brackets that comes next, as an element of a list is named.
fn index(rest: &str) -> Option<&str> {
    let (digits, _) = rest.strip_prefix('[')?.split_once(']')?;
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then_some(digits)
}
