//! Starting, dying, starting again, and leaving nothing.

use super::place::*;
use crate::net::link::Veth;
use crate::net::netlink::Netlink;
use crate::net::{Network, NetworkError, firewall, link, names, netns, ruleset};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;

fn links(prefix: &str) -> Vec<String> {
    let all = link::list(&mut Netlink::open().unwrap()).unwrap();
    all.into_iter()
        .map(|l| l.name)
        .filter(|n| n.starts_with(prefix))
        .collect()
}

/// The routers' ends of the interfaces in `vpc-1`; none where it is not there.
async fn ports(dir: &Path) -> Vec<String> {
    let vpc = dir.join("vpc/vpc-1");
    match vpc.exists() {
        true => within(&vpc, || links("ngv")).await,
        false => Vec::new(),
    }
}

/// Who may send in `vpc-1`.
async fn senders(dir: &Path) -> Vec<String> {
    let vpc = dir.join("vpc/vpc-1");
    if !vpc.exists() {
        return Vec::new();
    }
    let read = || firewall::nft(&["list", "set", "inet", "neargate", "senders"], "").unwrap();
    let listing = within(&vpc, read).await;
    let mut all: Vec<String> = ruleset::parse(&listing)
        .into_iter()
        .map(|s| s.address.to_string())
        .collect();
    all.sort();
    all
}

#[test]
fn a_restarted_node_finds_its_running_tasks_connected() {
    isolated(|dir| async move {
        let first = start(dir.path()).await;
        let (a, b) = (eni(0, 4), eni(0, 5));
        let path_a = first.attach("a", &a).await.unwrap();
        let path_b = first.attach("b", &b).await.unwrap();
        let (from, to) = (
            udp(&path_a, (a.private_ipv4, 9)).await,
            udp(&path_b, (b.private_ipv4, 9)).await,
        );
        drop(first);

        from.send_to(b"while away", (b.private_ipv4, 9)).unwrap();
        assert_eq!(receive(&to).0, "while away");
        let second = start(dir.path()).await;
        from.send_to(b"after", (b.private_ipv4, 9)).unwrap();
        assert_eq!(receive(&to).0, "after");
        assert_eq!(second.attach("a", &a).await.unwrap(), path_a);
        assert_eq!(second.attach("a", &a).await.unwrap(), path_a);
        from.send_to(b"adopted", (b.private_ipv4, 9)).unwrap();
        assert_eq!(receive(&to).0, "adopted", "the same namespace");
        assert_eq!(senders(dir.path()).await, ["172.31.0.4", "172.31.0.5"]);
    });
}

#[test]
fn half_made_ones_are_finished() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let a = eni(0, 4);
        // Killed before the mount.
        std::fs::write(network.netns_path("file"), "").unwrap();
        network.attach("file", &a).await.unwrap();
        network.detach("file").await.unwrap();
        // Killed before the interface.
        within(&network.netns_path("bare"), || ()).await;
        network.attach("bare", &a).await.unwrap();
        network.detach("bare").await.unwrap();
        // Killed in the middle of a removal: the interface is there, the namespace's name is not.
        network.attach("late", &a).await.unwrap();
        let path = network.netns_path("late");
        let held = udp(&path, (a.private_ipv4, 9)).await;
        netns::remove(&path).unwrap();
        network.attach("late", &a).await.unwrap();
        let fresh = udp(&path, (a.private_ipv4, 9)).await;
        udp_here((HOST, 0))
            .send_to(b"fresh", (a.private_ipv4, 9))
            .unwrap();
        assert_eq!(receive(&fresh).0, "fresh");
        drop(held);
        // Never made, or removed twice.
        network.detach("late").await.unwrap();
        network.detach("late").await.unwrap();
        network.detach("never").await.unwrap();
        assert_eq!(senders(dir.path()).await, Vec::<String>::new());
        assert_eq!(
            netns::list(&dir.path().join("netns")).unwrap(),
            Vec::<String>::new()
        );
    });
}

#[test]
fn sweep_keeps_what_it_is_told_and_nothing_else() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let path_a = network.attach("a", &eni(0, 4)).await.unwrap();
        network.attach("b", &eni(0, 5)).await.unwrap();
        // Its namespace is held by a process that lives on.
        let path_c = network.attach("c", &eni(0, 6)).await.unwrap();
        let _held = udp(&path_c, (Ipv4Addr::UNSPECIFIED, 9)).await;

        network
            .sweep(&HashSet::from(["a".to_owned()]))
            .await
            .unwrap();
        assert_eq!(ports(dir.path()).await, [names::veth("a")]);
        assert_eq!(senders(dir.path()).await, ["172.31.0.4"]);
        assert_eq!(netns::list(&dir.path().join("netns")).unwrap(), ["a"]);
        let inside = udp(&path_a, (Ipv4Addr::new(172, 31, 0, 4), 9)).await;
        udp_here((HOST, 0))
            .send_to(b"x", ("172.31.0.4", 9))
            .unwrap();
        receive(&inside);
    });
}

#[test]
fn the_end_leaves_nothing_unless_tasks_stay() {
    isolated(|dir| async move {
        let uplink = names::uplink("test", "vpc-1");
        let tables = || firewall::tables().unwrap().len();
        let network = start(dir.path()).await;
        network.attach("a", &eni(0, 4)).await.unwrap();
        network.shutdown(true).await.unwrap();
        assert_eq!(links("ng"), [uplink.as_str()]);
        assert_eq!(senders(dir.path()).await, ["172.31.0.4"]);
        assert_eq!(tables(), 1);
        network.shutdown(false).await.unwrap();
        assert_eq!(links("ng"), Vec::<String>::new());
        assert_eq!(netns::list(&dir.path().join("vpc")).unwrap(), [""; 0]);
        assert_eq!(tables(), 0);
        drop(network);
        start(dir.path()).await.shutdown(true).await.unwrap();
        assert_eq!(tables(), 0, "no task was there to keep");
    });
}

#[test]
fn one_owner_at_a_time() {
    isolated(|dir| async move {
        let first = start(dir.path()).await;
        let second = Network::start(config(dir.path())).await.unwrap_err();
        let own = std::process::id() as i32;
        assert!(
            matches!(second, NetworkError::Owned { pid: Some(pid) } if pid == own),
            "{second}"
        );
        drop(first);
        start(dir.path()).await;
    });
}

#[test]
fn another_instances_leftovers() {
    isolated(|dir| async move {
        let mut other = config(&dir.path().join("other"));
        other.installation = "other".into();
        let network = started(other.clone()).await;
        let path = network.attach("a", &eni(0, 4)).await.unwrap();
        drop(network);
        let refused = Network::start(config(dir.path())).await.unwrap_err();
        let links_of = names::uplink("other", "vpc-1");
        assert!(
            matches!(&refused, NetworkError::OtherInstance { links } if *links == links_of),
            "{refused}"
        );

        let network = Network::start(other).await.unwrap();
        network.sweep(&HashSet::new()).await.unwrap();
        drop(network);
        assert!(!path.exists());
        let network = start(dir.path()).await;
        let tables = firewall::tables().unwrap();
        let own = ("inet".to_owned(), names::table("test"));
        assert_eq!(tables, [own], "the rules of one without tasks go");
        network.shutdown(true).await.unwrap();
    });
}

#[test]
fn the_bridge_of_an_earlier_version() {
    isolated(|dir| async move {
        let mut nl = Netlink::open().unwrap();
        link::add_bridge(&mut nl, "ng-00000000", [2, 0, 0, 0, 0, 9], 1500).unwrap();
        let index = link::find(&mut nl, "ng-00000000").unwrap().unwrap().index;
        let ends = dir.path().join("ends");
        let task = ends.clone();
        let veth = move || {
            let mut nl = Netlink::open().unwrap();
            let (handle, _) = netns::enter(&task)?;
            let veth = Veth {
                name: "ngv0",
                mac: None,
                controller: Some(index),
                peer_name: "eth0",
                peer_mac: [2, 0, 0, 0, 0, 8],
                peer_namespace: handle.as_fd(),
                mtu: 1500,
            };
            link::add_veth(&mut nl, &veth).unwrap();
            Ok(())
        };
        netns::on_own_thread(veth).await.unwrap();
        let refused = Network::start(config(dir.path())).await.unwrap_err();
        assert!(
            matches!(refused, NetworkError::EarlierVersion { tasks: 1, .. }),
            "{refused}"
        );
        link::delete(&mut nl, "ngv0").unwrap();
        netns::remove(&ends).unwrap();
        firewall::run("add table bridge ng_00000000\nadd table inet ng_00000000\n").unwrap();
        let network = start(dir.path()).await;
        assert_eq!(links("ng-"), [""; 0], "an empty one goes");
        assert_eq!(firewall::tables().unwrap().len(), 1);
        network.shutdown(true).await.unwrap();
    });
}

#[test]
fn an_overlapping_host_network_is_refused() {
    isolated(|dir| async move {
        let mut nl = Netlink::open().unwrap();
        link::add_bridge(&mut nl, "lan", [2, 0, 0, 0, 0, 9], 1500).unwrap();
        let lan = link::find(&mut nl, "lan").unwrap().unwrap().index;
        link::set_up(&mut nl, lan, None).unwrap();
        link::add_address(&mut nl, lan, Ipv4Addr::new(172, 31, 5, 9), 24).unwrap();
        let refused = Network::start(config(dir.path())).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("172.31.5.0/24 (interface lan)"),
            "{refused}"
        );
        assert_eq!(links("ng"), Vec::<String>::new());
    });
}

#[test]
fn bad_input_leaves_nothing() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        assert!(matches!(
            network.attach("../x", &eni(0, 4)).await,
            Err(NetworkError::TaskId(_))
        ));
        let mut bad = eni(0, 4);
        bad.mac = "nonsense".into();
        assert!(matches!(
            network.attach("a", &bad).await,
            Err(NetworkError::Invalid(_))
        ));
        // The kernel refuses a gateway that is not on the link.
        let mut bad = eni(0, 4);
        bad.gateway = Ipv4Addr::new(10, 0, 0, 1);
        assert!(matches!(
            network.attach("a", &bad).await,
            Err(NetworkError::Link { .. })
        ));
        assert!(!network.netns_path("a").exists());
        assert_eq!(senders(dir.path()).await, Vec::<String>::new());
    });
}

#[test]
fn many_at_once() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let tasks: Vec<_> = (0..64u8)
            .map(|n| {
                let network = network.clone();
                neargate_base::task::spawn("attach", async move {
                    network
                        .attach(&format!("t{n}"), &eni(0, 4 + n))
                        .await
                        .unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(senders(dir.path()).await.len(), 64);
        assert_eq!(ports(dir.path()).await.len(), 64);
        network.shutdown(false).await.unwrap();
        assert_eq!(links("ng"), Vec::<String>::new());
    });
}

fn forwards() -> bool {
    crate::net::sysctl::forwards().unwrap()
}

#[test]
fn the_host_routes_for_tasks_alone_and_no_longer_than_they_last() {
    isolated(|dir| async move {
        let forward = || {
            let table = names::table("test");
            firewall::nft(&["list", "chain", "inet", &table, "forward"], "").unwrap()
        };
        let closed = "meta nfproto ipv4 drop";
        crate::net::sysctl::forward(false).unwrap();
        // Killed, and started again: it knows who switched it on.
        drop(start(dir.path()).await);
        let network = start(dir.path()).await;
        assert!(forwards());
        let rules = forward();
        let last = rules
            .lines()
            .rev()
            .map(str::trim)
            .find(|l| !["}", ""].contains(l));
        assert_eq!(last, Some(closed), "{rules}");
        network.shutdown(false).await.unwrap();
        assert!(!forwards());
        drop(network);
        // A router stays one, for all its networks.
        crate::net::sysctl::forward(true).unwrap();
        let network = start(dir.path()).await;
        assert!(!forward().lines().any(|l| l.trim() == closed));
        network.shutdown(false).await.unwrap();
        assert!(forwards());
    });
}

#[test]
fn what_others_break_is_made_again() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let (a, b) = (eni(0, 4), eni(0, 5));
        let path_a = network.attach("a", &a).await.unwrap();
        let path_b = network.attach("b", &b).await.unwrap();
        let from = udp(&path_a, (Ipv4Addr::UNSPECIFIED, 9)).await;
        let to = udp(&path_b, (Ipv4Addr::UNSPECIFIED, 9)).await;
        to.set_read_timeout(Some(std::time::Duration::from_millis(100)))
            .unwrap();
        let delete = |name: &str| link::delete(&mut Netlink::open().unwrap(), name).unwrap();
        let vpc = dir.path().join("vpc/vpc-1");
        let table = names::table("test");
        let (uplink, port) = (names::uplink("test", "vpc-1"), names::veth("a"));
        let list = |table: &str| firewall::nft(&["list", "table", "inet", table], "").unwrap();
        let guarded = list(&table);
        let rules = within(&vpc, move || list("neargate")).await;
        let run = |words: &'static str| {
            let mut words = words.split(' ');
            let done = std::process::Command::new(words.next().unwrap())
                .args(words)
                .status();
            assert!(done.unwrap().success());
        };
        // In the host's namespace, and in the VPC's.
        let breaks: [&(dyn Fn() + Sync); 4] = [
            &|| drop(firewall::nft(&["flush", "chain", "inet", &table, "input"], "").unwrap()),
            &|| delete(&uplink),
            &|| run("nft flush ruleset"),
            &|| crate::net::sysctl::forward(false).unwrap(),
        ];
        let inside: [&'static str; 11] = [
            "nft flush ruleset",
            "nft add element inet neargate with_public { 172.31.0.4 }",
            "nft insert rule inet neargate egress accept",
            "nft flush chain inet neargate egress_sg_1",
            "ip link set uplink down",
            "ip link del uplink",
            "ip addr flush dev lo",
            "ip route flush table main",
            "ip rule flush pref 40000",
            "ip neigh flush nud permanent dev uplink",
            "ip link del VETH",
        ];
        for n in 0..breaks.len() + inside.len() {
            match breaks.get(n) {
                Some(broken) => broken(),
                None => {
                    let words = inside[n - breaks.len()].replace("VETH", &port).leak();
                    within(&vpc, move || run(words)).await;
                }
            }
            network.mend().await.unwrap();
            // A link that was just made may lose a packet.
            for (socket, seen) in [(&from, a.private_ipv4), (&udp_here((HOST, 0)), HOST)] {
                let text = format!("mended {n} {seen}");
                let arrives = || {
                    socket
                        .send_to(text.as_bytes(), (b.private_ipv4, 9))
                        .unwrap();
                    let mut read = [0; 64];
                    let Ok((length, peer)) = to.recv_from(&mut read) else {
                        return false;
                    };
                    read[..length] == *text.as_bytes() && peer.ip() == seen
                };
                assert!((0..100).any(|_| arrives()), "{text}");
            }
            assert_eq!(
                senders(dir.path()).await,
                ["172.31.0.4", "172.31.0.5"],
                "{n}"
            );
            assert_eq!(list(&table), guarded, "{n}");
            assert_eq!(within(&vpc, move || list("neargate")).await, rules, "{n}");
            assert!(forwards());
        }
        // A start that comes at once does not wait for the next look.
        delete(&uplink);
        firewall::nft(&["flush", "ruleset"], "").unwrap();
        within(&vpc, move || run("nft flush ruleset")).await;
        network.attach("c", &eni(0, 6)).await.unwrap();
        assert_eq!(senders(dir.path()).await.len(), 3);
    });
}

#[test]
fn tasks_reach_of_the_host_what_is_meant_for_them() {
    isolated(|dir| async move {
        let config = crate::net::NetworkConfig {
            reachable: Some(vec![4566]),
            ..config(dir.path())
        };
        let network = started(config).await;
        let a = eni(0, 4);
        let path = network.attach("a", &a).await.unwrap();
        let listen = |port| std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        let (_other, served) = (listen(8080), listen(4566));
        let connect = |port| {
            let to = (HOST, port).into();
            let limit = std::time::Duration::from_secs(10);
            within(&path, move || {
                std::net::TcpStream::connect_timeout(&to, limit).map(drop)
            })
        };
        assert!(connect(8080).await.is_err());
        connect(4566).await.unwrap();
        drop(served);
    });
}
