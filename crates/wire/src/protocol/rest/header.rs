//! Members as header values.

use super::super::text;
use crate::schema::{Kind, Member, Shape, TimestampFormat};
use crate::value::Value;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads a member from its header lines; `Err` says what was expected.
pub(super) fn read(member: &Member, lines: &[String]) -> Result<Value, &'static str> {
    let Kind::List(inner) = member.shape.kind else {
        let line = lines.first().map_or("", String::as_str);
        return scalar(
            &member.shape,
            member.timestamp_format(),
            member.json_value,
            line,
        );
    };
    let own = match inner.shape.kind {
        Kind::Timestamp(format) => inner
            .timestamp
            .or(format)
            .or(Some(TimestampFormat::HttpDate)),
        _ => None,
    };
    let mut items = Vec::new();
    for line in lines {
        // An HTTP date holds a comma itself: `Mon, 16 Dec 2019 23:48:18 GMT`.
        let per_item = if own == Some(TimestampFormat::HttpDate) {
            2
        } else {
            1
        };
        for item in split(line, per_item) {
            items.push(scalar(&inner.shape, own, false, &item)?);
        }
    }
    Ok(Value::List(items))
}

fn scalar(
    shape: &Shape,
    format: Option<TimestampFormat>,
    json: bool,
    line: &str,
) -> Result<Value, &'static str> {
    if json {
        let bytes = text::decode_base64(line).ok_or("base64")?;
        return String::from_utf8(bytes)
            .map(Value::Str)
            .map_err(|_| "base64 of UTF-8");
    }
    text::read(
        shape,
        format.unwrap_or(TimestampFormat::HttpDate),
        line.trim(),
    )
}

/// Splits at every `nth` comma outside quotes; quoted items lose their quotes and backslashes.
fn split(line: &str, nth: usize) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let (mut quoted, mut was_quoted, mut escaped, mut commas) = (false, false, false, 0);
    for letter in line.chars() {
        match letter {
            _ if escaped => {
                item.push(letter);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' if quoted => quoted = false,
            '"' if item.trim().is_empty() && nth == 1 => {
                item.clear();
                (quoted, was_quoted) = (true, true);
            }
            ',' if !quoted => {
                commas += 1;
                if commas % nth == 0 {
                    push(&mut items, &mut item, was_quoted);
                    was_quoted = false;
                } else {
                    item.push(letter);
                }
            }
            _ => item.push(letter),
        }
    }
    push(&mut items, &mut item, was_quoted);
    items
}

fn push(items: &mut Vec<String>, item: &mut String, was_quoted: bool) {
    let text = std::mem::take(item);
    if was_quoted {
        items.push(text.trim_end().to_owned());
    } else if !text.trim().is_empty() {
        items.push(text.trim().to_owned());
    }
}

/// Writes a member into a header; what no header can hold is left out.
pub(super) fn write(member: &Member, value: &Value, headers: &mut HeaderMap) {
    let line = match (value, member.shape.kind) {
        (Value::List(items), Kind::List(inner)) => {
            let of_shape = match inner.shape.kind {
                Kind::Timestamp(format) => format,
                _ => None,
            };
            let format = inner
                .timestamp
                .or(of_shape)
                .unwrap_or(TimestampFormat::HttpDate);
            let items: Vec<String> = items
                .iter()
                .map(|item| quote(text::write(&inner.shape, format, item)))
                .collect();
            items.join(", ")
        }
        (Value::Str(text), _) if member.json_value => text::encode_base64(text.as_bytes()),
        _ => {
            let format = member
                .timestamp_format()
                .unwrap_or(TimestampFormat::HttpDate);
            text::write(&member.shape, format, value)
        }
    };
    insert(headers, member.wire_name(), &line);
}

/// HTTP dates stay bare: their comma is known to readers.
fn quote(item: String) -> String {
    let is_date = item.ends_with(" GMT");
    if is_date || !item.contains([',', '"']) {
        return item;
    }
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn insert(headers: &mut HeaderMap, name: &str, line: &str) {
    if let (Ok(name), Ok(line)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(line.as_bytes()),
    ) {
        headers.insert(name, line);
    }
}
