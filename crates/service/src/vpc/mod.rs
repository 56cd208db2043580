//! VPCs as EC2 stores them: what more than one service reads. EC2 writes the records; whoever
//! reserves an interface reads them, and hosts are told what they mean (`domain::vpc_network`).
//!
//! Invariants:
//! - Whoever adds something to a VPC, changes or removes it, rewrites the VPC's own record in the same
//!   transaction (`Tx::update`), so that two such changes never miss each other. Interfaces do not:
//!   they only ask that their subnet and groups are as they were (`Tx::unchanged`).
//! - A subnet or group that is to go is first marked `deleting`; then whoever deletes it looks for
//!   interfaces, and deletes it if it is as it was marked. Whoever reserves an interface takes the mark
//!   away first. So nothing is left half deleted when somebody stops in between.

mod default;
mod lookup;
mod records;

pub use default::{
    companion, default_acl, default_group, ensure_default, make_default, move_default_vpcs,
};
pub use lookup::{default_subnet, own_domain, zones};
pub use records::{
    Acl, AclEntry, Association, DhcpOptions, EgressOnlyGateway, ElasticIp, Endpoint, EndpointKind,
    InternetGateway, ManagedPrefixList, NatGateway, NetworkAcl, PeeringConnection, PeeringSide,
    PeeringState, RouteTable, RouteTarget, RulePeer, SecurityGroup, SecurityGroupRule, StoredRoute,
    Subnet, Vpc,
};
