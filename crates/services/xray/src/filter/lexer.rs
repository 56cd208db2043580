//! The words of a filter expression.

use super::{Invalid, Op};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A keyword, or text without quotation marks.
    Word(String),
    Text(String),
    Number(f64),
    Json(Value),
    Op(Op),
    Not,
    Open,
    Close,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Colon,
}

/// A word and where it begins, in characters from 1.
pub type At = (usize, Token);

pub fn lex(text: &str) -> Result<Vec<At>, Invalid> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text[..text.len() - rest.len()].chars().count() + 1;
        let invalid = |what: &str| Invalid {
            what: what.to_owned(),
            at,
        };
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, len) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '{' => (Token::OpenBrace, 1),
            '}' => (Token::CloseBrace, 1),
            '[' => (Token::OpenBracket, 1),
            ']' => (Token::CloseBracket, 1),
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '=' => (Token::Op(Op::Equal), 1),
            '!' if rest.starts_with("!=") => (Token::Op(Op::NotEqual), 2),
            '!' => (Token::Not, 1),
            '<' if rest.starts_with("<=") => (Token::Op(Op::LessOrEqual), 2),
            '<' => (Token::Op(Op::Less), 1),
            '>' if rest.starts_with(">=") => (Token::Op(Op::GreaterOrEqual), 2),
            '>' => (Token::Op(Op::Greater), 1),
            '"' | '\'' => {
                let (text, len) =
                    quoted(rest, first).ok_or_else(|| invalid("a text has no end"))?;
                (Token::Text(text), len)
            }
            '#' => {
                let mut values = serde_json::Deserializer::from_str(&rest[1..]).into_iter();
                match values.next() {
                    Some(Ok(value)) => (Token::Json(value), 1 + values.byte_offset()),
                    _ => return Err(invalid("what follows # is not JSON")),
                }
            }
            '-' | '0'..='9' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
                let len = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                match rest[..len].parse::<f64>() {
                    Ok(number) if number.is_finite() => (Token::Number(number), len),
                    _ => return Err(invalid("this is no number")),
                }
            }
            c if c.is_alphabetic() || c == '_' => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                let len = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                (word(&rest[..len]), len)
            }
            _ => return Err(invalid("this character has no meaning here")),
        };
        tokens.push((at, token));
        rest = &rest[len..];
    }
    Ok(tokens)
}

fn word(word: &str) -> Token {
    match word.to_ascii_uppercase().as_str() {
        "CONTAINS" => Token::Op(Op::Contains),
        "BEGINSWITH" => Token::Op(Op::BeginsWith),
        "ENDSWITH" => Token::Op(Op::EndsWith),
        _ => Token::Word(word.to_owned()),
    }
}

/// The text, and how much of the input it takes with its quotation marks.
fn quoted(input: &str, mark: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = input.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => text.push(chars.next()?.1),
            c if c == mark => return Some((text, at + c.len_utf8())),
            c => text.push(c),
        }
    }
    None
}
