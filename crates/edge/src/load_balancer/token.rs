//! Tokens that a rule asks requests for: JSON Web Tokens (RFC 7519), signed by RS256
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-verify-jwt.html>).
//!
//! The keys of who issues them are told; they are fetched elsewhere.

use super::http::head::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use neargate_domain::load_balancer::JwtClaim;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longer no token is.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a rule asks of a request's token.
#[derive(Debug)]
pub struct Validation {
    /// `None`: nobody could get them.
    keys: Option<Vec<Key>>,
    issuer: String,
    claims: Vec<JwtClaim>,
}

/// Why a request is not let on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its token is not there, or not right.
    Token,
    /// The keys are not known.
    Keys,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    parts: RsaPublicKeyComponents<Vec<u8>>,
}

/// A set of keys (RFC 7517), of which only those are kept that sign by RS256.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<ToldKey>,
}

#[derive(Deserialize)]
struct ToldKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Validation {
    pub fn new(key_set: Option<&str>, issuer: &str, claims: &[JwtClaim]) -> Validation {
        let keys = key_set.and_then(|text| serde_json::from_str::<KeySet>(text).ok());
        Validation {
            keys: keys.map(|set| set.keys.into_iter().filter_map(key).collect()),
            issuer: issuer.to_owned(),
            claims: claims.to_vec(),
        }
    }

    /// `now`: in seconds since 1970.
    ///
    /// # Errors
    /// The request must not go on.
    pub fn check(&self, request: &Request, now: i64) -> Result<(), Refused> {
        let mut fields = request.fields.all("authorization");
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Refused::Token);
        };
        let token = bearer(field).ok_or(Refused::Token)?;
        let keys = self.keys.as_ref().ok_or(Refused::Keys)?;
        let claims = signed(token, keys).ok_or(Refused::Token)?;
        match self.holds(&claims, now) {
            true => Ok(()),
            false => Err(Refused::Token),
        }
    }

    fn holds(&self, claims: &Map<String, Value>, now: i64) -> bool {
        // What is there and is no time does not hold.
        let time = |name: &str| claims.get(name).map(|value| seconds(value).ok_or(()));
        let is_past =
            |at: Option<Result<i64, ()>>| at.is_none_or(|at| at.is_ok_and(|at| at <= now));
        let is_issued = claims.get("iss").and_then(Value::as_str) == Some(self.issuer.as_str());
        let lasts = matches!(time("exp"), Some(Ok(at)) if at > now);
        is_issued
            && lasts
            && is_past(time("nbf"))
            && is_past(time("iat"))
            && self.claims.iter().all(|claim| has(claims, claim))
    }
}

fn key(told: ToldKey) -> Option<Key> {
    let is_ours = told.kty == "RSA"
        && told.purpose.is_none_or(|of| of == "sig")
        && told.alg.is_none_or(|of| of == "RS256");
    if !is_ours {
        return None;
    }
    Some(Key {
        id: told.kid,
        parts: RsaPublicKeyComponents {
            n: decoded(told.n?.as_bytes())?,
            e: decoded(told.e?.as_bytes())?,
        },
    })
}

fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(7)?;
    let is_it = scheme.eq_ignore_ascii_case(b"bearer ") && token.len() <= TOKEN_BYTES_MAX;
    is_it.then(|| token.trim_ascii())
}

/// The claims of a token that one of these keys signed. A token that names its key is signed with no
/// other.
fn signed(token: &[u8], keys: &[Key]) -> Option<Map<String, Value>> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let said: Header = serde_json::from_slice(&decoded(header)?).ok()?;
    if said.alg != "RS256" {
        return None;
    }
    let message = &token[..header.len() + 1 + claims.len()];
    let signature = decoded(signature)?;
    let mut named = keys
        .iter()
        .filter(|key| said.kid.is_none() || key.id == said.kid);
    let is_signed = named.any(|key| {
        let verified = key
            .parts
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature);
        verified.is_ok()
    });
    match is_signed {
        true => serde_json::from_slice(&decoded(claims)?).ok(),
        false => None,
    }
}

/// Everything that the rule names is among what the claim has.
fn has(claims: &Map<String, Value>, wanted: &JwtClaim) -> bool {
    let Some(value) = claims.get(&wanted.name) else {
        return false;
    };
    let all_in = |found: &[&str]| wanted.values.iter().all(|v| found.contains(&v.as_str()));
    match (wanted.format.as_str(), value) {
        ("single-string", Value::String(text)) => wanted.values == [text.as_str()],
        ("string-array", Value::Array(list)) => {
            all_in(&list.iter().filter_map(Value::as_str).collect::<Vec<_>>())
        }
        ("space-separated-values", Value::String(text)) => {
            all_in(&text.split(' ').collect::<Vec<_>>())
        }
        _ => false,
    }
}

fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|f| f as i64))
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
