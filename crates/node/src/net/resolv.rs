//! The resolv.conf a task gets (resolv.conf(5)): its VPC's, or on a host that is a container instance
//! itself the host's, as far as it makes sense elsewhere.
//!
//! A loopback nameserver is a stub that only the host can ask; the IPv6 ones are out of a task's
//! reach. systemd-resolved keeps the real servers in a second file.

use neargate_domain::{Cidr, NetworkInterface};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// In this order the first that names a usable server is taken.
const SOURCES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// AmazonProvidedDNS, and the domain of the VPC's DHCP options, which is that of private names by default
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html>).
pub fn in_vpc(interface: &NetworkInterface) -> String {
    let range = interface.vpc_cidr.parse::<Cidr>();
    let server = range.map(|range| format!("nameserver {}\n", range.nth(2)));
    let search = interface.search_domain();
    let search = search.map(|domain| format!("search {domain}\n"));
    search.unwrap_or_default() + &server.unwrap_or_default()
}

/// Read anew each time: the host may have moved between networks.
pub(super) fn read() -> String {
    from_sources(SOURCES.map(Path::new))
}

pub(super) fn from_sources<'a>(sources: impl IntoIterator<Item = &'a Path>) -> String {
    let texts: Vec<String> = sources
        .into_iter()
        .filter_map(|p| fs::read_to_string(p).ok())
        .collect();
    if let Some(usable) = texts
        .iter()
        .map(|t| filter(t))
        .find(|t| t.contains("nameserver "))
    {
        return usable;
    }
    tracing::warn!("no nameserver that tasks can reach: they get an empty resolv.conf");
    texts.first().map(|t| filter(t)).unwrap_or_default()
}

/// Keeps reachable nameservers, `search`, `domain` and `options`; drops comments and the rest.
pub(super) fn filter(text: &str) -> String {
    let keep = |line: &&str| {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => words
                .next()
                .and_then(|a| a.parse::<Ipv4Addr>().ok())
                .is_some_and(|a| !a.is_loopback() && !a.is_unspecified()),
            Some("search" | "domain" | "options") => true,
            _ => false,
        }
    };
    text.lines()
        .map(str::trim)
        .filter(keep)
        .map(|l| format!("{l}\n"))
        .collect()
}
