//! Hosted zones and their records, as resolvers answer them. The control plane compiles them from Route
//! 53's records, in which Cloud Map's are.
//!
//! Names here are in lower case and without the dot at the end, as a resolver compares them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A hosted zone without its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// `Z…`.
    pub id: String,
    pub name: String,
    /// The VPCs that it answers in; `None`: it is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpcs: Option<BTreeSet<String>>,
}

/// One of the record sets of a name and type: the only one, or one that routing chooses from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    pub routing: Routing,
    /// What its health check says; without one it is healthy.
    pub healthy: bool,
    pub data: RecordData,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordData {
    Records {
        ttl: u32,
        /// In the form of zone files (RFC 1035, section 5).
        values: Vec<String>,
    },
    /// What this name has of the same type.
    Alias {
        name: String,
        /// It counts as unhealthy while its target has no healthy answer.
        evaluates_health: bool,
    },
}

/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    Simple,
    Weighted(u8),
    Multivalue,
    /// By the region that it is said to be in.
    Latency(String),
    Failover {
        is_primary: bool,
    },
    Geolocation {
        /// For places that no other record set is for.
        is_default: bool,
    },
}

/// The record sets of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    pub zone_id: String,
    pub name: String,
    /// AWS's word, such as `AAAA`.
    pub record_type: String,
    /// None: there are no such records any more.
    pub sets: Vec<RecordSet>,
}

/// What changed of hosted zones. The last word of a zone, and of a name and type in it, holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneChange {
    /// These are all there are.
    Snapshot {
        zones: Vec<Zone>,
        records: Vec<Records>,
    },
    /// A zone is new, or is another; its records stay as they are.
    Zone(Zone),
    /// A zone is gone with its records.
    ZoneGone(String),
    Records(Records),
}
