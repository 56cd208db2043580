//! Who calls: the identities that an account keeps, as everybody but IAM sees them, and the
//! sessions that act for them.
//!
//! IAM's service keeps identities and answers [`Identities`]; the gateway asks it who signs with a
//! key, and what that principal may do. Sessions ([`session`]) are kept by nobody: their token says
//! all of it.

mod principal;
pub mod session;

pub use principal::{Kind, Principal, Session, assumed_role_arn};

use neargate_base::{AccountId, Secret, Timestamp};
use neargate_policy::Document;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What IAM knows, from memory: every answer takes microseconds and waits for nothing.
pub trait Identities: fmt::Debug + Send + Sync {
    /// The long-term key (`AKIA…`) of a user, active or not.
    fn key(&self, access_key_id: &str) -> Option<AccessKey>;

    /// The name and password that a user has for one service, `codecommit.amazonaws.com`; active or not.
    fn service_credential(&self, _service: &str, _user_name: &str) -> Option<ServiceCredential> {
        None
    }

    fn role(&self, arn: &str) -> Option<Role>;

    /// What the identity behind this principal may do: the user's or the role's; of a federated
    /// user, those of the user who asked for its session. Nothing when that identity is deleted,
    /// and for an account's root, which no identity policy limits. Session policies are
    /// the principal's own ([`Principal::session`]) and not among them.
    fn policies(&self, principal: &Principal) -> Arc<IdentityPolicies>;

    /// The default version of a managed policy, AWS's or `account`'s.
    fn managed_policy(&self, account: &AccountId, arn: &str) -> Option<Arc<Document>>;

    /// The OIDC provider of the account whose URL, without `https://`, is `issuer`.
    fn oidc_provider(&self, account: &AccountId, issuer: &str) -> Option<OidcProvider>;

    /// Is this the code that a device for a second factor shows now, which is enabled for this user? A
    /// code is good once.
    ///
    /// # Errors
    /// When it is not.
    fn second_factor(
        &self,
        _user: &Principal,
        _serial: &str,
        _code: &str,
        _now: Timestamp,
    ) -> Result<(), NoFactor> {
        Err(NoFactor::Device)
    }

    /// A call was signed with this key; what `GetAccessKeyLastUsed` tells.
    fn used(&self, access_key_id: &str, service: &str, region: &str, now: Timestamp);
}

/// A long-term key of a user.
#[derive(Debug, Clone)]
pub struct AccessKey {
    pub secret: Secret<String>,
    pub account: AccountId,
    /// The ARN of the user, or of the account's root.
    pub principal: String,
    /// The user's unique id, `AIDA…`, or the account's id.
    pub unique_id: String,
    /// An inactive key signs nothing.
    pub active: bool,
}

impl AccessKey {
    /// Who signs with it.
    pub fn signer(self, access_key_id: &str) -> Principal {
        if self.principal.ends_with(":root") {
            return Principal::root(&self.account, access_key_id);
        }
        Principal::user(self.principal, self.unique_id, access_key_id)
    }
}

/// Why somebody has not shown a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFactor {
    /// The user has no such device.
    Device,
    /// The device shows another code, or this one was shown before.
    Code,
}

/// A name and a password of a user for one service.
#[derive(Debug, Clone)]
pub struct ServiceCredential {
    pub password: Secret<String>,
    pub account: AccountId,
    /// The ARN of the user.
    pub principal: String,
    /// The user's unique id, `AIDA…`.
    pub unique_id: String,
    /// An inactive one lets nobody in.
    pub active: bool,
}

/// A role as whoever assumes it sees it.
#[derive(Debug, Clone)]
pub struct Role {
    pub arn: String,
    pub name: String,
    pub path: String,
    /// `AROA…`.
    pub unique_id: String,
    /// Who may assume it.
    pub trust: Arc<Document>,
    /// The longest session, 1 to 12 hours.
    pub max_session: Duration,
    pub boundary: Option<Arc<Document>>,
    /// They are principal tags of its sessions, beneath the session's own.
    pub tags: BTreeMap<String, String>,
}

/// An identity provider of OpenID Connect that roles may trust.
#[derive(Debug, Clone)]
pub struct OidcProvider {
    pub arn: String,
    /// The audiences that its tokens are for.
    pub client_ids: Vec<String>,
}

/// What an identity may do, parsed once.
#[derive(Debug, Default)]
pub struct IdentityPolicies {
    /// Attached and inline, of the user or role itself.
    pub own: Vec<Arc<Document>>,
    /// Of the groups that the user is in.
    pub of_groups: Vec<Arc<Document>>,
    pub boundary: Option<Arc<Document>>,
    /// The tags of the user or role.
    pub tags: BTreeMap<String, String>,
}

/// Where IAM's service takes its place in the house.
#[derive(Debug, Default)]
pub struct Seat(OnceLock<Arc<dyn Identities>>);

impl Seat {
    /// # Panics
    /// When somebody has taken it.
    pub fn take(&self, identities: Arc<dyn Identities>) {
        self.0
            .set(identities)
            .expect("one service keeps identities");
    }

    /// Nobody is known while it is empty.
    pub fn get(&self) -> &dyn Identities {
        self.0.get().map_or(&Nobody, |identities| &**identities)
    }
}

/// No identities but the roots of accounts.
#[derive(Debug)]
struct Nobody;

impl Identities for Nobody {
    fn key(&self, _: &str) -> Option<AccessKey> {
        None
    }

    fn role(&self, _: &str) -> Option<Role> {
        None
    }

    fn policies(&self, _: &Principal) -> Arc<IdentityPolicies> {
        Arc::default()
    }

    fn managed_policy(&self, _: &AccountId, _: &str) -> Option<Arc<Document>> {
        None
    }

    fn oidc_provider(&self, _: &AccountId, _: &str) -> Option<OidcProvider> {
        None
    }

    fn used(&self, _: &str, _: &str, _: &str, _: Timestamp) {}
}
