//! A slice beside the host's own agent: network modes with real containers, its limits, its
//! survival, its end.

use crate::place::{INSTALLATION, Place, SLICE, SLICE_ADDRESS, on_slice, script, task};
use crate::{COUNTER, counted, running, stop};
use neargate_domain::{
    Assignment, ContainerSpec, ContainerStatus, InstanceNetwork, LaunchType, PortMapping, Protocol,
    TaskReport,
};
use std::path::Path;
use std::process::Command;

pub async fn all(place: &mut Place) {
    bridge_mode(place).await;
    a_taken_port(place).await;
    host_mode(place).await;
    no_network(place).await;
    an_interface_of_its_own(place).await;
    its_limits(place).await;
    killed_agents_spare_each_other(place).await;
    killed_in_the_middle(place).await;
    an_unknown_slice_goes(place).await;
    a_slice_is_removed(place).await;
}

fn port(container_port: u16, host_port: Option<u16>) -> PortMapping {
    PortMapping {
        container_port,
        host_port,
        protocol: Protocol::Tcp,
    }
}

/// Serves its name on the port.
fn server(name: &str, container_port: u16, mappings: Vec<PortMapping>) -> ContainerSpec {
    let serve =
        format!("mkdir /www; echo {name} > /www/x; exec httpd -f -p {container_port} -h /www");
    ContainerSpec {
        port_mappings: mappings,
        init_process: true,
        ..script(name, &serve)
    }
}

/// Asks until it is answered.
fn fetch(address: [u8; 4], port: u16) -> String {
    let [a, b, c, d] = address;
    let url = format!("http://{a}.{b}.{c}.{d}:{port}/x");
    let line = format!("until busybox wget -q -O - {url} 2>/dev/null; do :; done");
    let limit = crate::PATIENCE.as_secs().to_string();
    let page = Command::new("timeout")
        .args([&limit, "sh", "-c", &line])
        .output();
    String::from_utf8_lossy(&page.unwrap().stdout)
        .trim()
        .to_owned()
}

const ADDRESS: [u8; 4] = [172, 31, 0, SLICE_ADDRESS];

async fn run(place: &Place, task: &Assignment) -> TaskReport {
    place.slice.assign(task);
    let up = |r: &TaskReport| running(r) || r.released;
    let report = place.slice.report_where(&task.task_id, up).await;
    assert!(running(&report), "{report:#?}");
    report
}

async fn end(place: &Place, task: &Assignment) -> TaskReport {
    place.slice.assign(&stop(task));
    ended(place, task).await
}

/// A task that ends by itself.
async fn to_its_end(place: &Place, task: &Assignment) -> TaskReport {
    place.slice.assign(task);
    ended(place, task).await
}

async fn ended(place: &Place, task: &Assignment) -> TaskReport {
    let report = place
        .slice
        .report_where(&task.task_id, |r| r.released)
        .await;
    place.slice.remove(&task.task_id);
    place.slice_forgotten(&task.task_id).await;
    report
}

/// The ports of each container: (container's, host's).
fn bindings(report: &TaskReport) -> Vec<Vec<(u16, u16)>> {
    let of = |c: &neargate_domain::ContainerReport| {
        let pair = |b: &neargate_domain::NetworkBinding| (b.container_port, b.host_port);
        c.network_bindings.iter().map(pair).collect()
    };
    report.containers.iter().map(of).collect()
}

async fn bridge_mode(place: &Place) {
    let web = server("web", 80, vec![port(80, Some(8080)), port(80, None)]);
    // Each container has a network of its own: the same port twice.
    let api = server("api", 80, vec![port(80, None)]);
    let look = "echo $AWS_EXECUTION_ENV; hostname | wc -c; grep -c $(hostname) /etc/hosts; \
        until wget -q -O - http://172.31.0.200:8080/x 2>/dev/null; do usleep 20000; done; \
        wget -q -O - http://127.0.0.1:80/x 2>/dev/null || echo alone; exec sleep 1000";
    let mut look = script("look", look);
    look.stop_timeout_secs = 1;
    let task = on_slice(50, InstanceNetwork::Bridge, vec![web, api, look]);
    let report = run(place, &task).await;
    let ports = bindings(&report);
    assert_eq!(ports[0][0], (80, 8080));
    let (picked, other) = (ports[0][1].1, ports[1][0].1);
    assert!(
        picked >= 32_768 && other >= 32_768 && picked != other,
        "{ports:?}"
    );
    assert_eq!(report.containers[0].network_bindings[0].bind_ip, "0.0.0.0");
    for (port, name) in [(8080, "web"), (picked, "web"), (other, "api")] {
        assert_eq!(fetch(ADDRESS, port), name);
    }
    let source = format!("{}/look", task.task_id);
    let lines = place.slice.lines_where(&source, |l| l.len() >= 5).await;
    assert_eq!(lines, ["AWS_ECS_EC2", "13", "1", "web", "alone"]);
    let runtime_id = report.containers[0].runtime_id.as_deref().unwrap();
    assert_eq!(runtime_id.len(), 64);
    let report = end(place, &task).await;
    assert_eq!(bindings(&report), ports, "as they were");
    assert_eq!(place.left(), [""; 0]);
}

async fn a_taken_port(place: &Place) {
    let holder = on_slice(
        51,
        InstanceNetwork::Bridge,
        vec![server("web", 80, vec![port(80, Some(8080))])],
    );
    run(place, &holder).await;
    let second = Assignment {
        task_id: format!("{:032x}", 52),
        ..holder.clone()
    };
    place.slice.assign(&second);
    let report = ended(place, &second).await;
    let stopped = report.stopped.unwrap();
    assert_eq!(stopped.stop_code, "TaskFailedToStart");
    let words = "CannotStartContainerError: Error response from daemon: driver failed programming \
                 external connectivity on endpoint ecs-test-1-web-";
    assert!(stopped.reason.starts_with(words), "{}", stopped.reason);
    let words = "Bind for 0.0.0.0:8080 failed: port is already allocated";
    assert!(stopped.reason.ends_with(words), "{}", stopped.reason);
    assert_eq!(
        report.containers[0].reason.as_deref(),
        Some(&*stopped.reason)
    );
    assert_eq!(fetch(ADDRESS, 8080), "web", "the holder's still");
    end(place, &holder).await;
    // Free again at once.
    run(place, &second).await;
    end(place, &second).await;
}

async fn host_mode(place: &Place) {
    let web = server("web", 9000, vec![port(9000, Some(9000)), port(9001, None)]);
    let look = "hostname; cat /etc/hosts; ip -o link | grep -c eth0; exec sleep 1000";
    let mut look = script("look", look);
    look.stop_timeout_secs = 1;
    let task = on_slice(53, InstanceNetwork::Host, vec![web, look]);
    let report = run(place, &task).await;
    assert_eq!(bindings(&report)[0], [(9000, 9000), (9001, 9001)]);
    assert_eq!(fetch(ADDRESS, 9000), "web");
    let source = format!("{}/look", task.task_id);
    let lines = place.slice.lines_where(&source, |l| l.len() >= 4).await;
    let name = "ip-172-31-0-200.ec2.internal";
    assert_eq!(
        lines,
        [
            name,
            "127.0.0.1 localhost",
            &format!("172.31.0.200 {name}"),
            "1"
        ]
    );
    // From the bridge, at the instance's address there.
    let ask = "wget -q -O - http://172.17.0.1:9000/x";
    let bridged = on_slice(54, InstanceNetwork::Bridge, vec![script("ask", ask)]);
    let report = to_its_end(place, &bridged).await;
    assert_eq!(report.containers[0].exit_code, Some(0));
    end(place, &task).await;
    assert_eq!(place.left(), [""; 0]);
}

async fn no_network(place: &Place) {
    let look = script(
        "look",
        "ip -o link | grep -c .; ip -o addr; cat /etc/resolv.conf >/dev/null",
    );
    let task = on_slice(55, InstanceNetwork::None, vec![look]);
    let report = to_its_end(place, &task).await;
    assert_eq!(report.containers[0].exit_code, Some(0), "{report:#?}");
    let lines = place.slice.lines(&format!("{}/look", task.task_id));
    assert!(lines[1..].iter().all(|l| l.contains(" lo ")), "{lines:?}");
    assert_eq!(bindings(&report), [[]; 1]);
}

async fn an_interface_of_its_own(place: &Place) {
    let task = Assignment {
        launch_type: LaunchType::Ec2,
        ..task(56, vec![server("web", 80, vec![])])
    };
    run(place, &task).await;
    assert_eq!(fetch([172, 31, 0, 56], 80), "web");
    end(place, &task).await;
    assert_eq!(place.left(), [""; 0]);
}

/// The instance's memory is all there is, for a task without a limit too.
async fn its_limits(place: &Place) {
    let greedy = script(
        "greedy",
        "exec dd if=/dev/zero of=/dev/null bs=400M count=1",
    );
    let task = on_slice(57, InstanceNetwork::None, vec![greedy]);
    let report = to_its_end(place, &task).await;
    assert_eq!(report.containers[0].exit_code, Some(137), "{report:#?}");
    let reason = report.containers[0].reason.as_deref();
    assert_eq!(
        reason,
        Some("OutOfMemoryError: Container killed due to memory usage")
    );
}

async fn killed_agents_spare_each_other(place: &mut Place) {
    let counter = |name: &str| script(name, COUNTER);
    let hosts = task(58, vec![counter("web")]);
    let web = server("web", 80, vec![port(80, None)]);
    let slices = on_slice(59, InstanceNetwork::Bridge, vec![web, counter("count")]);
    place.plane.assign(&hosts);
    place.plane.report_where(&hosts.task_id, running).await;
    let before = run(place, &slices).await;
    let port = bindings(&before)[0][0].1;
    let source = format!("{}/count", slices.task_id);
    for _ in 0..3 {
        let seen = place.slice.lines(&source).len();
        place
            .slice
            .lines_where(&source, |l| l.len() > seen + 20)
            .await;
        place.kill_node();
        assert_eq!(fetch(ADDRESS, port), "web", "nobody is needed for it");
        place.start_node();
    }
    let seen = place.slice.lines(&source).len();
    place
        .slice
        .lines_where(&source, |l| l.len() > seen + 20)
        .await;
    assert_eq!(fetch(ADDRESS, port), "web");
    let after = place.slice.report_where(&slices.task_id, running).await;
    assert_eq!(bindings(&after), bindings(&before));
    assert_eq!(
        after.containers[0].started_at,
        before.containers[0].started_at
    );
    let own = place.plane.report_where(&hosts.task_id, running).await;
    assert_eq!(own.containers[0].status, ContainerStatus::Running);
    // A port that is held is not given out twice, whoever held it first.
    let wanted = server("web", 80, vec![crate::slice::port(80, Some(port))]);
    let second = on_slice(60, InstanceNetwork::Bridge, vec![wanted]);
    place.slice.assign(&second);
    let report = ended(place, &second).await;
    let reason = report.stopped.unwrap().reason;
    assert!(reason.ends_with("port is already allocated"), "{reason}");
    end(place, &slices).await;
    counted(&place.slice.lines(&source));
    place.plane.assign(&stop(&hosts));
    place
        .plane
        .report_where(&hosts.task_id, |r| r.released)
        .await;
    counted(&place.plane.lines(&format!("{}/web", hosts.task_id)));
    crate::forget(place, &hosts).await;
    assert_eq!(place.left(), [""; 0]);
}

/// What the slice's own network holds: published ports, and ports of its bridge.
fn in_its_network(place: &Place) -> (usize, usize) {
    let namespace = place.path("net/netns").join(format!("{SLICE}@{SLICE}"));
    let run = |command: &str| {
        let inside = format!("--net={}", namespace.display());
        let done = Command::new("nsenter")
            .args([&inside, "sh", "-c", command])
            .output();
        String::from_utf8_lossy(&done.unwrap().stdout).into_owned()
    };
    let published = run("nft list map inet neargate_instance published");
    // Each leads to a port of the bridge's network.
    let leads = published.matches(" : 172.17.").count();
    (leads, run("ip -o link").matches("ngc").count())
}

/// The kernel deletes a namespace's interfaces a little after the namespace.
async fn until_in_its_network(place: &Place, wanted: (usize, usize)) {
    assert_eq!(in_its_network(place).0, wanted.0, "published ports");
    let reached = async {
        while in_its_network(place) != wanted {
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(crate::PATIENCE, reached).await;
    assert!(reached.is_ok(), "{:?}", in_its_network(place));
}

/// Tasks that start and tasks that end while the agent is killed: those that are forgotten leave
/// nothing, and the others keep what they have.
async fn killed_in_the_middle(place: &mut Place) {
    for (round, kept) in [(0, 3), (1, 0), (2, 7)] {
        let all: Vec<Assignment> = (0..12)
            .map(|n| {
                let mappings = vec![port(80, None), port(81, Some(9_000 + u16::from(n)))];
                let containers = vec![server("web", 80, mappings), server("api", 80, vec![])];
                on_slice(70 + 12 * round + n, InstanceNetwork::Bridge, containers)
            })
            .collect();
        all.iter().for_each(|task| place.slice.assign(task));
        let (first, last) = (&all[kept], &all[11]);
        place.slice.report_where(&first.task_id, running).await;
        place.slice.assign(&stop(last));
        place.kill_node();
        let (keep, forget): (Vec<_>, Vec<_>) =
            all.iter().partition(|task| task.task_id == first.task_id);
        forget
            .iter()
            .for_each(|task| place.slice.remove(&task.task_id));
        place.start_node();
        for task in &forget {
            place.slice_forgotten(&task.task_id).await;
        }
        let report = place.slice.report_where(&keep[0].task_id, running).await;
        let ports = bindings(&report);
        assert_eq!(fetch(ADDRESS, ports[0][0].1), "web");
        until_in_its_network(place, (2, 2)).await;
        end(place, keep[0]).await;
        until_in_its_network(place, (0, 0)).await;
        assert_eq!(place.left(), [""; 0]);
    }
}

fn slices_cgroups() -> Vec<String> {
    let controllers = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
    let roots = controllers.flatten().map(|c| c.path());
    roots
        .map(|c| c.join(format!("neargate-{INSTALLATION}-{SLICE}")))
        .filter(|c| c.exists())
        .map(|c| c.display().to_string())
        .collect()
}

fn nothing_of_it(place: &Place) {
    assert_eq!(slices_cgroups(), [""; 0]);
    for dir in [
        place.path("slices").join(SLICE),
        place.path("run").join(SLICE),
    ] {
        assert!(!dir.exists(), "{}", dir.display());
    }
    let namespace = place.path("net/netns").join(format!("{SLICE}@{SLICE}"));
    assert!(!namespace.exists());
}

/// One that went while the node was away, tasks and all.
async fn an_unknown_slice_goes(place: &mut Place) {
    let web = server("web", 80, vec![port(80, Some(8080))]);
    let lost = on_slice(61, InstanceNetwork::Bridge, vec![web]);
    run(place, &lost).await;
    let hosts = task(62, vec![script("web", COUNTER)]);
    place.plane.assign(&hosts);
    place.plane.report_where(&hosts.task_id, running).await;
    let socket = place.path("slice.sock");
    let aside = place.path("aside.sock");
    place.kill_node();
    std::fs::rename(&socket, &aside).unwrap();
    place.start_node();
    // The agent of the host goes first; then the slices are looked for.
    let gone = async {
        while place.path("run").join(SLICE).exists() || place.path("slices").join(SLICE).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::PATIENCE, gone)
        .await
        .expect("swept");
    place.stop_node();
    nothing_of_it(place);
    std::fs::rename(&aside, &socket).unwrap();
    place.slice.remove(&lost.task_id);
    place.start_node();
    place.plane.assign(&stop(&hosts));
    place
        .plane
        .report_where(&hosts.task_id, |r| r.released)
        .await;
    counted(&place.plane.lines(&format!("{}/web", hosts.task_id)));
    crate::forget(place, &hosts).await;
}

async fn a_slice_is_removed(place: &mut Place) {
    let web = server("web", 80, vec![port(80, Some(8080))]);
    let task = on_slice(63, InstanceNetwork::Bridge, vec![web]);
    run(place, &task).await;
    std::fs::write(place.path("remove"), "").unwrap();
    place.stop_node();
    nothing_of_it(place);
    std::fs::remove_file(place.path("remove")).unwrap();
    place.slice.remove(&task.task_id);
    place.start_node();
    assert!(Path::new(&place.path("data")).exists());
}
