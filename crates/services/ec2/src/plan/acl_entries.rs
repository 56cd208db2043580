//! The rules of network ACLs as callers write them
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html>).

use crate::error;
use crate::error::acl as say;
use crate::plan::{permissions, ranges};
use neargate_api_ec2 as api;
use neargate_service::AwsError;
use neargate_service::vpc::{AclEntry, RulePeer};

/// Rules of an ACL in one direction
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
pub const MAX_ENTRIES: usize = 20;

/// A rule as a caller writes it.
#[derive(Debug, Default)]
pub struct Asked {
    pub protocol: String,
    pub action: String,
    pub cidr: Option<String>,
    pub ipv6_cidr: Option<String>,
    pub ports: Option<api::PortRange>,
    pub icmp: Option<api::IcmpTypeCode>,
}

/// The number of a rule.
pub fn number(given: i32) -> Result<u16, AwsError> {
    let number = u16::try_from(given).ok();
    let number = number.filter(|n| (1..=32766).contains(n));
    number.ok_or_else(|| say::rule_number(given))
}

/// The rule that was asked for.
pub fn entry(asked: &Asked) -> Result<AclEntry, AwsError> {
    let protocol = protocol(&asked.protocol)?;
    let allow = match asked.action.as_str() {
        "allow" => true,
        "deny" => false,
        other => return Err(error::invalid_value("ruleAction", other)),
    };
    let range = match (&asked.cidr, &asked.ipv6_cidr) {
        (Some(cidr), None) => ranges::parse("cidrBlock", cidr)?.to_string(),
        (None, Some(cidr)) => match permissions::ipv6(cidr) {
            Ok(permissions::AskedPeer::Known(RulePeer::Ipv6(range))) => range,
            _ => return Err(error::not_a_cidr("ipv6CidrBlock", cidr)),
        },
        (None, None) => return Err(error::missing_parameter("cidrBlock")),
        (Some(_), Some(_)) => return Err(error::combination("cidrBlock", "ipv6CidrBlock")),
    };
    let (has_ports, is_icmp) = match protocol.as_str() {
        "6" | "17" => (true, false),
        "1" | "58" => (false, true),
        _ => (false, false),
    };
    Ok(AclEntry {
        allow,
        protocol,
        ports: if has_ports { Some(ports(asked)?) } else { None },
        icmp: if is_icmp { Some(icmp(asked)?) } else { None },
        range,
    })
}

/// EC2 answers the numbers of protocols, however a caller writes them.
fn protocol(given: &str) -> Result<String, AwsError> {
    let number = match given.to_ascii_lowercase().as_str() {
        "-1" | "all" => "-1".to_owned(),
        "tcp" => "6".to_owned(),
        "udp" => "17".to_owned(),
        "icmp" => "1".to_owned(),
        "icmpv6" => "58".to_owned(),
        other => match other.parse::<u8>() {
            Ok(number) => number.to_string(),
            Err(_) => return Err(say::protocol(given)),
        },
    };
    Ok(number)
}

fn ports(asked: &Asked) -> Result<(u16, u16), AwsError> {
    let range = asked.ports.as_ref();
    let (Some(from), Some(to)) = (range.and_then(|r| r.from), range.and_then(|r| r.to)) else {
        return Err(error::missing_parameter("portRange"));
    };
    // The whole range may be written as -1.
    if (from, to) == (-1, -1) {
        return Ok((0, u16::MAX));
    }
    match (u16::try_from(from), u16::try_from(to)) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err(say::ports(from, to)),
    }
}

fn icmp(asked: &Asked) -> Result<(i32, i32), AwsError> {
    let given = asked.icmp.as_ref();
    let Some(kind) = given.and_then(|i| i.r#type) else {
        return Err(error::missing_parameter("icmpTypeCode.type"));
    };
    let Some(code) = given.and_then(|i| i.code) else {
        return Err(error::missing_parameter("icmpTypeCode.code"));
    };
    match (-1..=255).contains(&kind) && (-1..=255).contains(&code) {
        true => Ok((kind, code)),
        false => Err(say::icmp(kind, code)),
    }
}
