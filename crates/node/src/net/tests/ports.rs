//! Addresses and ports: no kernel.

use crate::net::instance::gateway;
use crate::net::link::{Link, Route};
use crate::net::ports::{Denied, Leases};
use neargate_domain::{PortMapping, PortRange, Protocol};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);

fn leases(prefix_len: u8) -> Leases {
    Leases::new(GATEWAY, prefix_len, (40_000, 40_009))
}

fn any(container_port: u16) -> PortMapping {
    PortMapping {
        container_port,
        host_port: None,
        protocol: Protocol::Tcp,
    }
}

fn fixed(container_port: u16, host_port: u16) -> PortMapping {
    PortMapping {
        host_port: Some(host_port),
        ..any(container_port)
    }
}

#[test]
fn addresses_are_given_out_in_turn() {
    let mut leases = leases(29);
    let mut take = |name: &str| leases.take(name, &[], None, |_, _| true);
    for (n, name) in (2..=6).zip(["a", "b", "c", "d", "e"]) {
        let lease = take(name).unwrap();
        assert_eq!(lease.address, Ipv4Addr::new(172, 17, 0, n));
    }
    assert_eq!(take("f"), Err(Denied::NoAddress));
    leases.give_back("b");
    let again = leases.take("f", &[], None, |_, _| true).unwrap();
    assert_eq!(again.address, Ipv4Addr::new(172, 17, 0, 3));
}

#[test]
fn the_same_again_for_the_same_wish() {
    let mut leases = leases(16);
    let mut take = |wish: &[PortMapping]| leases.take("a", wish, None, |_, _| true).unwrap();
    let first = take(&[any(80), fixed(80, 8080)]);
    assert_eq!(first, take(&[any(80), fixed(80, 8080)]));
    // In the order asked for, whichever it was kept in.
    let turned = take(&[fixed(80, 8080), any(80)]);
    assert_eq!(turned.published[0].host_port, 8080);
    assert_eq!(turned.published[1].host_port, 40_000);
    // A host port of 0 is none.
    assert_eq!(turned, take(&[fixed(80, 8080), fixed(80, 0)]));
    let other = take(&[any(81)]);
    assert_ne!(first.published, other.published);
}

#[test]
fn a_denied_wish_keeps_nothing() {
    let mut leases = leases(16);
    leases
        .take("a", &[fixed(80, 8080)], None, |_, _| true)
        .unwrap();
    let denied = leases.take("b", &[any(80), fixed(80, 8080)], None, |_, _| true);
    assert_eq!(denied, Err(Denied::Taken { host_port: 8080 }));
    let udp = PortMapping {
        protocol: Protocol::Udp,
        ..fixed(80, 8080)
    };
    leases.take("b", &[udp], None, |_, _| true).unwrap();
    let all: Vec<PortMapping> = (0..10).map(any).collect();
    leases.take("c", &all, None, |_, _| true).unwrap();
    let denied = leases.take("d", &[any(1)], None, |_, _| true);
    assert_eq!(denied, Err(Denied::NoPort));
}

#[test]
fn the_bridge_avoids_what_is_there() {
    let link = |index: u32, name: &str| Link {
        index,
        name: name.into(),
        mac: vec![],
        mtu: 1500,
        controller: None,
        up: true,
    };
    let links = [link(1, "docker0"), link(2, "neargate0"), link(3, "eth0")];
    let route = |second, interface| Route {
        destination: Ipv4Addr::new(172, second, 0, 0),
        prefix_len: 16,
        interface,
    };
    let gateway = |routes: &[Route]| gateway(routes, &links);
    assert_eq!(gateway(&[]), Some(GATEWAY));
    assert_eq!(gateway(&[route(17, 1)]), Some([172, 18, 0, 1].into()));
    // It stays where it is.
    let own = [route(17, 1), route(20, 2)];
    assert_eq!(gateway(&own), Some([172, 20, 0, 1].into()));
    let all: Vec<Route> = (17..=30).map(|second| route(second, 3)).collect();
    assert_eq!(gateway(&all), None);
}

proptest! {
    #[test]
    fn nothing_has_two_holders(steps in proptest::collection::vec((0..12u8, 0..4usize, 0..3u16), 1..60)) {
        let mut leases = leases(28);
        let mut held = HashMap::new();
        for (endpoint, ports, from) in steps {
            let name = endpoint.to_string();
            if ports == 3 {
                leases.give_back(&name);
                held.remove(&name);
                continue;
            }
            let wish: Vec<PortMapping> = (0..ports as u16)
                .map(|n| if n == 0 { fixed(n, 8000 + from) } else { any(n) })
                .collect();
            match leases.take(&name, &wish, None, |_, port| port != 40_003) {
                Ok(lease) => held.insert(name, lease),
                Err(_) => held.remove(&name),
            };
            let addresses: HashSet<_> = held.values().map(|l| l.address).collect();
            prop_assert_eq!(addresses.len(), held.len());
            prop_assert!(!addresses.contains(&GATEWAY));
            let ports: Vec<_> = held.values().flat_map(|l| &l.published).map(|p| p.host_port).collect();
            let distinct: HashSet<_> = ports.iter().collect();
            prop_assert_eq!(distinct.len(), ports.len());
            prop_assert!(!distinct.contains(&40_003));
        }
    }
}

fn range(first: u16, last: u16) -> PortRange {
    PortRange {
        first,
        last,
        protocol: Protocol::Tcp,
        host_first: None,
    }
}

#[test]
fn a_range_is_a_row_of_free_ports_and_stays_where_it_is() {
    let mut leases = leases(16);
    let rows = |leases: &Leases, endpoint: &str, free: fn(u16) -> bool| {
        let rows = leases.in_rows(endpoint, &[range(9000, 9002)], |_, port| free(port));
        rows.map(|rows| {
            rows.iter()
                .map(|m| m.host_port.unwrap())
                .collect::<Vec<_>>()
        })
    };
    let first = rows(&leases, "a", |_| true).unwrap();
    assert_eq!(first, [first[0], first[0] + 1, first[0] + 2]);
    let mapped = leases
        .in_rows("a", &[range(9000, 9002)], |_, _| true)
        .unwrap();
    leases.take("a", &mapped, None, |_, _| true).unwrap();
    assert_eq!(rows(&leases, "a", |_| false).unwrap(), first, "it has them");
    let second = rows(&leases, "b", |_| true).unwrap();
    assert!(
        second.iter().all(|port| !first.contains(port)),
        "{second:?}"
    );
    assert_eq!(
        rows(&leases, "b", |port| port % 2 == 0),
        Err(Denied::NoPort)
    );
}
