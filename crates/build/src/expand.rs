//! Variables and quotes, as BuildKit's shell lexer has them (`frontend/dockerfile/shell`): `$x`, `${x}`,
//! `${x:-word}`, `${x-word}`, `:+`, `+`, `:?`, `?`, `#`, `##`, `%`, `%%`, `/`, `//`.

use regex::Regex;
use std::iter::Peekable;
use std::str::Chars;

/// What a variable is; `None`: it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A word is expanded no deeper than this.
const DEEPEST: usize = 32;

/// `text` with variables replaced and quotes taken off.
///
/// # Errors
/// What is wrong with it, in BuildKit's words.
pub fn word(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String, String> {
    let all = Lexer::run(text, escape, lookup, 0)?;
    Ok(all.whole)
}

/// The same as words: what is not quoted is split at spaces, what variables held too.
///
/// # Errors
/// As [`word`].
pub fn words(text: &str, escape: char, lookup: Lookup<'_>) -> Result<Vec<String>, String> {
    let all = Lexer::run(text, escape, lookup, 0)?;
    Ok(all.words)
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    escape: char,
    lookup: Lookup<'a>,
    depth: usize,
    out: Output,
}

#[derive(Default)]
struct Output {
    whole: String,
    words: Vec<String>,
    word: String,
    /// A word of nothing but quotes is one, too.
    in_word: bool,
}

impl Output {
    fn raw(&mut self, text: &str) {
        self.whole.push_str(text);
        self.word.push_str(text);
        self.in_word = true;
    }

    fn split(&mut self, text: &str) {
        self.whole.push_str(text);
        for c in text.chars() {
            match c.is_whitespace() {
                true => self.end(),
                false => {
                    self.word.push(c);
                    self.in_word = true;
                }
            }
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.in_word) {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

impl<'a> Lexer<'a> {
    fn run(
        text: &'a str,
        escape: char,
        lookup: Lookup<'a>,
        depth: usize,
    ) -> Result<Output, String> {
        if depth > DEEPEST {
            return Err("variables are nested too deeply".to_owned());
        }
        let mut lexer = Lexer {
            chars: text.chars().peekable(),
            escape,
            lookup,
            depth,
            out: Output::default(),
        };
        lexer.all()?;
        lexer.out.end();
        Ok(lexer.out)
    }

    fn all(&mut self) -> Result<(), String> {
        while let Some(c) = self.chars.next() {
            match c {
                '\'' => self.single()?,
                '"' => self.double()?,
                '$' => {
                    let value = self.dollar()?;
                    self.out.split(&value);
                }
                c if c == self.escape => match self.chars.next() {
                    Some(next) => self.out.raw(next.encode_utf8(&mut [0; 4])),
                    // At the very end it means itself.
                    None => self.out.raw(c.encode_utf8(&mut [0; 4])),
                },
                c => self.out.split(c.encode_utf8(&mut [0; 4])),
            }
        }
        Ok(())
    }

    fn single(&mut self) -> Result<(), String> {
        self.out.raw("");
        for c in self.chars.by_ref() {
            match c {
                '\'' => return Ok(()),
                c => self.out.raw(c.encode_utf8(&mut [0; 4])),
            }
        }
        Err("unexpected end of statement while looking for matching single-quote".to_owned())
    }

    fn double(&mut self) -> Result<(), String> {
        self.out.raw("");
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return Ok(()),
                '$' => {
                    let value = self.dollar()?;
                    self.out.raw(&value);
                }
                c if c == self.escape => {
                    let next = self.chars.next();
                    let means_itself =
                        next.is_some_and(|n| n == '"' || n == '$' || n == self.escape);
                    if !means_itself {
                        self.out.raw(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(next) = next {
                        self.out.raw(next.encode_utf8(&mut [0; 4]));
                    }
                }
                c => self.out.raw(c.encode_utf8(&mut [0; 4])),
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".to_owned())
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<String, String> {
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                name => (self.lookup)(name).unwrap_or_default(),
            });
        }
        let name = self.name();
        if name.is_empty() {
            return Err("syntax error: missing parameter name".replace("parameter", "variable"));
        }
        let value = (self.lookup)(&name);
        let is_empty = value.as_deref().is_none_or(str::is_empty);
        let Some(c) = self.chars.next() else {
            return Err("syntax error: missing '}'".to_owned());
        };
        match c {
            '}' => Ok(value.unwrap_or_default()),
            ':' | '+' | '-' | '?' => {
                let (empty_counts, operator) = match c {
                    ':' => (true, self.chars.next().unwrap_or('}')),
                    c => (false, c),
                };
                let word = self.until_brace()?;
                let is_unset = match empty_counts {
                    true => is_empty,
                    false => value.is_none(),
                };
                match (operator, is_unset) {
                    ('-', true) => self.nested(&word),
                    ('+', false) => self.nested(&word),
                    ('+', true) => Ok(String::new()),
                    ('?', true) => {
                        let why = self.nested(&word)?;
                        let why = match why.as_str() {
                            "" => "is not allowed to be unset",
                            why => why,
                        };
                        Err(format!("{name}: {why}"))
                    }
                    ('-' | '?', false) => Ok(value.unwrap_or_default()),
                    (other, _) => Err(format!("unsupported modifier ({other}) in substitution")),
                }
            }
            '#' | '%' => {
                let longest = self.chars.next_if_eq(&c).is_some();
                let pattern = self.until_brace()?;
                let pattern = self.nested(&pattern)?;
                trim(&value.unwrap_or_default(), &pattern, c == '#', longest)
            }
            '/' => {
                let every = self.chars.next_if_eq(&'/').is_some();
                let rest = self.until_brace()?;
                let (pattern, with) = rest.split_once('/').unwrap_or((&rest, ""));
                let (pattern, with) = (self.nested(pattern)?, self.nested(with)?);
                let regex = Regex::new(&glob(&pattern, true)).map_err(|e| e.to_string())?;
                let value = value.unwrap_or_default();
                let limit = usize::from(!every);
                let with = regex::NoExpand(&with);
                Ok(regex.replacen(&value, limit, with).into_owned())
            }
            c => Err(format!("unsupported modifier ({c}) in substitution")),
        }
    }

    fn nested(&self, text: &str) -> Result<String, String> {
        let out = Lexer::run(text, self.escape, self.lookup, self.depth + 1)?;
        Ok(out.whole)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self
            .chars
            .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
        {
            let is_digit = c.is_ascii_digit();
            name.push(c);
            // `$1` is one digit.
            if is_digit && name.len() == 1 {
                break;
            }
        }
        name
    }

    /// Up to the brace that closes this one, which is taken.
    fn until_brace(&mut self) -> Result<String, String> {
        let (mut text, mut open) = (String::new(), 0_usize);
        while let Some(c) = self.chars.next() {
            match c {
                '}' if open == 0 => return Ok(text),
                '}' => open -= 1,
                '{' => open += 1,
                c if c == self.escape => {
                    text.push(c);
                    text.extend(self.chars.next());
                    continue;
                }
                _ => {}
            }
            text.push(c);
        }
        Err("syntax error: missing '}'".to_owned())
    }
}

/// A shell's pattern as a regular expression.
fn glob(pattern: &str, greedy: bool) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' if greedy => out.push_str(".*"),
            '*' => out.push_str(".*?"),
            '?' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// `${x#pattern}` and its like.
fn trim(value: &str, pattern: &str, front: bool, longest: bool) -> Result<String, String> {
    let regex = match front {
        true => format!("(?s)^{}", glob(pattern, longest)),
        false => format!("(?s)^{}$", glob(pattern, true)),
    };
    let regex = Regex::new(&regex).map_err(|e| e.to_string())?;
    if front {
        return Ok(regex.replace(value, "").into_owned());
    }
    let mut starts: Vec<usize> = value.char_indices().map(|(at, _)| at).collect();
    starts.push(value.len());
    if !longest {
        starts.reverse();
    }
    let found = starts.into_iter().find(|&at| regex.is_match(&value[at..]));
    Ok(value[..found.unwrap_or(value.len())].to_owned())
}
