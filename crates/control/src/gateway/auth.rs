//! Who calls: whoever signs with a key, of an account's root, of a user, or of a session with its
//! token; and on loopback, users of this host who need no proof.
//!
//! A signature is judged by the head of a request where that suffices, so that nothing more is
//! read of a caller who has shown nothing. Where the signature covers a hash that the head does
//! not give, the body is read first, under narrow bounds.

use super::trust::Trusted;
use crate::root_credentials::RootCredentials;
use http::request::Parts;
use neargate_base::{AccountId, Region, Secret};
use neargate_service::door;
use neargate_service::identity::Kind;
use neargate_service::identity::session::{self, Unusable};
use neargate_service::{House, Principal, Scope};
use neargate_wire::sigv4::{self, Claim, Payload, SigV4Error};
use std::sync::Arc;

/// Whether callers must prove who they are.
#[derive(Debug, Clone)]
pub struct Mode {
    keys: Arc<RootCredentials>,
    trusted: Option<Trusted>,
}

impl Mode {
    /// Only ever on loopback: the trusted users of this host call with any credentials or none.
    /// Everybody else signs.
    pub fn development(trusted: Trusted, keys: Arc<RootCredentials>) -> Mode {
        Mode {
            keys,
            trusted: Some(trusted),
        }
    }

    /// Every request needs a valid signature.
    pub fn enforced(keys: Arc<RootCredentials>) -> Mode {
        Mode {
            keys,
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
    /// A key that is known, with its secret: whether the signature holds depends on the body.
    Claimed(Box<Claim>, Caller, Secret<String>),
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
    /// Whoever calls without a signature.
    pub fn nobody(scope: Scope) -> Caller {
        Caller {
            scope,
            principal: Principal::anonymous(),
            signed_for: None,
        }
    }

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

/// Who a key stands for.
struct Signer {
    account: AccountId,
    principal: Principal,
    secret: Secret<String>,
}

/// What the head shows. `free` callers need no proof, but sign well where they name a key that was
/// issued here to somebody else than a root.
///
/// An access key of twelve digits chooses the account of that number for them, so that one
/// endpoint serves several accounts.
pub fn look(
    mode: &Mode,
    house: &House,
    free: bool,
    parts: &Parts,
    default: &Scope,
) -> Result<Shown, Refusal> {
    if free {
        let Ok(Some(claim)) = sigv4::parse(parts) else {
            return Ok(Shown::Free(anybody(default.clone(), String::new())));
        };
        return match issued(house, &claim) {
            Err(SigV4Error::UnknownKey) if !is_a_users(house, &claim) => {
                look_free(mode, claim, default)
            }
            signer => settle(house, claim, signer?, parts),
        };
    }
    let claim = sigv4::parse(parts)?.ok_or(SigV4Error::MissingToken)?;
    let signer = match mode.keys.get(&claim.access_key) {
        // A long-term key has no token.
        Some(_) if claim.session_token.is_some() => return Err(SigV4Error::UnknownKey.into()),
        Some(root) => Signer {
            principal: Principal::root(&root.account, &*claim.access_key),
            account: root.account,
            secret: root.secret,
        },
        None => issued(house, &claim)?,
    };
    settle(house, claim, signer, parts)
}

/// Is it a user's key, though it may sign nothing now?
fn is_a_users(house: &House, claim: &Claim) -> bool {
    house.identities.get().key(&claim.access_key).is_some()
}

/// Who has the key that IAM or STS issued.
fn issued(house: &House, claim: &Claim) -> Result<Signer, SigV4Error> {
    let Some(token) = &claim.session_token else {
        let key = house.identities.get().key(&claim.access_key);
        let key = key.filter(|key| key.active).ok_or(SigV4Error::UnknownKey)?;
        return Ok(Signer {
            account: key.account.clone(),
            secret: key.secret.clone(),
            principal: key.signer(&claim.access_key),
        });
    };
    let opened = session::open(house, &claim.access_key, token);
    let (principal, secret) = opened.map_err(|why| match why {
        Unusable::Invalid => SigV4Error::UnknownKey,
        Unusable::Expired => SigV4Error::ExpiredToken,
    })?;
    let account = principal.account().ok_or(SigV4Error::UnknownKey)?;
    Ok(Signer {
        account,
        principal,
        secret,
    })
}

fn settle(house: &House, claim: Claim, signer: Signer, parts: &Parts) -> Result<Shown, Refusal> {
    let caller = Caller {
        scope: Scope {
            account: signer.account,
            region: region(&claim)?,
        },
        principal: signer.principal,
        signed_for: Some(claim.service.clone()),
    };
    let (line, hash) = match Payload::of(&claim, parts)? {
        Payload::Declared(hash) => (hash.clone(), Some(hash)),
        // Elsewhere the body itself is hashed, whatever the client declares, so that it cannot be
        // exchanged.
        unsigned @ Payload::Unsigned if sigv4::may_leave_body_unsigned(&claim.service) => {
            (unsigned.hash_line(String::new), None)
        }
        _ => return Ok(Shown::Claimed(Box::new(claim), caller, signer.secret)),
    };
    sigv4::verify(&claim, parts, &line, signer.secret.expose(), house.now())?;
    Ok(Shown::Signed(caller, hash))
}

/// The key of an account's root chooses its account, too.
fn look_free(mode: &Mode, claim: Claim, default: &Scope) -> Result<Shown, Refusal> {
    let region = region(&claim)?;
    let account = match mode.keys.get(&claim.access_key) {
        Some(root) => root.account,
        None => {
            let chosen = claim.access_key.parse();
            chosen.unwrap_or_else(|_| default.account.clone())
        }
    };
    let scope = Scope { account, region };
    Ok(Shown::Free(anybody(scope, claim.access_key)))
}

/// Whoever needs no proof is the account's root.
fn anybody(scope: Scope, access_key: String) -> Caller {
    Caller {
        principal: Principal::root(&scope.account, access_key),
        scope,
        signed_for: None,
    }
}

/// The caller of a request with this body.
pub fn prove(house: &House, shown: Shown, parts: &Parts, body: &[u8]) -> Result<Caller, Refusal> {
    let caller = match shown {
        Shown::Free(caller) => return Ok(caller),
        Shown::Signed(caller, None) => caller,
        Shown::Signed(caller, Some(declared)) => match declared == sigv4::sha256_hex(body) {
            true => caller,
            false => return Err(SigV4Error::ContentSha256Mismatch.into()),
        },
        Shown::Claimed(claim, caller, secret) => {
            let hash = sigv4::sha256_hex(body);
            sigv4::verify(&claim, parts, &hash, secret.expose(), house.now())?;
            caller
        }
    };
    let Caller {
        scope,
        principal,
        signed_for,
    } = &caller;
    if principal.kind == Kind::User && principal.session.is_none() {
        let service = signed_for.as_deref().unwrap_or_default();
        let identities = house.identities.get();
        identities.used(
            &principal.access_key,
            service,
            scope.region.as_str(),
            house.now(),
        );
    }
    Ok(caller)
}

/// Whose keys there are, as a door asks for them.
pub fn keys(mode: &Mode, house: &Arc<House>, free: bool, default: &Scope) -> Arc<dyn door::Keys> {
    Arc::new(DoorKeys {
        mode: mode.clone(),
        house: Arc::clone(house),
        free,
        default: default.clone(),
    })
}

#[derive(Debug)]
struct DoorKeys {
    mode: Mode,
    house: Arc<House>,
    free: bool,
    default: Scope,
}

impl door::Keys for DoorKeys {
    fn signer(&self, claim: &Claim) -> Result<door::Signer, SigV4Error> {
        let root = self.mode.keys.get(&claim.access_key);
        let signer = match (root, self.free) {
            (Some(_), false) if claim.session_token.is_some() => {
                return Err(SigV4Error::UnknownKey);
            }
            (Some(root), false) => Signer {
                principal: Principal::root(&root.account, &*claim.access_key),
                account: root.account,
                secret: root.secret,
            },
            (None, false) => issued(&self.house, claim)?,
            (root, true) => match issued(&self.house, claim) {
                Err(SigV4Error::UnknownKey) => {
                    let account = match root {
                        Some(root) => root.account,
                        None => {
                            let chosen = claim.access_key.parse();
                            chosen.unwrap_or_else(|_| self.default.account.clone())
                        }
                    };
                    return Ok(door::Signer {
                        secret: None,
                        principal: Principal::root(&account, &*claim.access_key),
                        account,
                    });
                }
                signer => signer?,
            },
        };
        Ok(door::Signer {
            secret: Some(signer.secret),
            account: signer.account,
            principal: signer.principal,
        })
    }
}

fn region(claim: &Claim) -> Result<Region, Refusal> {
    let region = claim.region.parse();
    region.map_err(|_| Refusal::Region(claim.region.clone()))
}

#[cfg(test)]
mod tests;
