//! Names of interfaces (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>):
//! `ip-10-0-0-5.ec2.internal` and, for those with a public address,
//! `ec2-198-19-0-5.compute-1.amazonaws.com`, which means the private address inside its VPC.

use super::{Answer, Asked, Names, SharedTable, soa, within};
use neargate_base::Region;
use std::net::Ipv4Addr;

/// The interfaces of the VPC that asks, and public addresses of all.
#[derive(Debug)]
pub struct Interfaces(pub SharedTable);

impl Names for Interfaces {
    fn lookup(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer> {
        self.private(vpc, asked).or_else(|| self.public(vpc, asked))
    }
}

impl Interfaces {
    /// Zones that nobody on the internet has: a name in them is ours to deny.
    fn private(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer> {
        let table = self.0.read();
        let own = private_zone(&table.vpc(vpc)?.region);
        if let Some(host) = within(asked.text, &own) {
            if host.is_empty() {
                return Some(Answer::apex(asked, &own));
            }
            let address = host.strip_prefix("ip-").and_then(dashed);
            let there = address.filter(|address| table.at(vpc, *address).is_some());
            return Some(match there {
                Some(address) => Answer::address(asked, address, &own),
                None => Answer::NoName(soa(&own)),
            });
        }
        let foreign = ["compute.internal", "ec2.internal"];
        let zone = foreign
            .into_iter()
            .find(|zone| within(asked.text, zone).is_some())?;
        // The zone of this VPC's region may be below it: then it is a name without records.
        let is_name = asked.text == zone || within(&own, asked.text).is_some();
        Some(match is_name {
            true => Answer::apex(asked, zone),
            false => Answer::NoName(soa(zone)),
        })
    }

    /// Of addresses that are not ours the internet knows.
    fn public(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer> {
        let (host, zone) = asked.text.split_once('.')?;
        let address = host.strip_prefix("ec2-").and_then(dashed)?;
        let table = self.0.read();
        let interface = table.at_public(address)?;
        let home = table.vpc(&interface.vpc_id)?;
        if !home.dns_hostnames || zone != public_zone(&home.region) {
            return None;
        }
        let seen = match interface.vpc_id == vpc {
            true => interface.private_ipv4,
            false => address,
        };
        Some(Answer::address(asked, seen, zone))
    }
}

/// The name of a public address.
pub(super) fn public_name(address: Ipv4Addr, region: &Region) -> String {
    let dashed = address.to_string().replace('.', "-");
    format!("ec2-{dashed}.{}", public_zone(region))
}

fn private_zone(region: &Region) -> String {
    match region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    }
}

fn public_zone(region: &Region) -> String {
    match region.as_str() {
        "us-east-1" => "compute-1.amazonaws.com".to_owned(),
        china if china.starts_with("cn-") => format!("{china}.compute.amazonaws.com.cn"),
        region => format!("{region}.compute.amazonaws.com"),
    }
}

/// `10-0-0-5`, in the one way to write it.
fn dashed(text: &str) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = text.replace('-', ".").parse().ok()?;
    (!text.contains('.')).then_some(address)
}
