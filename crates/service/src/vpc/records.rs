//! The stored nouns. Every id is the last part of the record's key.

use crate::db::{Db, Resource, Stored};
use crate::{AwsError, Scope};
use neargate_base::Timestamp;
use neargate_domain::Cidr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// `ec2/vpc/…/<vpc id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    pub range: Cidr,
    /// Secondary ranges by the id of their association (`vpc-cidr-assoc-…`).
    #[serde(default)]
    pub secondary: BTreeMap<String, Cidr>,
    pub is_default: bool,
    /// `default` or `dedicated`.
    pub instance_tenancy: String,
    pub enable_dns_support: bool,
    pub enable_dns_hostnames: bool,
    #[serde(default)]
    pub network_address_usage_metrics: bool,
    /// `dopt-…`, or `default`: no set of options.
    pub dhcp_options_id: String,
    /// Its group named `default`, which nobody can delete.
    pub default_group_id: String,
    pub main_route_table_id: String,
    pub default_acl_id: String,
    pub created_at: Timestamp,
}

impl Vpc {
    /// Its own range, then the secondary ones.
    pub fn ranges(&self) -> impl Iterator<Item = Cidr> {
        std::iter::once(self.range).chain(self.secondary.values().copied())
    }
}

impl Resource for Vpc {
    const KIND: &'static str = "ec2/vpc";
}

/// `ec2/subnet/…/<subnet id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub vpc_id: String,
    pub range: Cidr,
    pub availability_zone: String,
    /// Interfaces of instances get a public address here without asking.
    pub map_public_ip_on_launch: bool,
    pub default_for_az: bool,
    /// The network ACL it is associated with.
    pub acl: Association,
    /// `ip-name` or `resource-name`.
    pub hostname_type: String,
    #[serde(default)]
    pub resource_name_dns_a_record: bool,
    /// Somebody is about to delete it, unless an interface is reserved first.
    #[serde(default)]
    pub deleting: bool,
    pub created_at: Timestamp,
}

impl Resource for Subnet {
    const KIND: &'static str = "ec2/subnet";
}

/// A subnet's association with a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// `aclassoc-…`.
    pub association_id: String,
    pub acl_id: String,
}

/// `ec2/security-group/…/<group id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub vpc_id: String,
    pub name: String,
    pub description: String,
    /// By their ids (`sgr-…`).
    pub rules: BTreeMap<String, SecurityGroupRule>,
    /// Somebody is about to delete it, unless an interface is reserved first.
    #[serde(default)]
    pub deleting: bool,
    pub created_at: Timestamp,
}

impl Resource for SecurityGroup {
    const KIND: &'static str = "ec2/security-group";
}

/// One rule of a group: one peer each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    pub is_egress: bool,
    /// `-1`, `tcp`, `udp`, `icmp`, `icmpv6` or a protocol's number, as EC2 answers it.
    pub protocol: String,
    /// First port, or ICMP type; -1: every one.
    pub from_port: i32,
    /// Last port, or ICMP code; -1: every one.
    pub to_port: i32,
    pub peer: RulePeer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulePeer {
    Ipv4(Cidr),
    /// Stored and shown; interfaces have no IPv6 addresses.
    Ipv6(String),
    Group {
        group_id: String,
        /// The account that owns it.
        account: String,
        /// Said where the group is in a peered VPC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vpc_id: Option<String>,
    },
    PrefixList(String),
}

/// `ec2/route-table/…/<route table id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    pub vpc_id: String,
    /// The id (`rtbassoc-…`) by which it is the main table of its VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_association_id: Option<String>,
    /// Subnets by the ids of their associations (`rtbassoc-…`).
    #[serde(default)]
    pub subnets: BTreeMap<String, String>,
    /// Without the VPC's own ranges, whose routes every table has.
    pub routes: Vec<StoredRoute>,
    pub created_at: Timestamp,
}

impl Resource for RouteTable {
    const KIND: &'static str = "ec2/route-table";
}

/// A route that somebody made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRoute {
    pub to: Cidr,
    pub by: RouteTarget,
}

/// What a route names, by its id. One that is there no longer is a black hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    InternetGateway(String),
    NatGateway(String),
    PeeringConnection(String),
}

/// `ec2/internet-gateway/…/<gateway id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// The VPC it is attached to.
    pub vpc_id: Option<String>,
    pub created_at: Timestamp,
}

impl Resource for InternetGateway {
    const KIND: &'static str = "ec2/internet-gateway";
}

/// `ec2/nat-gateway/…/<gateway id>`. A deleted one is shown for an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    pub vpc_id: String,
    pub subnet_id: String,
    /// `public` or `private`.
    pub connectivity: String,
    /// The elastic IP of a public one: `eipalloc-…` and its address.
    pub allocation_id: Option<String>,
    pub public_ipv4: Option<Ipv4Addr>,
    /// Its interface, which holds its private address.
    pub interface_id: String,
    pub private_ipv4: Ipv4Addr,
    pub client_token: Option<String>,
    pub created_at: Timestamp,
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
}

impl Resource for NatGateway {
    const KIND: &'static str = "ec2/nat-gateway";
}

/// `ec2/network-acl/…/<acl id>`. Subnets name it; see [`Subnet::acl`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    pub vpc_id: String,
    pub is_default: bool,
    pub entries: Acl,
    pub created_at: Timestamp,
}

impl Resource for NetworkAcl {
    const KIND: &'static str = "ec2/network-acl";
}

/// Rules by their numbers, 1 to 32766, in each direction. The last one of all, `*`, which denies, is
/// not stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    pub inbound: BTreeMap<u16, AclEntry>,
    pub outbound: BTreeMap<u16, AclEntry>,
}

/// A rule of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntry {
    pub allow: bool,
    /// `-1` or a protocol's number.
    pub protocol: String,
    /// First and last port of TCP and UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMP; -1: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<(i32, i32)>,
    /// An IPv4 range or an IPv6 one, which concerns nobody here.
    pub range: String,
}

/// `ec2/elastic-ip/…/<allocation id>`. Its address is taken by the key of
/// [`crate::eni::public_address_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    pub public_ipv4: Ipv4Addr,
    /// `eipassoc-…`, while it is associated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association_id: Option<String>,
    /// The interface that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_id: Option<String>,
    pub allocated_at: Timestamp,
}

impl Resource for ElasticIp {
    const KIND: &'static str = "ec2/elastic-ip";
}

/// `ec2/dhcp-options/…/<dopt id>`: what hosts of a VPC are told when they ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// Values by key, such as `domain-name-servers`.
    pub configurations: BTreeMap<String, Vec<String>>,
    pub created_at: Timestamp,
}

impl Resource for DhcpOptions {
    const KIND: &'static str = "ec2/dhcp-options";
}

/// `ec2/vpc-peering-connection/…/<pcx id>`, in the account and region of who asked for it. See
/// [`PeeringConnection::all`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringConnection {
    pub requester: PeeringSide,
    pub accepter: PeeringSide,
    pub state: PeeringState,
    pub created_at: Timestamp,
    /// When it was rejected or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Resource for PeeringConnection {
    const KIND: &'static str = "ec2/vpc-peering-connection";
}

/// One of the two VPCs of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringSide {
    pub account: String,
    pub region: String,
    pub vpc_id: String,
    /// Its ranges when it was asked for or accepted.
    pub ranges: Vec<Cidr>,
    /// Public names of this side's instances resolve to private addresses for the other side.
    #[serde(default)]
    pub allow_dns_resolution: bool,
}

/// `status.code` of a peering connection
/// (<https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeeringState {
    PendingAcceptance,
    Active,
    Rejected,
    Deleted,
    /// The ranges of the two overlap.
    Failed,
}

impl PeeringConnection {
    /// Those that an account has in a region, on either side.
    ///
    /// # Errors
    /// The store's.
    pub async fn all(db: &Db, scope: &Scope) -> Result<Vec<Stored<Self>>, AwsError> {
        let prefix = format!("{}/", Self::KIND);
        let mut all = db.list_prefix::<Self>(&prefix).await?;
        all.retain(|p| {
            [&p.requester, &p.accepter]
                .iter()
                .any(|side| side.is_in(scope))
        });
        Ok(all)
    }

    pub fn is_active(&self) -> bool {
        self.state == PeeringState::Active
    }

    /// The side that a VPC is, and the other one.
    pub fn side_of(&self, vpc_id: &str) -> Option<(&PeeringSide, &PeeringSide)> {
        let (requester, accepter) = (&self.requester, &self.accepter);
        match vpc_id {
            id if id == requester.vpc_id => Some((requester, accepter)),
            id if id == accepter.vpc_id => Some((accepter, requester)),
            _ => None,
        }
    }
}

impl PeeringSide {
    pub fn is_in(&self, scope: &Scope) -> bool {
        self.account == scope.account.as_str() && self.region == scope.region.as_str()
    }
}

/// `ec2/vpc-endpoint/…/<vpce id>`: a private way from a VPC to a service of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub vpc_id: String,
    /// `com.amazonaws.<region>.<service>`.
    pub service_name: String,
    pub kind: EndpointKind,
    pub policy: String,
    /// Tables that lead to a gateway endpoint.
    #[serde(default)]
    pub route_table_ids: Vec<String>,
    /// Interfaces (`eni-…`) of an interface endpoint by their subnets.
    #[serde(default)]
    pub interfaces: BTreeMap<String, String>,
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// The service's usual name leads to it.
    #[serde(default)]
    pub private_dns: bool,
    /// `dnsRecordIpType`, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_record_ip_type: Option<String>,
    /// `privateDnsOnlyForInboundResolverEndpoint`, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_dns_only_inbound: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    pub created_at: Timestamp,
}

impl Resource for Endpoint {
    const KIND: &'static str = "ec2/vpc-endpoint";
}

/// `vpcEndpointType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointKind {
    Gateway,
    Interface,
}

impl EndpointKind {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointKind::Gateway => "Gateway",
            EndpointKind::Interface => "Interface",
        }
    }
}

/// `ec2/egress-only-internet-gateway/…/<eigw id>`: the way out of IPv6, which nobody here has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyGateway {
    pub vpc_id: String,
    pub created_at: Timestamp,
}

impl Resource for EgressOnlyGateway {
    const KIND: &'static str = "ec2/egress-only-internet-gateway";
}

/// `ec2/prefix-list/…/<pl id>`: ranges under one name, which rules of groups may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPrefixList {
    pub name: String,
    /// `IPv4` or `IPv6`.
    pub address_family: String,
    pub max_entries: i32,
    /// Raised with every change of the entries.
    pub version: i64,
    /// What describes each range.
    pub entries: BTreeMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    pub created_at: Timestamp,
}

impl Resource for ManagedPrefixList {
    const KIND: &'static str = "ec2/prefix-list";
}
