//! Heads of HTTP/1 messages, read strictly: what two readers could understand in two ways is
//! refused. Nothing is copied: a head keeps its text and where its parts are.
//!
//! A head that came by HTTP/2 is written in the same form, so that everything behind knows one form.

use bytes::Bytes;
use std::ops::Range;

/// AWS's limits (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
pub const LINE_BYTES_MAX: usize = 16 * 1024;
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
pub const RESPONSE_BYTES_MAX: usize = 32 * 1024;
/// The longest method that is taken.
const METHOD_BYTES_MAX: usize = 127;

/// A message that is not taken, with the status that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong(pub u16);

const BAD: Wrong = Wrong(400);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

/// Where a part of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        let place = |at: usize| u32::try_from(at).expect("a head is shorter than 4 GiB");
        Span {
            start: place(range.start),
            end: place(range.end),
        }
    }
}

impl Span {
    fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

/// Names and values, as they were sent and in their order.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    text: Bytes,
    list: Vec<(Span, Span)>,
}

impl Fields {
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |(name, value): &(Span, Span)| (name.of(&self.text), value.of(&self.text));
        self.list.iter().map(part)
    }

    /// The values of all fields of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |(n, value): (&'a [u8], &'a [u8])| {
            n.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
        };
        self.iter().filter_map(named)
    }

    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Is this word in a comma-separated list of this name?
    pub fn has_word(&self, name: &str, word: &str) -> bool {
        self.all(name).any(|value| {
            let mut words = value.split(|byte| *byte == b',');
            words.any(|w| w.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
        })
    }

    /// Reads lines up to an empty one, from this place on.
    fn parse(text: &Bytes, mut at: usize) -> Result<Fields, Wrong> {
        let mut list = Vec::with_capacity(16);
        loop {
            let length = memchr::memchr(b'\n', &text[at..]).ok_or(BAD)?;
            let line = text[at..at + length].strip_suffix(b"\r").ok_or(BAD)?;
            if line.is_empty() {
                return Ok(Fields {
                    text: text.clone(),
                    list,
                });
            }
            let colon = memchr::memchr(b':', line).ok_or(BAD)?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            // A line that goes on with the one before begins with a blank, which is in no name.
            if !is_token(name) || !value.iter().all(|byte| is_value_byte(*byte)) {
                return Err(BAD);
            }
            let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
            let before = value.iter().take_while(|b| blank(b)).count();
            let after = value[before..]
                .iter()
                .rev()
                .take_while(|b| blank(b))
                .count();
            let start = at + colon + 1 + before;
            let end = at + colon + 1 + value.len() - after;
            list.push(((at..at + colon).into(), (start..end).into()));
            at += length + 1;
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Request {
    pub version: Version,
    pub fields: Fields,
    method: Span,
    path: Span,
    query: Option<Span>,
    /// Of an absolute target.
    authority: Option<Span>,
}

impl Request {
    /// Reads a whole head, with the empty line at its end.
    ///
    /// # Errors
    /// It is not to be taken.
    pub fn parse(text: Bytes) -> Result<Request, Wrong> {
        let length = memchr::memchr(b'\n', &text).ok_or(BAD)?;
        let line = text[..length].strip_suffix(b"\r").ok_or(BAD)?;
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(BAD);
        };
        if !is_token(method) {
            return Err(BAD);
        }
        if method.len() > METHOD_BYTES_MAX {
            return Err(Wrong(405));
        }
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Wrong(505));
            }
            _ => return Err(BAD),
        };
        if target.is_empty() || !target.iter().all(|b| *b > b' ' && *b != 0x7f) {
            return Err(BAD);
        }
        let at = method.len() + 1;
        let (authority, path_at) = place_of_path(method, target)?;
        let authority = authority.map(|range| Span::from(at + range.start..at + range.end));
        let end = at + target.len();
        let path_at = at + path_at;
        let (path, query) = match memchr::memchr(b'?', &text[path_at..end]) {
            Some(mark) => (path_at..path_at + mark, Some(path_at + mark + 1..end)),
            None => (path_at..end, None),
        };
        let request = Request {
            version,
            method: (0..method.len()).into(),
            path: path.into(),
            query: query.map(Span::from),
            authority,
            fields: Fields::parse(&text, length + 1)?,
        };
        request.check_host()?;
        Ok(request)
    }

    /// Reads a head that came by HTTP/2, written in this form.
    ///
    /// # Errors
    /// It is not to be taken.
    pub fn parse_http2(text: Bytes) -> Result<Request, Wrong> {
        let mut request = Request::parse(text)?;
        request.version = Version::Http2;
        Ok(request)
    }

    fn check_host(&self) -> Result<(), Wrong> {
        let mut hosts = self.fields.all("host");
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(BAD);
        }
        let is_needed = self.version == Version::Http11;
        match (host, self.authority()) {
            (None, _) if is_needed => Err(BAD),
            (Some(host), None) if host.is_empty() && is_needed => Err(BAD),
            (Some(host), _) if !is_host(host) => Err(BAD),
            (_, Some(authority)) if !is_host(authority) => Err(BAD),
            _ => Ok(()),
        }
    }

    fn text(&self) -> &[u8] {
        &self.fields.text
    }

    /// How long the head was.
    pub fn size(&self) -> usize {
        self.fields.text.len()
    }

    pub fn method(&self) -> &[u8] {
        self.method.of(self.text())
    }

    /// Without the query; empty in an absolute target that ends with its host.
    pub fn path(&self) -> &[u8] {
        match self.path.of(self.text()) {
            b"" => b"/",
            path => path,
        }
    }

    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|query| query.of(self.text()))
    }

    fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|authority| authority.of(self.text()))
    }

    /// The host that is asked for, with its port where one is named.
    pub fn host(&self) -> Option<&[u8]> {
        let host = self.authority().or_else(|| self.fields.first("host"));
        host.filter(|host| !host.is_empty())
    }

    /// The first line as it was sent, for logs.
    pub fn line(&self) -> &[u8] {
        let end = memchr::memchr(b'\r', self.text());
        &self.text()[..end.unwrap_or(0)]
    }

    /// May it be sent again when it is not known whether it was heard (RFC 9110 section 9.2.2)?
    pub fn is_idempotent(&self) -> bool {
        matches!(
            self.method(),
            b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE"
        )
    }
}

/// Where an absolute target's authority is, and where the path begins.
fn place_of_path(method: &[u8], target: &[u8]) -> Result<(Option<Range<usize>>, usize), Wrong> {
    if method == b"CONNECT" || method == b"TRACE" {
        return Err(Wrong(405));
    }
    if target[0] == b'/' || (target == b"*" && method == b"OPTIONS") {
        return Ok((None, 0));
    }
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        let start = target.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let start = scheme.ok_or(BAD)?.len();
    let mut rest = target[start..].iter();
    let length = rest.position(|byte| matches!(byte, b'/' | b'?'));
    let end = length.map_or(target.len(), |length| start + length);
    if end == start {
        return Err(BAD);
    }
    Ok((Some(start..end), end))
}

/// What a target answers.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub version: Version,
    pub fields: Fields,
    reason: Span,
}

impl Response {
    /// # Errors
    /// It is not to be taken.
    pub fn parse(text: Bytes) -> Result<Response, Wrong> {
        let wrong = Wrong(502);
        let length = memchr::memchr(b'\n', &text).ok_or(wrong)?;
        let line = text[..length].strip_suffix(b"\r").ok_or(wrong)?;
        let (version, rest) = match line.split_at_checked(9).ok_or(wrong)? {
            (b"HTTP/1.1 ", rest) => (Version::Http11, rest),
            (b"HTTP/1.0 ", rest) => (Version::Http10, rest),
            _ => return Err(wrong),
        };
        let (status, reason) = rest.split_at_checked(3).ok_or(wrong)?;
        if !status.iter().all(u8::is_ascii_digit) || !reason.iter().all(|b| is_value_byte(*b)) {
            return Err(wrong);
        }
        let status = status.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
        if status < 100 || reason.first().is_some_and(|byte| *byte != b' ') {
            return Err(wrong);
        }
        let reason = (line.len() - reason.len().saturating_sub(1)..line.len()).into();
        Ok(Response {
            status,
            version,
            reason,
            fields: Fields::parse(&text, length + 1).map_err(|_| wrong)?,
        })
    }

    pub fn reason(&self) -> &[u8] {
        self.reason.of(&self.fields.text)
    }
}

/// Reads what follows the last chunk, with the empty line at its end.
///
/// # Errors
/// It is not to be taken.
pub fn trailers(text: &Bytes) -> Result<Fields, Wrong> {
    Fields::parse(text, 0)
}

/// Finds a head's end while it comes, and what is too long.
#[derive(Debug, Default)]
pub struct Scan {
    seen: usize,
    line: usize,
    lines: usize,
}

impl Scan {
    /// Is nothing but one line, or a part of it, here?
    fn too_long(&self) -> Wrong {
        Wrong(if self.lines == 0 { 414 } else { 431 })
    }

    /// How long the head is, once all of it is here.
    ///
    /// # Errors
    /// A line ends with LF alone, or something is too long.
    pub fn end(&mut self, text: &[u8], max: usize) -> Result<Option<usize>, Wrong> {
        while let Some(length) = memchr::memchr(b'\n', &text[self.seen..]) {
            let at = self.seen + length;
            if at == 0 || text[at - 1] != b'\r' {
                return Err(BAD);
            }
            if at - self.line > LINE_BYTES_MAX {
                return Err(self.too_long());
            }
            if at > max {
                return Err(Wrong(431));
            }
            self.seen = at + 1;
            if at - 1 == self.line {
                return Ok(Some(at + 1));
            }
            self.line = at + 1;
            self.lines += 1;
        }
        self.seen = text.len();
        if text.len() - self.line > LINE_BYTES_MAX {
            return Err(self.too_long());
        }
        match text.len() > max {
            true => Err(Wrong(431)),
            false => Ok(None),
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(name: &[u8]) -> bool {
    let is_in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_in_token)
}

fn is_value_byte(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

fn is_host(host: &[u8]) -> bool {
    let is_in_host =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(byte);
    host.iter().all(is_in_host)
}

/// Names that AWS takes when `routing.http.drop_invalid_header_fields.enabled` is set.
pub fn is_plain_name(name: &[u8]) -> bool {
    name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}
