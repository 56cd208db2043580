//! The texts for nftables: pure.

use super::place::{cidr, open};
use super::vpc::{everybody, group, members, range};
use crate::net::names;
use crate::net::table::{Kind, Tables};
use crate::net::vpc::rules;
use crate::net::vpc::view::{Member, Port, View};
use neargate_domain::vpc_network::*;
use std::net::Ipv4Addr;
use std::sync::Arc;

fn view(groups: Vec<GroupNetwork>) -> View {
    let port = Port {
        veth: "ngv0".into(),
        mac: "02:00:00:00:00:04".into(),
        address: Ipv4Addr::new(172, 31, 0, 4),
        gateway: Ipv4Addr::new(172, 31, 0, 1),
        groups: ["sg-a".to_owned(), "sg-gone".to_owned()].into(),
        public: None,
        is_instance: false,
        is_logged: false,
    };
    View {
        vpc: Some(Arc::new(VpcNetwork { groups, ..open() })),
        members: vec![Member {
            address: port.address,
            groups: vec!["sg-a".into()],
        }],
        ports: vec![port],
        peers: Default::default(),
        across: None,
        api: Vec::new(),
    }
}

#[test]
fn a_rule_says_what_aws_says() {
    let traffic = [
        (Traffic::Any, "accept"),
        (Traffic::Tcp(0, 65535), "meta l4proto tcp accept"),
        (Traffic::Tcp(80, 80), "tcp dport 80 accept"),
        (Traffic::Udp(1, 9), "udp dport 1-9 accept"),
        (Traffic::Icmp(None, None), "meta l4proto icmp accept"),
        (Traffic::Icmp(Some(8), None), "icmp type 8 accept"),
        (
            Traffic::Icmp(Some(3), Some(4)),
            "icmp type 3 icmp code 4 accept",
        ),
        (Traffic::Protocol(50), "meta l4proto 50 accept"),
        // None of it: there is no such port.
        (Traffic::Tcp(9, 1), ""),
    ];
    let peers = [
        (range("0.0.0.0/0"), ""),
        (range("10.0.0.0/8"), "ip saddr 10.0.0.0/8 "),
        (members("sg-b"), "ip saddr @members_sg_b "),
    ];
    for (traffic, said) in traffic {
        for (peer, who) in &peers {
            let ingress = vec![(traffic, peer.clone())];
            let text = rules::plan(&view(vec![group("sg-a", ingress, vec![])])).whole(&[]);
            let rule = format!("add rule inet neargate ingress_sg_a {who}{said}\n");
            assert_eq!(text.contains(&rule), !said.is_empty(), "{rule} in {text}");
        }
    }
}

#[test]
fn a_change_concerns_what_changed() {
    let many = |more: u16| {
        let rule = |n| (Traffic::Tcp(n, n), range("10.0.0.0/8"));
        let own = (Traffic::Any, members("sg-a"));
        let ingress = (1..=1000 + more).map(rule).chain([own]).collect();
        rules::plan(&view(vec![group("sg-a", ingress, everybody())]))
    };
    let change = many(1).since(&many(0));
    let lines = change.lines().count();
    assert!((2..=64).contains(&lines), "{lines} lines: {change}");
    assert_eq!(many(0).since(&many(0)), "");
    // One more who is named is an element more.
    let before = view(vec![group(
        "sg-a",
        vec![(Traffic::Any, members("sg-a"))],
        vec![],
    )]);
    let mut after = before.clone();
    after.members.push(Member {
        address: Ipv4Addr::new(172, 31, 0, 5),
        groups: vec!["sg-a".into()],
    });
    assert_eq!(
        rules::plan(&after).since(&rules::plan(&before)),
        "add element inet neargate members_sg_a { 172.31.0.5 }\n"
    );
}

#[test]
fn what_is_gone_goes_after_what_needs_it() {
    let mut before = Tables::default();
    before.set("inet t m", Kind::Map("ipv4_addr", "verdict"));
    before.set("inet t s", Kind::Set("ipv4_addr"));
    before.chain("inet t c", vec!["ip saddr @s accept".into()]);
    before.value("inet t m", "10.0.0.1", "goto c");
    before.value("inet t m", "10.0.0.2", "goto c");
    let mut after = Tables::default();
    after.set("inet t m", Kind::Map("ipv4_addr", "verdict"));
    after.chain("inet t d", vec!["drop".into()]);
    after.value("inet t m", "10.0.0.1", "goto d");
    let lines = [
        "add chain inet t d",
        "delete element inet t m { 10.0.0.1, 10.0.0.2 }",
        "flush chain inet t c",
        "add rule inet t d drop",
        "add element inet t m { 10.0.0.1 : goto d }",
        "delete chain inet t c",
        "delete set inet t s",
    ];
    assert_eq!(after.since(&before), lines.join("\n") + "\n");
}

#[test]
fn a_peer_sends_as_itself_and_passes_on_nowhere() {
    let mut view = view(vec![group("sg-a", vec![], vec![])]);
    let ranges = ["10.2.0.0/16", "172.31.0.0/20"].map(cidr).to_vec();
    view.peers = [("vpc-2".to_owned(), ranges)].into();
    let name = names::peering("vpc-2");
    let text = rules::plan(&view).whole(&[]);
    let says = |rule: &str| text.contains(&format!("add rule inet neargate {rule}\n"));
    assert!(says(&format!(
        "guard iifname \"{name}\" ip saddr 10.2.0.0/16 accept"
    )));
    assert!(says("guard iifname \"uplink\" ip saddr 10.2.0.0/16 drop"));
    assert!(
        !text.contains("172.31.0.0/20 accept"),
        "a range of its own: {text}"
    );
    assert!(says("egress iifname \"ngp*\" oifname \"uplink\" drop"));
    assert!(says("egress oifname \"ngp*\" iifname != \"ngv*\" drop"));
    assert!(says("input iifname \"ngp*\" drop"));
    assert!(!text.contains("notrack"));
    // With other hosts: what only passes by to them is not tracked.
    view.across = Some(Ipv4Addr::new(240, 0, 0, 1));
    let text = rules::plan(&view).whole(&[]);
    let tracked = text.find("ip daddr != @here notrack").unwrap();
    assert!(tracked < text.find("ip saddr 10.2.0.0/16 accept").unwrap());
}
