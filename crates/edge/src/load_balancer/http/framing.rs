//! Where the body of a message ends (RFC 9112 section 6.3).

use super::head::{Fields, Request, Response, Version, Wrong};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is no body, and nothing says so.
    None,
    Known(u64),
    Chunked,
    /// Responses only.
    UntilClose,
}

impl Length {
    pub fn is_empty(self) -> bool {
        matches!(self, Length::None | Length::Known(0))
    }
}

/// A length, and whether another reader could see another one: then no connection that carried the
/// message is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    pub length: Length,
    /// What `Content-Length` says, also of a body that is not sent.
    pub said: Option<u64>,
    pub is_doubtful: bool,
}

/// # Errors
/// There is no telling, or its coding is not known.
pub fn of_request(request: &Request) -> Result<Framing, Wrong> {
    // A list of lengths is severe in AWS's tiers, also where they are the same.
    let mut lengths = request.fields.all("content-length");
    if lengths.any(|value| value.contains(&b',')) {
        return Err(Wrong(400));
    }
    let content = content_length(&request.fields)?;
    let chunked = transfer_encoding(&request.fields)?;
    let said = content.map(|(length, _)| length);
    match chunked {
        Some(_) if request.version != Version::Http11 => Err(Wrong(400)),
        Some(Coding::Chunked) => Ok(Framing {
            length: Length::Chunked,
            said,
            is_doubtful: content.is_some(),
        }),
        Some(Coding::Identity) | None => Ok(match content {
            Some((length, is_repeated)) => Framing {
                length: Length::Known(length),
                said,
                is_doubtful: is_repeated || chunked.is_some(),
            },
            None => Framing {
                length: Length::None,
                said,
                is_doubtful: chunked.is_some(),
            },
        }),
    }
}

/// # Errors
/// There is no telling, or its coding is not known.
pub fn of_response(response: &Response, method: &[u8]) -> Result<Framing, Wrong> {
    let wrong = |_| Wrong(502);
    let content = content_length(&response.fields).map_err(wrong)?;
    let coding = transfer_encoding(&response.fields).map_err(wrong)?;
    let is_doubtful = content.is_some_and(|(_, is_repeated)| is_repeated)
        || (coding.is_some() && (content.is_some() || response.version == Version::Http10));
    let has_none = method == b"HEAD" || matches!(response.status, 204 | 304);
    let length = match (has_none, coding, content) {
        (true, ..) => Length::None,
        (_, Some(Coding::Chunked), _) => Length::Chunked,
        (_, Some(Coding::Identity), _) | (.., None) => Length::UntilClose,
        (.., Some((length, _))) => Length::Known(length),
    };
    Ok(Framing {
        length,
        said: content.map(|(length, _)| length),
        is_doubtful,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Identity,
}

fn transfer_encoding(fields: &Fields) -> Result<Option<Coding>, Wrong> {
    let mut values = fields.all("transfer-encoding");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Wrong(400));
    }
    if value.eq_ignore_ascii_case(b"chunked") {
        Ok(Some(Coding::Chunked))
    } else if value.eq_ignore_ascii_case(b"identity") {
        Ok(Some(Coding::Identity))
    } else {
        // Supported are `chunked` and `identity`, AWS says.
        Err(Wrong(501))
    }
}

/// The length, and whether it is said more than once.
fn content_length(fields: &Fields) -> Result<Option<(u64, bool)>, Wrong> {
    let mut found: Option<(u64, bool)> = None;
    for value in fields.all("content-length") {
        for value in value.split(|byte| *byte == b',') {
            let length = number(value.trim_ascii()).ok_or(Wrong(400))?;
            found = match found {
                None => Some((length, false)),
                Some((before, _)) if before == length => Some((length, true)),
                Some(_) => return Err(Wrong(400)),
            };
        }
    }
    Ok(found)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |n, digit| n * 10 + u64::from(digit - b'0')),
    )
}
