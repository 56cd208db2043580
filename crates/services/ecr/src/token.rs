//! Authorization tokens: what `docker login` sends as the password, and signed download links.
//!
//! A token is `<claims>.<mac>`: who, until when, signed with a secret that is made once and kept
//! in the store. Nothing is remembered per token.

use crate::model::TokenSecret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use neargate_base::{AccountId, Timestamp};
use neargate_blob::Digest;
use neargate_service::identity::{Kind, Principal, Session};
use neargate_service::{AwsError, Committed, House};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;

/// "The authorization token is valid for 12 hours" (API reference, GetAuthorizationToken).
pub const VALID_FOR: Duration = Duration::from_secs(12 * 60 * 60);
/// A link by GetDownloadUrlForLayer is valid for this long.
pub const LINK_VALID_FOR: Duration = Duration::from_secs(60 * 60);
const SECRET: &str = "ecr/secret/token";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Who asked for it; `None`: the account's root.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<Bearer>,
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
    /// Only this one blob may be read.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// The id of the repository it is read from.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// Somebody other than an account's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    kind: Kind,
    arn: String,
    user_id: String,
    session: Option<Session>,
}

impl Claims {
    /// Who bears it.
    pub fn principal(&self) -> Principal {
        match &self.bearer {
            None => Principal::root(&self.account, ""),
            Some(bearer) => Principal {
                kind: bearer.kind,
                arn: bearer.arn.clone(),
                user_id: bearer.user_id.clone(),
                access_key: String::new(),
                session: bearer.session.clone().map(Arc::new),
            },
        }
    }
}

impl Bearer {
    /// Whoever is no account's root.
    pub fn of(principal: &Principal) -> Option<Bearer> {
        (principal.kind != Kind::Root).then(|| Bearer {
            kind: principal.kind,
            arn: principal.arn.clone(),
            user_id: principal.user_id.clone(),
            session: principal.session.as_deref().cloned(),
        })
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Invalid,
    Expired,
}

/// Make a token.
pub async fn issue(house: &House, claims: &Claims) -> Result<String, AwsError> {
    let json = serde_json::to_vec(claims).expect("claims have string keys only");
    let text = URL_SAFE_NO_PAD.encode(json);
    let mac = mac(&secret(house).await?, &text).finalize().into_bytes();
    Ok(format!("{text}.{}", hex::encode(mac)))
}

/// Read a token that we issued and that is still valid.
pub async fn verify(house: &House, token: &str) -> Result<Result<Claims, Refused>, AwsError> {
    let secret = secret(house).await?;
    Ok(read(&secret, token, house.now()))
}

fn read(secret: &[u8], token: &str, now: Timestamp) -> Result<Claims, Refused> {
    let (text, tag) = token.split_once('.').ok_or(Refused::Invalid)?;
    let tag = hex::decode(tag).map_err(|_| Refused::Invalid)?;
    mac(secret, text)
        .verify_slice(&tag)
        .map_err(|_| Refused::Invalid)?;
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Invalid)?;
    let claims: Claims = serde_json::from_slice(&json).map_err(|_| Refused::Invalid)?;
    if claims.expires_at <= now {
        Err(Refused::Expired)
    } else {
        Ok(claims)
    }
}

fn mac(secret: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}

async fn secret(house: &House) -> Result<Vec<u8>, AwsError> {
    loop {
        if let Some(found) = house.db.get_key::<TokenSecret>(SECRET).await? {
            return Ok(found.value.hex.into_bytes());
        }
        let fresh = TokenSecret {
            hex: house.rng.hex(64),
        };
        match house.db.tx().create(SECRET.into(), &fresh).commit().await? {
            Committed::At(_) => return Ok(fresh.hex.into_bytes()),
            Committed::Conflict => {}
        }
    }
}

/// `now` and a while.
pub fn after(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis() + by.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_and_only_for_a_while() {
        let claims = Claims {
            account: AccountId::default(),
            bearer: None,
            expires_at: Timestamp::from_millis(1_000),
            blob: None,
            repository: None,
        };
        let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).unwrap());
        let tag = hex::encode(mac(b"secret", &text).finalize().into_bytes());
        let token = format!("{text}.{tag}");
        let at = Timestamp::from_millis;
        assert_eq!(read(b"secret", &token, at(999)), Ok(claims));
        assert_eq!(read(b"secret", &token, at(1_000)), Err(Refused::Expired));
        assert_eq!(read(b"other", &token, at(0)), Err(Refused::Invalid));
        assert_eq!(
            read(b"secret", &format!("x{token}"), at(0)),
            Err(Refused::Invalid)
        );
        assert_eq!(read(b"secret", "", at(0)), Err(Refused::Invalid));
    }
}
