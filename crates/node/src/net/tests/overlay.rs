//! The part that spans hosts, seen from one: its device, its peers, and who may speak for it.

use super::place::*;
use crate::net::netlink::Netlink;
use crate::net::overlay::PORT;
use crate::net::{Network, OverlayConfig, firewall, link, names};
use neargate_domain::vpc_network::vni;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The internet of [`internet`], here in the role of another host.
const PEER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// Where the device of `vpc-1` sends what has no known place; `None` where there is none.
async fn flooded(dir: &Path) -> Option<BTreeSet<Ipv4Addr>> {
    within(&dir.join("vpc/vpc-1"), || {
        let mut nl = Netlink::open().unwrap();
        let device = link::find(&mut nl, "overlay").unwrap()?;
        Some(link::flooded(&mut nl, device.index).unwrap())
    })
    .await
}

/// Whether a text of our own has arrived where only devices speak: they may have spoken, too.
fn forged(device: &std::net::UdpSocket) -> bool {
    device.set_nonblocking(true).unwrap();
    let mut packet = [0; 2048];
    while let Ok((length, _)) = device.recv_from(&mut packet) {
        if packet[..length] == *b"forged" {
            return true;
        }
    }
    false
}

async fn joined(dir: &Path) -> Arc<Network> {
    let config = crate::net::NetworkConfig {
        overlay: Some(OverlayConfig::default()),
        ..config(dir)
    };
    started(config).await
}

#[test]
fn peers_come_and_go_and_outlive_the_process() {
    isolated(|dir| async move {
        let network = joined(dir.path()).await;
        let (a, b) = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 3));
        network.set_peers([a].into()).await.unwrap();
        let path = network.attach("a", &eni(0, 4)).await.unwrap();
        assert_eq!(flooded(dir.path()).await, Some([a].into()));
        for peers in [vec![a], vec![a, b], vec![a, b], vec![b]] {
            let peers: BTreeSet<Ipv4Addr> = peers.into_iter().collect();
            network.set_peers(peers.clone()).await.unwrap();
            assert_eq!(flooded(dir.path()).await, Some(peers));
        }
        // Never itself: neither by loopback nor by an address it has.
        let own = [Ipv4Addr::LOCALHOST, HOST];
        network.set_peers([own[0], own[1], b].into()).await.unwrap();
        assert_eq!(flooded(dir.path()).await, Some([b].into()));
        drop(network);
        let network = joined(dir.path()).await;
        assert_eq!(
            flooded(dir.path()).await,
            Some([b].into()),
            "until it is told others"
        );
        let listing = firewall::nft(&["list", "set", "inet", &names::table("test"), "peers"], "");
        assert!(listing.unwrap().contains("10.9.0.3"));
        network.set_peers(BTreeSet::new()).await.unwrap();
        assert_eq!(flooded(dir.path()).await, Some(BTreeSet::new()));

        // Tasks leave room for what is put around their packets.
        let mtu = within(&path, || {
            let mut nl = Netlink::open().unwrap();
            link::find(&mut nl, "eth0").unwrap().unwrap().mtu
        });
        assert_eq!(mtu.await, 1450);
        drop(network);

        // And without an overlay none is left of an earlier one.
        let network = start(dir.path()).await;
        assert_eq!(flooded(dir.path()).await, None);
        network.shutdown(false).await.unwrap();
    });
}

#[test]
fn only_the_kernel_speaks_to_a_peers_device() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let network = joined(dir.path()).await;
        network.set_peers(BTreeSet::from([PEER])).await.unwrap();
        let a = eni(0, 4);
        let path = network.attach("a", &a).await.unwrap();
        let (device, other) = (
            udp(&world, (PEER, PORT)).await,
            udp(&world, (PEER, 9)).await,
        );
        let task = udp(&path, (a.private_ipv4, 0)).await;
        let host = udp_here((Ipv4Addr::new(203, 0, 113, 1), 0));
        for from in [&task, &host] {
            // Refused at once, or lost on the way.
            let _ = from.send_to(b"forged", (PEER, PORT));
            from.send_to(b"honest", (PEER, 9)).unwrap();
            assert_eq!(receive(&other).0, "honest");
        }
        assert!(!forged(&device), "what was sent before did not arrive");

        // The device's own packets do arrive: somebody is looked for.
        device.set_nonblocking(false).unwrap();
        task.send_to(b"who?", (Ipv4Addr::new(172, 31, 0, 99), 9))
            .unwrap();
        let mut packet = [0; 256];
        let (length, _) = device.recv_from(&mut packet).unwrap();
        // Eight bytes of VXLAN, then an ARP request by an address that no VPC has.
        assert_eq!(
            packet[8 + 12..8 + 14],
            [0x08, 0x06],
            "{:?}",
            &packet[..length]
        );
        assert_eq!(packet[8 + 38..8 + 42], [172, 31, 0, 99]);
        assert!(packet[8 + 28] >= 240);
        network.shutdown(false).await.unwrap();
    });
}

/// A frame as the device of a peer would send it: a task elsewhere asks who has `wanted`.
fn who_has(wanted: Ipv4Addr, asking: Ipv4Addr) -> Vec<u8> {
    let mac = [2, 0, 0, 7, 7, asking.octets()[3]];
    let [_, a, b, c] = vni("vpc-1").to_be_bytes();
    let header = [8, 0, 0, 0, a, b, c, 0];
    let ethernet = [&[0xff; 6][..], &mac, &[8, 6]].concat();
    let request = [0, 1, 8, 0, 6, 4, 0, 1];
    let sender = [&mac[..], &asking.octets()].concat();
    let target = [&[0; 6][..], &wanted.octets()].concat();
    [&header[..], &ethernet, &request, &sender, &target].concat()
}

#[test]
fn a_peer_reaches_the_device_at_the_hosts_own_address_only() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let network = joined(dir.path()).await;
        network.set_peers(BTreeSet::from([PEER])).await.unwrap();
        let a = eni(0, 4);
        network.attach("a", &a).await.unwrap();
        let peer = udp(&world, (PEER, PORT)).await;
        let [one, two] = [98, 99].map(|n| Ipv4Addr::new(240, 0, 0, n));
        let private = HOST;
        let own = Ipv4Addr::new(203, 0, 113, 1);
        let asked_by = |packet: &[u8]| {
            let is_answer = packet[8 + 20..8 + 22] == [0, 2];
            is_answer.then(|| packet[8 + 38..8 + 42].to_vec())
        };
        // Asked again as a host does, for a question may get lost.
        peer.set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let answered = (0..50).find_map(|_| {
            for (asking, at) in [(one, private), (two, own)] {
                let question = who_has(a.private_ipv4, asking);
                peer.send_to(&question, (at, PORT)).unwrap();
            }
            let mut packet = [0; 256];
            while peer.recv_from(&mut packet).is_ok() {
                if let Some(to) = asked_by(&packet) {
                    return Some(to);
                }
            }
            None
        });
        let answered = answered.expect("the task is found");
        assert_eq!(answered, two.octets(), "the second question is answered");

        // A process that comes after one of an older version knows its own address, too.
        let table = names::table("test");
        firewall::nft(&["flush", "set", "inet", &table, "own"], "").unwrap();
        drop(network);
        let network = joined(dir.path()).await;
        let listing = firewall::nft(&["list", "set", "inet", &table, "own"], "");
        assert!(listing.unwrap().contains("203.0.113.1"));
        network.shutdown(false).await.unwrap();
    });
}

#[test]
fn no_task_sends_to_a_device_of_hosts_that_are_no_peers() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let network = joined(dir.path()).await;
        let a = eni(0, 4);
        let path = network.attach("a", &a).await.unwrap();
        let (device, other) = (
            udp(&world, (PEER, PORT)).await,
            udp(&world, (PEER, 9)).await,
        );
        let task = udp(&path, (a.private_ipv4, 0)).await;
        let _ = task.send_to(b"forged", (PEER, PORT));
        task.send_to(b"honest", (PEER, 9)).unwrap();
        assert_eq!(receive(&other).0, "honest");
        assert!(!forged(&device), "what was sent before did not arrive");
        network.shutdown(false).await.unwrap();
    });
}
