//! Temporary keys. Nothing of a session is stored: its token, sealed under the root key, says who
//! acts, until when, with which secret, session policies and tags, so that sessions outlive
//! restarts and cost no write. STS, the credentials of tasks and those of instances are all issued
//! here.

use super::principal::{Kind, Principal, Session, assumed_role_arn};
use crate::ctx::House;
use crate::sealing::{self, Sealed};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use neargate_base::{AccountId, Arn, Secret, Timestamp, access_key};
use neargate_policy::Document;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// What tokens are sealed for.
const CONTEXT: &str = "session token";

/// Temporary keys and whom they are for.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `ASIA…`.
    pub access_key: String,
    pub secret_key: Secret<String>,
    pub token: Secret<String>,
    pub expires_at: Timestamp,
    pub principal: Principal,
}

/// Why a token does not let its bearer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the token was not issued here, or for another key")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Said {
    access_key: String,
    secret_key: String,
    kind: Kind,
    arn: String,
    user_id: String,
    session: Session,
}

/// Keys for a principal of `account` while `session` lasts.
pub fn issue(
    house: &House,
    account: &AccountId,
    kind: Kind,
    arn: String,
    user_id: String,
    session: Session,
) -> Credentials {
    let said = Said {
        access_key: access_key::issue_temporary(account, &house.rng),
        secret_key: sealing::access_secret().expose().clone(),
        kind,
        arn,
        user_id,
        session,
    };
    let plain = serde_json::to_vec(&said).expect("a session has a JSON form");
    let token = house.root_key.seal(CONTEXT, &deflated(&plain));
    Credentials {
        access_key: said.access_key.clone(),
        secret_key: Secret::new(said.secret_key.clone()),
        token: Secret::new(token.into()),
        expires_at: said.session.expires_at,
        principal: said.into_principal(),
    }
}

/// Keys for a session of a role with the unique id `role_id`.
pub fn assume(
    house: &House,
    role: &Arn,
    role_id: &str,
    session_name: &str,
    session: Session,
) -> Option<Credentials> {
    let account = role.account.parse().ok()?;
    let arn = assumed_role_arn(role, session_name);
    let user_id = format!("{role_id}:{session_name}");
    let kind = Kind::AssumedRole;
    Some(issue(house, &account, kind, arn, user_id, session))
}

/// Keys for what a service runs under a role, as a task or an instance. The service has found out
/// that it may; the role's trust policy is not asked.
///
/// `None`: no role can have such an ARN, or, where policies are enforced, there is no such role.
pub fn of_role(
    house: &House,
    role: &str,
    session_name: &str,
    lasts: Duration,
) -> Option<Credentials> {
    let arn: Arn = role.parse().ok()?;
    if arn.service != "iam" || !arn.resource.starts_with("role/") {
        return None;
    }
    let known = house.identities.get().role(role);
    let id = match known {
        Some(role) => role.unique_id,
        None if house.settings.enforced => return None,
        None => unknown_role_id(role),
    };
    let now = house.now();
    let session = Session::of(role, now, now + lasts);
    assume(house, &arn, &id, session_name, session)
}

/// The principal of a temporary key with its token, and the key's secret.
///
/// # Errors
/// A token that was not issued here or not with this key, or that has expired.
pub fn open(
    house: &House,
    access_key: &str,
    token: &str,
) -> Result<(Principal, Secret<String>), Unusable> {
    let sealed = Sealed::try_from(token.to_owned()).map_err(|_| Unusable::Invalid)?;
    let plain = house.root_key.open(CONTEXT, &sealed);
    let plain = plain.and_then(|bytes| inflated(&bytes));
    let said = plain.and_then(|bytes| serde_json::from_slice::<Said>(&bytes).ok());
    let said = said.filter(|said| said.access_key == access_key);
    let said = said.ok_or(Unusable::Invalid)?;
    if said.session.expires_at <= house.now() {
        return Err(Unusable::Expired);
    }
    let secret = Secret::new(said.secret_key.clone());
    Ok((said.into_principal(), secret))
}

/// The session policies of a principal, all of which together grant; `None`: nothing bounds it
/// beyond what its identity may. Of those that are gone, or that nobody understands, nothing is
/// granted.
pub fn policies(house: &House, principal: &Principal) -> Option<Vec<Arc<Document>>> {
    let session = principal.session.as_deref()?;
    let is_bounded = session.policy.is_some() || !session.policy_arns.is_empty();
    // A federated user may nothing unless its session's policies say so.
    if !is_bounded && principal.kind != Kind::FederatedUser {
        return None;
    }
    let own = session.policy.as_deref().map(Document::parse);
    let own = own.and_then(Result::ok).map(Arc::new);
    let issuer: Option<Arn> = session.issuer.parse().ok();
    let account = issuer.and_then(|arn| arn.account.parse().ok());
    let managed = session.policy_arns.iter().filter_map(|arn| {
        let identities = house.identities.get();
        identities.managed_policy(account.as_ref()?, arn)
    });
    Some(own.into_iter().chain(managed).collect())
}

/// How many bytes a session's policies and tags take in its token.
pub fn packed_bytes(session: &Session) -> usize {
    let parts = (
        &session.policy,
        &session.policy_arns,
        &session.tags,
        &session.transitive,
    );
    deflated(&serde_json::to_vec(&parts).expect("text has a JSON form")).len()
}

/// The unique id of a role that only its ARN tells of: where nothing is enforced, tasks may have
/// roles that nobody made.
fn unknown_role_id(arn: &str) -> String {
    let hash = data_encoding::BASE32.encode(&Sha256::digest(arn.as_bytes()));
    format!("AROA{}", &hash[..17])
}

impl Said {
    fn into_principal(self) -> Principal {
        Principal {
            kind: self.kind,
            arn: self.arn,
            user_id: self.user_id,
            access_key: self.access_key,
            session: Some(Arc::new(self.session)),
        }
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let read = ZlibEncoder::new(bytes, Compression::best()).read_to_end(&mut out);
    read.expect("memory is read without errors");
    out
}

/// Only what was sealed here is inflated: it has no bomb in it.
fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests;
