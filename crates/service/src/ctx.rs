//! What a handler is given: who calls, from where, and the house it works in.

use crate::caller::Caller;
use crate::certificate;
use crate::db::Db;
use crate::events;
use crate::identity::{Kind, Principal, Seat};
use crate::outbound::{Outbound, Reach};
use crate::sealing::RootKey;
use crate::session::Sessions;
use crate::{mail, metrics};
use neargate_base::{AccountId, Arn, Clock, Region, Rng, Timestamp};
use neargate_blob::Blobs;
use neargate_domain::Cidr;
use neargate_domain::vpc::VpcRange;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The account and region a resource lives in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub account: AccountId,
    pub region: Region,
}

impl Scope {
    pub fn arn(&self, service: &str, resource: impl Into<String>) -> String {
        Arn::new(service, &self.region, &self.account, resource).to_string()
    }

    /// The same region of another account.
    pub fn of_account(&self, account: AccountId) -> Scope {
        Scope {
            account,
            region: self.region.clone(),
        }
    }

    /// Does this ARN name something in this account and region?
    pub fn holds(&self, arn: &Arn) -> bool {
        arn.account == self.account.as_str() && arn.region == self.region.as_str()
    }

    /// The account and region of a store key, `service/kind/account/region/…`.
    pub fn of_key(key: &str) -> Option<Scope> {
        let mut parts = key.split('/').skip(2);
        Some(Scope {
            account: parts.next()?.parse().ok()?,
            region: parts.next()?.parse().ok()?,
        })
    }

    /// The account and region that an ARN names.
    pub fn of_arn(arn: &str) -> Option<Scope> {
        let arn: Arn = arn.parse().ok()?;
        Some(Scope {
            account: arn.account.parse().ok()?,
            region: arn.region.parse().ok()?,
        })
    }
}

/// Choices of the operator that more than one service reads.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port` under which clients on this host reach the registry.
    pub registry_endpoint: String,
    /// `Some("amazonaws.com")`: answer AWS's own registry names instead.
    pub registry_domain: Option<String>,
    /// The account and region of names that carry none.
    pub default_scope: Scope,
    /// The addresses of the default VPCs.
    pub vpc: VpcRange,
    /// Where public addresses come from.
    pub public_pool: Cidr,
    /// The API's and the registry's port speaks TLS.
    pub tls: bool,
    /// The API listens on loopback alone.
    pub loopback: bool,
    /// Callers may do only what their policies say, wherever they call from.
    pub enforced: bool,
    /// Where the keys of identity providers are, by the provider's URL without `https://`: a file with
    /// a set of keys (RFC 7517), or its address.
    pub oidc_keys: BTreeMap<String, String>,
    /// What AWS's own images of CodeBuild (`aws/codebuild/standard:7.0`, or `*` for all) are here.
    pub build_images: BTreeMap<String, String>,
    /// The images of database engines, by engine (`postgres`) or by engine and version (`postgres:16`).
    pub rds_images: BTreeMap<String, String>,
    /// Which endpoints of customers are called ([`crate::outbound`]).
    pub reach: Reach,
}

impl Settings {
    /// What holds where the operator chose nothing else.
    pub fn new(registry_endpoint: impl Into<String>, default_scope: Scope) -> Settings {
        Settings {
            registry_endpoint: registry_endpoint.into(),
            registry_domain: None,
            default_scope,
            vpc: VpcRange::default(),
            public_pool: Cidr::PUBLIC_POOL,
            tls: false,
            loopback: false,
            enforced: false,
            oidc_keys: BTreeMap::new(),
            build_images: BTreeMap::new(),
            rds_images: BTreeMap::new(),
            reach: Reach::default(),
        }
    }

    /// What `aws:SecureTransport` is: who reads the network reads no call, for it is encrypted or leaves this
    /// host nowhere. So policies that demand TLS, as the CDK's do, hold as they are on loopback.
    pub fn is_secure(&self) -> bool {
        self.tls || self.loopback
    }

    /// The address of the registry, as clients on this host reach it.
    pub fn registry_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.registry_endpoint)
    }
}

/// The shared parts of one running Neargate.
#[derive(Debug)]
pub struct House {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<Rng>,
    pub blobs: Arc<Blobs>,
    pub caller: Caller,
    pub addresses: crate::eni::Cursors,
    pub settings: Settings,
    /// What is secret is stored sealed under it.
    pub root_key: RootKey,
    /// Who is known besides the roots of accounts.
    pub identities: Seat,
    /// Where whoever observes something publishes it.
    pub metrics: metrics::Seat,
    /// Where whoever sends mail puts it.
    pub mail: mail::Seat,
    /// Where whoever changes something says so.
    pub events: events::Seat,
    /// Who is in which container.
    pub sessions: Sessions,
    /// The one way to endpoints that customers named.
    pub outbound: Outbound,
    /// Who certifies keys of our own.
    pub authority: certificate::Seat,
}

impl House {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Ctx {
    pub request_id: String,
    pub scope: Scope,
    pub principal: Principal,
    /// Where the caller reached us: `http://localhost:4566`. `None`: from within.
    pub reached_at: Option<Arc<str>>,
    pub house: Arc<House>,
}

impl Ctx {
    /// The address of the API as the caller knows it, for names that are addresses, too.
    pub fn endpoint(&self) -> String {
        match &self.reached_at {
            Some(at) => (**at).to_owned(),
            None => self.house.settings.registry_url(),
        }
    }

    /// Do policies bound who calls? They do not bind an account's root, services, and whoever needs no
    /// proof.
    pub fn is_bounded(&self) -> bool {
        self.house.settings.enforced
            && matches!(
                self.principal.kind,
                Kind::User | Kind::AssumedRole | Kind::FederatedUser
            )
    }

    pub fn now(&self) -> Timestamp {
        self.house.now()
    }

    pub fn db(&self) -> &Db {
        &self.house.db
    }

    /// An ARN in the caller's account and region.
    pub fn arn(&self, service: &str, resource: impl Into<String>) -> String {
        self.scope.arn(service, resource)
    }
}
