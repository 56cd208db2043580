//! Starts per second: `starts SHIM [COUNT] [WIDTH] [GIB]` runs /bin/true of busybox COUNT times,
//! WIDTH at a time, and prints rates and latencies. SHIM is the program with `zygote`. With GIB each
//! has a disk of its own.

use futures_util::StreamExt;
use neargate_base::time::Stopwatch;
use neargate_node::runtime::{
    ContainerConfig, Limits, Runtime, RuntimeConfig, ShimRuntime, TaskLimits,
};
use std::fs;
use std::time::Duration;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let exe = args.next().expect("the shim's program");
    let count: usize = args.next().map_or(400, |n| n.parse().expect("a count"));
    let width: usize = args.next().map_or(8, |n| n.parse().expect("a width"));
    let disk_gib: Option<u32> = args.next().map(|n| n.parse().expect("a size"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let layer = dir.path().join("layer");
    fs::create_dir_all(layer.join("bin")).expect("a layer");
    fs::copy("/bin/busybox", layer.join("bin/true")).expect("busybox-static");
    let runtime = ShimRuntime::open(RuntimeConfig {
        exe: exe.into(),
        run_dir: dir.path().join("run"),
        cgroup_name: format!("bench-{}", std::process::id()),
    })
    .expect("a runtime");
    if let Some(gib) = disk_gib {
        runtime.prepare_disks(gib);
    }
    for width in [1, width] {
        let watch = Stopwatch::start();
        let runs =
            (0..count).map(|index| once(&runtime, &layer, disk_gib, format!("t{width}-{index}")));
        let mut times: Vec<(Duration, Duration)> = futures_util::stream::iter(runs)
            .buffer_unordered(width)
            .collect()
            .await;
        let rate = count as f64 / watch.elapsed().as_secs_f64();
        times.sort();
        let started = times[times.len() / 2].0;
        times.sort_by_key(|time| time.1);
        let (p50, p95) = (times[times.len() / 2].1, times[times.len() * 95 / 100].1);
        println!(
            "{width}-way: {rate:.0} containers/s; started p50 {started:.1?}, \
             create+start+exit p50 {p50:.1?} p95 {p95:.1?}"
        );
    }
    runtime
        .sweep(&std::collections::HashSet::new())
        .await
        .expect("cleaned up");
}

/// (until its program runs, until it has ended and been waited for); removal not counted.
async fn once(
    runtime: &ShimRuntime,
    layer: &std::path::Path,
    disk_gib: Option<u32>,
    task_id: String,
) -> (Duration, Duration) {
    let watch = Stopwatch::start();
    runtime
        .prepare_task(
            &task_id,
            &TaskLimits {
                cpu_units: Some(256),
                memory_mib: Some(512),
                disk_gib,
                ..TaskLimits::default()
            },
        )
        .await
        .expect("a task");
    let config = ContainerConfig {
        task_id: task_id.clone(),
        name: "main".into(),
        layers: vec![layer.to_owned()],
        args: vec!["/bin/true".into()],
        hostname: "bench".into(),
        limits: Limits {
            memory_mib: Some(256),
            ..Limits::default()
        },
        log: true,
        ..ContainerConfig::default()
    };
    let container = runtime.start(&config).await.expect("a container");
    let started = watch.elapsed();
    let exit = container.wait().await;
    assert_eq!(exit.code, Some(0));
    let ended = watch.elapsed();
    runtime.remove_task(&task_id).await.expect("removed");
    (started, ended)
}
