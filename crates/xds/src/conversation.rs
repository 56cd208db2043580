//! What one proxy has asked for, was told and has taken: the protocol's state of the world form, pure.
//!
//! ```text
//! secrets, clusters, endpoints        told at once
//! listeners, then routes              once the clusters (and listeners) were taken
//! clusters that are not wanted any more      go last, when no route leads there
//! ```
//! Clusters are not acknowledged before they are warm, which takes their endpoints: those never wait. What
//! was rejected is not told again before it changes, and no listener or route is told that may need it.

use crate::packed::{Items, Packed};
use crate::{Kind, Rejected, Snapshot};
use envoy_types::pb::envoy::config::core::v3::ControlPlane;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::packed::Item;

/// What is asked for of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    All,
    Names(BTreeSet<String>),
}

#[derive(Debug)]
struct Channel {
    wanted: Wanted,
    /// Of the last answer.
    nonce: u64,
    /// The last answer has not been acknowledged or rejected.
    is_open: bool,
    /// What the last answer held.
    sent: Option<u64>,
    /// It is to be told again though it is the same: whoever wants it may be another.
    again: bool,
    rejected: bool,
}

/// The state of one stream.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    target: Packed,
    has_target: bool,
    /// Clusters of earlier snapshots, to which routes may still lead, and their endpoints.
    retained: Items,
    retained_endpoints: Items,
    channels: BTreeMap<Kind, Channel>,
    nonces: u64,
    /// Everything was taken, and that was said.
    is_settled: bool,
}

impl Conversation {
    /// From now on this is to be told. Answers whether it is anything new.
    pub(crate) fn aim(&mut self, snapshot: Arc<Snapshot>) -> bool {
        if self.has_target && self.target.is_of(&snapshot) {
            return false;
        }
        let next = Packed::new(snapshot, &self.target);
        let before = std::mem::replace(&mut self.target, next);
        for (from, kind, to) in [
            (before.of(Kind::Cluster), Kind::Cluster, &mut self.retained),
            (
                before.of(Kind::Endpoint),
                Kind::Endpoint,
                &mut self.retained_endpoints,
            ),
        ] {
            let wanted = self.target.of(kind);
            to.retain(|name, _| !wanted.contains_key(name));
            let gone = from.iter().filter(|(name, _)| !wanted.contains_key(*name));
            to.extend(gone.map(|(name, item)| (name.clone(), item.clone())));
        }
        for channel in self.channels.values_mut() {
            channel.rejected = false;
        }
        self.has_target = true;
        self.is_settled = false;
        true
    }

    /// Takes up what the proxy says; the answer is what it has not taken.
    pub(crate) fn hear(&mut self, request: DiscoveryRequest) -> Option<Rejected> {
        // Of other kinds there is nothing.
        let kind = Kind::of_type_url(&request.type_url)?;
        let names: BTreeSet<String> = request.resource_names.into_iter().collect();
        let all = kind.is_asked_for_whole() && (names.is_empty() || names.contains("*"));
        let wanted = if all {
            Wanted::All
        } else {
            Wanted::Names(names)
        };
        if request.response_nonce.is_empty() {
            self.channels.insert(
                kind,
                Channel {
                    wanted,
                    nonce: 0,
                    is_open: false,
                    sent: None,
                    again: false,
                    rejected: false,
                },
            );
            self.is_settled = false;
            return None;
        }
        let channel = self.channels.get_mut(&kind)?;
        if request.response_nonce != channel.nonce.to_string() {
            // It is about an earlier answer; the one about the last comes.
            return None;
        }
        channel.is_open = false;
        channel.wanted = wanted;
        let detail = request.error_detail?;
        channel.rejected = true;
        Some(Rejected {
            kind,
            message: detail.message,
        })
    }

    /// The next thing to say, if there is one now.
    pub(crate) fn next(&mut self) -> Option<DiscoveryResponse> {
        if !self.has_target {
            return None;
        }
        loop {
            for kind in Kind::ALL {
                if self.must_wait(kind) {
                    continue;
                }
                if let Some(response) = self.answer(kind) {
                    return Some(response);
                }
            }
            if self.retained.is_empty() && self.retained_endpoints.is_empty() || !self.is_quiet() {
                return None;
            }
            // No route leads there any more.
            self.retained.clear();
            self.retained_endpoints.clear();
        }
    }

    /// Once for each snapshot, when all of it was taken.
    pub(crate) fn has_settled(&mut self) -> bool {
        let settled = self.has_target
            && self.retained.is_empty()
            && self.channels.contains_key(&Kind::Cluster)
            && self.is_quiet()
            && self.channels.values().all(|channel| !channel.rejected);
        settled && !std::mem::replace(&mut self.is_settled, true)
    }

    /// Nothing is to be said, and everything said was heard.
    fn is_quiet(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| {
            let told = |channel: &Channel| {
                let (_, hash) = self.select(kind, &channel.wanted);
                !channel.is_open && !channel.again && channel.sent == Some(hash)
            };
            self.channels.get(&kind).is_none_or(told)
        })
    }

    fn must_wait(&self, kind: Kind) -> bool {
        let before: &[Kind] = match kind {
            Kind::Secret | Kind::Cluster | Kind::Endpoint => &[],
            Kind::Listener => &[Kind::Cluster],
            Kind::Route => &[Kind::Cluster, Kind::Listener],
        };
        before.iter().any(|kind| {
            let channel = self.channels.get(kind);
            let blocks = |c: &Channel| c.is_open || (*kind == Kind::Cluster && c.rejected);
            channel.is_some_and(blocks)
        })
    }

    fn answer(&mut self, kind: Kind) -> Option<DiscoveryResponse> {
        let channel = self.channels.get(&kind)?;
        if channel.is_open {
            return None;
        }
        let (resources, hash) = self.select(kind, &channel.wanted);
        if channel.sent == Some(hash) && !channel.again {
            return None;
        }
        let resources = resources.into_iter().map(|item| item.any).collect();
        self.nonces += 1;
        let nonce = self.nonces;
        let channel = self.channels.get_mut(&kind)?;
        channel.nonce = nonce;
        channel.is_open = true;
        channel.sent = Some(hash);
        channel.again = false;
        // A cluster or listener that was changed waits for its part anew.
        let part = match kind {
            Kind::Cluster => Some(Kind::Endpoint),
            Kind::Listener => Some(Kind::Route),
            _ => None,
        };
        if let Some(part) = part.and_then(|part| self.channels.get_mut(&part)) {
            part.again = part.wanted != Wanted::Names(BTreeSet::new());
        }
        Some(DiscoveryResponse {
            version_info: format!("{hash:016x}"),
            resources,
            type_url: kind.type_url().to_owned(),
            nonce: nonce.to_string(),
            control_plane: Some(ControlPlane {
                identifier: "neargate".to_owned(),
            }),
            ..DiscoveryResponse::default()
        })
    }

    /// What is to be told of a kind, and what tells it from something else.
    fn select(&self, kind: Kind, wanted: &Wanted) -> (Vec<Item>, u64) {
        let none = Items::new();
        let retained = match kind {
            Kind::Cluster => &self.retained,
            Kind::Endpoint => &self.retained_endpoints,
            _ => &none,
        };
        let all = self.target.of(kind);
        let items: Vec<(String, Item)> = match wanted {
            Wanted::All => {
                let both = all.iter().chain(retained);
                both.map(|(name, item)| (name.clone(), item.clone()))
                    .collect()
            }
            Wanted::Names(names) => names
                .iter()
                .filter_map(|name| {
                    let known = all.get(name).or_else(|| retained.get(name)).cloned();
                    let item = known.or_else(|| nothing(kind, name))?;
                    Some((name.clone(), item))
                })
                .collect(),
        };
        let mut hasher = DefaultHasher::new();
        for (name, item) in &items {
            name.hash(&mut hasher);
            item.hash.hash(&mut hasher);
        }
        let items = items.into_iter().map(|(_, item)| item).collect();
        (items, hasher.finish())
    }
}

/// A cluster whose endpoints nobody knows has none: it does not wait for them.
fn nothing(kind: Kind, name: &str) -> Option<Item> {
    (kind == Kind::Endpoint).then(|| {
        Item::of(&ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            ..ClusterLoadAssignment::default()
        })
    })
}
