//! How many task networks a second this host makes. Run it where it harms nothing:
//! `cargo build --release --example attach_rate`, then
//! `sudo unshare --net --mount target/release/examples/attach_rate [tasks] [parallel]`.

use neargate_base::time::Stopwatch;
use neargate_domain::NetworkInterface;
use neargate_node::net::{Network, NetworkConfig};
use std::net::Ipv4Addr;
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
        instance: "bench".into(),
        run_dir: dir.path().into(),
        vpc_cidr: "172.31.0.0/16".into(),
        subnets: vec![(Ipv4Addr::new(172, 31, 0, 1), 20)],
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
    network.shutdown(false).await.expect("removed");
}
