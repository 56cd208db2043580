//! Security groups as chains: one for each group and direction, in AWS's terms, and one for each
//! combination of groups that somebody here has, which tries its groups and drops. Pure.

use super::super::table::{Kind, Tables};
use super::rules::{inet, within};
use super::view::View;
use super::{HOSTS, flows};
use neargate_domain::vpc_network::{GroupNetwork, GroupPeer, GroupRule, Traffic};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// The direction in which a group's rules are asked, and which address of a packet is the peer's.
const DIRECTIONS: [(&str, &str); 2] = [("egress", "daddr"), ("ingress", "saddr")];

pub(super) fn plan(view: &View, t: &mut Tables) {
    let Some(vpc) = &view.vpc else {
        return;
    };
    let named: BTreeSet<&str> = vpc
        .groups
        .iter()
        .flat_map(|g| g.ingress.iter().chain(&g.egress))
        .filter_map(|rule| match &rule.peer {
            GroupPeer::Group(id) => Some(id.as_str()),
            GroupPeer::Range(_) => None,
        })
        .collect();
    for id in &named {
        t.set(inet(&members(id)), Kind::Set("ipv4_addr"));
    }
    for member in &view.members {
        for id in member
            .groups
            .iter()
            .filter(|id| named.contains(id.as_str()))
        {
            t.element(&inet(&members(id)), member.address.to_string());
        }
    }
    if let Some(host) = view.host()
        && named.contains(vpc.default_group.as_str())
    {
        t.element(&inet(&members(&vpc.default_group)), host.to_string());
    }
    for group in &vpc.groups {
        for (direction, peer) in DIRECTIONS {
            let rules = rules_of(group, direction).iter();
            let mut texts: Vec<String> =
                rules.clone().filter_map(|rule| text(rule, peer)).collect();
            if direction == "ingress" && view.host().is_some() {
                texts.extend(rules.filter_map(|rule| from_hosts(rule, &vpc.default_group)));
            }
            in_parts(t, &chain(direction, &group.group_id), texts);
        }
    }
    let known: BTreeSet<&str> = vpc.groups.iter().map(|g| g.group_id.as_str()).collect();
    for port in &view.ports {
        let groups: Vec<&str> = port
            .groups
            .iter()
            .map(String::as_str)
            .filter(|id| known.contains(id))
            .collect();
        if groups.is_empty() {
            continue;
        }
        let combination = combination(&groups);
        for (direction, _) in DIRECTIONS {
            let name = format!("{direction}_{combination}");
            let mut rules: Vec<String> = groups
                .iter()
                .map(|id| format!("jump {}", chain(direction, id)))
                .collect();
            rules.push(flows::refused(view, direction).into());
            t.chain(inet(&name), rules);
            let map = inet(&format!("{direction}_of"));
            t.value(&map, port.address.to_string(), format!("goto {name}"));
        }
    }
}

/// The most rules of a chain: changing one loads all of its chain anew.
const FEW: usize = 64;

/// A chain with these rules. Many are spread over chains by what they say, which their order allows,
/// since every rule of a group only allows; so a change concerns few of them.
fn in_parts(t: &mut Tables, name: &str, rules: Vec<String>) {
    if rules.len() <= FEW {
        return t.chain(inet(name), rules);
    }
    let mut parts = vec![Vec::new(); (rules.len() / (FEW / 2)).next_power_of_two()];
    for rule in rules {
        // FNV-1a.
        let hash = rule.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let part = usize::try_from(hash).unwrap_or_default() % parts.len();
        parts[part].push(rule);
    }
    let jumps = (0..parts.len()).map(|n| format!("jump {name}_{n}"));
    t.chain(inet(name), jumps.collect());
    for (n, part) in parts.into_iter().enumerate() {
        t.chain(inet(&format!("{name}_{n}")), part);
    }
}

fn rules_of<'a>(group: &'a GroupNetwork, direction: &str) -> &'a [GroupRule] {
    match direction {
        "egress" => &group.egress,
        _ => &group.ingress,
    }
}

/// The rule; `None` if it allows nothing. `peer` is the peer's address, `saddr` or `daddr`.
fn text(rule: &GroupRule, peer: &str) -> Option<String> {
    let who = match &rule.peer {
        GroupPeer::Range(range) => within(peer, *range),
        GroupPeer::Group(id) => format!("ip {peer} @{} ", members(id)),
    };
    Some(format!("{who}{}accept", traffic(rule.traffic)?))
}

/// The rule for the other hosts, which are members of the default group as this one is.
fn from_hosts(rule: &GroupRule, default_group: &str) -> Option<String> {
    match &rule.peer {
        GroupPeer::Group(id) if id == default_group => {
            let range = within("saddr", HOSTS);
            Some(format!("{range}{}accept", traffic(rule.traffic)?))
        }
        _ => None,
    }
}

/// What nftables calls it; `None` for a range of ports in which there is none.
pub(super) fn traffic(traffic: Traffic) -> Option<String> {
    let ports = |protocol: &str, first: u16, last: u16| match (first, last) {
        (0, u16::MAX) => Some(format!("meta l4proto {protocol} ")),
        _ if first == last => Some(format!("{protocol} dport {first} ")),
        _ if first < last => Some(format!("{protocol} dport {first}-{last} ")),
        _ => None,
    };
    match traffic {
        Traffic::Any => Some(String::new()),
        Traffic::Tcp(first, last) => ports("tcp", first, last),
        Traffic::Udp(first, last) => ports("udp", first, last),
        Traffic::Icmp(None, _) => Some("meta l4proto icmp ".into()),
        Traffic::Icmp(Some(kind), None) => Some(format!("icmp type {kind} ")),
        Traffic::Icmp(Some(kind), Some(code)) => {
            Some(format!("icmp type {kind} icmp code {code} "))
        }
        Traffic::Protocol(number) => Some(format!("meta l4proto {number} ")),
    }
}

fn members(group: &str) -> String {
    format!("members_{}", word(group))
}

fn chain(direction: &str, group: &str) -> String {
    format!("{direction}_{}", word(group))
}

/// An id as nftables takes it in a name.
pub(super) fn word(id: &str) -> String {
    id.replace('-', "_")
}

/// A combination of groups by a hash, since its name would be as long as there are groups.
fn combination(groups: &[&str]) -> String {
    let digest = hex::encode(Sha256::digest(groups.join(" ")));
    format!("all_{}", &digest[..16])
}
