//! A node on another host, as it joined. Whether it is connected is not stored:
//! `ecs::Nodes` knows.

use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::{NodeAbout, NodeKind};
use neargate_service::{Resource, Scope, db};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `ecs/node/<default account>/<default region>/<id>`: nodes belong to the control plane, not to
/// an account. Written by the node API only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownNode {
    /// `i-…`, `mi-…` or `node-…`.
    pub id: String,
    pub kind: NodeKind,
    /// The account and the region of its cluster.
    pub account: AccountId,
    pub region: Region,
    /// The cluster it is a container instance of; `None`: it runs Fargate's tasks.
    pub cluster: Option<String>,
    /// SHA-256 of each certificate it may show: two while it changes to a new one.
    pub certificates: Vec<String>,
    pub about: NodeAbout,
    /// The id of the container instance it became; it does not become another one.
    pub instance: Option<String>,
    /// Where its side of the task network is reached.
    pub address: Option<IpAddr>,
    pub joined_at: Timestamp,
    /// Removed for good: it is told to stop its tasks should it come back.
    pub dismissed: bool,
}

impl Resource for KnownNode {
    const KIND: &'static str = "ecs/node";
}

impl KnownNode {
    /// The store key of the node `id`.
    pub fn key(id: &str) -> String {
        let scope = Scope {
            account: AccountId::default(),
            region: Region::default(),
        };
        db::key::<KnownNode>(&scope, id)
    }

    /// The prefix of all nodes.
    pub fn prefix() -> String {
        format!("{}/", Self::KIND)
    }
}
