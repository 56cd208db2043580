//! Joining: a token and a public key against a certificate.

use super::call::{Caller, Link};
use super::connection::{DialError, dial};
use super::identity::{Identity, IdentityError, Key};
use super::tls;
use crate::upstream::UpstreamError;
use neargate_base::{Rng, Timestamp};
use neargate_domain::link::{JoinRequest, JoinToken, Joined};
use neargate_domain::{NodeAbout, NodeKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const ANSWER: Duration = Duration::from_secs(30);

/// Why the node did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("cannot reach the control plane")]
    Dial(#[from] DialError),
    #[error("the control plane refuses: {0}")]
    Refused(String),
    #[error("the control plane does not answer: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl From<UpstreamError> for JoinError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unavailable(why) => JoinError::Unavailable(why),
            UpstreamError::Refused(why) => JoinError::Refused(why),
        }
    }
}

/// Become a node of the control plane at `url`. Asking again with the same key and token, while
/// the token is good, gives the same node. With a kind or a cluster, nothing else is accepted.
pub async fn join(
    url: &str,
    token: &JoinToken,
    key: Key,
    about: NodeAbout,
    (kind, cluster): (Option<NodeKind>, Option<String>),
    now: Timestamp,
    rng: Arc<Rng>,
) -> Result<Identity, JoinError> {
    let config = tls::as_stranger(token.authority)?;
    let (requests, running) = dial(url, config).await?;
    let link = Link {
        requests,
        node: String::new(),
    };
    let (_keep, current) = watch::channel(Some(link));
    let caller = Caller::new(current, rng);
    let request = JoinRequest {
        secret: hex::encode(token.secret),
        public_key: key.public()?,
        about,
        kind,
        cluster,
    };
    let answer = caller.post::<_, Joined>("/v1/join", &request, ANSWER).await;
    running.abort();
    let joined = answer?;
    Ok(Identity {
        url: url.to_owned(),
        node_id: joined.node_id,
        kind: joined.kind,
        account: joined.account,
        region: joined.region,
        cluster: joined.cluster,
        vpc: joined.vpc,
        key,
        certificate: joined.certificate,
        since: now,
    })
}
