//! VPCs as EC2 stores them: what more than one service reads. EC2 writes the records; whoever
//! reserves an interface reads them, and hosts are told what they mean (`domain::vpc_network`).
//!
//! Invariants:
//! - Whoever adds something to a VPC, changes or removes it, rewrites the VPC's own record in the same
//!   transaction (`Tx::update`), so that two such changes never miss each other. Interfaces do not:
//!   they only ask that their subnet and groups are as they were (`Tx::unchanged`).
//! - A subnet or group that is to go is first marked `deleting`, which refuses new interfaces; what
//!   has interfaces then is put back.

mod default;
mod lookup;
mod records;

pub use default::{
    companion, default_acl, default_group, ensure_default, move_default_vpcs,
    write as write_default,
};
pub use lookup::{default_subnet, zones};
pub use records::{
    Acl, AclEntry, Association, ElasticIp, InternetGateway, NatGateway, NetworkAcl, RouteTable,
    RouteTarget, RulePeer, SecurityGroup, SecurityGroupRule, StoredRoute, Subnet, Vpc,
};
