//! The words of an expression.

use super::MathError;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Number(f64),
    /// An id, a function's name, or a word such as `REPEAT`.
    Name(String),
    Text(String),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 19] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",",
    "!",
];

pub fn tokens(text: &str) -> Result<Vec<Token>, MathError> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if first.is_ascii_digit() || first == '.' {
            let (number, taken) = number(rest)?;
            found.push(Token::Number(number));
            taken
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            found.push(Token::Name(rest[..end].to_owned()));
            end
        } else if matches!(first, '"' | '\'') {
            let (text, taken) = quoted(rest, first)?;
            found.push(Token::Text(text));
            taken
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            found.push(Token::Sign(sign));
            sign.len()
        } else {
            return Err(MathError::new(format!("Unexpected character '{first}'")));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

fn number(rest: &str) -> Result<(f64, usize), MathError> {
    let mut end = 0;
    let bytes = rest.as_bytes();
    while end < bytes.len() {
        let exponent = matches!(bytes[end], b'e' | b'E')
            && bytes
                .get(end + 1)
                .is_some_and(|b| b.is_ascii_digit() || *b == b'-');
        if exponent {
            end += 2;
        } else if bytes[end].is_ascii_digit() || bytes[end] == b'.' {
            end += 1;
        } else {
            break;
        }
    }
    let number = rest[..end].parse().ok().filter(|n: &f64| n.is_finite());
    let number =
        number.ok_or_else(|| MathError::new(format!("'{}' is not a number", &rest[..end])))?;
    Ok((number, end))
}

/// A doubled or escaped quote stands for itself.
fn quoted(rest: &str, quote: char) -> Result<(String, usize), MathError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            if let Some((_, next)) = chars.next() {
                text.push(next);
            }
        } else if c == quote {
            return Ok((text, at + c.len_utf8()));
        } else {
            text.push(c);
        }
    }
    Err(MathError::new("A quote is not closed"))
}
