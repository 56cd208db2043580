//! A snapshot as it travels: every resource encoded, by kind and name.

use crate::{Kind, Snapshot};
use envoy_types::pb::google::protobuf::Any;
use prost::Name;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::sync::Arc;

impl Kind {
    /// In the order in which they are told, so that nothing leads to what is not there yet
    /// (<https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations>).
    pub const ALL: [Kind; 5] = [
        Kind::Secret,
        Kind::Cluster,
        Kind::Endpoint,
        Kind::Listener,
        Kind::Route,
    ];

    /// What the protocol calls it.
    pub fn type_url(self) -> &'static str {
        match self {
            Kind::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Kind::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Kind::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Kind::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Kind::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        }
    }

    pub fn of_type_url(url: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.type_url() == url)
    }

    /// Who asks for no names asks for all of it; of the other kinds, for none.
    pub(crate) fn is_asked_for_whole(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Listener)
    }
}

/// One encoded resource, and what tells it from another.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) any: Any,
    pub(crate) hash: u64,
}

impl Item {
    pub(crate) fn of<M: Name>(message: &M) -> Item {
        let any = Any {
            type_url: format!("type.googleapis.com/{}", M::full_name()),
            value: message.encode_to_vec(),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(&any.value);
        Item {
            hash: hasher.finish(),
            any,
        }
    }
}

/// The resources of one kind, by name.
pub(crate) type Items = BTreeMap<String, Item>;

/// A snapshot, and its resources encoded.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    from: Arc<Snapshot>,
    clusters: Items,
    endpoints: Items,
    listeners: Items,
    routes: Items,
    secrets: Items,
}

impl Packed {
    /// What equals a resource of the one before is taken from there: maps are encoded in any order, so
    /// that equal resources may differ in bytes.
    pub(crate) fn new(from: Arc<Snapshot>, before: &Packed) -> Packed {
        let old = &before.from;
        Packed {
            clusters: pack(
                &from.clusters,
                (&old.clusters, &before.clusters),
                |cluster| &cluster.name,
            ),
            endpoints: pack(
                &from.endpoints,
                (&old.endpoints, &before.endpoints),
                |endpoints| &endpoints.cluster_name,
            ),
            listeners: pack(
                &from.listeners,
                (&old.listeners, &before.listeners),
                |listener| &listener.name,
            ),
            routes: pack(&from.routes, (&old.routes, &before.routes), |route| {
                &route.name
            }),
            secrets: pack(&from.secrets, (&old.secrets, &before.secrets), |secret| {
                &secret.name
            }),
            from,
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> &Items {
        match kind {
            Kind::Cluster => &self.clusters,
            Kind::Endpoint => &self.endpoints,
            Kind::Listener => &self.listeners,
            Kind::Route => &self.routes,
            Kind::Secret => &self.secrets,
        }
    }

    pub(crate) fn is_of(&self, snapshot: &Snapshot) -> bool {
        *self.from == *snapshot
    }
}

fn pack<M: Name + PartialEq>(
    all: &[M],
    (old, packed): (&[M], &Items),
    name: impl Fn(&M) -> &String,
) -> Items {
    let old: BTreeMap<&String, &M> = old.iter().map(|one| (name(one), one)).collect();
    let item = |one: &M| {
        let same = old.get(name(one)).filter(|before| **before == one);
        let kept = same.and_then(|_| packed.get(name(one)).cloned());
        kept.unwrap_or_else(|| Item::of(one))
    };
    all.iter()
        .map(|one| (name(one).clone(), item(one)))
        .collect()
}

/// A message of any type, as the ones that carry others want it.
pub fn any<M: Name>(message: &M) -> Any {
    Item::of(message).any
}
