//! A container instance's own network: who reaches a published port, and who has it.

use super::place::*;
use crate::net::netlink::Netlink;
use crate::net::{
    ConnectError, Connected, Instance, InstanceConfig, Network, Share, firewall, link, names, netns,
};
use neargate_domain::{PortMapping, Protocol};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ID: &str = "i-0123456789abcdef0";
const TASK: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn port(container_port: u16, host_port: Option<u16>) -> PortMapping {
    PortMapping {
        container_port,
        host_port,
        protocol: Protocol::Tcp,
    }
}

/// A slice's namespace, 172.31.0.9 in the VPC, and the network in it.
struct Lab {
    network: Arc<Network>,
    share: Share,
    namespace: PathBuf,
    instance: Arc<Instance>,
    run_dir: PathBuf,
}

impl Lab {
    async fn new(dir: &Path) -> Lab {
        let network = start(dir).await;
        let share = Share::new(network.clone(), ID).unwrap();
        let namespace = share.attach(ID, &eni(0, 9)).await.unwrap();
        let run_dir = dir.join("slice");
        let instance = Self::instance(Some(&namespace), &run_dir).await;
        Lab {
            network,
            share,
            namespace,
            instance,
            run_dir,
        }
    }

    async fn instance(namespace: Option<&Path>, run_dir: &Path) -> Arc<Instance> {
        let config = InstanceConfig {
            namespace: namespace.map(Path::to_owned),
            run_dir: run_dir.to_owned(),
        };
        Instance::start(config).await.unwrap()
    }

    /// As after the agent's end.
    async fn restart(&mut self) {
        self.instance = Self::instance(Some(&self.namespace), &self.run_dir).await;
    }

    async fn connect(&self, task: &str, name: &str, ports: &[PortMapping]) -> Connected {
        self.instance
            .connect(task, name, (ports, &[]))
            .await
            .unwrap()
    }

    /// Ports published in the kernel.
    async fn published(&self) -> Vec<u16> {
        let read = || firewall::publishers(names::INSTANCE_TABLE).unwrap();
        let all = within(&self.namespace, read).await;
        all.iter()
            .flat_map(|s| s.published.iter().map(|p| p.host_port))
            .collect()
    }

    async fn end(self) {
        self.instance.shutdown(false).await.unwrap();
        assert_eq!(files(&self.run_dir), [""; 0]);
        let links = within(&self.namespace, || {
            link::list(&mut Netlink::open().unwrap()).unwrap()
        });
        let names: Vec<String> = links.await.into_iter().map(|l| l.name).collect();
        assert_eq!(names, ["lo", "eth0"]);
        self.share.detach(ID).await.unwrap();
        self.network.shutdown(false).await.unwrap();
    }
}

fn files(run_dir: &Path) -> Vec<String> {
    netns::list(&run_dir.join("netns")).unwrap()
}

async fn serve(connected: &Connected, port: u16) -> TcpListener {
    listen(&connected.namespace, Ipv4Addr::UNSPECIFIED, port).await
}

fn at(address: [u8; 4], port: u16) -> SocketAddr {
    (Ipv4Addr::from(address), port).into()
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    isolated(|dir| async move {
        let lab = Lab::new(dir.path()).await;
        let task = lab.network.attach("vpc", &eni(16, 4)).await.unwrap();
        let web = lab.connect(TASK, "web", &[port(80, Some(8080))]).await;
        let db = lab.connect(OTHER, "db", &[]).await;
        assert_eq!(web.address, Ipv4Addr::new(172, 17, 0, 2));
        assert_eq!(db.address, Ipv4Addr::new(172, 17, 0, 3));
        let server = serve(&web, 80).await;

        let public = at([172, 31, 0, 9], 8080);
        let from = |path: &Path| Some(path.to_owned());
        let outside = [(None, [172, 31, 0, 3]), (from(&task), [172, 31, 16, 4])];
        for (path, seen) in outside {
            let peer = connect_to(path.as_deref(), public, &server).await;
            assert_eq!(peer, Ipv4Addr::from(seen), "as it is");
        }
        let bridge = Ipv4Addr::new(172, 17, 0, 1);
        // Itself, by each of its addresses.
        for address in [[172, 31, 0, 9], [172, 17, 0, 1], [127, 0, 0, 1]] {
            connect_to(Some(&lab.namespace), at(address, 8080), &server).await;
        }
        // Its containers, the one that serves too: the answers must come the same way back.
        for container in [&db, &web] {
            let peer = connect_to(Some(&container.namespace), public, &server).await;
            assert_eq!(peer, bridge);
        }
        let direct = at(web.address.octets(), 80);
        let peer = connect_to(Some(&db.namespace), direct, &server).await;
        assert_eq!(peer, db.address);
        // Not by its own address from outside: the VPC does not know it.
        lab.end().await;
    });
}

#[test]
fn containers_reach_the_world_and_the_vpc_as_the_instance() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let lab = Lab::new(dir.path()).await;
        let task = lab.network.attach("vpc", &eni(16, 4)).await.unwrap();
        let web = lab.connect(TASK, "web", &[]).await;
        let in_vpc = listen(&task, Ipv4Addr::new(172, 31, 16, 4), 80).await;
        let peer = connect(Some(&web.namespace), in_vpc).await;
        assert_eq!(peer, Ipv4Addr::new(172, 31, 0, 9));
        let outside = listen(&world, Ipv4Addr::new(203, 0, 113, 2), 80).await;
        let peer = connect(Some(&web.namespace), outside).await;
        assert_eq!(peer, Ipv4Addr::new(203, 0, 113, 1));
        // The host's cloud keeps its credentials there. What instances ask at port 80 goes to who
        // answers them here, and that is nobody in this test.
        for (port, refused) in [(80, libc::ECONNREFUSED), (81, libc::EHOSTUNREACH)] {
            let said = within(&web.namespace, move || {
                let metadata = at([169, 254, 169, 254], port);
                std::net::TcpStream::connect_timeout(&metadata, std::time::Duration::from_secs(10))
                    .unwrap_err()
            });
            assert_eq!(said.await.raw_os_error(), Some(refused), "port {port}");
        }
        netns::remove(&world).unwrap();
        lab.end().await;
    });
}

#[test]
fn udp_ports_are_published_beside_tcp_ports() {
    isolated(|dir| async move {
        let lab = Lab::new(dir.path()).await;
        let udp_port = PortMapping {
            protocol: Protocol::Udp,
            ..port(53, Some(8080))
        };
        let dns = lab
            .connect(TASK, "dns", &[port(80, Some(8080)), udp_port])
            .await;
        let server = udp(&dns.namespace, (Ipv4Addr::UNSPECIFIED, 53)).await;
        let client = udp_here((Ipv4Addr::UNSPECIFIED, 0));
        client
            .send_to(b"question", at([172, 31, 0, 9], 8080))
            .unwrap();
        let host = HOST;
        assert_eq!(receive(&server), ("question".into(), host));

        // Its successor gets what the same sender sends on, without a pause.
        lab.instance.disconnect(TASK).await.unwrap();
        let udp_port = PortMapping {
            protocol: Protocol::Udp,
            ..port(53, Some(8080))
        };
        let next = lab.connect(OTHER, "dns", &[udp_port]).await;
        assert_ne!(next.address, dns.address);
        let server = udp(&next.namespace, (Ipv4Addr::UNSPECIFIED, 53)).await;
        client.send_to(b"again", at([172, 31, 0, 9], 8080)).unwrap();
        assert_eq!(receive(&server), ("again".into(), host));
        lab.end().await;
    });
}

#[test]
fn a_taken_port_is_refused_in_dockers_words_and_free_again_after() {
    isolated(|dir| async move {
        let lab = Lab::new(dir.path()).await;
        lab.connect(TASK, "web", &[port(80, Some(8080))]).await;
        let wanted = [port(81, None), port(80, Some(8080))];
        let refused = lab.instance.connect(OTHER, "web", (&wanted, &[])).await;
        let Err(ConnectError::Refused(words)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            words,
            "Bind for 0.0.0.0:8080 failed: port is already allocated"
        );
        assert_eq!(files(&lab.run_dir).len(), 1, "nothing of it is left");
        assert_eq!(lab.published().await, [8080]);
        lab.instance.disconnect(TASK).await.unwrap();
        lab.instance.disconnect(TASK).await.unwrap();
        lab.connect(OTHER, "web", &wanted).await;

        // Somebody else on the instance, such as a container in host mode.
        let _held = listen(&lab.namespace, Ipv4Addr::UNSPECIFIED, 9090).await;
        let refused = lab
            .instance
            .connect(TASK, "web", (&[port(80, Some(9090))], &[]))
            .await;
        let Err(ConnectError::Refused(words)) = refused else {
            panic!("{refused:?}")
        };
        assert!(words.ends_with("bind: address already in use"), "{words}");
        lab.end().await;
    });
}

#[test]
fn a_port_is_picked_from_those_that_are_free() {
    isolated(|dir| async move {
        let lab = Lab::new(dir.path()).await;
        let set = "/proc/sys/net/ipv4/ip_local_port_range";
        within(&lab.namespace, move || {
            std::fs::write(set, "40000 40003").unwrap();
        })
        .await;
        let mut lab = lab;
        lab.restart().await;
        let _held = listen(&lab.namespace, Ipv4Addr::UNSPECIFIED, 40001).await;
        let mut picked = Vec::new();
        for name in ["a", "b", "c"] {
            let connected = lab.connect(TASK, name, &[port(80, None)]).await;
            picked.push(connected.bindings[0].host_port);
        }
        assert_eq!(picked, [40000, 40002, 40003]);
        let none = lab
            .instance
            .connect(TASK, "d", (&[port(80, None)], &[]))
            .await;
        assert!(matches!(none, Err(ConnectError::Refused(_))), "{none:?}");
        lab.end().await;
    });
}

#[test]
fn a_restart_finds_addresses_and_ports_as_they_were() {
    isolated(|dir| async move {
        let mut lab = Lab::new(dir.path()).await;
        let ports = [port(80, None), port(80, Some(8080)), port(443, None)];
        let first = lab.connect(TASK, "gone", &[]).await;
        let web = lab.connect(TASK, "web", &ports).await;
        lab.instance.disconnect(OTHER).await.unwrap();
        let server = serve(&web, 80).await;
        lab.restart().await;
        // Before anybody asks for it again.
        connect_to(None, at([172, 31, 0, 9], 8080), &server).await;
        assert_eq!(lab.connect(TASK, "web", &ports).await, web);
        assert_eq!(lab.connect(TASK, "gone", &[]).await, first);
        connect_to(None, at([172, 31, 0, 9], 8080), &server).await;
        let taken = lab
            .instance
            .connect(OTHER, "web", (&[port(80, Some(8080))], &[]))
            .await;
        assert!(taken.is_err());
        lab.end().await;
    });
}

#[test]
fn flushed_tables_are_filled_again() {
    isolated(|dir| async move {
        let mut lab = Lab::new(dir.path()).await;
        lab.connect(OTHER, "before", &[]).await;
        let web = lab.connect(TASK, "web", &[port(80, None)]).await;
        let server = serve(&web, 80).await;
        within(&lab.namespace, || {
            firewall::nft(&["flush", "ruleset"], "").unwrap();
        })
        .await;
        lab.restart().await;
        let kept = [port(80, Some(web.bindings[0].host_port))];
        assert_eq!(lab.connect(TASK, "web", &kept).await, web);
        let public = at([172, 31, 0, 9], web.bindings[0].host_port);
        connect_to(None, public, &server).await;
        lab.end().await;
    });
}

#[test]
fn agents_of_one_host_sweep_their_own() {
    isolated(|dir| async move {
        let lab = Lab::new(dir.path()).await;
        lab.share.attach(OTHER, &eni(0, 10)).await.unwrap();
        lab.network.attach(TASK, &eni(0, 11)).await.unwrap();
        let web = lab.connect(TASK, "web", &[port(80, Some(8080))]).await;
        let server = serve(&web, 80).await;
        let mut before = netns::list(&dir.path().join("netns")).unwrap();

        lab.network
            .sweep(&HashSet::from([TASK.to_owned()]))
            .await
            .unwrap();
        let keep = HashSet::from([ID.to_owned(), OTHER.to_owned()]);
        lab.share.sweep(&keep).await.unwrap();
        let mut after = netns::list(&dir.path().join("netns")).unwrap();
        before.sort();
        after.sort();
        assert_eq!(before, after);
        lab.instance
            .sweep(&HashSet::from([TASK.to_owned()]))
            .await
            .unwrap();
        connect_to(None, at([172, 31, 0, 9], 8080), &server).await;

        // Each with nothing to keep.
        lab.network.sweep(&HashSet::new()).await.unwrap();
        lab.share
            .sweep(&HashSet::from([ID.to_owned()]))
            .await
            .unwrap();
        let left = netns::list(&dir.path().join("netns")).unwrap();
        assert_eq!(left, [format!("{ID}@{ID}")]);
        lab.instance.sweep(&HashSet::new()).await.unwrap();
        assert_eq!(files(&lab.run_dir), [""; 0]);
        assert_eq!(lab.published().await, [0; 0]);
        // An owner that nobody knows any more.
        lab.network.sweep_owners(&HashSet::new()).await.unwrap();
        let left = netns::list(&dir.path().join("netns")).unwrap();
        assert_eq!(left, [""; 0]);
        lab.network.shutdown(false).await.unwrap();
    });
}

#[test]
fn a_host_is_an_instance_itself() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let task = network.attach("vpc", &eni(0, 4)).await.unwrap();
        let run_dir = dir.path().join("own");
        let instance = Lab::instance(None, &run_dir).await;
        let web = instance
            .connect(TASK, "web", (&[port(80, Some(8080))], &[]))
            .await
            .unwrap();
        let server = serve(&web, 80).await;
        connect_to(None, at([127, 0, 0, 1], 8080), &server).await;
        let host = at(HOST.octets(), 8080);
        let peer = connect_to(Some(&task), host, &server).await;
        assert_eq!(peer, Ipv4Addr::new(172, 31, 0, 4));
        let in_vpc = listen(&task, Ipv4Addr::new(172, 31, 0, 4), 80).await;
        let peer = connect(Some(&web.namespace), in_vpc).await;
        assert_eq!(peer, HOST, "as the host");
        assert_eq!(instance.namespace(), Path::new("/proc/self/ns/net"));

        // The VPC's network comes and goes beside it.
        network.sweep(&HashSet::new()).await.unwrap();
        connect_to(None, at([127, 0, 0, 1], 8080), &server).await;
        network.shutdown(false).await.unwrap();
        connect_to(None, at([127, 0, 0, 1], 8080), &server).await;
        instance.shutdown(true).await.unwrap();
        connect_to(None, at([127, 0, 0, 1], 8080), &server).await;
        instance.shutdown(false).await.unwrap();
        let left = link::list(&mut Netlink::open().unwrap()).unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(firewall::nft(&["list", "ruleset"], "").unwrap(), "");
    });
}

#[test]
fn many_containers_at_once() {
    isolated(|dir| async move {
        let lab = Lab::new(dir.path()).await;
        let all: Vec<_> = (0..40)
            .map(|n| {
                let instance = lab.instance.clone();
                neargate_base::task::spawn("connect", async move {
                    let task = format!("{n:032x}");
                    instance
                        .connect(&task, "web", (&[port(80, None)], &[]))
                        .await
                        .unwrap()
                })
            })
            .collect();
        let (mut addresses, mut ports) = (HashSet::new(), HashSet::new());
        for one in all {
            let connected = one.await.unwrap();
            addresses.insert(connected.address);
            ports.insert(connected.bindings[0].host_port);
        }
        assert_eq!((addresses.len(), ports.len()), (40, 40));
        assert_eq!(lab.published().await.len(), 40);
        lab.end().await;
    });
}
