//! From the objects of a mesh to what one proxy is told. Pure: equal objects make equal snapshots, in the same
//! order and to the last byte, so that a proxy is sent only what has changed.
//!
//! Names of clusters, listeners and route configurations are AWS's
//! (<https://docs.aws.amazon.com/app-mesh/latest/userguide/envoy-metrics.html>), and so are the shapes as far
//! as a public dump of a configuration shows them. [`node`] and [`gateway`] are the two kinds of proxies;
//! [`exits`] is where a proxy's requests may go, which both share.

mod cluster;
mod exits;
mod gateway;
mod listener;
mod log;
mod message;
mod node;
mod route;
mod tls;

use super::world::World;
use crate::model::{Object, VirtualNode};
use neargate_api_appmesh as api;
use neargate_xds::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Whose proxy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Node(String),
    Gateway(String),
}

/// A question to Cloud Map: the instances of a service that have all of these attributes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    pub namespace: String,
    pub service: String,
    pub attributes: BTreeMap<String, String>,
}

/// A certificate with its key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    pub chain: String,
    pub key: String,
}

impl std::fmt::Debug for Pair {
    /// Without its key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

/// What is not in the mesh itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// The healthy instances' addresses, in order.
    pub instances: BTreeMap<Lookup, Vec<IpAddr>>,
    /// ACM's certificates, by their ARNs.
    pub certificates: BTreeMap<String, Pair>,
    /// The authority of this installation, in PEM, which is every private authority here.
    pub authority: Option<String>,
}

/// `None`: there is no such virtual node or gateway.
pub fn compile(world: &World, who: &Who, around: &Surroundings) -> Option<Snapshot> {
    match who {
        Who::Node(name) => Some(node::compile(world, world.nodes.get(name)?, around)),
        Who::Gateway(name) => Some(gateway::compile(world, world.gateways.get(name)?, around)),
    }
}

/// What must be known of a mesh's surroundings.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub lookups: BTreeSet<Lookup>,
    pub certificates: BTreeSet<String>,
    pub authority: bool,
}

/// What [`compile`] will look for, of whichever proxy of the mesh.
pub fn wanted(world: &World) -> Wanted {
    let mut wanted = Wanted::default();
    let mut client = |tls: &api::ClientPolicyTls| {
        wanted.authority |= tls.validation.trust.acm.is_some();
    };
    for node in world.nodes.values() {
        exits::policies(&node.spec).for_each(&mut client);
    }
    for gateway in world.gateways.values() {
        super::spec::gateway::client(&gateway.spec)
            .iter()
            .for_each(&mut client);
    }
    let mut certificate = |tls: Option<&api::ListenerTls>| {
        let acm = tls.and_then(|tls| tls.certificate.acm.as_ref());
        wanted
            .certificates
            .extend(acm.map(|acm| acm.certificate_arn.clone()));
    };
    for node in world.nodes.values() {
        wanted.lookups.extend(lookup(node));
        for listener in node.spec.listeners.as_deref().unwrap_or_default() {
            certificate(listener.tls.as_ref());
        }
    }
    for gateway in world.gateways.values() {
        for listener in &gateway.spec.listeners {
            certificate(super::spec::gateway::listener(listener).tls.as_ref());
        }
    }
    wanted
}

/// Where Cloud Map has a node's instances.
fn lookup(node: &Object<VirtualNode>) -> Option<Lookup> {
    let map = node
        .spec
        .service_discovery
        .as_ref()?
        .aws_cloud_map
        .as_ref()?;
    let attributes = map.attributes.as_deref().unwrap_or_default().iter();
    Some(Lookup {
        namespace: map.namespace_name.clone(),
        service: map.service_name.clone(),
        attributes: attributes
            .map(|a| (a.key.clone(), a.value.clone()))
            .collect(),
    })
}
