//! What one value of an event may be for a pattern to match it.

use serde_json::Value;
use std::net::IpAddr;

/// One entry of the list of a pattern's leaf.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Text(String),
    /// A string that is an address, however it is written.
    Address(IpAddr),
    Number(f64),
    Literal(Value),
    Prefix(String),
    Suffix(String),
    /// These three are in lower case.
    EqualsIgnoreCase(String),
    PrefixIgnoreCase(String),
    SuffixIgnoreCase(String),
    Wildcard(Wildcard),
    Range(Range),
    Cidr(Cidr),
    /// A value that none of these fits.
    Not(Vec<Test>),
    Exists,
    /// There is no such member.
    Absent,
}

impl Test {
    /// The text that it wants, if it wants one and nothing else.
    pub fn text(&self) -> Option<&str> {
        match self {
            Test::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Does a value that is neither an object nor an array pass?
    pub fn passes(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Test::Text(wanted) => text == Some(wanted),
            Test::Address(wanted) => text.is_some_and(|t| address(t) == Some(*wanted)),
            Test::Number(wanted) => value.as_f64() == Some(*wanted),
            Test::Literal(wanted) => value == wanted,
            Test::Prefix(start) => text.is_some_and(|t| t.starts_with(start.as_str())),
            Test::Suffix(end) => text.is_some_and(|t| t.ends_with(end.as_str())),
            Test::EqualsIgnoreCase(wanted) => text.is_some_and(|t| lower(t) == *wanted),
            Test::PrefixIgnoreCase(start) => {
                text.is_some_and(|t| lower(t).starts_with(start.as_str()))
            }
            Test::SuffixIgnoreCase(end) => text.is_some_and(|t| lower(t).ends_with(end.as_str())),
            Test::Wildcard(wildcard) => text.is_some_and(|t| wildcard.fits(t)),
            Test::Range(range) => value.as_f64().is_some_and(|n| range.holds(n)),
            Test::Cidr(cidr) => text.and_then(address).is_some_and(|a| cidr.holds(a)),
            Test::Not(tests) => !tests.iter().any(|test| test.passes(value)),
            Test::Exists => true,
            Test::Absent => false,
        }
    }
}

pub fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// A string that is written as an address.
pub fn address(text: &str) -> Option<IpAddr> {
    let is_v4 =
        || text.split('.').count() == 4 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.'));
    let is_v6 = || text.contains(':') && text.bytes().all(|b| b == b':' || b.is_ascii_hexdigit());
    if !is_v4() && !is_v6() {
        return None;
    }
    text.parse().ok()
}

/// Text with stars, each of which stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(Vec<String>);

impl Wildcard {
    /// # Errors
    /// AWS's sentence.
    pub fn parse(text: &str) -> Result<Wildcard, String> {
        let mut parts = vec![String::new()];
        // Places are counted in bytes, behind the quote.
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            match (c, next) {
                ('*', Some('*')) => {
                    return Err(format!("Consecutive wildcard characters at pos {}", at + 1));
                }
                ('*', _) => parts.push(String::new()),
                ('\\', Some(next @ ('*' | '\\'))) => {
                    chars.next();
                    last(&mut parts).push(next);
                }
                ('\\', _) => return Err(format!("Invalid escape character at pos {}", at + 1)),
                (c, _) => last(&mut parts).push(c),
            }
        }
        Ok(Wildcard(parts))
    }

    /// How many stars there are.
    pub fn stars(&self) -> usize {
        self.0.len() - 1
    }

    fn fits(&self, text: &str) -> bool {
        let (first, others) = self
            .0
            .split_first()
            .expect("there is a part before any star");
        let Some((last, middle)) = others.split_last() else {
            return text == first;
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // What comes first for each part leaves most for the others.
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

fn last(parts: &mut [String]) -> &mut String {
    parts.last_mut().expect("there is a part before any star")
}

/// Numbers between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub bottom: f64,
    pub open_bottom: bool,
    pub top: f64,
    pub open_top: bool,
}

impl Range {
    pub const ALL: Range = Range {
        bottom: f64::NEG_INFINITY,
        open_bottom: false,
        top: f64::INFINITY,
        open_top: false,
    };

    fn holds(&self, n: f64) -> bool {
        let above = n > self.bottom || !self.open_bottom && n == self.bottom;
        let below = n < self.top || !self.open_top && n == self.top;
        above && below
    }
}

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    bits: u32,
}

impl Cidr {
    /// # Errors
    /// AWS's sentence.
    pub fn parse(text: &str) -> Result<Cidr, String> {
        let mut parts = text.split('/');
        let (Some(base), Some(bits), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err("Malformed CIDR, one '/' required".into());
        };
        if bits.is_empty() {
            return Err("Malformed CIDR, one '/' required".into());
        }
        let bits: i32 = bits
            .parse()
            .map_err(|_| "Malformed CIDR, mask bits must be an integer")?;
        let bits =
            u32::try_from(bits).map_err(|_| "Malformed CIDR, mask bits must not be negative")?;
        let Some(base) = address(base) else {
            let is_written_so = base.split('.').count() == 4
                && base.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.'))
                || base.contains(':') && base.bytes().all(|b| b == b':' || b.is_ascii_hexdigit());
            return Err(match is_written_so {
                true => format!("Invalid IP address: {base}"),
                false => format!("Nonstandard IP address: {base}"),
            });
        };
        match base {
            IpAddr::V4(_) if bits > 31 => Err("IPv4 mask bits must be < 32".into()),
            IpAddr::V6(_) if bits > 127 => Err("IPv6 mask bits must be < 128".into()),
            base => Ok(Cidr { base, bits }),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = u32::from(base) ^ u32::from(address);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = u128::from(base) ^ u128::from(address);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
