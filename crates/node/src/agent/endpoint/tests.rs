use super::super::seams::Joined;
use super::super::state::{Network, Phase, TaskState};
use super::super::tests::fakes::FakeUpstream;
use super::super::tests::{assignment, at, container};
use super::credentials::{Credentials, shown};
use super::metadata::{self, Besides, Version};
use super::{At, Caller, TaskEndpoint};
use neargate_base::time::{ManualClock, SystemClock};
use neargate_base::{Clock, Rng};
use neargate_domain::{InstanceNetwork, LaunchType, LogTarget, TaskNetwork};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn state() -> TaskState {
    let mut web = container("web");
    web.arn = Some("arn:aws:ecs:us-east-1:000000000000:container/default/x/y".into());
    web.labels.insert("team".into(), "blue".into());
    web.cpu_units = Some(10);
    web.memory_mib = Some(128);
    web.log = Some(LogTarget {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        group: "/ecs/web".into(),
        stream: "web/web/1".into(),
        create_group: false,
        multiline: None,
    });
    let mut task = assignment(vec![web, container("side")]);
    task.cpu_units = Some(256);
    task.memory_mib = Some(512);
    TaskState::new(task, at(0))
}

fn caller(at: At, address: [u8; 4]) -> Caller {
    Caller {
        at,
        address: Ipv4Addr::from(address),
        called: Ipv4Addr::new(169, 254, 170, 2),
    }
}

#[tokio::test]
async fn an_id_is_the_same_after_a_restart_and_another_for_each_container_and_host() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rng = Rng::seeded(1);
    let open = |dir: &tempfile::TempDir| TaskEndpoint::open(dir.path(), &rng).unwrap();
    let first = open(&one).id("t1", "web");
    assert_eq!(first.len(), 32);
    assert_eq!(open(&one).id("t1", "web"), first);
    assert_ne!(open(&one).id("t1", "side"), first);
    assert_ne!(open(&other).id("t1", "web"), first);
    use std::os::unix::fs::PermissionsExt;
    let key = std::fs::metadata(one.path().join("endpoint.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn nobody_is_told_of_another_task() {
    let state = state();
    let eni = state.assignment.network.interface().unwrap().clone();
    let vpc = || At::Vpc(eni.vpc_id.clone());
    let own = eni.private_ipv4.octets();
    assert!(caller(vpc(), own).is_of(&state, "local"));
    assert!(!caller(vpc(), [172, 31, 9, 9]).is_of(&state, "local"));
    // The same address in another VPC is another task's.
    assert!(!caller(At::Vpc("vpc-other".into()), own).is_of(&state, "local"));
    assert!(!caller(At::Instance("local".into()), own).is_of(&state, "local"));
}

#[test]
fn on_an_instance_the_bridge_tells_who_asks() {
    let mut state = state();
    state.assignment.network = TaskNetwork::Instance(InstanceNetwork::Bridge);
    let here = |address| caller(At::Instance("i-1".into()), address);
    // Nothing is known of a network that is not there.
    assert!(!here([172, 17, 0, 2]).is_of(&state, "i-1"));
    let joined = Joined {
        address: Some(Ipv4Addr::new(172, 17, 0, 2)),
        ..Joined::default()
    };
    state.network = Network::Ready(Arc::new(vec![Ok(joined), Err("no port".into())]));
    assert!(here([172, 17, 0, 2]).is_of(&state, "i-1"));
    assert!(!here([172, 17, 0, 3]).is_of(&state, "i-1"));
    assert!(!here([172, 17, 0, 2]).is_of(&state, "i-2"));
    state.assignment.network = TaskNetwork::Instance(InstanceNetwork::Host);
    assert!(here([169, 254, 170, 2]).is_of(&state, "i-1"));
    assert!(!here([172, 17, 0, 2]).is_of(&state, "i-1"));
}

#[test]
fn a_task_is_shown_as_the_agent_shows_it() {
    let mut state = state();
    let task = metadata::task(&state, Version::V4, &Besides::default());
    assert_eq!(
        (&task["KnownStatus"], &task["DesiredStatus"]),
        (&"NONE".into(), &"RUNNING".into())
    );
    assert_eq!(
        task["Limits"],
        serde_json::json!({ "CPU": 0.25, "Memory": 512 })
    );
    assert_eq!(task["Revision"], "1");
    assert_eq!(task["LaunchType"], "FARGATE");
    assert!(
        task["Cluster"]
            .as_str()
            .unwrap()
            .ends_with(":cluster/default")
    );
    assert!(task.get("PullStartedAt").is_none());
    state.containers[0].phase = Phase::Running {
        started_at: at(1_500),
    };
    state.containers[0].image_digest = Some("sha256:1".into());
    let web = metadata::container(&state, 0, Version::V4);
    assert_eq!(web["DockerName"], "web");
    assert_eq!(web["KnownStatus"], "RUNNING");
    assert_eq!(web["Labels"]["team"], "blue");
    assert_eq!(web["Labels"]["com.amazonaws.ecs.container-name"], "web");
    assert_eq!(
        web["Limits"],
        serde_json::json!({ "CPU": 10, "Memory": 128 })
    );
    assert_eq!(web["LogOptions"]["awslogs-stream"], "web/web/1");
    assert_eq!(web["StartedAt"], "2023-11-14T22:13:21.500Z");
    let network = &web["Networks"][0];
    let eni = state.assignment.network.interface().unwrap();
    assert_eq!(network["NetworkMode"], "awsvpc");
    assert_eq!(network["IPv4Addresses"][0], eni.private_ipv4.to_string());
    assert_eq!(network["MACAddress"], eni.mac);
    let v3 = metadata::container(&state, 0, Version::V3);
    assert!(v3["Networks"][0].get("MACAddress").is_none() && v3.get("LogDriver").is_none());
    state.assignment.launch_type = LaunchType::Ec2;
    let web = metadata::container(&state, 0, Version::V4);
    let name = web["DockerName"].as_str().unwrap();
    assert!(
        name.starts_with("ecs-web-1-web-") || name.starts_with("ecs-"),
        "{name}"
    );
    assert_eq!(
        metadata::task(&state, Version::V4, &Besides::default())["Cluster"],
        "default"
    );
}

#[tokio::test]
async fn keys_are_asked_for_once_and_kept_while_the_control_plane_is_away() {
    let (upstream, clock) = (
        FakeUpstream::new(),
        Arc::new(ManualClock::at(SystemClock.now())),
    );
    let credentials = Arc::new(Credentials::default());
    credentials.add("t1", upstream.clone(), clock.clone());
    let first = credentials.get("t1").await.unwrap();
    assert_eq!(credentials.get("t1").await.unwrap(), first);
    assert_eq!(upstream.issued.load(Ordering::SeqCst), 1);
    let shown = shown(&first);
    assert_eq!(shown["RoleArn"], "arn:aws:iam::000000000000:role/t1");
    let expiration = shown["Expiration"].as_str().unwrap();
    assert_eq!((expiration.len(), &expiration[19..]), (20, "Z"));

    // They are renewed when half of their life is over, and used to their end otherwise.
    clock.advance(Duration::from_secs(4 * 3600));
    upstream.away.store(true, Ordering::SeqCst);
    assert_eq!(credentials.get("t1").await.unwrap(), first);
    upstream.away.store(false, Ordering::SeqCst);
    assert_ne!(credentials.get("t1").await.unwrap(), first);
    upstream.away.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(9 * 3600));
    assert!(credentials.get("t1").await.is_err());
    credentials.remove("t1");
    assert!(credentials.get("t1").await.is_err());
}
