//! What is counted for flow logs
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html>): sets that rules add flows to, each
//! with a counter. Pure. Where nobody wants a flow log, there are none of these rules.
//!
//! A flow is counted where its interface is, and for each interface by itself: what one lets out may be
//! kept from another.

use super::super::names::VETH_PREFIX;
use super::super::table::{Kind, Tables};
use super::rules::inet;
use super::view::View;

/// Where the interfaces are whose flows are counted.
const LOGGED: &str = "logged";

/// A direction, its word in names, which address is the interface's, and where a packet goes that is
/// refused.
const DIRECTIONS: [(&str, &str, &str); 2] = [
    ("egress", "saddr", "goto refused_egress"),
    ("ingress", "daddr", "goto refused_ingress"),
];
pub(in crate::net) const VERDICTS: [&str; 2] = ["accept", "reject"];

/// Flags of TCP by AWS's number, with what nftables calls them.
pub(in crate::net) const FLAGS: [(&str, u8, &str); 4] = [
    ("syn", 2, "tcp flags & (syn | ack) == syn"),
    ("syn_ack", 18, "tcp flags & (syn | ack) == (syn | ack)"),
    ("fin", 1, "tcp flags & fin == fin"),
    ("rst", 4, "tcp flags & rst == rst"),
];

const PORTS: Kind =
    Kind::Counted("ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service");
const NO_PORTS: Kind = Kind::Counted("ipv4_addr . ipv4_addr . inet_proto");
const OF_TCP: Kind = Kind::Counted("ipv4_addr . ipv4_addr . inet_service . inet_service");

/// The sets of flows: of protocols with ports, and of those without.
pub(in crate::net) fn counted(is_ingress: bool, is_accepted: bool) -> [String; 2] {
    let direction = DIRECTIONS[usize::from(is_ingress)].0;
    let verdict = VERDICTS[usize::from(!is_accepted)];
    ["flows", "others"].map(|what| format!("{what}_{direction}_{verdict}"))
}

/// The set of flows of TCP that had this flag.
pub(in crate::net) fn flagged(flag: &str, is_accepted: bool) -> String {
    format!("{flag}_{}", VERDICTS[usize::from(!is_accepted)])
}

/// What becomes of a packet that is refused in this direction.
pub(super) fn refused(view: &View, direction: &str) -> &'static str {
    let of = DIRECTIONS.iter().find(|(name, ..)| *name == direction);
    match of {
        Some((_, _, refused)) if view.is_logged() => refused,
        _ => "drop",
    }
}

pub(super) fn plan(view: &View, t: &mut Tables) {
    if !view.is_logged() {
        return;
    }
    t.set(inet(LOGGED), Kind::Set("ipv4_addr"));
    for port in view.ports.iter().filter(|port| port.is_logged) {
        t.element(&inet(LOGGED), port.address.to_string());
    }
    for (n, verdict) in VERDICTS.into_iter().enumerate() {
        flags(t, verdict, n == 0);
        for (m, (direction, ..)) in DIRECTIONS.into_iter().enumerate() {
            count(t, direction, verdict, counted(m == 1, n == 0));
        }
    }
    let noted = |(direction, address, _): (&str, &str, &str), verdict: &str| {
        let port = if direction == "egress" {
            "iifname"
        } else {
            "oifname"
        };
        format!("{port} \"{VETH_PREFIX}*\" ip {address} @{LOGGED} jump {direction}_{verdict}")
    };
    let [egress, ingress] = DIRECTIONS;
    t.hooked(
        inet("flows"),
        "type filter hook forward priority 3; policy accept;",
        vec![noted(egress, "accept"), noted(ingress, "accept")],
    );
    let refused = vec![noted(egress, "reject"), "drop".into()];
    t.chain(inet("refused_egress"), refused);
    // It has left who sent it.
    let refused = vec![
        noted(egress, "accept"),
        noted(ingress, "reject"),
        "drop".into(),
    ];
    t.chain(inet("refused_ingress"), refused);
}

fn count(t: &mut Tables, direction: &str, verdict: &str, [ports, others]: [String; 2]) {
    t.set(inet(&ports), PORTS);
    t.set(inet(&others), NO_PORTS);
    let ends = "ip saddr . ip daddr . meta l4proto";
    let rules = vec![
        format!("meta l4proto {{ tcp, udp }} update @{ports} {{ {ends} . th sport . th dport }}"),
        format!("meta l4proto != {{ tcp, udp }} update @{others} {{ {ends} }}"),
        format!("tcp flags & (fin | syn | rst) != 0x0 jump flags_{verdict}"),
    ];
    t.chain(inet(&format!("{direction}_{verdict}")), rules);
}

fn flags(t: &mut Tables, verdict: &str, is_accepted: bool) {
    let rule = |(flag, _, has): (&str, u8, &str)| {
        let set = flagged(flag, is_accepted);
        t.set(inet(&set), OF_TCP);
        format!("{has} update @{set} {{ ip saddr . ip daddr . tcp sport . tcp dport }}")
    };
    let rules = FLAGS.map(rule);
    t.chain(inet(&format!("flags_{verdict}")), rules.into());
}
