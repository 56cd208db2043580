//! Names, texts and arithmetic: no kernel.

use super::place::{cidr, eni};
use crate::net::host::overlap;
use crate::net::link::{Link, Route};
use crate::net::ruleset::{self, Sender};
use crate::net::{format_mac, names, parse_mac, resolv};
use std::net::Ipv4Addr;

#[test]
fn names_fit_the_kernel() {
    assert_eq!(names::veth("web").len(), 15);
    assert_ne!(names::veth("web"), names::veth("db"));
    assert_eq!(names::uplink("any installation at all", "vpc-1").len(), 15);
    assert_ne!(names::uplink("a", "vpc-1"), names::uplink("a", "vpc-2"));
}

#[test]
fn ids_that_leave_the_directory_are_refused() {
    assert!(names::is_task_id("0123456789abcdef0123456789abcdef"));
    for bad in ["", ".", "..", "a/b", "../x", "a\0", &"a".repeat(65)] {
        assert!(!names::is_task_id(bad), "{bad:?}");
    }
}

#[test]
fn resolv_conf_keeps_what_a_task_can_use() {
    let text = "# stub\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\n\
                search example.com corp\noptions edns0 trust-ad\nsortlist 1.2.3.4\n";
    let kept = "nameserver 10.0.0.2\nsearch example.com corp\noptions edns0 trust-ad\n";
    assert_eq!(resolv::filter(text), kept);
}

#[test]
fn resolv_conf_in_a_vpc_names_its_resolver() {
    let mut eni = eni(16, 4);
    eni.vpc_cidr = "172.31.0.0/16".into();
    eni.private_dns_name = "ip-172-31-16-4.eu-west-1.compute.internal".into();
    let expected = "search eu-west-1.compute.internal\nnameserver 172.31.0.2\n";
    assert_eq!(resolv::in_vpc(&eni), expected);
    eni.domain_name = Some("shop.internal".into());
    let expected = "search shop.internal\nnameserver 172.31.0.2\n";
    assert_eq!(resolv::in_vpc(&eni), expected);
}

#[test]
fn resolv_conf_looks_behind_the_stub() {
    let dir = tempfile::tempdir().unwrap();
    let (stub, real) = (dir.path().join("stub"), dir.path().join("real"));
    std::fs::write(&stub, "nameserver 127.0.0.53\nsearch lan\n").unwrap();
    assert_eq!(
        resolv::from_sources([stub.as_path(), real.as_path()]),
        "search lan\n"
    );
    std::fs::write(&real, "nameserver 192.0.2.1\n").unwrap();
    assert_eq!(
        resolv::from_sources([stub.as_path(), real.as_path()]),
        "nameserver 192.0.2.1\n"
    );
}

#[test]
fn a_listing_of_nft_is_read_back() {
    let sender = |n: u8| Sender {
        veth: names::veth(&n.to_string()),
        mac: format_mac([2, 0, 0, 0, 0, n]),
        address: Ipv4Addr::new(172, 31, 0, n),
        published: vec![],
    };
    let (a, b) = (sender(4), sender(5));
    let listing = format!(
        "table bridge t {{\n\tset senders {{\n\t\ttype ifname . ether_addr . ipv4_addr\n\
         \t\telements = {{ \"{}\" . {} . {},\n\t\t\t     \"{}\" . {} . {} }}\n\t}}\n}}\n",
        a.veth, a.mac, a.address, b.veth, b.mac, b.address
    );
    assert_eq!(ruleset::parse(&listing), [a, b]);
    assert_eq!(
        ruleset::parse("table bridge t {\n\tset senders {\n\t}\n}\n"),
        []
    );
}

#[test]
fn mac_addresses() {
    assert_eq!(
        parse_mac("02:aB:00:00:00:01")
            .map(format_mac)
            .ok()
            .as_deref(),
        Some("02:ab:00:00:00:01")
    );
    for bad in [
        "",
        "02:00",
        "02:00:00:00:00:0g",
        "01:00:5e:00:00:01",
        "2:0:0:0:0:1",
        "02:00:00:00:00:00:00",
    ] {
        assert!(parse_mac(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_overlapping_network_of_the_host_is_found() {
    let vpc = cidr("172.31.0.0/16");
    let link = |index: u32, name: &str| Link {
        index,
        name: name.into(),
        mac: vec![],
        mtu: 1500,
        controller: None,
        up: true,
    };
    let links = [link(1, "eth0"), link(2, "ngu00000000000")];
    let route = |destination: [u8; 4], prefix_len, interface| Route {
        destination: destination.into(),
        prefix_len,
        interface,
    };
    for (r, meets) in [
        (route([0, 0, 0, 0], 0, 1), false),
        (route([192, 0, 2, 0], 24, 1), false),
        (route([172, 30, 0, 0], 16, 1), false),
        (route([172, 31, 5, 0], 24, 1), true),
        (route([172, 16, 0, 0], 12, 1), true),
        (route([172, 31, 0, 0], 20, 2), false),
    ] {
        assert_eq!(
            overlap(vpc, std::slice::from_ref(&r), &links).is_some(),
            meets,
            "{r:?}"
        );
    }
}
