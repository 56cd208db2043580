//! The firewall as nftables text (nft(8)): pure, a function of names and addresses.
//!
//! Two tables of the same name. `bridge` checks what tasks send, between each other too: a port
//! passes only frames from its own task's MAC and IPv4 address, listed in the set `senders`, and
//! no other protocol. `inet` routes: out of the VPC behind the host's address, nothing new from
//! outside in, no link-local services of the host's cloud (its instance metadata holds
//! credentials) but DNS, which some clouds serve there.
//!
//! Loading it again changes nothing and keeps the set, so running tasks notice nothing.

use super::names::VETH_PREFIX;
use std::net::Ipv4Addr;

/// What one port may send as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) veth: String,
    pub(super) mac: String,
    pub(super) address: Ipv4Addr,
}

pub(super) fn base(table: &str, bridge: &str, vpc_cidr: &str) -> String {
    format!(
        r#"add table bridge {table}
add set bridge {table} senders {{ type ifname . ether_addr . ipv4_addr; }}
add chain bridge {table} ingress {{ type filter hook prerouting priority -300; policy accept; }}
add table inet {table}
add chain inet {table} input {{ type filter hook input priority 0; policy accept; }}
add chain inet {table} output {{ type filter hook output priority 0; policy accept; }}
add chain inet {table} forward {{ type filter hook forward priority 0; policy accept; }}
add chain inet {table} postrouting {{ type nat hook postrouting priority 100; policy accept; }}
flush table bridge {table}
flush table inet {table}
add rule bridge {table} ingress iifname != "{VETH_PREFIX}*" accept
add rule bridge {table} ingress ether type ip iifname . ether saddr . ip saddr @senders accept
add rule bridge {table} ingress ether type arp iifname . arp saddr ether . arp saddr ip != @senders drop
add rule bridge {table} ingress ether type arp iifname . ether saddr . arp saddr ip @senders accept
add rule bridge {table} ingress drop
add rule inet {table} input iifname "{bridge}" ip daddr 127.0.0.0/8 drop
add rule inet {table} input iifname "{bridge}" ip daddr 169.254.169.254 meta l4proto {{ tcp, udp }} th dport != 53 reject with icmp type admin-prohibited
add rule inet {table} output oifname "{bridge}" icmp type redirect drop
add rule inet {table} forward iifname "{bridge}" ip daddr 169.254.0.0/16 meta l4proto {{ tcp, udp }} th dport 53 accept
add rule inet {table} forward iifname "{bridge}" ip daddr 169.254.0.0/16 reject with icmp type admin-prohibited
add rule inet {table} forward iifname "{bridge}" accept
add rule inet {table} forward oifname "{bridge}" ct state established,related accept
add rule inet {table} forward oifname "{bridge}" drop
add rule inet {table} postrouting ip saddr {vpc_cidr} ip daddr != {vpc_cidr} masquerade
"#
    )
}

/// Removes both tables; fine if they are gone already.
pub(super) fn remove(table: &str) -> String {
    ["bridge", "inet"]
        .map(|f| format!("add table {f} {table}\ndelete table {f} {table}\n"))
        .concat()
}

pub(super) fn add(table: &str, s: &Sender) -> String {
    format!("add element bridge {table} senders {{ {} }}\n", element(s))
}

/// Adding first makes it fine if the element is gone already.
pub(super) fn delete(table: &str, s: &Sender) -> String {
    format!(
        "{}delete element bridge {table} senders {{ {} }}\n",
        add(table, s),
        element(s)
    )
}

fn element(s: &Sender) -> String {
    format!("\"{}\" . {} . {}", s.veth, s.mac, s.address)
}

/// The senders in what `nft list set` prints.
pub(super) fn parse(listing: &str) -> Vec<Sender> {
    let Some((_, elements)) = listing.split_once("elements = {") else {
        return vec![];
    };
    let elements = elements.split('}').next().unwrap_or_default();
    let sender = |e: &str| {
        let mut parts = e.split(" . ").map(str::trim);
        let veth = parts.next()?.trim_matches('"').to_owned();
        let mac = parts.next()?.to_owned();
        let address = parts.next()?.parse().ok()?;
        Some(Sender { veth, mac, address })
    };
    elements.split(',').filter_map(sender).collect()
}
