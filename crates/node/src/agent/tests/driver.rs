//! The whole agent with fakes around it.

use super::super::{Agent, AgentConfig};
use super::fakes::{FakeImages, FakeNetwork, FakeRuntime, FakeUpstream};
use super::*;
use crate::upstream::AssignmentChange;
use neargate_base::Rng;
use neargate_base::Secret;
use neargate_base::time::SystemClock;
use neargate_domain::{ContainerSecrets, ContainerStatus, SecretVariable, TaskReport, TaskSecrets};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A node: what is around the agent lives on when the agent is killed.
struct Node {
    dir: tempfile::TempDir,
    upstream: Arc<FakeUpstream>,
    network: Arc<FakeNetwork>,
    runtime: Arc<FakeRuntime>,
    agent: Option<Agent>,
}

impl Node {
    async fn new() -> Node {
        let mut node = Node {
            dir: tempfile::tempdir().unwrap(),
            upstream: FakeUpstream::new(),
            network: Arc::default(),
            runtime: FakeRuntime::new(),
            agent: None,
        };
        node.start().await;
        node
    }

    async fn start(&mut self) {
        let path = |name: &str| self.dir.path().join(name);
        let rng = Arc::new(Rng::seeded(7));
        let config = AgentConfig::new(path("data"), Arc::new(SystemClock), rng);
        let (upstream, network) = (Arc::clone(&self.upstream), Arc::clone(&self.network));
        let (images, runtime) = (Arc::new(FakeImages), Arc::clone(&self.runtime));
        self.agent = Some(
            Agent::start_with(config, upstream, images, network, runtime)
                .await
                .unwrap(),
        );
    }

    async fn stop(&mut self) {
        self.agent.take().unwrap().shutdown().await;
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.upstream = self.upstream.again();
        self.start().await;
    }

    async fn change(&self, change: AssignmentChange) {
        self.upstream.changes.send(change).await.unwrap();
    }

    async fn assign(&self, task: Assignment) {
        self.change(AssignmentChange::Changed(task)).await;
    }

    async fn seen(&self, seen: impl Fn(&TaskReport) -> bool) -> TaskReport {
        self.upstream.report_where(ID, seen).await
    }

    fn ledger_entry(&self) -> std::path::PathBuf {
        self.dir
            .path()
            .join("data/ledger")
            .join(format!("{ID}.json"))
    }
}

fn all(status: ContainerStatus) -> impl Fn(&TaskReport) -> bool {
    move |r| r.containers.iter().all(|c| c.status == status)
}

/// A test that hangs shows where, instead of nothing.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("within 30 s")
}

#[tokio::test]
async fn a_task_lives_and_is_stopped() {
    within(async {
        let mut node = Node::new().await;
        let task = assignment(vec![logged(container("web")), sidecar("agent")]);
        node.assign(task.clone()).await;
        let report = node.seen(all(ContainerStatus::Running)).await;
        assert!(report.network_ready && report.pull_stopped_at >= report.pull_started_at);
        assert_eq!(
            report.containers[0].image_digest.as_deref(),
            Some("sha256:web:latest")
        );
        assert!(report.containers[0].runtime_id.is_some());
        let web = node.runtime.started("web").await;
        assert_eq!(web.config.files.len(), 3);
        web.print("hello");
        web.print("world");
        node.assign(stop(&task)).await;
        let report = node.seen(|r| r.released).await;
        assert_eq!(report.containers[0].exit_code, Some(143));
        assert_eq!(report.stopped.unwrap().stop_code, "UserInitiated");
        assert_eq!(*web.signals.lock(), [15]);
        let lines = node
            .upstream
            .lines_where(&format!("{ID}/web"), |l| l.len() == 2)
            .await;
        assert_eq!(lines, ["hello", "world"]);
        assert!(node.network.attached.lock().is_empty());
        assert!(node.ledger_entry().exists());
        node.change(AssignmentChange::Removed(ID.into())).await;
        while node.ledger_entry().exists() {
            tokio::task::yield_now().await;
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn sigkill_follows_the_stop_timeout() {
    within(async {
        let node = Node::new().await;
        let command = Some(vec!["ignore-term".into()]);
        let task = assignment(vec![ContainerSpec {
            command,
            stop_timeout_secs: 0,
            ..container("web")
        }]);
        node.assign(task.clone()).await;
        let web = node.runtime.started("web").await;
        node.assign(stop(&task)).await;
        let report = node.seen(|r| r.released).await;
        assert_eq!(report.containers[0].exit_code, Some(137));
        assert_eq!(*web.signals.lock(), [15, 9]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_pulled_never_runs() {
    within(async {
        let node = Node::new().await;
        node.assign(assignment(vec![container("missing"), container("web")]))
            .await;
        let report = node.seen(|r| r.released).await;
        let stopped = report.stopped.unwrap();
        assert_eq!(stopped.stop_code, "TaskFailedToStart");
        assert_eq!(
            stopped.reason,
            "CannotPullContainerError: missing:latest: not found"
        );
        assert!(report.containers.iter().all(|c| c.started_at.is_none()));
        assert!(node.runtime.containers.borrow().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_missing_log_group_or_program_is_told() {
    within(async {
        let node = Node::new().await;
        node.upstream.no_group.store(true, Ordering::SeqCst);
        node.assign(assignment(vec![logged(container("web"))]))
            .await;
        let stopped = node.seen(|r| r.released).await.stopped.unwrap();
        assert!(
            stopped
                .reason
                .starts_with("ResourceInitializationError: failed to validate")
        );

        let node = Node::new().await;
        let entry_point = Some(vec!["/missing".into()]);
        node.assign(assignment(vec![ContainerSpec {
            entry_point,
            ..container("web")
        }]))
        .await;
        let report = node.seen(|r| r.released).await;
        let text = "CannotStartContainerError: exec: \"/missing\": no such file or directory";
        assert_eq!(report.stopped.unwrap().reason, text);
        assert_eq!(report.containers[0].reason.as_deref(), Some(text));
    })
    .await;
}

#[tokio::test]
async fn a_restarted_agent_adopts_what_runs_and_reports_what_ended() {
    within(async {
        let mut node = Node::new().await;
        let task = assignment(vec![logged(container("web")), logged(sidecar("job"))]);
        node.assign(task.clone()).await;
        let before = node.seen(all(ContainerStatus::Running)).await;
        let web = node.runtime.started("web").await;
        let job = node.runtime.started("job").await;
        web.print("one");
        node.upstream
            .lines_where(&format!("{ID}/web"), |l| l.len() == 1)
            .await;

        node.stop().await;
        web.print("two");
        job.print("done");
        job.end(3);
        node.upstream = node.upstream.again();
        node.start().await;
        node.change(AssignmentChange::Snapshot(vec![task.clone()]))
            .await;

        let report = node
            .seen(|r| r.containers[1].status == ContainerStatus::Stopped)
            .await;
        assert!(report.sequence > before.sequence);
        assert_eq!(report.containers[0].status, ContainerStatus::Running);
        assert_eq!(
            report.containers[0].started_at,
            before.containers[0].started_at
        );
        assert_eq!(report.containers[1].exit_code, Some(3));
        let lines = node
            .upstream
            .lines_where(&format!("{ID}/web"), |l| l.len() >= 2)
            .await;
        assert_eq!(lines, ["one", "two"]);
        let lines = node
            .upstream
            .lines_where(&format!("{ID}/job"), |l| !l.is_empty())
            .await;
        assert_eq!(lines, ["done"]);

        web.print("three");
        web.end(0);
        let report = node.seen(|r| r.released).await;
        assert_eq!(
            report.stopped.unwrap().stop_code,
            "EssentialContainerExited"
        );
        let lines = node
            .upstream
            .lines_where(&format!("{ID}/web"), |l| l.len() >= 3)
            .await;
        assert_eq!(lines, ["one", "two", "three"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_running_before_a_reboot_is_lost() {
    within(async {
        let mut node = Node::new().await;
        let task = assignment(vec![container("web")]);
        node.assign(task.clone()).await;
        node.seen(all(ContainerStatus::Running)).await;
        node.stop().await;
        node.runtime = FakeRuntime::new();
        node.upstream = node.upstream.again();
        node.start().await;
        node.change(AssignmentChange::Snapshot(vec![task])).await;
        let report = node.seen(|r| r.released).await;
        assert_eq!(report.containers[0].exit_code, None);
        assert!(report.containers[0].started_at.is_some());
        assert_eq!(
            report.stopped.unwrap().stop_code,
            "EssentialContainerExited"
        );
    })
    .await;
}

#[tokio::test]
async fn the_node_fails_static_when_the_control_plane_is_away() {
    within(async {
        let node = Node::new().await;
        node.assign(assignment(vec![logged(container("web"))]))
            .await;
        node.seen(all(ContainerStatus::Running)).await;
        let web = node.runtime.started("web").await;
        node.upstream.away.store(true, Ordering::SeqCst);
        web.print("alone");
        web.end(7);
        while !node.network.attached.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            node.seen(|_| true).await.containers[0].status,
            ContainerStatus::Running
        );
        node.upstream.away.store(false, Ordering::SeqCst);
        let report = node.seen(|r| r.released).await;
        assert_eq!(report.containers[0].exit_code, Some(7));
        let lines = node
            .upstream
            .lines_where(&format!("{ID}/web"), |l| !l.is_empty())
            .await;
        assert_eq!(lines, ["alone"]);
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_without_a_task_ends_it_and_a_restart_in_between_changes_nothing() {
    within(async {
        let mut node = Node::new().await;
        node.assign(assignment(vec![container("web")])).await;
        node.seen(all(ContainerStatus::Running)).await;
        node.restart().await;
        let web = node.runtime.started("web").await;
        node.change(AssignmentChange::Snapshot(vec![])).await;
        while node.ledger_entry().exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(*web.signals.lock(), [9]);
        assert!(node.network.attached.lock().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_container_is_checked_and_its_health_reported() {
    use crate::runtime::ExecEnd;
    use neargate_domain::{Health, HealthCheck};
    within(async {
        let mut node = Node::new().await;
        let mut web = container("web");
        // Shorter than the API allows: as fast as they come.
        web.health_check = Some(HealthCheck {
            command: vec!["CMD-SHELL".into(), "check".into()],
            interval_secs: 0,
            timeout_secs: 1,
            retries: 2,
            start_period_secs: 0,
        });
        let mut after_web = after(sidecar("log"), "web", "HEALTHY");
        after_web.start_timeout_secs = 0;
        node.assign(assignment(vec![web, after_web])).await;
        let health = |want: Health| move |r: &TaskReport| r.containers[0].health == want;
        node.seen(health(Health::Healthy)).await;
        node.seen(all(ContainerStatus::Running)).await;
        let web = node.runtime.started("web").await;
        assert_eq!(web.checks.borrow()[0], ["/bin/sh", "-c", "check"]);
        *web.check.lock() = ExecEnd::TimedOut;
        let report = node.seen(health(Health::Unhealthy)).await;
        assert_eq!(report.stopped, None);
        node.restart().await;
        let before = web.checks.borrow().len();
        let mut checks = web.checks.subscribe();
        checks.wait_for(|all| all.len() > before).await.unwrap();
        node.seen(health(Health::Unhealthy)).await;
        *web.check.lock() = ExecEnd::Exited(0);
        node.seen(health(Health::Healthy)).await;
    })
    .await;
}

#[tokio::test]
async fn a_container_runs_again_and_its_log_goes_on() {
    use neargate_domain::RestartPolicy;
    within(async {
        let mut node = Node::new().await;
        let mut web = logged(container("web"));
        web.restart_policy = Some(RestartPolicy {
            ignored_exit_codes: vec![0],
            attempt_period_secs: 0,
        });
        let task = assignment(vec![web]);
        node.assign(task.clone()).await;
        node.seen(all(ContainerStatus::Running)).await;
        let mut runs = Vec::new();
        for n in 0..4 {
            let mut rx = node.runtime.containers.subscribe();
            let newest = rx
                .wait_for(|all| {
                    let new = |c: &Arc<_>| runs.iter().all(|old| !Arc::ptr_eq(old, c));
                    all.iter().any(new)
                })
                .await
                .unwrap()[0]
                .clone();
            newest.print(&format!("run {n}"));
            if n == 2 {
                node.restart().await;
            }
            newest.end(if n == 3 { 0 } else { 1 });
            runs.push(newest);
        }
        let report = node.seen(|r| r.stopped.is_some()).await;
        assert_eq!(report.containers[0].exit_code, Some(0));
        let lines = node
            .upstream
            .lines_where(&format!("{ID}/web"), |l| l.len() == 4)
            .await;
        assert_eq!(lines, ["run 0", "run 1", "run 2", "run 3"]);
        node.seen(|r| r.released).await;
    })
    .await;
}

fn secretive(spec: ContainerSpec) -> ContainerSpec {
    let secrets = vec![("PASSWORD".into(), "/db/password".into())];
    ContainerSpec { secrets, ..spec }
}

fn password(value: &str) -> TaskSecrets {
    let password = SecretVariable {
        name: "PASSWORD".into(),
        value: Secret::new(value.into()),
    };
    let of_web = ContainerSecrets {
        environment: vec![password],
        ..ContainerSecrets::default()
    };
    TaskSecrets([("web".to_owned(), of_web)].into())
}

#[tokio::test]
async fn secrets_are_in_the_container_and_not_on_the_disk() {
    within(async {
        let node = Node::new().await;
        *node.upstream.secrets.lock() = Ok(password("hunter2"));
        node.assign(assignment(vec![secretive(container("web"))]))
            .await;
        node.seen(all(ContainerStatus::Running)).await;
        let web = node.runtime.started("web").await;
        assert_eq!(
            web.config.secret_env,
            [Secret::new("PASSWORD=hunter2".into())]
        );
        assert!(
            !serde_json::to_string(&web.config)
                .unwrap()
                .contains("hunter2")
        );
        let kept = std::fs::read_to_string(node.ledger_entry()).unwrap();
        assert!(!kept.contains("hunter2"));
    })
    .await;
}

#[tokio::test]
async fn a_task_whose_secrets_are_refused_never_runs() {
    within(async {
        let node = Node::new().await;
        *node.upstream.secrets.lock() = Err("unable to pull secrets or registry auth: no".into());
        node.assign(assignment(vec![secretive(container("web"))]))
            .await;
        let report = node.seen(|r| r.stopped.is_some()).await;
        let stopped = report.stopped.unwrap();
        assert_eq!(stopped.stop_code, "TaskFailedToStart");
        assert_eq!(
            stopped.reason,
            "ResourceInitializationError: unable to pull secrets or registry auth: no"
        );
        assert!(report.containers[0].started_at.is_none());
    })
    .await;
}
