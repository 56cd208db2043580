//! What ranges VPCs and subnets may have
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>).

use crate::error;
use crate::error::network as say;
use neargate_domain::Cidr;
use neargate_domain::vpc::SUBNET_PREFIX;
use neargate_service::AwsError;
use std::net::Ipv4Addr;

/// The most IPv4 ranges of a VPC, its own included.
pub const MAX_RANGES: usize = 5;

/// Nobody's addresses, which a VPC cannot have either: this network, loopback, link-local,
/// multicast and what is reserved behind it.
const SPECIAL: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The ranges of RFC 1918. A VPC in one of them takes no further range of another one.
const PRIVATE: [(Ipv4Addr, u8); 3] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

fn cidr((base, prefix_len): (Ipv4Addr, u8)) -> Cidr {
    Cidr::around(base, prefix_len)
}

/// A range as a caller writes it. Bits behind the prefix are cleared.
pub fn parse(parameter: &str, text: &str) -> Result<Cidr, AwsError> {
    Cidr::canonical(text).map_err(|_| error::not_a_cidr(parameter, text))
}

/// The range of a new VPC, or a further one.
pub fn of_vpc(text: &str) -> Result<Cidr, AwsError> {
    let range = parse("cidrBlock", text)?;
    let special = SPECIAL.map(cidr).iter().any(|s| s.overlaps(range));
    match (16..=28).contains(&range.prefix_len()) && !special {
        true => Ok(range),
        false => Err(say::vpc_range(text)),
    }
}

/// May `new` be added to a VPC with these ranges, the first its own, whose routes go to `routes`?
pub fn further(vpc_id: &str, ranges: &[Cidr], routes: &[Cidr], new: Cidr) -> Result<(), AwsError> {
    if ranges.len() >= MAX_RANGES {
        return Err(say::too_many_ranges(vpc_id, MAX_RANGES));
    }
    let of = |range: Cidr| PRIVATE.map(cidr).iter().position(|p| p.covers(range));
    let own = ranges.first().copied().and_then(of);
    if own.is_some() && of(new).is_some() && own != of(new) {
        return Err(say::restricted_range(new));
    }
    let overlaps = ranges.iter().any(|r| r.overlaps(new));
    match overlaps || routes.iter().any(|r| new.covers(*r)) {
        true => Err(say::range_conflict(new)),
        false => Ok(()),
    }
}

/// May `new` be added to a VPC whose peers have these ranges?
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>)
pub fn beside_peers(mut peers: impl Iterator<Item = Cidr>, new: Cidr) -> Result<(), AwsError> {
    match peers.any(|range| range.overlaps(new)) {
        true => Err(say::range_conflict(new)),
        false => Ok(()),
    }
}

/// The range of a new subnet in a VPC with these ranges and subnets.
pub fn of_subnet(text: &str, ranges: &[Cidr], subnets: &[Cidr]) -> Result<Cidr, AwsError> {
    let range = parse("cidrBlock", text)?;
    let fits = ranges.iter().any(|r| r.covers(range));
    if !(16..=28).contains(&range.prefix_len()) || !fits {
        return Err(say::subnet_range(text));
    }
    match subnets.iter().any(|s| s.overlaps(range)) {
        true => Err(say::subnet_conflict(range)),
        false => Ok(range),
    }
}

/// The first range of a default subnet's size that is free.
pub fn free_default(vpc: Cidr, subnets: &[Cidr]) -> Option<Cidr> {
    let count = vpc.size() >> (32 - u32::from(SUBNET_PREFIX));
    let nth = |n: u64| {
        let first = u32::try_from(n << (32 - u32::from(SUBNET_PREFIX))).ok()?;
        Some(Cidr::around(vpc.nth(first), SUBNET_PREFIX))
    };
    let free = |range: &Cidr| !subnets.iter().any(|s| s.overlaps(*range));
    (0..count).filter_map(nth).find(free)
}
