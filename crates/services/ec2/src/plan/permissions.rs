//! Permissions as callers write them, and the rules of a group they stand for
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html>): a permission
//! has ports and many peers, a rule has one peer.

use crate::error::group as say;
use neargate_api_ec2 as api;
use neargate_domain::Cidr;
use neargate_service::AwsError;
use neargate_service::vpc::{RulePeer, SecurityGroupRule};
use std::net::Ipv6Addr;

/// Rules of a group in one direction
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
pub const MAX_RULES: usize = 60;

/// A rule as a caller writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub ports: Ports,
    pub peer: AskedPeer,
    pub description: Option<String>,
}

/// What a rule is about: a protocol with its ports, or its ICMP type and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    pub protocol: String,
    pub from: i32,
    pub to: i32,
}

/// Whom a rule is about, as a caller writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedPeer {
    /// Neither a group nor a prefix list, which must be looked for.
    Known(RulePeer),
    PrefixList(String),
    Group {
        id: Option<String>,
        name: Option<String>,
        account: Option<String>,
    },
}

/// Every rule that these permissions stand for.
pub fn flatten(permissions: &[api::IpPermission]) -> Result<Vec<Asked>, AwsError> {
    let mut all = Vec::new();
    for permission in permissions {
        let protocol = permission.ip_protocol.as_deref();
        let protocol = protocol.ok_or_else(|| crate::error::missing_parameter("IpProtocol"))?;
        let ports = ports(protocol, permission.from_port, permission.to_port)?;
        let peers = peers(permission)?;
        if peers.is_empty() {
            return Err(say::no_peer());
        }
        for (peer, description) in peers {
            all.push(Asked {
                ports: ports.clone(),
                peer,
                description: checked_description(description)?,
            });
        }
    }
    Ok(all)
}

type Peer = (AskedPeer, Option<String>);

fn peers(permission: &api::IpPermission) -> Result<Vec<Peer>, AwsError> {
    let missing = |name: &'static str| crate::error::missing_parameter(name);
    let mut peers = Vec::new();
    for range in permission.ip_ranges.iter().flatten() {
        let cidr = range.cidr_ip.as_deref().ok_or_else(|| missing("CidrIp"))?;
        peers.push((ipv4(cidr)?, range.description.clone()));
    }
    for range in permission.ipv6_ranges.iter().flatten() {
        let cidr = range
            .cidr_ipv6
            .as_deref()
            .ok_or_else(|| missing("CidrIpv6"))?;
        peers.push((ipv6(cidr)?, range.description.clone()));
    }
    for list in permission.prefix_list_ids.iter().flatten() {
        let id = list
            .prefix_list_id
            .clone()
            .ok_or_else(|| missing("PrefixListId"))?;
        peers.push((AskedPeer::PrefixList(id), list.description.clone()));
    }
    for pair in permission.user_id_group_pairs.iter().flatten() {
        if pair.group_id.is_none() && pair.group_name.is_none() {
            return Err(missing("GroupId"));
        }
        let group = AskedPeer::Group {
            id: pair.group_id.clone(),
            name: pair.group_name.clone(),
            account: pair.user_id.clone(),
        };
        peers.push((group, pair.description.clone()));
    }
    Ok(peers)
}

/// An IPv4 range; bits behind its prefix are cleared, and an address alone is no range.
pub fn ipv4(cidr: &str) -> Result<AskedPeer, AwsError> {
    let range = Cidr::canonical(cidr).map_err(|_| say::malformed_range(cidr))?;
    Ok(AskedPeer::Known(RulePeer::Ipv4(range)))
}

/// An IPv6 range in its usual form.
pub fn ipv6(cidr: &str) -> Result<AskedPeer, AwsError> {
    let parsed = cidr.split_once('/').and_then(|(address, len)| {
        let (address, len): (Ipv6Addr, u8) = (address.parse().ok()?, len.parse().ok()?);
        let host_bits = 128_u32.checked_sub(u32::from(len))?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let range = Ipv6Addr::from(u128::from(address) & mask);
        Some(format!("{range}/{len}"))
    });
    let range = parsed.ok_or_else(|| say::malformed_range(cidr))?;
    Ok(AskedPeer::Known(RulePeer::Ipv6(range)))
}

/// EC2 answers the names of four protocols, however a caller writes them, and the numbers of all
/// others.
pub fn protocol(given: &str) -> Result<String, AwsError> {
    let lower = given.to_ascii_lowercase();
    let known = match lower.as_str() {
        "-1" | "all" => "-1",
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        number if number.parse::<u8>().is_ok() => number,
        _ => return Err(say::protocol(given)),
    };
    Ok(known.to_owned())
}

/// A protocol with its ports. Only TCP and UDP have ports, and ICMP a type and a code.
pub fn ports(given: &str, from: Option<i32>, to: Option<i32>) -> Result<Ports, AwsError> {
    let protocol = protocol(given)?;
    let (from, to) = match protocol.as_str() {
        "tcp" | "udp" => port_range(from, to)?,
        "icmp" | "icmpv6" => icmp(from.unwrap_or(-1), to.unwrap_or(-1))?,
        _ => (-1, -1),
    };
    Ok(Ports { protocol, from, to })
}

fn port_range(from: Option<i32>, to: Option<i32>) -> Result<(i32, i32), AwsError> {
    let given = |port: Option<i32>| port.filter(|p| *p != -1);
    let (Some(from), Some(to)) = (given(from), given(to)) else {
        return Err(say::ports_missing());
    };
    if let Some(port) = [from, to].iter().find(|p| !(0..=65535).contains(*p)) {
        return Err(say::ports(&format!("TCP/UDP port ({port}) out of range")));
    }
    match from <= to {
        true => Ok((from, to)),
        false => Err(say::ports(&format!(
            "Invalid TCP/UDP port range ({from}:{to})"
        ))),
    }
}

fn icmp(kind: i32, code: i32) -> Result<(i32, i32), AwsError> {
    for (what, value) in [("type", kind), ("code", code)] {
        if !(-1..=255).contains(&value) {
            return Err(say::ports(&format!("ICMP {what} ({value}) out of range")));
        }
    }
    match kind == -1 && code != -1 {
        true => Err(say::ports(&format!(
            "ICMP code ({code}) needs an ICMP type"
        ))),
        false => Ok((kind, code)),
    }
}

/// The description of a group or rule keeps to EC2's characters.
pub fn describable(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ". _-:/()#,@[]+=&;{}!$*".contains(c);
    text.len() < 256 && text.chars().all(allowed)
}

/// An empty description is none.
pub fn checked_description(given: Option<String>) -> Result<Option<String>, AwsError> {
    match given.filter(|d| !d.is_empty()) {
        Some(text) if !describable(&text) => Err(say::rule_description()),
        description => Ok(description),
    }
}

/// The rule that was asked for, once its peer is found.
pub fn rule(asked: &Asked, is_egress: bool, peer: RulePeer) -> SecurityGroupRule {
    SecurityGroupRule {
        is_egress,
        protocol: asked.ports.protocol.clone(),
        from_port: asked.ports.from,
        to_port: asked.ports.to,
        peer,
        description: asked.description.clone(),
    }
}

/// Do two rules say the same? What describes them does not matter.
pub fn same(a: &SecurityGroupRule, b: &SecurityGroupRule) -> bool {
    let who = |peer: &RulePeer| match peer {
        RulePeer::Group {
            group_id, account, ..
        } => (Some((group_id.clone(), account.clone())), None),
        other => (None, Some(other.clone())),
    };
    (
        a.is_egress,
        &a.protocol,
        a.from_port,
        a.to_port,
        who(&a.peer),
    ) == (
        b.is_egress,
        &b.protocol,
        b.from_port,
        b.to_port,
        who(&b.peer),
    )
}

/// A rule in the words of EC2's errors.
pub fn words(rule: &SecurityGroupRule) -> String {
    let peer = match &rule.peer {
        RulePeer::Ipv4(range) => range.to_string(),
        RulePeer::Ipv6(range) => range.clone(),
        RulePeer::PrefixList(id) => id.clone(),
        RulePeer::Group { group_id, .. } => group_id.clone(),
    };
    let (from, to) = (rule.from_port, rule.to_port);
    let any = |n: i32| {
        if n == -1 {
            "ALL".to_owned()
        } else {
            n.to_string()
        }
    };
    let what = match rule.protocol.as_str() {
        "-1" => "ALL".to_owned(),
        "tcp" | "udp" => format!(
            "{}, from port: {from}, to port: {to}",
            rule.protocol.to_uppercase()
        ),
        "icmp" | "icmpv6" => format!(
            "{}, type: {}, code: {}",
            rule.protocol.to_uppercase(),
            any(from),
            any(to)
        ),
        number => format!("protocol: {number}"),
    };
    format!("peer: {peer}, {what}, ALLOW")
}

/// The permissions that these rules are, as `DescribeSecurityGroups` puts them together: one for
/// each protocol and ports, with all its peers.
pub fn gather<'a>(rules: impl Iterator<Item = &'a SecurityGroupRule>) -> Vec<api::IpPermission> {
    let mut all: Vec<api::IpPermission> = Vec::new();
    for rule in rules {
        let blank = blank(rule);
        let same = |p: &api::IpPermission| {
            (&p.ip_protocol, p.from_port, p.to_port)
                == (&blank.ip_protocol, blank.from_port, blank.to_port)
        };
        let at = match all.iter().position(same) {
            Some(at) => at,
            None => {
                all.push(blank);
                all.len() - 1
            }
        };
        put(&mut all[at], rule);
    }
    all.sort_by_key(|p| (p.ip_protocol.clone(), p.from_port, p.to_port));
    all
}

/// The permission of a rule, without its peer. Protocols without ports show none.
fn blank(rule: &SecurityGroupRule) -> api::IpPermission {
    let has_ports = ["tcp", "udp", "icmp", "icmpv6"].contains(&rule.protocol.as_str());
    api::IpPermission {
        ip_protocol: Some(rule.protocol.clone()),
        from_port: has_ports.then_some(rule.from_port),
        to_port: has_ports.then_some(rule.to_port),
        ip_ranges: Some(vec![]),
        ipv6_ranges: Some(vec![]),
        prefix_list_ids: Some(vec![]),
        user_id_group_pairs: Some(vec![]),
    }
}

fn put(permission: &mut api::IpPermission, rule: &SecurityGroupRule) {
    let description = rule.description.clone();
    match &rule.peer {
        RulePeer::Ipv4(range) => {
            permission
                .ip_ranges
                .get_or_insert_default()
                .push(api::IpRange {
                    cidr_ip: Some(range.to_string()),
                    description,
                });
        }
        RulePeer::Ipv6(range) => {
            permission
                .ipv6_ranges
                .get_or_insert_default()
                .push(api::Ipv6Range {
                    cidr_ipv6: Some(range.clone()),
                    description,
                });
        }
        RulePeer::PrefixList(id) => {
            permission
                .prefix_list_ids
                .get_or_insert_default()
                .push(api::PrefixListId {
                    prefix_list_id: Some(id.clone()),
                    description,
                });
        }
        RulePeer::Group {
            group_id,
            account,
            vpc_id,
        } => {
            permission
                .user_id_group_pairs
                .get_or_insert_default()
                .push(api::UserIdGroupPair {
                    group_id: Some(group_id.clone()),
                    user_id: Some(account.clone()),
                    vpc_id: vpc_id.clone(),
                    description,
                    ..Default::default()
                });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T, AwsError>) -> String {
        result.expect_err("a refusal").message
    }

    #[test]
    fn protocols_have_one_name_each() {
        for (given, shown) in [
            ("TCP", "tcp"),
            ("6", "tcp"),
            ("17", "udp"),
            ("1", "icmp"),
            ("58", "icmpv6"),
            ("all", "-1"),
            ("50", "50"),
        ] {
            assert_eq!(protocol(given).expect("a protocol"), shown, "{given}");
        }
        for bad in ["tcpp", "256", "", "-2"] {
            assert!(protocol(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_are_checked_where_there_are_any() {
        let of = |p, from, to| ports(p, from, to).map(|p| (p.from, p.to));
        assert_eq!(of("tcp", Some(0), Some(65535)).expect("ports"), (0, 65535));
        assert_eq!(of("-1", Some(80), Some(80)).expect("ports"), (-1, -1));
        assert_eq!(of("icmp", Some(8), None).expect("ports"), (8, -1));
        assert_eq!(of("50", None, None).expect("ports"), (-1, -1));
        assert!(said(of("udp", Some(80), None)).starts_with("Invalid value for portRange. Must"));
        assert!(said(of("tcp", Some(1), Some(65536))).contains("(65536) out of range"));
        assert!(said(of("tcp", Some(9), Some(8))).contains("(9:8)"));
        assert!(said(of("icmp", Some(-1), Some(3))).contains("needs an ICMP type"));
        assert!(said(of("icmp", Some(256), None)).contains("type (256)"));
    }

    #[test]
    fn ranges_lose_the_bits_behind_their_prefix() {
        let known = |peer| match peer {
            Ok(AskedPeer::Known(RulePeer::Ipv4(range))) => range.to_string(),
            Ok(AskedPeer::Known(RulePeer::Ipv6(range))) => range,
            other => format!("{other:?}"),
        };
        assert_eq!(known(ipv4("10.1.2.3/8")), "10.0.0.0/8");
        assert_eq!(known(ipv6("2001:DB8::1/32")), "2001:db8::/32");
        assert_eq!(known(ipv6("::/0")), "::/0");
        assert!(said(ipv4("10.0.0.0")).ends_with("is malformed"));
        assert!(said(ipv6("::/129")).ends_with("is malformed"));
    }

    #[test]
    fn permissions_are_taken_apart_and_put_together() {
        let range = |cidr: &str| api::IpRange {
            cidr_ip: Some(cidr.into()),
            description: None,
        };
        let given = api::IpPermission {
            ip_protocol: Some("tcp".into()),
            from_port: Some(80),
            to_port: Some(81),
            ip_ranges: Some(vec![range("10.0.0.0/8"), range("0.0.0.0/0")]),
            ..Default::default()
        };
        let asked = flatten(std::slice::from_ref(&given)).expect("two rules");
        let rules: Vec<_> = asked
            .iter()
            .map(|a| match &a.peer {
                AskedPeer::Known(peer) => rule(a, false, peer.clone()),
                other => panic!("a range, not {other:?}"),
            })
            .collect();
        assert_eq!(
            words(&rules[1]),
            "peer: 0.0.0.0/0, TCP, from port: 80, to port: 81, ALLOW"
        );
        let [gathered] = <[_; 1]>::try_from(gather(rules.iter())).expect("one permission");
        assert_eq!(gathered.ip_ranges, given.ip_ranges);
        assert!(!same(&rules[0], &rules[1]));
        let none = api::IpPermission {
            ip_ranges: None,
            ..given
        };
        assert!(flatten(&[none]).is_err());
    }
}
