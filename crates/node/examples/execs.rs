//! What a health check costs: `execs SHIM [COUNT] [WIDTH]` runs /bin/true COUNT times in one
//! running container of busybox, one and WIDTH at a time. SHIM is the program with `zygote`.

use futures_util::StreamExt;
use neargate_base::time::Stopwatch;
use neargate_node::runtime::{
    Container, ContainerConfig, ExecEnd, Runtime, RuntimeConfig, ShimRuntime, TaskLimits,
};
use std::fs;
use std::time::Duration;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let exe = args.next().expect("the shim's program");
    let count: usize = args.next().map_or(400, |n| n.parse().expect("a count"));
    let width: usize = args.next().map_or(8, |n| n.parse().expect("a width"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let layer = dir.path().join("layer");
    fs::create_dir_all(layer.join("bin")).expect("a layer");
    for name in ["true", "sleep"] {
        fs::copy("/bin/busybox", layer.join("bin").join(name)).expect("busybox-static");
    }
    let runtime = ShimRuntime::open(RuntimeConfig {
        exe: exe.into(),
        run_dir: dir.path().join("run"),
        cgroup_name: format!("bench-{}", std::process::id()),
    })
    .expect("a runtime");
    runtime
        .prepare_task("t", &TaskLimits::default())
        .await
        .expect("a task");
    let config = ContainerConfig {
        task_id: "t".into(),
        name: "main".into(),
        layers: vec![layer],
        args: vec!["/bin/sleep".into(), "1000000".into()],
        hostname: "bench".into(),
        ..ContainerConfig::default()
    };
    let container = runtime.start(&config).await.expect("a container");
    for width in [1, width] {
        let watch = Stopwatch::start();
        let runs = (0..count).map(|_| once(container.as_ref()));
        let mut times: Vec<Duration> = futures_util::stream::iter(runs)
            .buffer_unordered(width)
            .collect()
            .await;
        let rate = count as f64 / watch.elapsed().as_secs_f64();
        times.sort();
        let (p50, p95) = (times[count / 2], times[count * 95 / 100]);
        println!("{width}-way: {rate:.0} programs/s; p50 {p50:.1?} p95 {p95:.1?}");
    }
    runtime.remove_task("t").await.expect("removed");
}

async fn once(container: &dyn Container) -> Duration {
    let watch = Stopwatch::start();
    let done = container
        .exec(&["/bin/true".to_owned()], Duration::from_secs(60))
        .await
        .expect("carried out")
        .expect("the container runs");
    assert_eq!(done.end, ExecEnd::Exited(0));
    watch.elapsed()
}
