//! Join tokens: made for one cluster and one kind of node, good for a quarter of an hour, once.
//!
//! The store has only a hash of the secret, which is also the key it is found by: looking it up
//! tells an impatient guesser nothing. A token that was used is good for the same public key
//! until it expires, so that a node whose answer got lost may ask again.

use crate::error::refused;
use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::NodeKind;
use neargate_domain::link::JoinToken;
use neargate_ecs::model::Cluster;
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// Unless the operator says otherwise.
pub const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
/// A token is a password: it must not live long.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// `control/join-token/<default account>/<default region>/<hash>`. Written by the node API only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    pub kind: NodeKind,
    pub account: AccountId,
    pub region: Region,
    pub cluster: Option<String>,
    pub expires_at: Timestamp,
    pub used: Option<Used>,
}

/// Who used a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// As in the request.
    pub public_key: String,
    pub node: String,
}

impl Resource for StoredToken {
    const KIND: &'static str = "control/join-token";
}

fn scope() -> Scope {
    Scope {
        account: AccountId::default(),
        region: Region::default(),
    }
}

fn key(secret: &[u8]) -> String {
    db::key::<StoredToken>(&scope(), &hex::encode(Sha256::digest(secret)))
}

/// What a token is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub kind: NodeKind,
    /// The cluster's scope and name.
    pub cluster: Option<(Scope, String)>,
    pub ttl: Duration,
}

/// Make a token. Expired ones are forgotten on the way.
pub(super) async fn create(
    house: &House,
    authority: [u8; 32],
    wanted: Wanted,
) -> Result<(JoinToken, Timestamp), AwsError> {
    let now = house.now();
    forget_expired(house, now).await?;
    if wanted.ttl.is_zero() || wanted.ttl > MAX_TTL {
        return Err(refused(
            "A join token lives at least a second and at most 24 hours.",
        ));
    }
    let default_scope = house.settings.default_scope.clone();
    let (scope, cluster) = match (wanted.kind, wanted.cluster) {
        (NodeKind::Fargate, None) => (default_scope, None),
        (NodeKind::Fargate, Some(_)) => {
            return Err(refused(
                "Fargate nodes run tasks of every cluster: leave --cluster out, or ask for --kind ec2 or external.",
            ));
        }
        (NodeKind::Ec2 | NodeKind::External, None) => {
            return Err(refused(
                "A container instance needs its cluster: give --cluster.",
            ));
        }
        (NodeKind::Ec2 | NodeKind::External, Some((scope, name))) => {
            let found = house.db.get::<Cluster>(&scope, &name).await?;
            if !found.is_some_and(|c| c.active) {
                return Err(refused(format!("There is no cluster {name}.")));
            }
            (scope, Some(name))
        }
    };
    let mut secret = [0; 16];
    house.rng.fill(&mut secret);
    let token = StoredToken {
        kind: wanted.kind,
        account: scope.account,
        region: scope.region,
        cluster,
        expires_at: now + wanted.ttl,
        used: None,
    };
    let put = house.db.tx().create(key(&secret), &token).commit().await?;
    match put {
        Committed::At(_) => Ok((JoinToken { authority, secret }, token.expires_at)),
        Committed::Conflict => Err(refused("Try again.")),
    }
}

/// The token of this secret, if `public_key` may use it now.
pub(super) async fn find(
    house: &House,
    secret: &str,
    public_key: &str,
) -> Result<Stored<StoredToken>, AwsError> {
    let unknown = || refused("The join token is unknown, expired or used.");
    let secret = hex::decode(secret).map_err(|_| unknown())?;
    let token = house.db.get_key::<StoredToken>(&key(&secret)).await?;
    let token = token.ok_or_else(unknown)?;
    let mine = |used: &Used| used.public_key == public_key;
    if token.expires_at <= house.now() || !token.used.as_ref().is_none_or(mine) {
        return Err(unknown());
    }
    Ok(token)
}

async fn forget_expired(house: &House, now: Timestamp) -> Result<(), AwsError> {
    for token in house.db.list::<StoredToken>(&scope()).await? {
        if token.expires_at <= now {
            // Somebody else may have been faster.
            let _ = house.db.tx().delete(&token).commit().await?;
        }
    }
    Ok(())
}
