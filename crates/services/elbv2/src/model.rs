//! What Elastic Load Balancing stores.
//!
//! Invariants:
//! - Whoever makes, changes or removes a listener or a rule rewrites the load balancer's record and
//!   those of the target groups that it names in the same transaction, so that no two changes miss
//!   each other: a target group is used by one load balancer, and is deleted only when none uses it.
//!   So does who has a listener verify clients with the record of its trust store.
//! - The host that carries a load balancer is the only writer of [`LoadBalancer::state`] and
//!   [`LoadBalancer::problem`].
//! - A name is taken by a record of its own.

use crate::plan::actions;
use neargate_api_elbv2 as api;
use neargate_base::Timestamp;
use neargate_domain::load_balancer::{Attributes, LoadBalancerType, Protocol, ProtocolVersion};
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// `elbv2/load-balancer/…/<id>`: the id is the last part of its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadBalancer {
    pub(crate) name: String,
    pub(crate) load_balancer_type: LoadBalancerType,
    pub(crate) internet_facing: bool,
    pub(crate) vpc_id: String,
    pub(crate) dns_name: String,
    /// One in each subnet, in the order in which they were given.
    pub(crate) nodes: Vec<Node>,
    /// Empty for a network load balancer that was made without any.
    pub(crate) security_groups: Vec<String>,
    /// `enforceSecurityGroupInboundRulesOnPrivateLinkTraffic`, of network load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enforce_private_link_rules: Option<String>,
    /// Those that were set, by AWS's keys.
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) tags: Tags,
    pub(crate) state: State,
    /// Why its host cannot carry it, or not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    pub(crate) created_at: Timestamp,
}

impl Resource for LoadBalancer {
    const KIND: &'static str = "elbv2/load-balancer";
}

/// A load balancer in one subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) subnet_id: String,
    pub(crate) availability_zone: String,
    /// `eni-…`: EC2 keeps its record.
    pub(crate) interface_id: String,
    pub(crate) private_ipv4: Ipv4Addr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_ipv4: Option<Ipv4Addr>,
    /// The elastic IP that its public address is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allocation_id: Option<String>,
    /// The caller chose its private address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) chosen_address: bool,
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerState.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Provisioning,
    Active,
    ActiveImpaired,
    Failed,
}

impl State {
    /// AWS's code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            State::Provisioning => "provisioning",
            State::Active => "active",
            State::ActiveImpaired => "active_impaired",
            State::Failed => "failed",
        }
    }
}

/// `elbv2/load-balancer-name/…/<name>`: whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadBalancerName {
    pub(crate) id: String,
}

impl Resource for LoadBalancerName {
    const KIND: &'static str = "elbv2/load-balancer-name";
}

/// `elbv2/listener/…/<load balancer>/<id>`, with its rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) arn: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// Of HTTPS and TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// What happens when no rule holds.
    pub(crate) default_actions: Vec<Json<api::Action>>,
    /// The id of the default rule.
    pub(crate) default_rule: String,
    /// In the order of their priorities.
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) default_rule_tags: Tags,
    pub(crate) created_at: Timestamp,
}

impl Resource for Listener {
    const KIND: &'static str = "elbv2/listener";
}

impl Listener {
    /// The ARNs of the target groups that it leads to, some of them several times.
    pub(crate) fn target_groups(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().map(|r| &r.actions);
        let all = std::iter::once(&self.default_actions).chain(rules);
        all.flat_map(|actions| actions::target_groups(actions))
    }

    /// The ARN of the trust store by which it verifies clients.
    pub(crate) fn trust_store(&self) -> Option<&str> {
        let verify = self.tls.as_ref()?.verify.as_ref()?;
        Some(&verify.trust_store)
    }

    /// The ARNs of its certificates.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &str> {
        let tls = self.tls.iter();
        tls.flat_map(|t| std::iter::once(&t.default_certificate).chain(&t.certificates))
            .map(String::as_str)
    }
}

/// How a listener proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tls {
    /// ARNs: the default one first, then the list for SNI, in which the default one may be again.
    pub(crate) default_certificate: String,
    #[serde(default)]
    pub(crate) certificates: Vec<String>,
    pub(crate) ssl_policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alpn_policy: Option<String>,
    /// `off`, `passthrough` or `verify`.
    pub(crate) mutual_authentication: String,
    /// Of `verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verify: Option<Verify>,
}

/// How clients are verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verify {
    /// Its ARN.
    pub(crate) trust_store: String,
    pub(crate) ignore_expiry: bool,
    /// The names of the authorities are sent to clients.
    pub(crate) advertise_names: bool,
}

/// `elbv2/trust-store/…/<id>`: the id is the last part of its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrustStore {
    pub(crate) name: String,
    /// In PEM.
    pub(crate) authorities: String,
    pub(crate) number_of_authorities: usize,
    /// Where they are from.
    pub(crate) source: SourceObject,
    #[serde(default)]
    pub(crate) revocations: Vec<Revocation>,
    /// No id is given twice.
    pub(crate) last_revocation_id: i64,
    #[serde(default)]
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
}

impl Resource for TrustStore {
    const KIND: &'static str = "elbv2/trust-store";
}

/// A revocation file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocation {
    pub(crate) id: i64,
    /// Its lists, each in PEM.
    pub(crate) lists: Vec<String>,
    /// How many certificates all of them revoke.
    pub(crate) number_of_entries: i64,
    pub(crate) source: SourceObject,
}

/// An object of S3 as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceObject {
    pub(crate) bucket: String,
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version_id: Option<String>,
    pub(crate) e_tag: String,
}

/// `elbv2/trust-store-name/…/<name>`: whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrustStoreName {
    pub(crate) id: String,
}

impl Resource for TrustStoreName {
    const KIND: &'static str = "elbv2/trust-store-name";
}

/// A rule of a listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) priority: u32,
    pub(crate) conditions: Vec<Json<api::RuleCondition>>,
    pub(crate) actions: Vec<Json<api::Action>>,
    #[serde(default)]
    pub(crate) transforms: Vec<Json<api::RuleTransform>>,
    #[serde(default)]
    pub(crate) tags: Tags,
}

/// `elbv2/target-group/…/<id>`: the id is the last part of its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) name: String,
    pub(crate) target_type: TargetType,
    pub(crate) protocol: Protocol,
    /// Of HTTP and HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protocol_version: Option<ProtocolVersion>,
    pub(crate) port: u16,
    pub(crate) vpc_id: String,
    pub(crate) health_check: HealthCheck,
    /// Those that were set, by AWS's keys.
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
}

impl Resource for TargetGroup {
    const KIND: &'static str = "elbv2/target-group";
}

/// What a target group's targets are; functions are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetType {
    Instance,
    Ip,
    Alb,
}

impl TargetType {
    /// AWS's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TargetType::Instance => "instance",
            TargetType::Ip => "ip",
            TargetType::Alb => "alb",
        }
    }
}

/// As it was asked for, with AWS's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) protocol: Protocol,
    /// `None`: `traffic-port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Of HTTP and HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    pub(crate) interval_seconds: u32,
    pub(crate) timeout_seconds: u32,
    pub(crate) healthy_threshold: u32,
    pub(crate) unhealthy_threshold: u32,
    /// Of HTTP and HTTPS: HTTP or gRPC codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) matcher: Option<String>,
}

/// `elbv2/target-group-name/…/<name>`: whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetGroupName {
    pub(crate) id: String,
}

impl Resource for TargetGroupName {
    const KIND: &'static str = "elbv2/target-group-name";
}

/// `elbv2/target/…/<target group>/<id>:<port>`, with `/` of an ARN written as `_`: one record each,
/// so that those who register many do not wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// An address, an instance's id or a load balancer's ARN, as it was registered.
    pub(crate) id: String,
    pub(crate) port: u16,
    /// Where it is reached. Nodes of a load balancer that is a target are looked up instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Ipv4Addr>,
    /// `None`: it is not in one zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) availability_zone: Option<String>,
    pub(crate) registered_at: Timestamp,
    /// It is deregistered, and is drained at the latest by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) draining_until: Option<Timestamp>,
}

impl Resource for Target {
    const KIND: &'static str = "elbv2/target";
}

impl Target {
    /// The last two parts of its key.
    pub(crate) fn record_id(target_group: &str, id: &str, port: u16) -> String {
        format!("{target_group}/{}:{port}", id.replace('/', "_"))
    }
}
