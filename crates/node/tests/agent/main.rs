//! The agent with real images, networks and containers, in a node process that can be killed.
//!
//! It is its own harness, because the same program also is the node and the shim:
//! `zygote`, `node DIR`, `sweep DIR`; otherwise it runs the tests, in namespaces of its own.
//! Needs root and a static busybox; without them it says so and passes.

#![allow(
    clippy::unwrap_used,
    reason = "a test, though clippy cannot tell: it has its own harness"
)]

mod place;
mod slice;
mod wire;

use neargate_domain::{Assignment, ContainerStatus, DesiredState, TaskReport};
use place::{Place, script, task};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long anything awaited may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let arg = |n: usize| args.get(n).map(String::as_str).unwrap_or_default();
    match arg(1) {
        "zygote" => std::process::exit(neargate_node::shim::zygote()),
        "node" => block_on(place::node(Path::new(arg(2)))),
        "sweep" => block_on(place::sweep(Path::new(arg(2)))),
        _ if args.iter().any(|a| a == "--list") => {
            if !args.iter().any(|a| a == "--ignored") {
                println!("agent: test");
            }
        }
        _ if !rustix::process::geteuid().is_root() => eprintln!("skipped: needs root"),
        _ if std::env::var_os("NEARGATE_TEST_ISOLATED").is_none() => isolate(),
        _ => block_on(all()),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Run the tests in a network and mount namespace of their own.
fn isolate() {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--propagation", "private"]);
    command
        .arg(std::env::current_exe().unwrap())
        .env("NEARGATE_TEST_ISOLATED", "1");
    let status = command.status().expect("unshare, of util-linux");
    std::process::exit(status.code().unwrap_or(1));
}

async fn all() {
    let Some(mut place) = Place::new().await else {
        eprintln!("skipped: needs busybox-static");
        return;
    };
    runs_and_ends(&place).await;
    containers_share_a_network(&place).await;
    sigkill_after_the_stop_timeout(&place).await;
    out_of_memory(&place).await;
    cannot_start(&place).await;
    survives_sigkill(&mut place).await;
    survives_an_orderly_restart(&mut place).await;
    slice::all(&mut place).await;
    nothing_is_left(&mut place).await;
}

fn stop(task: &Assignment) -> Assignment {
    Assignment {
        generation: task.generation + 1,
        desired: DesiredState::Stopped,
        ..task.clone()
    }
}

fn running(report: &TaskReport) -> bool {
    report
        .containers
        .iter()
        .all(|c| c.status == ContainerStatus::Running)
}

async fn forget(place: &Place, task: &Assignment) {
    place.plane.remove(&task.task_id);
    place.forgotten(&task.task_id).await;
}

async fn runs_and_ends(place: &Place) {
    let text = "echo $WHO $AWS_EXECUTION_ENV; hostname; cat /etc/hosts; echo err >&2; exit 3";
    let task = task(10, vec![script("web", text)]);
    place.plane.assign(&task);
    let report = place
        .plane
        .report_where(&task.task_id, |r| r.released)
        .await;
    let web = &report.containers[0];
    assert_eq!(web.exit_code, Some(3), "{report:#?}");
    assert_eq!(
        report.stopped.unwrap().stop_code,
        "EssentialContainerExited"
    );
    assert!(web.started_at.is_some() && web.finished_at >= web.started_at);
    let mut lines = place.plane.lines(&format!("{}/web", task.task_id));
    lines.sort();
    assert_eq!(
        lines,
        [
            "127.0.0.1 localhost",
            "172.31.0.10 ip-172-31-0-10.ec2.internal",
            "err",
            "ip-172-31-0-10.ec2.internal",
            "task AWS_ECS_FARGATE",
        ]
    );
    forget(place, &task).await;
    assert_eq!(place.left(), [""; 0]);
}

async fn containers_share_a_network(place: &Place) {
    let mut web = script(
        "web",
        "mkdir /www; echo hello > /www/x; exec httpd -f -p 8080 -h /www",
    );
    let client = "until wget -q -O - http://127.0.0.1:8080/x 2>/dev/null; do usleep 20000; done; exec sleep 1000";
    let mut client = script("client", client);
    client.depends_on = vec![("web".into(), "START".into())];
    // As pid 1 without a handler it does not see SIGTERM; the server, under an init, does.
    client.stop_timeout_secs = 1;
    web.init_process = true;
    let task = task(11, vec![client, web]);
    place.plane.assign(&task);
    place.plane.report_where(&task.task_id, running).await;
    let source = format!("{}/client", task.task_id);
    assert_eq!(
        place.plane.lines_where(&source, |l| !l.is_empty()).await,
        ["hello"]
    );
    // From the host, at the task's own address.
    let fetch = ["wget", "-q", "-O", "-", "http://172.31.0.11:8080/x"];
    let page = Command::new("busybox").args(fetch).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&page.stdout), "hello\n");
    place.plane.assign(&stop(&task));
    let report = place
        .plane
        .report_where(&task.task_id, |r| r.released)
        .await;
    assert_eq!(report.stopped.unwrap().stop_code, "UserInitiated");
    let codes: Vec<_> = report.containers.iter().map(|c| c.exit_code).collect();
    assert_eq!(codes, [Some(137), Some(143)]);
    assert!(report.containers[0].finished_at <= report.containers[1].finished_at);
    forget(place, &task).await;
}

async fn sigkill_after_the_stop_timeout(place: &Place) {
    let mut web = script(
        "web",
        "trap 'echo asked' TERM; echo up; while true; do usleep 10000; done",
    );
    web.stop_timeout_secs = 1;
    let task = task(12, vec![web]);
    place.plane.assign(&task);
    let source = format!("{}/web", task.task_id);
    place.plane.lines_where(&source, |l| !l.is_empty()).await;
    place.plane.assign(&stop(&task));
    let report = place
        .plane
        .report_where(&task.task_id, |r| r.released)
        .await;
    assert_eq!(report.containers[0].exit_code, Some(137));
    assert_eq!(place.plane.lines(&source), ["up", "asked"]);
    forget(place, &task).await;
}

async fn out_of_memory(place: &Place) {
    let mut web = script("web", "exec dd if=/dev/zero of=/dev/null bs=200M count=1");
    web.memory_mib = Some(32);
    let task = task(13, vec![web]);
    place.plane.assign(&task);
    let report = place
        .plane
        .report_where(&task.task_id, |r| r.released)
        .await;
    assert_eq!(report.containers[0].exit_code, Some(137), "{report:#?}");
    let reason = report.containers[0].reason.as_deref();
    assert_eq!(
        reason,
        Some("OutOfMemoryError: Container killed due to memory usage")
    );
    forget(place, &task).await;
}

async fn cannot_start(place: &Place) {
    let mut web = script("web", "");
    web.command = Some(vec!["/no/such/program".into()]);
    let no_program = task(14, vec![web]);
    place.plane.assign(&no_program);
    let report = place
        .plane
        .report_where(&no_program.task_id, |r| r.released)
        .await;
    let stopped = report.stopped.unwrap();
    assert_eq!(stopped.stop_code, "TaskFailedToStart");
    assert!(
        stopped.reason.starts_with("CannotStartContainerError: "),
        "{stopped:?}"
    );
    forget(place, &no_program).await;

    let mut web = script("web", "");
    web.image.name = "nowhere".into();
    let no_image = task(15, vec![web]);
    place.plane.assign(&no_image);
    let report = place
        .plane
        .report_where(&no_image.task_id, |r| r.released)
        .await;
    let reason = report.stopped.unwrap().reason;
    assert_eq!(reason, "CannotPullContainerError: nowhere: not found");
    forget(place, &no_image).await;
}

/// Prints numbers until told to end.
const COUNTER: &str =
    "trap 'echo end $i; exit 9' TERM; i=0; while true; do i=$((i+1)); echo $i; usleep 2000; done";

fn counted(lines: &[String]) {
    let (end, numbers) = lines.split_last().unwrap();
    for (n, line) in numbers.iter().enumerate() {
        assert_eq!(line.parse(), Ok(n + 1), "a line was lost or doubled");
    }
    assert_eq!(*end, format!("end {}", numbers.len()));
}

async fn survives_sigkill(place: &mut Place) {
    // It ends by itself, most likely while the node is away.
    let mut job = script("job", "usleep 300000; echo done; exit 4");
    job.essential = false;
    let task = task(16, vec![script("web", COUNTER), job]);
    let source = format!("{}/web", task.task_id);
    place.plane.assign(&task);
    let before = place.plane.report_where(&task.task_id, running).await;
    for _ in 0..3 {
        let seen = place.plane.lines(&source).len();
        place
            .plane
            .lines_where(&source, |l| l.len() > seen + 20)
            .await;
        place.kill_node();
        place.start_node();
    }
    let gone = |r: &TaskReport| r.containers[1].status == ContainerStatus::Stopped;
    let report = place.plane.report_where(&task.task_id, gone).await;
    assert_eq!(report.containers[1].exit_code, Some(4));
    assert_eq!(report.containers[0].status, ContainerStatus::Running);
    assert_eq!(
        report.containers[0].started_at,
        before.containers[0].started_at
    );
    let job = format!("{}/job", task.task_id);
    assert_eq!(
        place.plane.lines_where(&job, |l| !l.is_empty()).await,
        ["done"]
    );
    place.plane.assign(&stop(&task));
    let report = place
        .plane
        .report_where(&task.task_id, |r| r.released)
        .await;
    assert_eq!(report.containers[0].exit_code, Some(9));
    counted(&place.plane.lines(&source));
    forget(place, &task).await;
}

async fn survives_an_orderly_restart(place: &mut Place) {
    let task = task(17, vec![script("web", COUNTER)]);
    let source = format!("{}/web", task.task_id);
    place.plane.assign(&task);
    place.plane.lines_where(&source, |l| l.len() > 20).await;
    place.stop_node();
    // Asked to stop while the node is away: it learns it from the snapshot.
    place.plane.assign(&stop(&task));
    place.start_node();
    let report = place
        .plane
        .report_where(&task.task_id, |r| r.released)
        .await;
    assert_eq!(report.containers[0].exit_code, Some(9));
    counted(&place.plane.lines(&source));
    forget(place, &task).await;
}

/// Tasks the control plane has forgotten meanwhile, and leftovers of a killed start, go.
async fn nothing_is_left(place: &mut Place) {
    let first = task(18, vec![script("web", COUNTER)]);
    place.plane.assign(&first);
    place.plane.report_where(&first.task_id, running).await;
    let starting: Vec<_> = (20..40)
        .map(|n| task(n, vec![script("web", COUNTER)]))
        .collect();
    starting.iter().for_each(|t| place.plane.assign(t));
    place
        .plane
        .report_where(&starting[5].task_id, running)
        .await;
    place.kill_node();
    place.plane.remove(&first.task_id);
    starting.iter().for_each(|t| place.plane.remove(&t.task_id));
    place.start_node();
    let known: Vec<_> = starting
        .iter()
        .chain([&first])
        .map(|t| t.task_id.clone())
        .collect();
    for id in known {
        place.forgotten(&id).await;
    }
    // Unknown tasks are swept before the first snapshot is taken; one more task proves it over.
    let last = task(19, vec![script("web", "true")]);
    place.plane.assign(&last);
    place
        .plane
        .report_where(&last.task_id, |r| r.released)
        .await;
    forget(place, &last).await;
    assert_eq!(place.left(), [""; 0]);
}
