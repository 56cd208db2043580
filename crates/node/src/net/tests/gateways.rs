//! Ways out of a VPC and into it: internet and NAT gateways, public addresses, other VPCs, the host.

use super::place::*;
use super::vpc::*;
use crate::net::Network;
use neargate_domain::NetworkInterface;
use neargate_domain::vpc_network::*;
use std::net::Ipv4Addr;
use std::path::Path;

/// Whom [`internet`] plays.
const WORLD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The host there.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

fn public(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, 0, n)
}

/// The default VPC: its first subnet leaves by an internet gateway, the second by a NAT gateway, the
/// third not at all, except that 203.0.113.0/30 goes by the internet gateway, and a part of it nowhere.
fn vpc() -> VpcNetwork {
    let mut vpc = open();
    let route = |to: &str, by: Target| Route { to: cidr(to), by };
    vpc.subnets[0].routes = vec![route("0.0.0.0/0", Target::InternetGateway)];
    vpc.subnets[2].routes = vec![
        route("203.0.113.0/30", Target::InternetGateway),
        route("203.0.113.2/32", Target::Blackhole),
    ];
    vpc
}

/// With a public address.
fn with_public(mut interface: NetworkInterface, address: Ipv4Addr) -> NetworkInterface {
    interface.public_ipv4 = Some(address);
    interface
}

async fn world(dir: &Path) -> (std::path::PathBuf, Server) {
    let world = dir.join("world");
    internet(&world).await;
    let server = Server::at(&world, 80).await;
    (world, server)
}

#[test]
fn routes_decide_who_gets_out_and_as_whom() {
    isolated(|dir| async move {
        let (_world, server) = world(dir.path()).await;
        let network = Network::start(config(dir.path())).await.unwrap();
        network.apply([told(vpc())]).await.unwrap();
        let mut lab = Lab::of(network);
        lab.task("public", with_public(eni(0, 4), public(4))).await;
        lab.task("private", eni(0, 5)).await;
        lab.task("nat", eni(16, 4)).await;
        lab.task("closed", with_public(eni(32, 4), public(5))).await;
        for (from, out) in [
            ("public", true),
            ("private", false),
            ("nat", true),
            ("closed", false),
        ] {
            let seen = ask(Some(lab.path(from)), (WORLD, 80)).await;
            // The pool is nobody's outside: the host stands in.
            assert_eq!(seen, out.then_some(OUTSIDE), "{from}");
        }
        // The same by the host, which sees the addresses themselves.
        let here = Server::here(80);
        for (from, seen) in [
            ("public", Some(public(4))),
            ("private", None),
            ("nat", Some(NAT)),
            ("closed", Some(public(5))),
        ] {
            assert_eq!(
                ask(Some(lab.path(from)), (OUTSIDE, 80)).await,
                seen,
                "{from}"
            );
        }
        // What the route tables say holds at once.
        lab.tell([told(open())]).await;
        for from in ["public", "private", "nat", "closed"] {
            assert_eq!(
                ask(Some(lab.path(from)), (OUTSIDE, 80)).await,
                Some(NAT),
                "{from}"
            );
        }
        let mut shut = open();
        shut.subnets.iter_mut().for_each(|s| s.routes.clear());
        lab.tell([told(shut)]).await;
        for from in ["public", "private", "nat", "closed"] {
            assert_eq!(
                ask(Some(lab.path(from)), (OUTSIDE, 80)).await,
                None,
                "{from}"
            );
        }
        assert!(
            lab.reaches("nat", "public").await,
            "the VPC itself needs no route"
        );
        drop((here, server));
        lab.end().await;
    });
}

#[test]
fn public_addresses_are_reached() {
    isolated(|dir| async move {
        let (world, server) = world(dir.path()).await;
        let network = Network::start(config(dir.path())).await.unwrap();
        let mut told_of = vpc();
        told_of.groups.push(group(
            "sg-web",
            vec![(Traffic::Tcp(80, 80), range("203.0.113.0/24"))],
            everybody(),
        ));
        told_of.groups.push(group("sg-none", vec![], everybody()));
        network.apply([told(told_of)]).await.unwrap();
        let mut lab = Lab::of(network);
        lab.task(
            "web",
            in_groups(with_public(eni(0, 4), public(4)), &["sg-web"]),
        )
        .await;
        lab.task("open", with_public(eni(0, 5), public(5))).await;
        lab.task(
            "none",
            in_groups(with_public(eni(0, 6), public(6)), &["sg-none"]),
        )
        .await;
        lab.task("nat", eni(16, 4)).await;
        // From outside, as it is: groups see where a packet really comes from.
        for (to, seen) in [(4, Some(WORLD)), (5, Some(WORLD)), (6, None), (7, None)] {
            assert_eq!(ask(Some(&world), (public(to), 80)).await, seen, "{to}");
        }
        // From the host, as itself and not as a member of the default group.
        for (to, seen) in [(4, Some(OUTSIDE)), (5, Some(OUTSIDE)), (6, None)] {
            assert_eq!(ask(None, (public(to), 80)).await, seen, "{to}");
        }
        // Among each other, and by one's own.
        for (from, seen) in [
            ("web", public(4)),
            ("open", public(5)),
            ("none", public(6)),
            ("nat", NAT),
        ] {
            let from_here = ask(Some(lab.path(from)), (public(5), 80)).await;
            assert_eq!(from_here, Some(seen), "{from}");
        }
        assert_eq!(
            ask(Some(lab.path("open")), (public(4), 80)).await,
            None,
            "not of 203.0.113.0/24"
        );
        // Private addresses are not for the outside.
        assert_eq!(ask(Some(&world), (lab.address("open"), 80)).await, None);
        // An address moves to another interface, and away.
        let mut flow = flow(Some(&world), (public(5), 80)).await.unwrap();
        let moved = |n: u8, public: Option<Ipv4Addr>| {
            NetworkChange::Interface(InterfaceNetwork {
                public_ipv4: public,
                ..member(&eni(0, n), &["sg-1"])
            })
        };
        lab.tell([moved(5, None), moved(6, Some(public(5)))]).await;
        assert!(!flow.goes_on());
        assert_eq!(ask(Some(&world), (public(5), 80)).await, Some(WORLD));
        lab.tell([moved(6, None)]).await;
        assert_eq!(ask(Some(&world), (public(5), 80)).await, None);
        drop(server);
        lab.end().await;
    });
}

#[test]
fn a_pool_of_the_hosts_lan_is_known_there() {
    isolated(|dir| async move {
        let (world, server) = world(dir.path()).await;
        let config = crate::net::NetworkConfig {
            public_pool: cidr("203.0.113.128/28"),
            ..config(dir.path())
        };
        let network = Network::start(config).await.unwrap();
        network.apply([told(vpc())]).await.unwrap();
        let mut lab = Lab::of(network);
        let address = Ipv4Addr::new(203, 0, 113, 130);
        lab.task("web", with_public(eni(0, 4), address)).await;
        // The world has it on its own network: it asks by ARP who has it.
        let patient = within(&world, move || {
            std::net::TcpStream::connect_timeout(
                &(address, 80).into(),
                std::time::Duration::from_secs(10),
            )
        });
        patient.await.unwrap();
        assert_eq!(ask(Some(&world), (address, 80)).await, Some(WORLD));
        assert_eq!(
            ask(Some(lab.path("web")), (WORLD, 80)).await,
            Some(address),
            "as itself"
        );
        drop(server);
        lab.end().await;
        let mut nl = crate::net::netlink::Netlink::open().unwrap();
        let lan = crate::net::host::lan(&mut nl, cidr("203.0.113.128/28"))
            .unwrap()
            .unwrap();
        assert!(crate::net::route::proxied(&mut nl, lan).unwrap().is_empty());
    });
}

/// A VPC with the range of the default one, or of the host's LAN.
fn other(id: &str, text: &str) -> VpcNetwork {
    let mut other = vpc();
    other.vpc_id = id.into();
    other.is_default = false;
    other.ranges = vec![cidr(text)];
    other.subnets.truncate(1);
    other.subnets[0].range = cidr(text);
    other
}

#[test]
fn vpcs_never_see_each_other() {
    isolated(|dir| async move {
        let (world, server) = world(dir.path()).await;
        let network = Network::start(config(dir.path())).await.unwrap();
        network
            .apply([
                told(vpc()),
                told(other("vpc-2", VPC)),
                told(other("vpc-3", "203.0.113.0/24")),
            ])
            .await
            .unwrap();
        let mut lab = Lab::of(network);
        let of = |vpc: &str, mut interface: NetworkInterface| {
            interface.vpc_id = vpc.into();
            interface.id = format!("{}-{vpc}", interface.id);
            interface
        };
        lab.task("a", with_public(eni(0, 4), public(4))).await;
        lab.task("b", eni(0, 5)).await;
        lab.task("a2", of("vpc-2", with_public(eni(0, 4), public(14))))
            .await;
        lab.task("c2", of("vpc-2", eni(0, 6))).await;
        let mut lan = of("vpc-3", with_public(eni(0, 4), public(24)));
        lan.private_ipv4 = Ipv4Addr::new(203, 0, 113, 9);
        (lan.gateway, lan.prefix_len) = (OUTSIDE, 24);
        lab.task("lan", lan).await;
        // The same address is another task in each.
        assert!(lab.reaches("b", "a").await && lab.reaches("c2", "a2").await);
        assert!(!lab.reaches("a", "c2").await && !lab.reaches("a2", "b").await);
        // Not by the host either, which knows the default VPC's; the others have their own way out.
        assert_eq!(ask(None, (lab.address("b"), 80)).await, Some(HOST));
        assert_eq!(ask(None, (lab.address("c2"), 80)).await, None);
        assert_eq!(
            ask(Some(lab.path("lan")), (lab.address("b"), 80)).await,
            None
        );
        assert_eq!(ask(Some(lab.path("a2")), (HOST, 80)).await, None);
        // By public addresses, as those.
        assert_eq!(
            ask(Some(lab.path("a")), (public(14), 80)).await,
            Some(public(4))
        );
        assert_eq!(
            ask(Some(lab.path("lan")), (public(4), 80)).await,
            Some(public(24))
        );
        assert_eq!(
            ask(None, (public(24), 80)).await,
            None,
            "the host's own address is in its range"
        );
        assert_eq!(
            ask(Some(lab.path("a")), (WORLD, 80)).await,
            Some(OUTSIDE),
            "and is not taken for it"
        );
        drop((server, world));
        lab.end().await;
    });
}

#[test]
fn the_host_is_reached_as_far_as_it_allows() {
    isolated(|dir| async move {
        let (world, server) = world(dir.path()).await;
        let config = crate::net::NetworkConfig {
            reachable: Some(vec![4566]),
            ..config(dir.path())
        };
        let network = Network::start(config).await.unwrap();
        network.apply([told(vpc())]).await.unwrap();
        let mut lab = Lab::of(network);
        lab.task("a", with_public(eni(0, 4), public(4))).await;
        lab.task("nat", eni(16, 4)).await;
        let (served, other) = (Server::here(4566), Server::here(8080));
        for from in ["a", "nat"] {
            let path = Some(lab.path(from));
            for at in [HOST, OUTSIDE] {
                assert!(ask(path, (at, 4566)).await.is_some(), "{from} at {at}");
                assert_eq!(ask(path, (at, 8080)).await, None, "{from} at {at}");
            }
            // The loopback of the host, and another's router: 127.0.0.1 is the task itself.
            assert_eq!(ask(path, (Ipv4Addr::LOCALHOST, 4566)).await, None);
            assert_eq!(ask(path, (Ipv4Addr::new(172, 31, 16, 1), 4566)).await, None);
        }
        drop((served, other, server, world));
        lab.end().await;
    });
}
