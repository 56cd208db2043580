//! Where tests happen: a fresh namespace, a network in it, and sockets inside its tasks.

use crate::net::link::{self, Veth};
use crate::net::netlink::Netlink;
use crate::net::{Network, NetworkConfig, NetworkError, netns};
use neargate_domain::vpc_network::{
    GroupNetwork, GroupPeer, GroupRule, NetworkChange, Route, SubnetNetwork, Target, Traffic,
    VpcNetwork,
};
use neargate_domain::{Cidr, NetworkInterface};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) const VPC: &str = "172.31.0.0/16";

/// Runs `test` on a thread with its own network and mounts. Without root it says so and passes.
#[allow(unsafe_code)]
pub(super) fn isolated<F>(test: impl FnOnce(tempfile::TempDir) -> F + Send + 'static)
where
    F: Future<Output = ()>,
{
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let thread = std::thread::spawn(move || {
        // SAFETY: neither flag touches descriptors; NEWNS also unshares this thread's working
        // directory, which nothing here changes.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }.unwrap();
        let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        mount_change("/", private).unwrap();
        let mut nl = Netlink::open().unwrap();
        link::set_up(&mut nl, 1, None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let paths = ["netns", "vpc"].map(|name| dir.path().join(name));
        runtime.block_on(test(dir));
        for path in paths {
            for left in netns::list(&path).unwrap_or_default() {
                netns::remove(&path.join(left)).unwrap();
            }
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(super) fn config(dir: &Path) -> NetworkConfig {
    NetworkConfig {
        installation: "test".into(),
        run_dir: dir.into(),
        vpc_cidr: cidr(VPC),
        public_pool: cidr("198.19.0.0/16"),
        overlay: None,
        reachable: None,
        api: Vec::new(),
    }
}

/// A network that knows the default VPC.
pub(super) async fn start(dir: &Path) -> Arc<Network> {
    started(config(dir)).await
}

pub(super) async fn started(config: NetworkConfig) -> Arc<Network> {
    let network = Network::start(config).await.unwrap();
    network.apply([told(open())]).await.unwrap();
    network
}

pub(super) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

/// `sg-1` of the default VPC `vpc-1`, where everything is allowed, leaves by a NAT gateway.
pub(super) fn open() -> VpcNetwork {
    let everybody = || GroupRule {
        traffic: Traffic::Any,
        peer: GroupPeer::Range(Cidr::ANY),
    };
    let subnet = |n: u32| SubnetNetwork {
        subnet_id: format!("subnet-{}", n + 1),
        range: Cidr::around(cidr(VPC).nth(n << 12), 20),
        routes: vec![Route {
            to: Cidr::ANY,
            by: Target::NatGateway {
                id: "nat-1".into(),
                public: NAT,
            },
        }],
        acl: None,
    };
    VpcNetwork {
        is_logged: false,
        dns: Default::default(),
        vpc_id: "vpc-1".into(),
        ranges: vec![cidr(VPC)],
        is_default: true,
        default_group: "sg-1".into(),
        subnets: vec![subnet(0), subnet(1), subnet(2)],
        peers: Default::default(),
        groups: vec![GroupNetwork {
            group_id: "sg-1".into(),
            ingress: vec![everybody()],
            egress: vec![everybody()],
        }],
    }
}

pub(super) fn told(vpc: VpcNetwork) -> NetworkChange {
    NetworkChange::Vpc(vpc)
}

/// The NAT gateway of [`open`].
pub(super) const NAT: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
/// The host in the default VPC.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 3);

/// An interface in the subnet that 172.31.`third`.`fourth` is in.
pub(super) fn eni(third: u8, fourth: u8) -> NetworkInterface {
    NetworkInterface {
        id: format!("eni-{third}-{fourth}"),
        mac: format!("02:00:00:00:{third:02x}:{fourth:02x}"),
        private_ipv4: Ipv4Addr::new(172, 31, third, fourth),
        prefix_len: 20,
        gateway: Ipv4Addr::new(172, 31, third & 0xf0, 1),
        vpc_cidr: VPC.into(),
        subnet_id: "subnet-1".into(),
        vpc_id: "vpc-1".into(),
        security_groups: vec!["sg-1".into()],
        private_dns_name: "ip.ec2.internal".into(),
        domain_name: None,
        availability_zone: "us-east-1a".into(),
        in_default_vpc: true,
        public_ipv4: None,
    }
}

/// Does `work` inside the namespace at `path` and gives what it opened there.
pub(super) async fn within<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let path = path.to_owned();
    let inside = move || {
        netns::enter(&path)?;
        Ok::<T, NetworkError>(work())
    };
    netns::on_own_thread(inside).await.unwrap()
}

/// A UDP socket inside the namespace, with a bound on how long a broken test waits.
pub(super) async fn udp(path: &Path, address: (Ipv4Addr, u16)) -> UdpSocket {
    within(path, move || udp_here(address)).await
}

pub(super) fn udp_here(address: (Ipv4Addr, u16)) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// What the socket receives next, and from whom.
pub(super) fn receive(socket: &UdpSocket) -> (String, Ipv4Addr) {
    let mut buffer = [0; 64];
    let (n, from) = socket.recv_from(&mut buffer).unwrap();
    let std::net::IpAddr::V4(from) = from.ip() else {
        panic!("not IPv4")
    };
    (String::from_utf8_lossy(&buffer[..n]).into_owned(), from)
}

/// Connects a namespace that plays the internet: 203.0.113.2 there, 203.0.113.1 and the default
/// route here. The MTU is an odd one, to be seen again.
pub(super) async fn internet(path: &Path) {
    let inside = path.to_owned();
    let task = move || {
        let mut host = Netlink::open().unwrap();
        let (handle, _) = netns::enter(&inside)?;
        link::add_bridge(&mut host, "uplink", [2, 0, 0, 9, 9, 9], 1400).unwrap();
        let controller = link::find(&mut host, "uplink").unwrap().unwrap().index;
        let veth = Veth {
            name: "uplink0",
            mac: None,
            controller: Some(controller),
            peer_name: "eth0",
            peer_mac: [2, 0, 0, 8, 8, 8],
            peer_namespace: handle.as_fd(),
            mtu: 1400,
        };
        link::add_veth(&mut host, &veth).unwrap();
        link::set_up(&mut host, controller, None).unwrap();
        link::add_address(&mut host, controller, Ipv4Addr::new(203, 0, 113, 1), 24).unwrap();
        link::set_default_route(&mut host, controller, Ipv4Addr::new(203, 0, 113, 2)).unwrap();

        let mut nl = Netlink::open().unwrap();
        let eth0 = link::find(&mut nl, "eth0").unwrap().unwrap().index;
        link::set_up(&mut nl, 1, None).unwrap();
        link::set_up(&mut nl, eth0, None).unwrap();
        link::add_address(&mut nl, eth0, Ipv4Addr::new(203, 0, 113, 2), 24).unwrap();
        link::add_address(&mut nl, 1, Ipv4Addr::new(169, 254, 169, 254), 32).unwrap();
        link::set_default_route(&mut nl, eth0, Ipv4Addr::new(203, 0, 113, 1)).unwrap();
        Ok(())
    };
    netns::on_own_thread(task).await.unwrap();
}

/// The connection's peer as the server sees it, once a byte went through.
pub(super) async fn connect(from: Option<&Path>, listener: TcpListener) -> Ipv4Addr {
    let to = listener.local_addr().unwrap();
    connect_to(from, to, &listener).await
}

/// As [`connect`], to an address that leads to the listener.
pub(super) async fn connect_to(
    from: Option<&Path>,
    to: SocketAddr,
    listener: &TcpListener,
) -> Ipv4Addr {
    let client = move || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(10)).unwrap();
        stream.write_all(b"x").unwrap();
        stream
    };
    let _stream = match from {
        Some(path) => within(path, client).await,
        None => client(),
    };
    let (mut accepted, peer) = listener.accept().unwrap();
    accepted.read_exact(&mut [0]).unwrap();
    match peer.ip() {
        std::net::IpAddr::V4(ip) => ip,
        other => panic!("{other} is not IPv4"),
    }
}

pub(super) async fn listen(path: &Path, ip: Ipv4Addr, port: u16) -> TcpListener {
    within(path, move || TcpListener::bind((ip, port)).unwrap()).await
}
