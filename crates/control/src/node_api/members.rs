//! Who is a node: joining, renewing, leaving, and who shows which certificate.

use super::authority::{Authority, AuthorityError, fingerprint};
use super::holders::Holders;
use super::tokens::{self, StoredToken, Used};
use super::{NodeApi, address};
use crate::error::refused;
use neargate_base::Timestamp;
use neargate_domain::link::{Certificate, JoinRequest, Joined, RenewRequest};
use neargate_domain::{LaunchType, NodeAbout, NodeKind};
use neargate_ecs::instances::{self, Registration, Versions};
use neargate_ecs::model::KnownNode;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Committed, Fault, House, Scope, Stored};
use rustls::pki_types::CertificateDer;
use std::net::IpAddr;

fn unsigned(error: AuthorityError) -> AwsError {
    match error {
        AuthorityError::PublicKey => refused(error.to_string()),
        error => AwsError::internal(error),
    }
}

/// Make a node of whoever has a token, in one transaction with the token's end.
pub(super) async fn join(
    house: &House,
    authority: &Authority,
    request: JoinRequest,
) -> Result<Joined, AwsError> {
    let vpc = house.settings.vpc;
    let said = request.about.address;
    if let Some(address) = said.filter(|a| !address::is_hosts(*a, vpc)) {
        return Err(refused(format!(
            "A host cannot be reached by others at {address}."
        )));
    }
    let public_key = request.public_key.to_ascii_lowercase();
    loop {
        let token = tokens::find(house, &request.secret, &public_key).await?;
        if request.kind.is_some_and(|kind| kind != token.kind) {
            return Err(refused("The join token is for another kind of node."));
        }
        if request.cluster.is_some() && request.cluster != token.cluster {
            return Err(refused("The join token is for another cluster."));
        }
        let now = house.now();
        let id = match &token.used {
            Some(used) => used.node.clone(),
            None => new_id(house, token.kind),
        };
        let signed = authority
            .sign(&id, &public_key, now, &house.rng)
            .map_err(unsigned)?;
        let certificate = fingerprint(&signed.der);
        let known = house.db.get_key::<KnownNode>(&KnownNode::key(&id)).await?;
        let tx = house.db.tx();
        let tx = match known {
            None => tx.create(
                KnownNode::key(&id),
                &newcomer(&id, &token, &request.about, certificate, now),
            ),
            Some(known) if known.dismissed => {
                return Err(refused("The node was removed: it needs a new token."));
            }
            // Its answer got lost.
            Some(known) => {
                let mut node = known.value.clone();
                node.certificates = vec![certificate];
                tx.update(&known, &node)
            }
        };
        let mut spent = token.value.clone();
        spent.used = Some(Used {
            public_key: public_key.clone(),
            node: id.clone(),
        });
        if let Committed::At(_) = tx.update(&token, &spent).commit().await? {
            tracing::info!(node = id, kind = ?token.kind, "a node joined");
            let StoredToken {
                kind,
                account,
                region,
                cluster,
                ..
            } = spent;
            return Ok(Joined {
                node_id: id,
                kind,
                account,
                region,
                cluster,
                vpc,
                certificate: Certificate {
                    der: hex::encode(&signed.der),
                    authority: hex::encode(authority.certificate()),
                    not_after: signed.not_after,
                },
            });
        }
    }
}

/// As AWS spells instances (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-anywhere.html>).
fn new_id(house: &House, kind: NodeKind) -> String {
    let prefix = match kind {
        NodeKind::Ec2 => "i",
        NodeKind::External => "mi",
        NodeKind::Fargate => "node",
    };
    format!("{prefix}-{}", house.rng.hex(17))
}

fn newcomer(
    id: &str,
    token: &StoredToken,
    about: &NodeAbout,
    certificate: String,
    now: Timestamp,
) -> KnownNode {
    KnownNode {
        id: id.to_owned(),
        kind: token.kind,
        account: token.account.clone(),
        region: token.region.clone(),
        cluster: token.cluster.clone(),
        certificates: vec![certificate],
        about: NodeAbout {
            id: id.to_owned(),
            kind: token.kind,
            ..about.clone()
        },
        instance: None,
        // Its own once it has come with it.
        address: None,
        joined_at: now,
        dismissed: false,
    }
}

/// The node `id`, if the certificate is one of its own.
pub(super) async fn authenticate(
    house: &House,
    id: &str,
    certificate: &CertificateDer<'_>,
) -> Result<Stored<KnownNode>, AwsError> {
    let known = house.db.get_key::<KnownNode>(&KnownNode::key(id)).await?;
    let print = fingerprint(certificate);
    known
        .filter(|n| n.certificates.contains(&print))
        .ok_or_else(|| {
            refused("The certificate is not one of this node's: join again.").status(403)
        })
}

/// A certificate for the node's next key. The one it came with is good until the next is used.
pub(super) async fn renew(
    house: &House,
    authority: &Authority,
    node: &Stored<KnownNode>,
    shown: &CertificateDer<'_>,
    request: &RenewRequest,
) -> Result<Certificate, AwsError> {
    let signed = authority
        .sign(&node.id, &request.public_key, house.now(), &house.rng)
        .map_err(unsigned)?;
    let certificates = vec![fingerprint(shown), fingerprint(&signed.der)];
    let written = house.db.modify::<KnownNode, _>(&node.key, |n| {
        n.certificates.clone_from(&certificates);
        Ok(!n.dismissed)
    });
    written.await?;
    tracing::info!(node = node.id, "a node's certificate is renewed");
    Ok(Certificate {
        der: hex::encode(&signed.der),
        authority: hex::encode(authority.certificate()),
        not_after: signed.not_after,
    })
}

/// Where the node is reached by the others: as it says, or where it is seen. What it says wrongly
/// is ignored; what it is seen at may be no use to others either. An address that another
/// connected node has is refused, or its traffic would be the other one's; only a node whose
/// tasks have no addresses of their own goes without, for many of those may be behind one address.
pub(super) async fn address_of(
    api: &NodeApi,
    holders: &mut Holders,
    node: &KnownNode,
    said: Option<IpAddr>,
    seen_at: IpAddr,
) -> Result<Option<IpAddr>, AwsError> {
    let said = said.map(|a| a.to_canonical());
    let is_hosts = |a: &IpAddr| address::is_hosts(*a, api.control_plane.house.settings.vpc);
    let said = said.filter(is_hosts);
    let Some(wanted) = said.or(Some(seen_at).filter(is_hosts)) else {
        holders.leave(&node.id);
        return Ok(None);
    };
    let is_connected = |id: &str| api.control_plane.ecs.nodes.is_connected(id);
    let db = &api.control_plane.house.db;
    match holders.claim(db, &node.id, wanted, is_connected).await? {
        None => Ok(Some(wanted)),
        Some(_) if said.is_none() && node.kind == NodeKind::External => {
            holders.leave(&node.id);
            Ok(None)
        }
        Some(other) => {
            tracing::warn!(node = node.id, other, address = %wanted, "two nodes claim one address");
            let why = format!(
                "Another connected node, {other}, is reached at {wanted}: say with --address where this one is."
            );
            Err(refused(why).status(409))
        }
    }
}

/// The node connects: what it says of itself, where it is reached, and the certificate it now
/// uses, are kept.
pub(super) async fn greet(
    house: &House,
    node: &Stored<KnownNode>,
    shown: &CertificateDer<'_>,
    about: NodeAbout,
    address: Option<IpAddr>,
) -> Result<KnownNode, AwsError> {
    let print = fingerprint(shown);
    let now = house.db.modify::<KnownNode, _>(&node.key, |n| {
        let mut new = n.clone();
        new.address = address;
        new.about = NodeAbout {
            id: n.id.clone(),
            kind: n.kind,
            ..about.clone()
        };
        // Older ones are over; a newer one may not have been used yet.
        let used = new.certificates.iter().position(|c| *c == print);
        new.certificates.drain(..used.unwrap_or(0));
        let changed = new != *n;
        *n = new;
        Ok(changed)
    });
    match now.await? {
        Some(stored) => Ok(stored.value),
        None => Err(refused("The node is not known any more.").status(403)),
    }
}

/// A node of a cluster is one of its container instances: made when it connects first, brought up
/// to date whenever it connects. One that was deregistered meanwhile stays out: its node has to
/// be removed and to join again. Answers why it is none, if that can change.
pub(super) async fn register(
    house: &House,
    node: &KnownNode,
) -> Result<Option<AwsError>, AwsError> {
    let (launch_type, cluster) = match (node.kind, &node.cluster) {
        (NodeKind::Ec2, Some(cluster)) => (LaunchType::Ec2, cluster),
        (NodeKind::External, Some(cluster)) => (LaunchType::External, cluster),
        (NodeKind::Fargate, _) | (_, None) => return Ok(None),
    };
    let attributes = node.about.attributes.iter();
    let registration = Registration {
        scope: Scope {
            account: node.account.clone(),
            region: node.region.clone(),
        },
        cluster: cluster.clone(),
        node: Some(node.id.clone()),
        ec2_instance_id: node.id.clone(),
        launch_type,
        resources: node.about.resources.clone(),
        attributes: attributes
            .map(|(n, v)| (n.clone(), Some(v.clone()).filter(|v| !v.is_empty())))
            .collect(),
        versions: Versions::of_neargate(&node.about.version),
        tags: Tags::new(),
        capacity_provider: None,
    };
    let known = node.instance.as_deref();
    match instances::register_as(house, registration, known).await {
        Ok(instance) if known.is_none() => {
            let key = KnownNode::key(&node.id);
            let noted = house.db.modify::<KnownNode, _>(&key, |n| {
                n.instance = Some(instance.id.clone());
                Ok(true)
            });
            noted.await.map(|_| None)
        }
        Ok(_) => Ok(None),
        Err(error) if error.fault == Fault::Client => Ok(Some(error)),
        Err(error) => Err(error),
    }
}
