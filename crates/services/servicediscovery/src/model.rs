//! What Cloud Map stores. The API writes all of it, but for what an operation came to, which the
//! [controller](crate::controller) writes.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// `servicediscovery/namespace/…/ns-…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: NamespaceType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<String>,
    /// The operation that made it.
    pub operation_id: String,
    /// `None`: it has no names in the DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for Namespace {
    const KIND: &'static str = "servicediscovery/namespace";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NamespaceType {
    Http,
    DnsPrivate,
    DnsPublic,
}

impl NamespaceType {
    pub fn as_str(self) -> &'static str {
        match self {
            NamespaceType::Http => "HTTP",
            NamespaceType::DnsPrivate => "DNS_PRIVATE",
            NamespaceType::DnsPublic => "DNS_PUBLIC",
        }
    }
}

/// A namespace's hosted zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    pub id: String,
    pub soa_ttl: u32,
}

/// `servicediscovery/namespace-name/…/<name>`: there is one namespace of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceName {
    pub id: String,
}

impl Resource for NamespaceName {
    const KIND: &'static str = "servicediscovery/namespace-name";
}

/// `servicediscovery/service/…/srv-…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub namespace_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Whoever calls `UpdateInstanceCustomHealthStatus` says how instances are.
    #[serde(default)]
    pub custom_health: bool,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl Resource for Service {
    const KIND: &'static str = "servicediscovery/service";
}

/// <https://docs.aws.amazon.com/cloud-map/latest/api/API_DnsConfig.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    pub weighted: bool,
    /// AWS's words of their types, with their TTLs.
    pub records: Vec<(String, u32)>,
}

impl Dns {
    pub fn has(&self, record_type: &str) -> bool {
        self.records.iter().any(|(of, _)| of == record_type)
    }
}

/// <https://docs.aws.amazon.com/cloud-map/latest/api/API_HealthCheckConfig.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_path: Option<String>,
    pub failure_threshold: i32,
}

/// `servicediscovery/service-name/…/<namespace id>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceName {
    pub id: String,
}

impl Resource for ServiceName {
    const KIND: &'static str = "servicediscovery/service-name";
}

/// `servicediscovery/instance/…/<service id>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<String>,
    /// The operation that registered it as it is.
    pub operation_id: String,
    pub attributes: BTreeMap<String, String>,
    /// Of a service with custom health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<CustomHealth>,
    pub registered_at: Timestamp,
}

impl Resource for Instance {
    const KIND: &'static str = "servicediscovery/instance";
}

/// `servicediscovery/check/…/<service id>/<instance id>`: the health check of Route 53 that follows an
/// instance. The [controller](crate::controller) writes it, and takes it away with the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub instance_id: String,
    pub health_check_id: String,
    pub of: Checked,
}

impl Resource for Check {
    const KIND: &'static str = "servicediscovery/check";
}

/// What is checked, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    pub by: HealthCheck,
}

/// How an instance was said to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomHealth {
    pub healthy: bool,
    /// Since when it is said to be the contrary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrary_since: Option<Timestamp>,
}

/// How long a new status waits before it counts: "approximately 30 seconds"
/// (<https://docs.aws.amazon.com/cloud-map/latest/api/API_HealthCheckCustomConfig.html>).
pub const HEALTH_WAITS: Duration = Duration::from_secs(30);

impl CustomHealth {
    pub fn is_healthy(&self, now: Timestamp) -> bool {
        match self.changes_at() {
            Some(at) if at <= now => !self.healthy,
            _ => self.healthy,
        }
    }

    /// When the status that was said last counts, if it does not yet.
    pub fn changes_at(&self) -> Option<Timestamp> {
        self.contrary_since.map(|since| since + HEALTH_WAITS)
    }

    /// It is said to be so. To say it again hurries nothing; to take it back in time leaves all as it was.
    pub fn say(&mut self, healthy: bool, now: Timestamp) {
        self.healthy = self.is_healthy(now);
        self.contrary_since = match self.contrary_since {
            _ if healthy == self.healthy => None,
            Some(since) if since + HEALTH_WAITS > now => Some(since),
            _ => Some(now),
        };
    }
}

/// `servicediscovery/revision/…/<service id>`: written whenever something of the service's instances
/// changes. Its revision in the store is the one that `DiscoverInstancesRevision` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstancesRevision {}

impl Resource for InstancesRevision {
    const KIND: &'static str = "servicediscovery/revision";
}

/// `servicediscovery/operation/…/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// AWS's word, such as `REGISTER_INSTANCE`.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: Status,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// By `NAMESPACE`, `SERVICE` and `INSTANCE`.
    pub targets: BTreeMap<String, String>,
    /// AWS's code and a sentence, of one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<(String, String)>,
}

impl Resource for Operation {
    const KIND: &'static str = "servicediscovery/operation";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Submitted,
    Success,
    Fail,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Submitted => "SUBMITTED",
            Status::Success => "SUCCESS",
            Status::Fail => "FAIL",
        }
    }
}

/// `servicediscovery/submitted/…/<service id>/<operation id>`: an operation on a service or its instances
/// that the records of its names do not show yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {}

impl Resource for Submitted {
    const KIND: &'static str = "servicediscovery/submitted";
}

/// A name as a part of a key: Cloud Map's may have slashes.
pub fn part(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}
