//! An IPv4 range in CIDR form (RFC 4632): no bit is set behind its prefix.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 range, such as `10.0.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    base: Ipv4Addr,
    prefix_len: u8,
}

/// The text is no IPv4 range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPv4 range such as 10.0.0.0/16")]
pub struct InvalidCidr(String);

impl Cidr {
    /// Where public addresses come from unless the operator says otherwise: a part of what RFC 2544
    /// sets aside for benchmarks of networks, which nothing on the internet has.
    pub const PUBLIC_POOL: Cidr = Cidr {
        base: Ipv4Addr::new(198, 19, 0, 0),
        prefix_len: 16,
    };

    /// Every address.
    pub const ANY: Cidr = Cidr {
        base: Ipv4Addr::UNSPECIFIED,
        prefix_len: 0,
    };

    /// The range of this prefix length that `address` is in; a length over 32 counts as 32.
    pub const fn around(address: Ipv4Addr, prefix_len: u8) -> Cidr {
        let prefix_len = if prefix_len > 32 { 32 } else { prefix_len };
        Cidr {
            base: Ipv4Addr::from_bits(address.to_bits() & !host_bits(prefix_len)),
            prefix_len,
        }
    }

    /// The range with this address alone.
    pub fn host(address: Ipv4Addr) -> Cidr {
        Cidr::around(address, 32)
    }

    /// The range that a text names whose address may have bits behind the prefix: EC2 clears them
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>).
    ///
    /// # Errors
    /// The text has not the form of a range.
    pub fn canonical(text: &str) -> Result<Cidr, InvalidCidr> {
        let invalid = || InvalidCidr(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(invalid)?;
        let digits = (1..=2).contains(&len.len()) && len.bytes().all(|b| b.is_ascii_digit());
        let len = len.parse().ok().filter(|len| *len <= 32 && digits);
        let address = address.parse().map_err(|_| invalid())?;
        Ok(Cidr::around(address, len.ok_or_else(invalid)?))
    }

    /// The first address.
    pub fn base(self) -> Ipv4Addr {
        self.base
    }

    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// How many addresses it has.
    pub fn size(self) -> u64 {
        1 << (32 - self.prefix_len)
    }

    /// The `n`th address, counted from 0; the last one where there are not so many.
    pub fn nth(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base) | n.min(host_bits(self.prefix_len)))
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        Cidr::around(address, self.prefix_len) == self
    }

    /// Is all of `other` in it?
    pub fn covers(self, other: Cidr) -> bool {
        self.prefix_len <= other.prefix_len && self.contains(other.base)
    }

    pub fn overlaps(self, other: Cidr) -> bool {
        self.covers(other) || other.covers(self)
    }
}

/// The bits of an address behind a prefix of this length.
const fn host_bits(prefix_len: u8) -> u32 {
    match u32::MAX.checked_shr(prefix_len as u32) {
        Some(bits) => bits,
        None => 0,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_len)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Cidr, InvalidCidr> {
        let cidr = Cidr::canonical(text)?;
        match text.starts_with(&format!("{}/", cidr.base)) {
            true => Ok(cidr),
            false => Err(InvalidCidr(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;
    fn try_from(text: String) -> Result<Cidr, InvalidCidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect("a range")
    }

    #[test]
    fn a_range_is_read_and_written() {
        for text in ["0.0.0.0/0", "10.0.0.0/16", "10.1.2.3/32", "172.31.16.0/20"] {
            assert_eq!(cidr(text).to_string(), text);
        }
        for wrong in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/0",
            "10.0.0.1/16",
        ] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
        let cleared = Cidr::canonical("100.68.0.18/18").expect("a range");
        assert_eq!(cleared, cidr("100.68.0.0/18"));
    }

    #[test]
    fn ranges_contain_cover_and_overlap() {
        let (wide, narrow, other) = (cidr("10.0.0.0/8"), cidr("10.9.0.0/16"), cidr("11.0.0.0/8"));
        assert!(wide.covers(narrow) && !narrow.covers(wide) && wide.covers(wide));
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide) && !wide.overlaps(other));
        assert!(Cidr::ANY.contains(Ipv4Addr::BROADCAST) && Cidr::ANY.covers(wide));
        assert_eq!(
            (narrow.size(), narrow.nth(2)),
            (65_536, Ipv4Addr::new(10, 9, 0, 2))
        );
        assert_eq!(cidr("10.1.2.3/32").nth(9), Ipv4Addr::new(10, 1, 2, 3));
    }
}
