//! Ids of traces: `1-58406520-a006649127e371903a2de979`, a version, a time and 96 bits of chance
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html>).

use std::fmt;

/// The time and the chance of an id; its version is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

impl TraceId {
    /// `None`: it is no id of a trace.
    pub fn parse(text: &str) -> Option<TraceId> {
        let (time, chance) = text.strip_prefix("1-")?.split_once('-')?;
        if time.len() != 8 || chance.len() != 24 {
            return None;
        }
        let mut bytes = [0; 16];
        let digits = time.bytes().chain(chance.bytes());
        for (at, digit) in digits.enumerate() {
            let value = char::from(digit).to_digit(16)?;
            bytes[at / 2] = bytes[at / 2] << 4 | value as u8;
        }
        Some(TraceId(bytes))
    }

    /// When the request began, in seconds since 1970, as whoever made the id says.
    pub fn epoch(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1-")?;
        for (at, byte) in self.0.iter().enumerate() {
            if at == 4 {
                write!(f, "-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// The 64 bits of a segment's id; `None`: it is not 16 hexadecimal digits.
pub fn segment_id(text: &str) -> Option<u64> {
    let is_hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}
