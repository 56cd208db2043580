//! The default VPC every account has in every region
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html>): a /16, AWS's own is
//! 172.31.0.0/16, with a /20 subnet in each of three zones. Its ids derive from account and region,
//! so they need not be stored and are the same after every start.
//!
//! All regions of one host share the address range; addresses are therefore unique per host.

use crate::cidr::Cidr;
use neargate_base::{AccountId, Region, Rng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The address range of the default VPCs: a /16. AWS's 172.31.0.0/16 unless the host that runs
/// the tasks has that in use itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VpcRange([u8; 2]);

/// The text is no range that a VPC can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRange(String);

impl fmt::Display for InvalidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = &self.0;
        write!(
            f,
            "{given:?} is not a /16 of addresses such as 172.31.0.0/16"
        )
    }
}

impl std::error::Error for InvalidRange {}

impl VpcRange {
    /// `a.b.0.0/16`.
    pub const fn of(a: u8, b: u8) -> VpcRange {
        VpcRange([a, b])
    }

    /// The gateways of the three default subnets: the addresses of their router.
    pub fn gateways(self) -> [Ipv4Addr; 3] {
        [0, 1, 2].map(|n| offset(self.base(n), 1))
    }

    pub fn cidr(self) -> Cidr {
        let [a, b] = self.0;
        Cidr::around(Ipv4Addr::new(a, b, 0, 0), 16)
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.octets()[..2] == self.0
    }

    /// The first address of the `n`th subnet.
    fn base(self, n: usize) -> Ipv4Addr {
        let [a, b] = self.0;
        Ipv4Addr::new(a, b, u8::try_from(n * 16).expect("three subnets"), 0)
    }
}

impl Default for VpcRange {
    fn default() -> Self {
        VpcRange::of(172, 31)
    }
}

impl fmt::Display for VpcRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.0;
        write!(f, "{a}.{b}.0.0/16")
    }
}

impl FromStr for VpcRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<VpcRange, InvalidRange> {
        let invalid = || InvalidRange(text.to_owned());
        let address = text.strip_suffix("/16").ok_or_else(invalid)?;
        let address: Ipv4Addr = address.parse().map_err(|_| invalid())?;
        let [a, b, c, d] = address.octets();
        let special = a == 0 || a == 127 || a >= 224 || (a, b) == (169, 254);
        if special || (c, d) != (0, 0) {
            return Err(invalid());
        }
        Ok(VpcRange([a, b]))
    }
}

impl TryFrom<String> for VpcRange {
    type Error = InvalidRange;
    fn try_from(text: String) -> Result<VpcRange, InvalidRange> {
        text.parse()
    }
}

impl From<VpcRange> for String {
    fn from(range: VpcRange) -> String {
        range.to_string()
    }
}

/// The length of a default subnet's prefix.
pub const SUBNET_PREFIX: u8 = 20;
/// AWS keeps the first four addresses and the last one of a subnet.
pub const RESERVED_FIRST: u32 = 4;

/// A default VPC with the ids of everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultVpc {
    pub vpc_id: String,
    pub security_group_id: String,
    pub route_table_id: String,
    pub internet_gateway_id: String,
    pub network_acl_id: String,
    pub dhcp_options_id: String,
    pub subnets: [Subnet; 3],
}

/// One of its subnets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub availability_zone: String,
    /// The first address; the prefix is [`SUBNET_PREFIX`] long.
    pub base: Ipv4Addr,
}

impl Subnet {
    pub fn cidr(&self) -> String {
        format!("{}/{SUBNET_PREFIX}", self.base)
    }

    /// The router's address: the first after the network's own.
    pub fn gateway(&self) -> Ipv4Addr {
        offset(self.base, 1)
    }

    /// How many addresses interfaces can have.
    pub const fn usable() -> u32 {
        (1 << (32 - SUBNET_PREFIX as u32)) - RESERVED_FIRST - 1
    }

    /// The `n`th usable address, counted round and round.
    pub fn address(&self, n: u32) -> Ipv4Addr {
        offset(self.base, RESERVED_FIRST + n % Self::usable())
    }
}

impl DefaultVpc {
    /// The VPC with AWS's own range: for those who only ask for ids, which are the same in any range.
    pub fn of(account: &AccountId, region: &Region) -> DefaultVpc {
        DefaultVpc::within(VpcRange::default(), account, region)
    }

    /// The VPC with the addresses of `range`.
    pub fn within(range: VpcRange, account: &AccountId, region: &Region) -> DefaultVpc {
        let derived = |kind: &str| derived(&[account.as_str(), region.as_str(), kind]);
        let id = |kind: &str| format!("{kind}-{}", derived(kind));
        let zones = region.zones();
        let subnet = |n: usize| Subnet {
            id: format!("subnet-{}", derived(&zones[n])),
            availability_zone: zones[n].clone(),
            base: range.base(n),
        };
        DefaultVpc {
            vpc_id: id("vpc"),
            security_group_id: id("sg"),
            route_table_id: id("rtb"),
            internet_gateway_id: id("igw"),
            network_acl_id: id("acl"),
            dhcp_options_id: id("dopt"),
            subnets: [subnet(0), subnet(1), subnet(2)],
        }
    }

    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.id == id)
    }
}

fn offset(base: Ipv4Addr, by: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(base) + by)
}

/// The private DNS name of an address
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>).
pub fn private_dns_name(address: Ipv4Addr, region: &Region) -> String {
    let dashed = address.to_string().replace('.', "-");
    match region.as_str() {
        "us-east-1" => format!("ip-{dashed}.ec2.internal"),
        region => format!("ip-{dashed}.{region}.compute.internal"),
    }
}

/// 17 hexadecimal digits, always the same for the same names (FNV-1a seeds the generator).
pub(crate) fn derived(names: &[&str]) -> String {
    let text = names.join("/");
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Rng::seeded(seed).hex(17)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_differ() {
        let (a, r) = (AccountId::default(), Region::default());
        let vpc = DefaultVpc::of(&a, &r);
        assert_eq!(vpc, DefaultVpc::of(&a, &r));
        let elsewhere = DefaultVpc::of(&a, &"eu-west-1".parse().expect("region"));
        assert_ne!(vpc.vpc_id, elsewhere.vpc_id);
        assert_ne!(vpc.subnets[0].id, vpc.subnets[1].id);
        assert_eq!(vpc.subnets[2].cidr(), "172.31.32.0/20");
        assert_eq!(vpc.subnets[1].gateway(), Ipv4Addr::new(172, 31, 16, 1));
    }

    #[test]
    fn another_range_changes_addresses_only() {
        let (a, r) = (AccountId::default(), Region::default());
        let range: VpcRange = "10.99.0.0/16".parse().expect("a range");
        let (aws, other) = (DefaultVpc::of(&a, &r), DefaultVpc::within(range, &a, &r));
        assert_eq!(aws.vpc_id, other.vpc_id);
        assert_eq!(other.subnets[2].cidr(), "10.99.32.0/20");
        assert_eq!(range.gateways()[1], Ipv4Addr::new(10, 99, 16, 1));
        assert!(range.contains(Ipv4Addr::new(10, 99, 255, 1)));
        assert!(!range.contains(Ipv4Addr::new(10, 98, 0, 1)));
        assert_eq!(range.to_string().parse(), Ok(range));
        for bad in [
            "10.99.0.0",
            "10.99.0.0/20",
            "10.99.1.0/16",
            "127.0.0.0/16",
            "x/16",
            "",
        ] {
            assert!(bad.parse::<VpcRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_leave_out_what_aws_keeps() {
        let subnet = &DefaultVpc::of(&AccountId::default(), &Region::default()).subnets[0];
        assert_eq!(subnet.address(0), Ipv4Addr::new(172, 31, 0, 4));
        assert_eq!(
            subnet.address(Subnet::usable() - 1),
            Ipv4Addr::new(172, 31, 15, 254)
        );
        assert_eq!(subnet.address(Subnet::usable()), subnet.address(0));
    }
}
