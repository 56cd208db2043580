//! What an edge must know to carry the traffic of load balancers, and what it says of their targets.
//! The control plane compiles the first from Elastic Load Balancing's records. A load balancer is
//! always told as a whole, so that the last word holds.
//!
//! Attributes are AWS's own keys and values, each of them there, those that nobody set with AWS's
//! default (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// AWS's keys and values.
pub type Attributes = BTreeMap<String, String>;

/// One load balancer with everything that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    pub arn: String,
    pub load_balancer_type: LoadBalancerType,
    /// Its name, `<name>-<hash>.<region>.elb.amazonaws.com` (of a network load balancer
    /// `….elb.<region>.amazonaws.com`).
    pub dns_name: String,
    pub vpc_id: String,
    /// Internet-facing: its name means the nodes' public addresses.
    pub internet_facing: bool,
    /// One in each of its subnets.
    pub nodes: Vec<Node>,
    pub attributes: Attributes,
    pub listeners: Vec<Listener>,
    /// Those that its listeners and rules name.
    pub target_groups: Vec<TargetGroup>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadBalancerType {
    Application,
    Network,
}

/// A load balancer in one subnet: an interface of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `eni-…`.
    pub interface_id: String,
    pub private_ipv4: Ipv4Addr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<Ipv4Addr>,
    pub availability_zone: String,
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Listener.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub arn: String,
    pub port: u16,
    pub protocol: Protocol,
    pub attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// In the order in which they are asked; the last one is the default, which has no conditions.
    pub rules: Vec<Rule>,
}

/// Of listeners, target groups and health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    TcpUdp,
}

/// How a listener proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// The default one first; the others are chosen by the name that a client asks for.
    pub certificates: Vec<Certificate>,
    /// Such as `ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09`.
    pub ssl_policy: String,
    /// `HTTP1Only`, `HTTP2Only`, `HTTP2Optional`, `HTTP2Preferred` or `None`; of network load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn_policy: Option<String>,
    pub mutual_authentication: MutualAuthentication,
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub arn: String,
    /// The certificate and those that vouch for it, in PEM.
    pub chain: String,
    /// In PEM.
    pub private_key: String,
}

impl fmt::Debug for Certificate {
    /// Without its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut certificate = f.debug_struct("Certificate");
        certificate.field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MutualAuthentication {
    Off,
    Passthrough,
    Verify {
        /// In PEM.
        authorities: String,
        /// Revocation lists, in PEM.
        revoked: Vec<String>,
        ignore_expiry: bool,
        /// The names of the authorities are sent to clients.
        advertise_names: bool,
    },
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Rule.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub arn: String,
    /// 0 of the default one.
    #[serde(default)]
    pub priority: u16,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// In AWS's order of execution; the last one answers or forwards.
    pub actions: Vec<Action>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Transform>,
}

/// A condition holds when one of its values does
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    HostHeader(Patterns),
    PathPattern(Patterns),
    HttpHeader {
        name: String,
        patterns: Patterns,
    },
    /// Exact.
    HttpRequestMethod(Vec<String>),
    /// Keys and values, with wildcards; without a key: any key.
    QueryString(Vec<(Option<String>, String)>),
    /// Ranges, of either family.
    SourceIp(Vec<String>),
}

/// `*` and `?` in values; regular expressions beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patterns {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regex_values: Vec<String>,
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Forward {
        /// ARNs of target groups, with weights from 0 to 999.
        target_groups: Vec<(String, u32)>,
        /// How long a client stays with a target group, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stickiness_seconds: Option<u32>,
    },
    /// Each part may hold `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}`.
    Redirect {
        protocol: String,
        host: String,
        port: String,
        path: String,
        query: String,
        /// 301 or 302.
        status_code: u16,
    },
    FixedResponse {
        status_code: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_body: Option<String>,
    },
    JwtValidation {
        jwks_endpoint: String,
        issuer: String,
        additional_claims: Vec<JwtClaim>,
        /// What the endpoint answered last; `None`: nothing is known of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keys: Option<String>,
    },
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_JwtValidationActionAdditionalClaim.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtClaim {
    pub name: String,
    /// `single-string`, `string-array` or `space-separated-values`.
    pub format: String,
    pub values: Vec<String>,
}

/// Rewrites what is sent to the target
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    HostHeaderRewrite { regex: String, replace: String },
    UrlRewrite { regex: String, replace: String },
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroup.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub protocol: Protocol,
    pub protocol_version: ProtocolVersion,
    pub vpc_id: String,
    pub attributes: Attributes,
    /// `None`: disabled, and every target counts as healthy.
    pub health_check: Option<HealthCheck>,
    pub targets: Vec<Target>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProtocolVersion {
    Http1,
    Http2,
    Grpc,
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    pub protocol: Protocol,
    /// `None`: the port on which the target is sent traffic.
    pub port: Option<u16>,
    /// Of HTTP, HTTPS and gRPC (`/package.service/method`).
    pub path: String,
    pub interval_seconds: u32,
    pub timeout_seconds: u32,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    /// HTTP or gRPC codes, such as `200,202` or `200-299`; empty: a connection is enough.
    pub matcher: String,
}

/// Where a target group leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    #[serde(flatten)]
    pub key: TargetKey,
    /// Where it is reached, from the load balancer's interfaces.
    pub address: Ipv4Addr,
    /// `None`: it is not in one zone.
    pub availability_zone: Option<String>,
    /// It is deregistered: it gets no new requests and finishes those it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

/// What tells targets of a group apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetKey {
    /// An address, an instance's id or a load balancer's ARN, as it was registered.
    pub id: String,
    pub port: u16,
}

/// What changed, for an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadBalancerChange {
    /// All there are: what is not in it is gone.
    Snapshot(Vec<LoadBalancer>),
    /// A new one, or one that changed.
    LoadBalancer(Box<LoadBalancer>),
    /// By its ARN.
    Gone(String),
}

/// What an edge has observed of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    pub target_group_arn: String,
    #[serde(flatten)]
    pub key: TargetKey,
    pub state: TargetState,
    /// Why, as AWS's sentence for it; `None` where it is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<TargetReason>,
    /// Such as `Health checks failed with these codes: [500]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What can be observed; `unused` is not, for an edge is told only of what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetState {
    #[serde(rename = "initial")]
    Initial,
    #[serde(rename = "healthy")]
    Healthy,
    #[serde(rename = "unhealthy")]
    Unhealthy,
    /// It is unhealthy and finishes what it has, as the group's attributes ask.
    #[serde(rename = "unhealthy.draining")]
    UnhealthyDraining,
    /// It is deregistered and has requests left.
    #[serde(rename = "draining")]
    Draining,
    /// It is deregistered and has nothing left: its deregistration is complete.
    #[serde(rename = "drained")]
    Drained,
    /// The group's health checks are disabled.
    #[serde(rename = "unavailable")]
    Unavailable,
}

/// AWS's reason codes
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetReason {
    #[serde(rename = "Elb.RegistrationInProgress")]
    RegistrationInProgress,
    #[serde(rename = "Elb.InitialHealthChecking")]
    InitialHealthChecking,
    #[serde(rename = "Target.ResponseCodeMismatch")]
    ResponseCodeMismatch,
    #[serde(rename = "Target.Timeout")]
    Timeout,
    #[serde(rename = "Target.FailedHealthChecks")]
    FailedHealthChecks,
    #[serde(rename = "Elb.InternalError")]
    InternalError,
    #[serde(rename = "Target.DeregistrationInProgress")]
    DeregistrationInProgress,
    #[serde(rename = "Target.HealthCheckDisabled")]
    HealthCheckDisabled,
}
