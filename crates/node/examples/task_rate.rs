//! How fast this host runs tasks: from the assignment to the report that says RUNNING, one after
//! the other, and started eight at a time. Everything is real but the control plane, so this is
//! the node's share of `RunTask`. Needs root and a static busybox:
//! `cargo build --release --example task_rate && sudo unshare --net --mount --propagation private
//! target/release/examples/task_rate [tasks]`.

#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/agent/place.rs"]
mod place;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/agent/wire.rs"]
mod wire;

use futures_util::StreamExt as _;
use neargate_base::time::Stopwatch;
use neargate_domain::{ContainerStatus, TaskReport};
use place::{Place, script, task};
use std::path::Path;
use std::time::Duration;

/// How long anything awaited may take.
const PATIENCE: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 8;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let arg = |n: usize| args.get(n).map(String::as_str).unwrap_or_default();
    match arg(1) {
        "zygote" => std::process::exit(neargate_node::shim::zygote()),
        "node" => block_on(place::node(Path::new(arg(2)))),
        "sweep" => block_on(place::sweep(Path::new(arg(2)))),
        number => block_on(measure(number.parse().unwrap_or(100).min(200))),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a tokio runtime").block_on(work)
}

fn runs(report: &TaskReport) -> bool {
    assert_eq!(report.stopped, None, "it must run");
    report.containers[0].status == ContainerStatus::Running
}

/// Start task `number`; the time until it runs.
async fn start(place: &Place, number: u8) -> Duration {
    let task = task(number, vec![script("web", "exec sleep 1000")]);
    let watch = Stopwatch::start();
    place.plane.assign(&task);
    place.plane.report_where(&task.task_id, runs).await;
    watch.elapsed()
}

async fn remove(place: &Place, number: u8) {
    let id = task(number, vec![]).task_id;
    place.plane.remove(&id);
    place.forgotten(&id).await;
}

async fn measure(number: u8) {
    let Some(place) = Place::new().await else {
        eprintln!("needs a static busybox (Debian: busybox-static)");
        return;
    };
    start(&place, 10).await;
    remove(&place, 10).await;
    let mut times = Vec::new();
    for n in 0..number {
        times.push(start(&place, 11 + n).await);
        remove(&place, 11 + n).await;
    }
    times.sort();
    let millis = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "one by one: p50 {:.1} ms, p90 {:.1} ms, max {:.1} ms",
        millis(0.5),
        millis(0.9),
        millis(1.0)
    );
    let watch = Stopwatch::start();
    let starts = futures_util::stream::iter(0..number).map(|n| start(&place, 11 + n));
    starts
        .buffer_unordered(AT_ONCE)
        .for_each(|_| std::future::ready(()))
        .await;
    let rate = f64::from(number) / watch.elapsed().as_secs_f64();
    println!("{AT_ONCE} at once: {rate:.0} starts/s");
    futures_util::future::join_all((0..number).map(|n| remove(&place, 11 + n))).await;
}
