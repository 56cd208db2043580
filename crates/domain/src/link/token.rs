//! The join token: what an operator carries from the control plane's host to the node's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "ngjoin1_";
const SECRET_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Whom to trust, and why to be trusted: the control plane is the one whose authority has this
/// hash, the node the one that knows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the certificate of the control plane's authority, as DER.
    pub authority: [u8; HASH_BYTES],
    pub secret: [u8; SECRET_BYTES],
}

/// The text is not a join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a join token: `neargate node token` on the control plane's host prints one")]
pub struct InvalidToken;

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(***)")
    }
}

/// The token as text, secret and all.
impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.authority[..], &self.secret[..]].concat();
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for JoinToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<JoinToken, InvalidToken> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(InvalidToken)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidToken)?;
        let (authority, secret) = bytes.split_at_checked(HASH_BYTES).ok_or(InvalidToken)?;
        Ok(JoinToken {
            authority: authority.try_into().map_err(|_| InvalidToken)?,
            secret: secret.try_into().map_err(|_| InvalidToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let token = JoinToken {
            authority: [7; HASH_BYTES],
            secret: [200; SECRET_BYTES],
        };
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        assert_eq!(format!("{token:?}"), "JoinToken(***)");
        let text = token.to_string();
        for bad in [
            "",
            "ngjoin1_",
            "ngjoin1_AAAA",
            &text[1..],
            &text[..text.len() - 2],
        ] {
            assert_eq!(bad.parse::<JoinToken>(), Err(InvalidToken), "{bad}");
        }
    }
}
