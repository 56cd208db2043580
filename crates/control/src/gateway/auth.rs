//! Who calls: on loopback whoever says so, elsewhere whoever can sign.

use http::request::Parts;
use neargate_base::{AccountId, Region, Secret, Timestamp};
use neargate_service::{Principal, Scope};
use neargate_wire::sigv4::{self, Payload, SigV4Error};
use std::collections::BTreeMap;

/// Whether callers must prove who they are.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Any credentials are accepted. Only ever on loopback.
    Development,
    /// Every request needs a valid signature by one of these keys.
    Enforced(BTreeMap<String, Secret<String>>),
}

/// Why a caller is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Signature(SigV4Error),
    Region(String),
}

/// The caller of a request with this body.
///
/// An access key of twelve digits chooses the account of that number in development mode, so
/// that one endpoint serves several accounts.
pub fn caller(
    mode: &Mode,
    parts: &Parts,
    body: &[u8],
    default: &Scope,
    now: Timestamp,
) -> Result<(Scope, Principal), Refusal> {
    let claim = match (sigv4::parse(parts), mode) {
        (Ok(claim), _) => claim,
        (Err(_), Mode::Development) => None,
        (Err(e), Mode::Enforced(_)) => return Err(Refusal::Signature(e)),
    };
    let Some(claim) = claim else {
        return match mode {
            Mode::Development => Ok((default.clone(), root(&default.account, ""))),
            Mode::Enforced(_) => Err(Refusal::Signature(SigV4Error::MissingToken)),
        };
    };
    let region: Region =
        claim.region.parse().map_err(|_| Refusal::Region(claim.region.clone()))?;
    let account = match mode {
        Mode::Development => claim.access_key.parse().unwrap_or_else(|_| default.account.clone()),
        Mode::Enforced(keys) => {
            let secret = keys.get(&claim.access_key);
            let secret = secret.ok_or(Refusal::Signature(SigV4Error::UnknownKey))?;
            let payload = Payload::of(&claim, parts).map_err(Refusal::Signature)?;
            let hash = sigv4::sha256_hex(body);
            if matches!(&payload, Payload::Declared(declared) if *declared != hash) {
                return Err(Refusal::Signature(SigV4Error::ContentSha256Mismatch));
            }
            let line = payload.hash_line(|| hash);
            sigv4::verify(&claim, parts, &line, secret.expose(), now).map_err(Refusal::Signature)?;
            default.account.clone()
        }
    };
    let principal = root(&account, &claim.access_key);
    Ok((Scope { account, region }, principal))
}

/// The account's root user: what every accepted key stands for until IAM is built.
fn root(account: &AccountId, access_key: &str) -> Principal {
    Principal {
        arn: format!("arn:aws:iam::{account}:root"),
        user_id: account.to_string(),
        access_key: access_key.to_owned(),
    }
}
