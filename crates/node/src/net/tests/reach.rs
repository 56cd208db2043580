//! Who reaches whom: task and host, task and task, task and the world.

use super::place::*;
use crate::net::link;
use crate::net::netlink::Netlink;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

#[test]
fn host_and_tasks_of_all_subnets_reach_each_other() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let (a, b, c) = (eni(0, 4), eni(0, 5), eni(16, 4));
        let path_a = network.attach("a", &a).await.unwrap();
        let path_b = network.attach("b", &b).await.unwrap();
        let path_c = network.attach("c", &c).await.unwrap();

        let from_host = connect(None, listen(&path_a, a.private_ipv4, 80).await).await;
        assert_eq!(from_host, HOST);
        let same = connect(Some(&path_b), listen(&path_a, a.private_ipv4, 81).await).await;
        assert_eq!(same, b.private_ipv4);
        let routed = connect(Some(&path_c), listen(&path_a, a.private_ipv4, 82).await).await;
        assert_eq!(routed, c.private_ipv4);
        let host = TcpListener::bind((HOST, 0)).unwrap();
        assert_eq!(connect(Some(&path_a), host).await, a.private_ipv4);
        let own = connect(
            Some(&path_a),
            listen(&path_a, Ipv4Addr::LOCALHOST, 83).await,
        )
        .await;
        assert_eq!(own, Ipv4Addr::LOCALHOST);
    });
}

#[test]
fn tasks_reach_the_world_behind_the_hosts_address() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let network = start(dir.path()).await;
        let a = eni(0, 4);
        let path = network.attach("a", &a).await.unwrap();

        let outside = Ipv4Addr::new(203, 0, 113, 2);
        let seen = connect(Some(&path), listen(&world, outside, 80).await).await;
        assert_eq!(seen, Ipv4Addr::new(203, 0, 113, 1), "masqueraded");
        let mtu = within(&path, || {
            link::find(&mut Netlink::open().unwrap(), "eth0")
                .unwrap()
                .unwrap()
                .mtu
        });
        assert_eq!(mtu.await, 1400, "the uplink's");

        // Nothing new from outside: only the host's own packet arrives.
        let inside = udp(&path, (a.private_ipv4, 9)).await;
        let stranger = udp(&world, (outside, 9)).await;
        stranger.send_to(b"stranger", (a.private_ipv4, 9)).unwrap();
        udp_here((HOST, 0))
            .send_to(b"host", (a.private_ipv4, 9))
            .unwrap();
        assert_eq!(receive(&inside).0, "host");
        crate::net::netns::remove(&world).unwrap();
    });
}

#[test]
fn the_clouds_metadata_service_is_out_of_reach() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let network = start(dir.path()).await;
        let path = network.attach("a", &eni(0, 4)).await.unwrap();

        let metadata = Ipv4Addr::new(169, 254, 169, 254);
        let listener = listen(&world, metadata, 80).await;
        let address = listener.local_addr().unwrap();
        TcpStream::connect_timeout(&address, Duration::from_secs(10)).expect("the host may");
        let refused = within(&path, move || {
            TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap_err()
        });
        assert_eq!(
            refused.await.raw_os_error(),
            Some(libc::EHOSTUNREACH),
            "at once"
        );
        // Some clouds' resolver has the same address.
        connect(Some(&path), listen(&world, metadata, 53).await).await;
        crate::net::netns::remove(&world).unwrap();
    });
}

#[test]
fn a_firewall_that_drops_forwarded_packets_lets_tasks_through() {
    let iptables = |args: &[&str]| std::process::Command::new("iptables").args(args).output();
    isolated(move |dir| async move {
        if iptables(&["-P", "FORWARD", "DROP"]).is_err() {
            eprintln!("skipped: needs iptables");
            return;
        }
        drop(start(dir.path()).await);
        let network = start(dir.path()).await;
        let (a, c) = (eni(0, 4), eni(16, 4));
        let path_a = network.attach("a", &a).await.unwrap();
        let path_c = network.attach("c", &c).await.unwrap();
        let routed = connect(Some(&path_c), listen(&path_a, a.private_ipv4, 82).await).await;
        assert_eq!(routed, c.private_ipv4);
        let rules = || {
            let listing = iptables(&["-S", "FORWARD"]).unwrap().stdout;
            String::from_utf8_lossy(&listing).matches("ngu+").count()
        };
        assert_eq!(rules(), 2, "once, however often it starts");
        network.shutdown(false).await.unwrap();
        assert_eq!(rules(), 0);
    });
}
