//! How many task networks a second this host makes. Run it where it harms nothing:
//! `cargo build --release --example attach_rate`, then
//! `sudo unshare --net --mount target/release/examples/attach_rate [tasks] [parallel] [rules]`.
//! With rules in the tasks' security group it also tells what a change takes.

use neargate_base::time::Stopwatch;
use neargate_domain::vpc_network::{
    GroupNetwork, GroupPeer, GroupRule, InterfaceNetwork, NetworkChange, Route, SubnetNetwork,
    Target, Traffic, VpcNetwork,
};
use neargate_domain::{Cidr, NetworkInterface, PortMapping, Protocol};
use neargate_node::net::{Instance, InstanceConfig, Network, NetworkConfig, Share};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;

fn eni(n: u16) -> NetworkInterface {
    let [high, low] = (n + 4).to_be_bytes();
    NetworkInterface {
        id: format!("eni-{n:017x}"),
        mac: format!("02:00:00:00:{high:02x}:{low:02x}"),
        private_ipv4: Ipv4Addr::new(172, 31, high, low),
        prefix_len: 20,
        gateway: Ipv4Addr::new(172, 31, 0, 1),
        vpc_cidr: "172.31.0.0/16".into(),
        subnet_id: String::new(),
        vpc_id: "vpc-1".into(),
        security_groups: vec!["sg-1".into()],
        private_dns_name: String::new(),
        domain_name: None,
        availability_zone: String::new(),
        in_default_vpc: true,
        public_ipv4: None,
    }
}

fn range() -> Cidr {
    Cidr::around(Ipv4Addr::new(172, 31, 0, 0), 16)
}

/// The default VPC, with a group of so many rules.
fn vpc(rules: u16) -> VpcNetwork {
    let rule = |n: u16| GroupRule {
        traffic: Traffic::Tcp(n, n),
        peer: GroupPeer::Range(Cidr::around(Ipv4Addr::from(u32::from(n) << 8), 24)),
    };
    let own = GroupRule {
        traffic: Traffic::Any,
        peer: GroupPeer::Group("sg-1".into()),
    };
    let all = GroupRule {
        traffic: Traffic::Any,
        peer: GroupPeer::Range(Cidr::ANY),
    };
    VpcNetwork {
        is_logged: false,
        dns: Default::default(),
        vpc_id: "vpc-1".into(),
        ranges: vec![range()],
        is_default: true,
        default_group: "sg-1".into(),
        subnets: vec![SubnetNetwork {
            subnet_id: "subnet-1".into(),
            range: Cidr::around(range().base(), 20),
            routes: vec![Route {
                to: Cidr::ANY,
                by: Target::InternetGateway,
            }],
            acl: None,
        }],
        peers: Default::default(),
        groups: vec![GroupNetwork {
            group_id: "sg-1".into(),
            ingress: (1..=rules).map(rule).chain([own]).collect(),
            egress: vec![all],
        }],
    }
}

/// What it takes until a rule more or less is enforced, and a member elsewhere.
async fn changes(network: &Network, rules: u16) {
    let (mut of_rules, mut of_members) = (Vec::new(), Vec::new());
    for n in 0..40u8 {
        let watch = Stopwatch::start();
        let vpc = NetworkChange::Vpc(vpc(rules + u16::from(n % 2 == 0)));
        network.apply([vpc]).await.expect("changed");
        of_rules.push(watch.elapsed());
        let watch = Stopwatch::start();
        let member = NetworkChange::Interface(InterfaceNetwork {
            interface_id: format!("eni-{n}"),
            vpc_id: "vpc-1".into(),
            private_ipv4: Ipv4Addr::new(172, 31, 15, n),
            security_groups: vec!["sg-1".into()],
            public_ipv4: None,
            is_logged: false,
        });
        network.apply([member]).await.expect("changed");
        of_members.push(watch.elapsed());
    }
    for (what, mut each) in [("rule", of_rules), ("member", of_members)] {
        each.sort();
        let (p50, p99) = (each[each.len() / 2], each[each.len() - 1]);
        println!("change of a {what}, {rules} rules: p50 {p50:?}, longest {p99:?}");
    }
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args()
        .skip(1)
        .map(|a| a.parse().expect("a number"));
    let (tasks, parallel) = (args.next().unwrap_or(200u16), args.next().unwrap_or(8));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = NetworkConfig {
        installation: "bench".into(),
        run_dir: dir.path().into(),
        vpc_cidr: range(),
        public_pool: Cidr::PUBLIC_POOL,
        overlay: None,
        reachable: None,
        api: Vec::new(),
    };
    let network = Network::start(config)
        .await
        .expect("root, nft and a namespace without tasks");
    let rules = args.next().unwrap_or(0);
    let told = network.apply([NetworkChange::Vpc(vpc(rules))]);
    told.await.expect("told of the VPC");
    let slots = Arc::new(Semaphore::new(usize::from(parallel)));
    let watch = Stopwatch::start();
    let mut running = Vec::new();
    for n in 0..tasks {
        let (network, slots) = (network.clone(), slots.clone());
        running.push(neargate_base::task::spawn("attach", async move {
            let _slot = slots.acquire().await.expect("never closed");
            let watch = Stopwatch::start();
            network
                .attach(&format!("{n:032x}"), &eni(n))
                .await
                .expect("attached");
            watch.elapsed()
        }));
    }
    let mut each = Vec::new();
    for task in running {
        each.push(task.await.expect("no panic"));
    }
    let total = watch.elapsed();
    each.sort();
    let rate = f64::from(tasks) / total.as_secs_f64();
    let (p50, p99) = (each[each.len() / 2], each[each.len() * 99 / 100]);
    println!("attach: {tasks} tasks, {parallel} at a time: {rate:.0}/s, p50 {p50:?}, p99 {p99:?}");
    if rules > 0 {
        changes(&network, rules).await;
    }
    let watch = Stopwatch::start();
    for n in 0..tasks {
        network
            .detach(&format!("{n:032x}"))
            .await
            .expect("detached");
    }
    println!(
        "detach: {:.0}/s, one at a time",
        f64::from(tasks) / watch.elapsed().as_secs_f64()
    );
    bridged(dir.path(), &network, tasks, slots).await;
    network.shutdown(false).await.expect("removed");
}

/// The same for containers on a slice's bridge, with a published port each.
async fn bridged(dir: &Path, network: &Arc<Network>, containers: u16, slots: Arc<Semaphore>) {
    let id = "i-0123456789abcdef0";
    let share = Share::new(network.clone(), id).expect("an id");
    let config = InstanceConfig {
        namespace: Some(share.attach(id, &eni(0)).await.expect("attached")),
        run_dir: dir.join("slice"),
    };
    let instance = Instance::start(config).await.expect("started");
    let watch = Stopwatch::start();
    let mut running = Vec::new();
    for n in 0..containers {
        let (instance, slots) = (instance.clone(), slots.clone());
        running.push(neargate_base::task::spawn("connect", async move {
            let _slot = slots.acquire().await.expect("never closed");
            let port = PortMapping {
                container_port: 80,
                host_port: None,
                protocol: Protocol::Tcp,
            };
            let connected = instance
                .connect(&format!("{n:032x}"), "web", (&[port], &[]))
                .await;
            connected.expect("connected");
        }));
    }
    for container in running {
        container.await.expect("no panic");
    }
    let rate = |watch: &Stopwatch| f64::from(containers) / watch.elapsed().as_secs_f64();
    println!("connect to a bridge: {:.0}/s", rate(&watch));
    let watch = Stopwatch::start();
    instance.shutdown(false).await.expect("removed");
    println!("disconnect: {:.0}/s, one at a time", rate(&watch));
    share.detach(id).await.expect("detached");
}
