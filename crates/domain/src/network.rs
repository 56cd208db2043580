//! A task's network interface as EC2 hands it out and a node plumbs it.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// An elastic network interface with everything a node needs to build it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// `eni-` and 17 hexadecimal digits.
    pub id: String,
    /// Six octets, colon separated, locally administered.
    pub mac: String,
    pub private_ipv4: Ipv4Addr,
    /// Length of the subnet's prefix, 20 in the default VPC.
    pub prefix_len: u8,
    /// The subnet's first address, which the host's bridge holds.
    pub gateway: Ipv4Addr,
    pub vpc_cidr: String,
    pub subnet_id: String,
    pub vpc_id: String,
    pub security_groups: Vec<String>,
    /// `ip-172-31-0-5.ec2.internal` or `ip-….<region>.compute.internal`.
    pub private_dns_name: String,
    pub availability_zone: String,
}
