//! Who calls: whoever signs with a key; and on loopback, users of this host who need no proof.
//!
//! A signature is judged by the head of a request where that suffices, so that nothing more is
//! read of a caller who has shown nothing. Where the signature covers a hash that the head does
//! not give, the body is read first, under narrow bounds.

use super::trust::Trusted;
use http::request::Parts;
use neargate_base::{AccountId, Region, Secret, Timestamp};
use neargate_service::{Principal, Scope};
use neargate_wire::sigv4::{self, Claim, Payload, SigV4Error};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Access key ids and their secrets.
pub type Keys = BTreeMap<String, Secret<String>>;

/// Whether callers must prove who they are.
#[derive(Debug, Clone)]
pub struct Mode {
    keys: Arc<Keys>,
    trusted: Option<Trusted>,
}

impl Mode {
    /// Only ever on loopback: the trusted users of this host call with any credentials or none.
    /// Everybody else signs with one of the keys.
    pub fn development(trusted: Trusted, keys: Keys) -> Mode {
        Mode {
            keys: Arc::new(keys),
            trusted: Some(trusted),
        }
    }

    /// Every request needs a valid signature by one of these keys.
    pub fn enforced(keys: Keys) -> Mode {
        Mode {
            keys: Arc::new(keys),
            trusted: None,
        }
    }

    /// The same keys, and nobody who needs none.
    pub(super) fn for_strangers(&self) -> Mode {
        Mode {
            keys: Arc::clone(&self.keys),
            trusted: None,
        }
    }

    pub(super) fn is_development(&self) -> bool {
        self.trusted.is_some()
    }

    /// Does this user of this host need no proof?
    pub(super) fn trusts(&self, user: u32) -> bool {
        self.trusted.as_ref().is_some_and(|t| t.includes(user))
    }
}

/// Why a caller is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Signature(SigV4Error),
    Region(String),
}

impl From<SigV4Error> for Refusal {
    fn from(error: SigV4Error) -> Self {
        Refusal::Signature(error)
    }
}

/// What the head of a request shows of its caller.
#[derive(Debug)]
pub enum Shown {
    /// Somebody who needs no proof.
    Free(Caller),
    /// The signature holds, if the body has this hash; `None`: it leaves the body out.
    Signed(Caller, Option<String>),
    /// A key that is known: whether the signature holds depends on the body.
    Claimed(Claim, Caller),
}

impl Shown {
    /// Is it settled who calls, whatever the body is?
    pub fn is_settled(&self) -> bool {
        !matches!(self, Shown::Claimed(..))
    }
}

/// Somebody who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub scope: Scope,
    pub principal: Principal,
    /// What the signature is for; `None`: there is none that counts.
    signed_for: Option<String>,
}

impl Caller {
    /// Does a key vouch for this call?
    pub fn is_signed(&self) -> bool {
        self.signed_for.is_some()
    }

    /// Is the call meant for the service that signs as `service`?
    pub fn calls(&self, service: &str) -> Result<(), Refusal> {
        match &self.signed_for {
            Some(other) if other != service => Err(SigV4Error::Mismatch(format!(
                "Credential should be scoped to correct service: '{service}'."
            ))
            .into()),
            _ => Ok(()),
        }
    }
}

/// What the head shows. `free` callers need no proof.
///
/// An access key of twelve digits chooses the account of that number for them, so that one
/// endpoint serves several accounts.
pub fn look(
    mode: &Mode,
    free: bool,
    parts: &Parts,
    default: &Scope,
    now: Timestamp,
) -> Result<Shown, Refusal> {
    if free {
        return look_free(parts, default);
    }
    let claim = sigv4::parse(parts)?.ok_or(SigV4Error::MissingToken)?;
    let account = default.account.clone();
    let caller = Caller {
        principal: root(&account, &claim.access_key),
        scope: Scope {
            account,
            region: region(&claim)?,
        },
        signed_for: Some(claim.service.clone()),
    };
    let secret = mode.keys.get(&claim.access_key);
    let secret = secret.ok_or(SigV4Error::UnknownKey)?;
    let (line, hash) = match Payload::of(&claim, parts)? {
        Payload::Declared(hash) => (hash.clone(), Some(hash)),
        // Elsewhere the body itself is hashed, whatever the client declares, so that it cannot be
        // exchanged.
        unsigned @ Payload::Unsigned if sigv4::may_leave_body_unsigned(&claim.service) => {
            (unsigned.hash_line(String::new), None)
        }
        _ => return Ok(Shown::Claimed(claim, caller)),
    };
    sigv4::verify(&claim, parts, &line, secret.expose(), now)?;
    Ok(Shown::Signed(caller, hash))
}

fn look_free(parts: &Parts, default: &Scope) -> Result<Shown, Refusal> {
    let (scope, access_key) = match sigv4::parse(parts) {
        Ok(Some(claim)) => {
            let account = claim.access_key.parse();
            let scope = Scope {
                account: account.unwrap_or_else(|_| default.account.clone()),
                region: region(&claim)?,
            };
            (scope, claim.access_key)
        }
        _ => (default.clone(), String::new()),
    };
    Ok(Shown::Free(Caller {
        principal: root(&scope.account, &access_key),
        scope,
        signed_for: None,
    }))
}

/// The caller of a request with this body.
pub fn prove(
    mode: &Mode,
    shown: Shown,
    parts: &Parts,
    body: &[u8],
    now: Timestamp,
) -> Result<Caller, Refusal> {
    match shown {
        Shown::Free(caller) | Shown::Signed(caller, None) => Ok(caller),
        Shown::Signed(caller, Some(declared)) => match declared == sigv4::sha256_hex(body) {
            true => Ok(caller),
            false => Err(SigV4Error::ContentSha256Mismatch.into()),
        },
        Shown::Claimed(claim, caller) => {
            let secret = mode.keys.get(&claim.access_key);
            let secret = secret.ok_or(SigV4Error::UnknownKey)?;
            let hash = sigv4::sha256_hex(body);
            sigv4::verify(&claim, parts, &hash, secret.expose(), now)?;
            Ok(caller)
        }
    }
}

fn region(claim: &Claim) -> Result<Region, Refusal> {
    let region = claim.region.parse();
    region.map_err(|_| Refusal::Region(claim.region.clone()))
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
