//! Who calls: on loopback whoever says so, elsewhere whoever can sign.

use http::request::Parts;
use neargate_base::{AccountId, Region, Secret, Timestamp};
use neargate_service::{Principal, Scope};
use neargate_wire::sigv4::{self, Claim, Payload, SigV4Error};
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

/// Is it worth reading a large body of this caller: would its signature be looked at?
pub fn is_known(mode: &Mode, parts: &Parts) -> bool {
    match mode {
        Mode::Development => true,
        Mode::Enforced(keys) => {
            sigv4::parse(parts).is_ok_and(|c| c.is_some_and(|c| keys.contains_key(&c.access_key)))
        }
    }
}

/// The caller of a request with this body to the service that signs as `service`.
///
/// An access key of twelve digits chooses the account of that number in development mode, so
/// that one endpoint serves several accounts.
pub fn caller(
    mode: &Mode,
    service: &str,
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
    let region: Region = claim
        .region
        .parse()
        .map_err(|_| Refusal::Region(claim.region.clone()))?;
    let account = match mode {
        Mode::Development => claim
            .access_key
            .parse()
            .unwrap_or_else(|_| default.account.clone()),
        Mode::Enforced(keys) => {
            let secret = keys.get(&claim.access_key);
            let secret = secret.ok_or(Refusal::Signature(SigV4Error::UnknownKey))?;
            if claim.service != service {
                return Err(Refusal::Signature(SigV4Error::Mismatch(format!(
                    "Credential should be scoped to correct service: '{service}'."
                ))));
            }
            let line = signed_hash(&claim, parts, body).map_err(Refusal::Signature)?;
            sigv4::verify(&claim, parts, &line, secret.expose(), now)
                .map_err(Refusal::Signature)?;
            default.account.clone()
        }
    };
    let principal = root(&account, &claim.access_key);
    Ok((Scope { account, region }, principal))
}

/// The canonical request's last line. Only S3 lets a client leave its body unsigned; elsewhere
/// the body itself is hashed, whatever the client declares, so that it cannot be exchanged.
fn signed_hash(claim: &Claim, parts: &Parts, body: &[u8]) -> Result<String, SigV4Error> {
    let payload = Payload::of(claim, parts)?;
    let unsigned = matches!(payload, Payload::Unsigned) && claim.service == "s3";
    if unsigned {
        return Ok(payload.hash_line(String::new));
    }
    let hash = sigv4::sha256_hex(body);
    if matches!(&payload, Payload::Declared(declared) if *declared != hash) {
        return Err(SigV4Error::ContentSha256Mismatch);
    }
    Ok(hash)
}

/// The account's root user: what every accepted key stands for until IAM is built.
fn root(account: &AccountId, access_key: &str) -> Principal {
    Principal {
        arn: format!("arn:aws:iam::{account}:root"),
        user_id: account.to_string(),
        access_key: access_key.to_owned(),
    }
}

#[cfg(test)]
mod tests;
