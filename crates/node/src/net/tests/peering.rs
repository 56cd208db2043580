//! Peering: who reaches whom in the other VPC, and what does not pass.

use super::place::*;
use super::vpc::*;
use crate::net::netlink::Netlink;
use crate::net::{Network, NetworkConfig, OverlayConfig, link, names, netns};
use neargate_domain::NetworkInterface;
use neargate_domain::vpc_network::*;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

const WORLD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const WEB: Traffic = Traffic::Tcp(80, 80);

/// A route of all subnets.
fn with_route(mut vpc: VpcNetwork, to: &str, by: Target) -> VpcNetwork {
    for subnet in &mut vpc.subnets {
        let (to, by) = (cidr(to), by.clone());
        subnet.routes.push(Route { to, by });
    }
    vpc
}

/// A route to a peer.
fn by_peer(vpc: VpcNetwork, to: &str, peer: &str) -> VpcNetwork {
    let vpc_id = peer.to_owned();
    with_route(vpc, to, Target::Peering { vpc_id })
}

/// `vpc-1` of [`open`], peered with these.
fn first(peers: &[&str]) -> VpcNetwork {
    VpcNetwork {
        peers: peers.iter().map(|p| (*p).to_owned()).collect(),
        ..open()
    }
}

/// `vpc-N`, 10.N.0.0/16, without any route, peered with these: `sg-N` lets everything pass.
fn further(n: u8, peers: &[&str]) -> VpcNetwork {
    let range = cidr(&format!("10.{n}.0.0/16"));
    VpcNetwork {
        vpc_id: format!("vpc-{n}"),
        ranges: vec![range],
        is_default: false,
        default_group: format!("sg-{n}"),
        subnets: vec![SubnetNetwork {
            subnet_id: format!("subnet-of-{n}"),
            range,
            routes: Vec::new(),
            acl: None,
        }],
        groups: vec![group(&format!("sg-{n}"), everybody(), everybody())],
        ..first(peers)
    }
}

/// The interface 10.`n`.0.`last` of `vpc-N`, in `sg-N`.
fn of(n: u8, last: u8) -> NetworkInterface {
    NetworkInterface {
        id: format!("eni-of-{n}-{last}"),
        mac: format!("02:00:00:01:{n:02x}:{last:02x}"),
        private_ipv4: Ipv4Addr::new(10, n, 0, last),
        prefix_len: 16,
        gateway: Ipv4Addr::new(10, n, 0, 1),
        vpc_cidr: format!("10.{n}.0.0/16"),
        subnet_id: format!("subnet-of-{n}"),
        vpc_id: format!("vpc-{n}"),
        security_groups: vec![format!("sg-{n}")],
        in_default_vpc: false,
        ..eni(0, 0)
    }
}

/// `vpc-1` and `vpc-2` with routes both ways.
fn pair() -> [VpcNetwork; 2] {
    [
        by_peer(first(&["vpc-2"]), "10.2.0.0/16", "vpc-2"),
        by_peer(further(2, &["vpc-1"]), VPC, "vpc-1"),
    ]
}

async fn lab(dir: &Path, vpcs: impl IntoIterator<Item = VpcNetwork>) -> Lab {
    let network = Network::start(config(dir)).await.unwrap();
    network.apply(vpcs.into_iter().map(told)).await.unwrap();
    Lab::of(network)
}

/// The links to peers in a VPC's namespace.
async fn links(dir: &Path, vpc: &str) -> Vec<String> {
    let look = || {
        let all = link::list(&mut Netlink::open().unwrap()).unwrap();
        let names = all.into_iter().map(|l| l.name);
        names.filter(|n| n.starts_with("ngp")).collect()
    };
    within(&dir.join("vpc").join(vpc), look).await
}

#[test]
fn routes_groups_and_acls_of_both_sides_decide() {
    isolated(|dir| async move {
        let mut lab = lab(dir.path(), pair()).await;
        lab.task("a", eni(0, 4)).await;
        lab.task("b", of(2, 4)).await;
        assert!(lab.reaches("a", "b").await && lab.reaches("b", "a").await);
        // Without a route back, or without a way there, nothing comes back.
        let [one, two] = pair();
        for (one, two) in [
            (one.clone(), further(2, &["vpc-1"])),
            (first(&["vpc-2"]), two.clone()),
        ] {
            lab.tell([told(one), told(two)]).await;
            assert!(!lab.reaches("a", "b").await && !lab.reaches("b", "a").await);
        }
        // A group of the peer, in each direction.
        let (mut named, mut naming) = (one.clone(), two.clone());
        named.groups.push(group("sg-app", vec![], everybody()));
        let to_web = vec![(WEB, members("sg-2"))];
        named.groups.push(group("sg-out", vec![], to_web));
        naming.groups[0].ingress = vec![GroupRule {
            traffic: WEB,
            peer: members("sg-app"),
        }];
        let app = in_groups(eni(0, 5), &["sg-app"]);
        let out = in_groups(eni(0, 6), &["sg-out"]);
        lab.task("app", app.clone()).await;
        lab.task("out", out.clone()).await;
        let interfaces = [
            member(&app, &["sg-app"]),
            member(&out, &["sg-out", "sg-app"]),
            member(&of(2, 4), &["sg-2"]),
        ];
        let interfaces = interfaces.map(NetworkChange::Interface);
        lab.tell([told(named), told(naming.clone())]).await;
        lab.tell(interfaces).await;
        assert!(lab.reaches("app", "b").await && lab.reaches("out", "b").await);
        assert!(!lab.reaches("a", "b").await, "it is no member");
        // A flow goes on when rules change, and a group that changes counts at once.
        let mut flow = lab.flow("app", "b").await.unwrap();
        naming.groups[0].ingress.push(GroupRule {
            traffic: Traffic::Udp(9, 9),
            peer: range("10.0.0.0/8"),
        });
        lab.tell([told(naming.clone())]).await;
        assert!(flow.goes_on());
        let changed = NetworkChange::Interface(member(&app, &["sg-1"]));
        lab.tell([changed]).await;
        assert!(flow.goes_on() && !lab.reaches("app", "b").await);
        assert!(lab.reaches("out", "b").await);
        // A network ACL sees it cross the border of its subnet.
        let rule = |allow: bool, text: &str| AclRule {
            allow,
            traffic: Traffic::Any,
            peer: cidr(text),
        };
        naming.subnets[0].acl = Some(AclNetwork {
            inbound: vec![rule(false, "172.31.0.6/32"), rule(true, "0.0.0.0/0")],
            outbound: vec![rule(true, "0.0.0.0/0")],
        });
        lab.tell([told(naming)]).await;
        assert!(flow.goes_on() && !lab.reaches("out", "b").await);
        // The connection ends: so does all that used it.
        lab.tell([told(first(&[])), told(two)]).await;
        assert!(!flow.goes_on() && !lab.reaches("b", "a").await);
        assert!(links(dir.path(), "vpc-1").await.is_empty());
        lab.end().await;
    });
}

#[test]
fn nothing_passes_through_a_vpc() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let server = Server::at(&world, 80).await;
        let nat = |public| Target::NatGateway {
            id: "nat-2".into(),
            public,
        };
        // Everything that the first VPC wants of the second, which has ways out and to a third.
        let mut one = by_peer(first(&["vpc-2"]), "10.0.0.0/8", "vpc-2");
        one = by_peer(one, "203.0.113.0/24", "vpc-2");
        let two = by_peer(further(2, &["vpc-1", "vpc-3"]), VPC, "vpc-1");
        let two = by_peer(two, "10.3.0.0/16", "vpc-3");
        let gates = [Target::InternetGateway, nat(Ipv4Addr::new(198, 19, 0, 9))];
        let three = by_peer(further(3, &["vpc-2"]), VPC, "vpc-2");
        let three = by_peer(three, "10.2.0.0/16", "vpc-2");
        let mut lab = lab(dir.path(), [one, two.clone(), three]).await;
        let mut with_public = eni(0, 4);
        with_public.public_ipv4 = Some(Ipv4Addr::new(198, 19, 0, 4));
        lab.task("a", with_public).await;
        let mut public = of(2, 4);
        public.public_ipv4 = Some(Ipv4Addr::new(198, 19, 0, 24));
        lab.task("b", public).await;
        lab.task("c", of(3, 4)).await;
        for gate in gates {
            lab.tell([told(with_route(two.clone(), "0.0.0.0/0", gate))])
                .await;
            let path = |name: &str| Some(lab.path(name).to_owned());
            assert!(ask(path("b").as_deref(), (WORLD, 80)).await.is_some());
            assert_eq!(ask(path("a").as_deref(), (WORLD, 80)).await, None);
            assert!(lab.reaches("a", "b").await && lab.reaches("b", "c").await);
            assert!(!lab.reaches("a", "c").await && !lab.reaches("c", "a").await);
        }
        // Neither the router nor the resolver of a peer, which serve their own VPC.
        let resolver = Server::at(&dir.path().join("vpc/vpc-2"), 53).await;
        let at = Ipv4Addr::new(10, 2, 0, 2);
        assert!(ask(Some(lab.path("b")), (at, 53)).await.is_some());
        assert_eq!(ask(Some(lab.path("a")), (at, 53)).await, None);
        // This host is a member of the first VPC, and nobody in the second.
        assert_eq!(ask(None, (lab.address("a"), 80)).await, Some(HOST));
        assert_eq!(ask(None, (lab.address("b"), 80)).await, None);
        let here = Server::here(80);
        assert_eq!(ask(Some(lab.path("b")), (HOST, 80)).await, None);
        drop((server, resolver, here));
        lab.end().await;
    });
}

#[test]
fn from_a_peer_come_its_own_addresses() {
    isolated(|dir| async move {
        let mut lab = lab(dir.path(), pair()).await;
        lab.task("a", eni(0, 4)).await;
        lab.task("b", of(2, 4)).await;
        lab.task("b2", of(2, 5)).await;
        let target = udp(lab.path("b"), (lab.address("b"), 9)).await;
        let to = (lab.address("b"), 9);
        // The router of the first VPC says what no task there could.
        let link = names::peering("vpc-2");
        within(&dir.path().join("vpc/vpc-1"), move || {
            let words = format!("route add 10.2.0.0/16 via 169.254.254.1 dev {link} onlink");
            let mut ip = std::process::Command::new("ip");
            assert!(ip.args(words.split(' ')).status().unwrap().success());
            let mut nl = Netlink::open().unwrap();
            for false_one in [[10, 2, 0, 5], [10, 9, 0, 9], [203, 0, 113, 9]] {
                let false_one = Ipv4Addr::from(false_one);
                link::add_address(&mut nl, 1, false_one, 32).unwrap();
                let socket = UdpSocket::bind((false_one, 0)).unwrap();
                let _ = socket.send_to(b"false", to);
            }
            let honest = UdpSocket::bind((Ipv4Addr::new(172, 31, 0, 2), 0)).unwrap();
            honest.send_to(b"honest", to).unwrap();
        })
        .await;
        let honest = ("honest".into(), Ipv4Addr::new(172, 31, 0, 2));
        assert_eq!(receive(&target), honest);
        lab.end().await;
    });
}

#[test]
fn a_peer_comes_and_goes_and_what_is_meant_for_it_takes_no_other_way() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let server = Server::at(&world, 80).await;
        // The world has an address of the peer's range.
        within(&world, || {
            let mut nl = Netlink::open().unwrap();
            link::add_address(&mut nl, 1, Ipv4Addr::new(10, 2, 0, 4), 32).unwrap();
        })
        .await;
        let mut lab = lab(dir.path(), pair()).await;
        lab.task("a", eni(0, 4)).await;
        let to = (Ipv4Addr::new(10, 2, 0, 4), 80);
        let asks = async |lab: &Lab| ask(Some(lab.path("a")), to).await;
        let own = Some(lab.address("a"));
        assert_eq!(asks(&lab).await, None, "nobody is there yet");
        lab.task("b", of(2, 4)).await;
        assert_eq!(asks(&lab).await, own);
        lab.network().detach("b").await.unwrap();
        assert_eq!(asks(&lab).await, None);
        assert!(links(dir.path(), "vpc-1").await.is_empty());
        lab.task("b", of(2, 4)).await;
        assert_eq!(asks(&lab).await, own);
        // Somebody deletes the link, from either side, or the whole namespace.
        let delete = |vpc: &str, link: String| {
            let path = dir.path().join("vpc").join(vpc);
            async move {
                let gone = move || link::delete(&mut Netlink::open().unwrap(), &link).unwrap();
                within(&path, gone).await;
            }
        };
        delete("vpc-1", names::peering("vpc-2")).await;
        assert_eq!(asks(&lab).await, None, "it goes nowhere until it is made");
        lab.network().mend().await.unwrap();
        assert_eq!(asks(&lab).await, own);
        delete("vpc-2", names::peering("vpc-1")).await;
        lab.network().mend().await.unwrap();
        assert_eq!(asks(&lab).await, own);
        for vpc in ["vpc-2", "vpc-1"] {
            netns::remove(&dir.path().join("vpc").join(vpc)).unwrap();
            lab.network().mend().await.unwrap();
            assert_eq!(asks(&lab).await, own, "{vpc}");
        }
        // A later process finds all of it, and flows do not notice.
        let mut flow = lab.flow("a", "b").await.unwrap();
        lab.restart(config(dir.path())).await;
        assert!(flow.goes_on());
        assert_eq!(asks(&lab).await, own);
        // What is not peered takes the way that the route table has for the rest.
        lab.tell([told(open()), told(further(2, &[]))]).await;
        assert_eq!(asks(&lab).await, Some(Ipv4Addr::new(203, 0, 113, 1)));
        drop(server);
        lab.end().await;
    });
}

/// The other host of two, in the namespace at `path`: it says when it is set up, and then what it found
/// when it is told to go on.
fn second_host(
    path: std::path::PathBuf,
    ready: mpsc::Sender<Option<Ipv4Addr>>,
    go: mpsc::Receiver<()>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        netns::enter(&path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let dir = path.parent().unwrap().join("second");
            std::fs::create_dir(&dir).unwrap();
            let network = Network::start(joined(&dir, "second", WORLD)).await.unwrap();
            tell_of_both(&network, OTHER).await;
            let mut lab = Lab::of(network);
            lab.task("b", of(2, 4)).await;
            ready.send(None).unwrap();
            go.recv().unwrap();
            let a = (Ipv4Addr::new(172, 31, 0, 4), 80);
            let seen = ask(Some(lab.path("b")), a).await;
            ready.send(seen).unwrap();
            go.recv().unwrap();
            lab.end().await;
        });
    })
}

/// The first host, as the second knows it.
const OTHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

fn joined(dir: &Path, installation: &str, local: Ipv4Addr) -> NetworkConfig {
    NetworkConfig {
        installation: installation.into(),
        overlay: Some(OverlayConfig { local: Some(local) }),
        reachable: Some(Vec::new()),
        ..config(dir)
    }
}

async fn tell_of_both(network: &Network, other: Ipv4Addr) {
    network.set_peers([other].into()).await.unwrap();
    let interfaces = [member(&eni(0, 4), &["sg-1"]), member(&of(2, 4), &["sg-2"])];
    let interfaces = interfaces.map(NetworkChange::Interface);
    let vpcs = pair().map(told).into_iter();
    network.apply(vpcs.chain(interfaces)).await.unwrap();
}

#[test]
fn peers_reach_each_other_on_different_hosts() {
    isolated(|dir| async move {
        let world = dir.path().join("world");
        internet(&world).await;
        let (ready, is_ready) = mpsc::channel();
        let (go, goes) = mpsc::channel();
        let second = second_host(world, ready, goes);
        let patience = Duration::from_secs(30);
        is_ready.recv_timeout(patience).unwrap();
        let network = Network::start(joined(dir.path(), "first", OTHER))
            .await
            .unwrap();
        tell_of_both(&network, WORLD).await;
        let mut lab = Lab::of(network);
        lab.task("a", eni(0, 4)).await;
        let path = lab.path("a").to_owned();
        // The first packet waits for who is where.
        let mut seen = None;
        for _ in 0..20 {
            seen = seen.or(ask(Some(&path), (Ipv4Addr::new(10, 2, 0, 4), 80)).await);
        }
        assert_eq!(seen, Some(lab.address("a")));
        let mut flow = flow(Some(&path), (Ipv4Addr::new(10, 2, 0, 4), 80))
            .await
            .unwrap();
        assert!(flow.goes_on());
        go.send(()).unwrap();
        let seen = is_ready.recv_timeout(patience).unwrap();
        assert_eq!(seen, Some(Ipv4Addr::new(10, 2, 0, 4)));
        assert!(flow.goes_on());
        // With the last interface here goes the peer's namespace, too.
        assert_eq!(netns::list(&dir.path().join("vpc")).unwrap().len(), 2);
        lab.network().detach("a").await.unwrap();
        assert_eq!(netns::list(&dir.path().join("vpc")).unwrap(), [""; 0]);
        go.send(()).unwrap();
        second.join().unwrap();
        lab.end().await;
    });
}
