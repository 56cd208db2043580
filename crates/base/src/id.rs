//! Account ids and region names: the two scopes every resource lives in.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a string is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct InvalidId {
    pub value: String,
    pub expected: &'static str,
}

/// A 12-digit AWS account id. The default account is `000000000000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AccountId {
    fn default() -> Self {
        AccountId("000000000000".into())
    }
}

impl FromStr for AccountId {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        if s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit()) {
            Ok(AccountId(s.into()))
        } else {
            Err(InvalidId {
                value: s.into(),
                expected: "an AWS account id of 12 digits",
            })
        }
    }
}

/// An AWS region name such as `us-east-1`: lower-case words and a number, joined by dashes.
/// Any name of that form is accepted, so regions AWS adds later work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

impl Region {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The availability zones of this region: `<region>a`, `b` and `c`.
    pub fn zones(&self) -> [String; 3] {
        ["a", "b", "c"].map(|z| format!("{}{z}", self.0))
    }
}

impl Default for Region {
    fn default() -> Self {
        Region("us-east-1".into())
    }
}

impl FromStr for Region {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let mut parts = s.split('-');
        let number = parts.next_back().unwrap_or_default();
        let words: Vec<&str> = parts.collect();
        let word = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
        let ok = s.len() <= 32
            && words.len() >= 2
            && words.iter().all(word)
            && !number.is_empty()
            && number.len() <= 2
            && number.bytes().all(|b| b.is_ascii_digit());
        if ok {
            Ok(Region(s.into()))
        } else {
            Err(InvalidId {
                value: s.into(),
                expected: "an AWS region name such as us-east-1",
            })
        }
    }
}

macro_rules! string_id {
    ($t:ty) => {
        impl TryFrom<String> for $t {
            type Error = InvalidId;
            fn try_from(s: String) -> Result<Self, InvalidId> {
                s.parse()
            }
        }
        impl From<$t> for String {
            fn from(id: $t) -> String {
                id.0
            }
        }
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
string_id!(AccountId);
string_id!(Region);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_twelve_digits() {
        assert!("123456789012".parse::<AccountId>().is_ok());
        for bad in ["", "12345678901", "1234567890123", "12345678901a"] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn regions_have_awss_form() {
        for good in [
            "us-east-1",
            "us-gov-west-1",
            "ap-southeast-4",
            "eu-isoe-west-1",
        ] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "us",
            "us-1",
            "US-EAST-1",
            "us-east-",
            "us--1",
            "../us-east-1",
            "us-east-1a",
        ] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
    }
}
