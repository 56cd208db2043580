//! How many task networks a second this host makes. Run it where it harms nothing:
//! `cargo build --release --example attach_rate`, then
//! `sudo unshare --net --mount target/release/examples/attach_rate [tasks] [parallel]`.

use neargate_base::time::Stopwatch;
use neargate_domain::{NetworkInterface, PortMapping, Protocol};
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
        vpc_id: String::new(),
        security_groups: vec![],
        private_dns_name: String::new(),
        availability_zone: String::new(),
        in_default_vpc: true,
        public_ipv4: None,
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
        vpc_cidr: "172.31.0.0/16".into(),
        subnets: vec![(Ipv4Addr::new(172, 31, 0, 1), 20)],
        overlay: None,
        reachable: None,
    };
    let network = Network::start(config)
        .await
        .expect("root, nft and a namespace without tasks");
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
            let connected = instance.connect(&format!("{n:032x}"), "web", &[port]).await;
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
