//! Names of addresses. Those of the VPC's own ranges and those that nobody on the internet has
//! (RFC 6303) are answered here, as AWS's resolver does
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-overview-forward-vpc-to-network-autodefined-rules.html>).

use super::interfaces::public_name;
use super::{Answer, Asked, Names, SharedTable, Table, soa, within};
use neargate_domain::Cidr;
use neargate_domain::vpc::private_dns_name;
use std::net::Ipv4Addr;

/// See the module.
#[derive(Debug)]
pub struct Reverse(pub SharedTable);

const IPV6_LOOPBACK: &str =
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";

/// RFC 6303, sections 4.1 and 4.2, by their first octets.
const LOCAL: [&[u8]; 6] = [&[0], &[10], &[127], &[169, 254], &[192, 168], &[192, 0, 2]];

impl Names for Reverse {
    fn lookup(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer> {
        if asked.text == IPV6_LOOPBACK {
            return Some(Answer::name(asked, "localhost", IPV6_LOOPBACK));
        }
        let octets = octets(within(asked.text, "in-addr.arpa")?)?;
        let table = self.0.read();
        let address = <[u8; 4]>::try_from(octets.as_slice()).ok();
        let address = address.map(Ipv4Addr::from);
        if let Some(name) = address.and_then(|address| public(&table, address)) {
            return Some(Answer::name(asked, &name, asked.text));
        }
        let zone = zone(&table, vpc, &octets)?;
        let Some(address) = address else {
            return Some(match octets.len() {
                _ if asked.text == zone => Answer::apex(asked, &zone),
                0..=3 => Answer::NoData(soa(&zone)),
                _ => Answer::NoName(soa(&zone)),
            });
        };
        let name = match address {
            Ipv4Addr::LOCALHOST => Some("localhost".to_owned()),
            _ => private(&table, vpc, address),
        };
        Some(match name {
            Some(name) => Answer::name(asked, &name, &zone),
            None => Answer::NoName(soa(&zone)),
        })
    }
}

fn private(table: &Table, vpc: &str, address: Ipv4Addr) -> Option<String> {
    table.at(vpc, address)?;
    Some(private_dns_name(address, &table.vpc(vpc)?.region))
}

fn public(table: &Table, address: Ipv4Addr) -> Option<String> {
    let home = table.vpc(&table.at_public(address)?.vpc_id)?;
    home.dns_hostnames
        .then(|| public_name(address, &home.region))
}

/// The zone of ours that an address with these first octets is in.
fn zone(table: &Table, vpc: &str, octets: &[u8]) -> Option<String> {
    let begins = |with: &[u8]| octets.starts_with(with);
    if let Some(local) = LOCAL.into_iter().find(|local| begins(local)) {
        return Some(named(local));
    }
    if let [172, second @ 16..=31, ..] = octets {
        return Some(named(&[172, *second]));
    }
    let own = table.vpc(vpc)?.ranges.iter();
    own.map(|range| first_octets(*range))
        .find(|range| begins(range))
        .map(|range| named(&range))
}

/// The octets that all addresses of the range have.
fn first_octets(range: Cidr) -> Vec<u8> {
    let whole = usize::from(range.prefix_len() / 8);
    range.base().octets()[..whole].to_vec()
}

fn named(octets: &[u8]) -> String {
    let labels = octets.iter().rev().map(|octet| format!("{octet}."));
    labels.collect::<String>() + "in-addr.arpa"
}

/// The octets that the labels name, the first one first. `None`: they name none.
fn octets(labels: &str) -> Option<Vec<u8>> {
    let octet = |label: &str| {
        let octet: u8 = label.parse().ok()?;
        (octet.to_string() == label).then_some(octet)
    };
    labels.rsplit('.').map(octet).collect()
}
