//! Planner tables.

use super::assignment;
use super::expiry::{Expiry, KEPT, expiry};
use super::fargate::{cpu_units, memory_mib, offers};
use super::observe::{desired_status, observe};
use super::placement::fargate::{Node, node, subnet};
use super::stop;
use super::task_definition::{definition, platform, runnable};
use crate::model::{Status, Task, TaskSpec};
use neargate_api_ecs as api;
use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::report::TaskStopped;
use neargate_domain::vpc::DefaultVpc;
use neargate_domain::{
    Assignment, ContainerReport, ContainerSpec, ContainerStatus, DesiredState, Health, ImageRef,
    LaunchType, NetworkInterface, TaskNetwork, TaskReport, TaskStatus,
};
use neargate_service::Scope;
use neargate_wire::json::Json;
use proptest::prelude::*;

fn t(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn scope() -> Scope {
    Scope {
        account: AccountId::default(),
        region: Region::default(),
    }
}

#[test]
fn fargate_sizes() {
    for (cpu, memory) in [
        (256, 512),
        (256, 2048),
        (512, 4096),
        (1024, 8192),
        (4096, 30720),
        (16384, 122_880),
    ] {
        assert!(offers(cpu, memory), "{cpu} {memory}");
    }
    for (cpu, memory) in [
        (256, 1536),
        (256, 4096),
        (512, 512),
        (300, 512),
        (8192, 17408),
        (0, 0),
    ] {
        assert!(!offers(cpu, memory), "{cpu} {memory}");
    }
    assert_eq!(cpu_units(".25 vCPU"), Some(256));
    assert_eq!(cpu_units("1vcpu"), Some(1024));
    assert_eq!(memory_mib("0.5GB"), Some(512));
    assert_eq!(memory_mib("2 gb"), Some(2048));
    for bad in ["", "x", "-1", "1e3", "inf vcpu", "9999999999999", "1 TB"] {
        assert_eq!((cpu_units(bad), memory_mib(bad)), (None, None), "{bad}");
    }
}

fn container(name: &str) -> api::ContainerDefinition {
    api::ContainerDefinition {
        name: Some(name.into()),
        image: Some("busybox".into()),
        ..Default::default()
    }
}

fn registration() -> api::RegisterTaskDefinitionInput {
    api::RegisterTaskDefinitionInput {
        family: "web".into(),
        container_definitions: vec![container("app")],
        network_mode: Some("awsvpc".into()),
        requires_compatibilities: Some(vec!["FARGATE".into()]),
        cpu: Some("256".into()),
        memory: Some("512".into()),
        ..Default::default()
    }
}

#[test]
fn an_override_names_one_container_once() {
    let d = definition(&registration(), "arn".into(), 1, "me".into(), t(5));
    let over = |names: &[Option<&str>]| {
        let named = |n: &Option<&str>| api::ContainerOverride {
            name: n.map(Into::into),
            ..Default::default()
        };
        let container_overrides = Some(names.iter().map(named).collect());
        assignment::check_overrides(
            &d,
            &api::TaskOverride {
                container_overrides,
                ..Default::default()
            },
        )
    };
    assert!(over(&[Some("app")]).is_ok());
    for bad in [&[None][..], &[Some("")], &[Some("app"), Some("app")]] {
        assert_eq!(over(bad).unwrap_err().code, "InvalidParameterException");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let d = definition(&registration(), "arn".into(), 1, "me".into(), t(5));
    assert!(runnable(&d, LaunchType::Fargate).is_ok());
    let mut with_files = d.clone();
    let containers = with_files
        .container_definitions
        .as_mut()
        .expect("containers");
    // Secrets are read when the task starts.
    containers[0].secrets = Some(vec![api::Secret::default()]);
    containers[0].environment_files = Some(vec![api::EnvironmentFile::default()]);
    assert!(runnable(&with_files, LaunchType::Fargate).is_ok());
    let containers = with_files.container_definitions.as_mut();
    containers.expect("containers")[0].credential_specs = Some(vec!["x".into()]);
    let error = runnable(&with_files, LaunchType::Fargate).expect_err("credential specs");
    assert_eq!(error.code, "UnsupportedFeatureException");
    assert!(
        error.message.contains("credentialSpecs"),
        "{}",
        error.message
    );
    let mut shared = d.clone();
    let containers = shared.container_definitions.as_mut().expect("containers");
    containers[0].resource_requirements = Some(vec![api::ResourceRequirement {
        r#type: "GPU".into(),
        value: Some("1".into()),
        sharing_strategy: Some(api::SharingStrategy::default()),
    }]);
    let error = runnable(&shared, LaunchType::Ec2).expect_err("shared GPUs");
    assert!(
        error.message.contains("sharingStrategy"),
        "{}",
        error.message
    );
    let mut windows = d.clone();
    windows.runtime_platform = Some(api::RuntimePlatform {
        cpu_architecture: Some("X86_64".into()),
        operating_system_family: Some("WINDOWS_SERVER_2022_CORE".into()),
    });
    let refused = runnable(&windows, LaunchType::Fargate).expect_err("there is no Windows here");
    assert_eq!(
        refused.code,
        "PlatformTaskDefinitionIncompatibilityException"
    );
    assert!(runnable(&windows, LaunchType::Ec2).is_ok());
    let wanted = [
        ("ecs.cpu-architecture", "x86_64".to_owned()),
        ("ecs.os-type", "windows".to_owned()),
    ];
    assert_eq!(platform(&windows), wanted);
}

#[test]
fn logs_go_to_cloudwatch_logs_of_this_installation() {
    let with = |endpoint: &str| {
        let mut given = registration();
        let options = [
            ("awslogs-group", "/g"),
            ("awslogs-region", "us-east-1"),
            ("awslogs-endpoint", endpoint),
        ];
        let options = options.map(|(option, value)| (option.to_owned(), value.to_owned()));
        given.container_definitions[0].log_configuration = Some(api::LogConfiguration {
            log_driver: "awslogs".into(),
            options: Some(options.into()),
            secret_options: None,
        });
        let definition = definition(&given, "arn".into(), 1, "me".into(), t(5));
        runnable(&definition, LaunchType::Fargate)
    };
    assert!(with("https://logs.us-east-1.amazonaws.com").is_ok());
    assert!(with("vpce-0a1b.logs.eu-west-1.vpce.amazonaws.com").is_ok());
    let error = with("http://localhost:9000").unwrap_err();
    assert!(
        error.message.contains("awslogs-endpoint"),
        "{}",
        error.message
    );
}

#[test]
fn overrides_win() {
    let mut given = registration();
    given.container_definitions[0].command = Some(vec!["a".into()]);
    let env = |n: &str, v: &str| api::KeyValuePair {
        name: Some(n.into()),
        value: Some(v.into()),
    };
    given.container_definitions[0].environment = Some(vec![env("A", "1"), env("B", "1")]);
    let d = definition(&given, "arn".into(), 1, "me".into(), t(5));
    let over = api::TaskOverride {
        container_overrides: Some(vec![api::ContainerOverride {
            name: Some("app".into()),
            command: Some(vec!["b".into()]),
            environment: Some(vec![env("B", "2")]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    assignment::check_overrides(&d, &over).expect("known container");
    let task = (LaunchType::Fargate, "id");
    let c = &assignment::containers(&scope(), task, &d, &over)[0];
    assert_eq!(c.command, Some(vec!["b".into()]));
    assert_eq!(
        (c.environment["A"].as_str(), c.environment["B"].as_str()),
        ("1", "2")
    );
    assert_eq!(c.stop_timeout_secs, 30);
    let mut unknown = over;
    unknown.container_overrides.as_mut().expect("set")[0].name = Some("db".into());
    let error = assignment::check_overrides(&d, &unknown).expect_err("unknown");
    assert_eq!(
        error.message,
        "Override for container named db is not a container in the TaskDefinition."
    );
}

#[test]
fn the_least_loaded_node_is_chosen() {
    let n = |id: &str, tasks| Node {
        id: id.into(),
        tasks,
    };
    assert_eq!(node(&[]), None);
    assert_eq!(node(&[n("b", 1), n("c", 0), n("a", 1)]), Some(&n("c", 0)));
    assert_eq!(subnet(&["x", "y"], 3), Some(&"y"));
    assert_eq!(subnet::<u8>(&[], 3), None);
}

#[test]
fn stopped_tasks_are_kept_an_hour() {
    let (second, now) = (std::time::Duration::from_secs(1), t(2_000));
    assert_eq!(expiry(None, now), Expiry::NotStopped);
    let last = Expiry::At(now + KEPT - second);
    assert_eq!(expiry(Some(second), now), last);
    assert_eq!(expiry(Some(KEPT), now), Expiry::Now);
    assert_eq!(expiry(Some(KEPT + second), now), Expiry::Now);
}

pub(super) fn task() -> Task {
    let vpc = DefaultVpc::of(&AccountId::default(), &Region::default());
    let network = NetworkInterface {
        id: "eni-0".into(),
        mac: "02:00:00:00:00:01".into(),
        private_ipv4: vpc.subnets[0].address(0),
        prefix_len: 20,
        gateway: vpc.subnets[0].gateway(),
        vpc_cidr: "172.31.0.0/16".into(),
        subnet_id: vpc.subnets[0].id.clone(),
        vpc_id: vpc.vpc_id,
        security_groups: Vec::new(),
        private_dns_name: String::new(),
        domain_name: None,
        availability_zone: "us-east-1a".into(),
        in_default_vpc: true,
        public_ipv4: None,
    };
    let assignment = Assignment {
        task_id: "id".into(),
        task_arn: "arn".into(),
        account: AccountId::default(),
        region: Region::default(),
        cluster: "default".into(),
        family: "web".into(),
        revision: 1,
        generation: 1,
        desired: DesiredState::Running,
        cpu_units: Some(256),
        memory_mib: Some(512),
        ephemeral_storage_gib: None,
        network: TaskNetwork::Awsvpc(network),
        launch_type: LaunchType::Fargate,
        container_instance_arn: None,
        task_role_arn: None,
        execution_role_arn: None,
        service_name: None,
        containers: vec![app()],
        volumes: Vec::new(),
        pid_mode: None,
        ipc_mode: None,
        proxy: None,
        fault_injection: false,
    };
    let spec = TaskSpec {
        arn: "arn".into(),
        cluster_arn: "cluster".into(),
        task_definition_arn: "td".into(),
        group: "family:web".into(),
        started_by: None,
        platform_version: Some("1.4.0".into()),
        cpu: "256".into(),
        memory: "512".into(),
        ephemeral_storage_gib: Some(20),
        enable_execute_command: false,
        overrides: Json(api::TaskOverride::default()),
        containers: Vec::new(),
        attachment_id: Some("a".into()),
        tags: Default::default(),
        created_at: t(0),
        node: "local".into(),
        assignment,
        stop: None,
        availability_zone: "us-east-1a".into(),
        capacity_provider: None,
        container_instance: None,
        demand: Default::default(),
        service: None,
        protection: None,
        target_groups: Vec::new(),
        registries: Vec::new(),
        connect: None,
        waits: None,
    };
    Task {
        spec,
        status: Status::provisioning(),
    }
}

/// The container that [`one`] reports on.
fn app() -> ContainerSpec {
    ContainerSpec {
        name: "app".into(),
        image: ImageRef { name: "app".into() },
        essential: true,
        entry_point: None,
        command: None,
        environment: Default::default(),
        working_directory: None,
        user: None,
        hostname: None,
        cpu_units: None,
        memory_mib: None,
        memory_reservation_mib: None,
        read_only_root: false,
        privileged: false,
        cap_add: Vec::new(),
        cap_drop: Vec::new(),
        init_process: false,
        shm_size_mib: None,
        tmpfs: Vec::new(),
        ulimits: Vec::new(),
        sysctls: Default::default(),
        extra_hosts: Vec::new(),
        interactive: false,
        pseudo_terminal: false,
        stop_timeout_secs: 30,
        start_timeout_secs: 30,
        depends_on: Vec::new(),
        log: None,
        port_mappings: Vec::new(),
        health_check: None,
        restart_policy: None,
        arn: None,
        labels: [].into(),
        secrets: Vec::new(),
        repository_credentials: None,
        ..ContainerSpec::default()
    }
}

fn seen(sequence: u64) -> TaskReport {
    TaskReport {
        task_id: "id".into(),
        sequence,
        observed_generation: 1,
        network_ready: true,
        pull_started_at: None,
        pull_stopped_at: None,
        containers: Vec::new(),
        stopped: None,
        released: false,
    }
}

fn one(status: ContainerStatus, exit_code: Option<i32>) -> ContainerReport {
    let started = status != ContainerStatus::Pending;
    ContainerReport {
        name: "app".into(),
        status,
        runtime_id: None,
        image_digest: None,
        started_at: started.then(|| t(20)),
        finished_at: exit_code.map(|_| t(30)),
        exit_code,
        reason: None,
        network_bindings: vec![],
        health: Health::Unknown,
    }
}

/// The reports of a task that runs and ends by itself.
fn life() -> Vec<TaskReport> {
    let stopped = TaskStopped {
        stop_code: "EssentialContainerExited".into(),
        reason: "Essential container in task exited".into(),
        at: t(30),
    };
    let pending = TaskReport {
        containers: vec![one(ContainerStatus::Pending, None)],
        ..seen(1)
    };
    let running = TaskReport {
        containers: vec![one(ContainerStatus::Running, None)],
        ..seen(2)
    };
    let ended = TaskReport {
        containers: vec![one(ContainerStatus::Stopped, Some(3))],
        stopped: Some(stopped),
        ..seen(3)
    };
    let released = TaskReport {
        sequence: 4,
        released: true,
        ..ended.clone()
    };
    vec![pending, running, ended, released]
}

#[test]
fn reports_become_aws_states() {
    let mut task = task();
    let states = [
        TaskStatus::Pending,
        TaskStatus::Running,
        TaskStatus::Deprovisioning,
        TaskStatus::Stopped,
    ];
    for (report, state) in life().iter().zip(states) {
        task.status = observe(&task, report, t(40)).expect("news");
        assert_eq!(task.status.last_status, state);
    }
    assert_eq!(
        task.status.stop_code.as_deref(),
        Some("EssentialContainerExited")
    );
    assert_eq!(task.status.started_at, Some(t(20)));
    assert_eq!(task.status.execution_stopped_at, Some(t(30)));
    assert_eq!(desired_status(&task), "STOPPED");
}

#[test]
fn it_runs_since_it_was_seen_to_or_since_it_started_when_that_was_not_kept() {
    let running = life().remove(1);
    let later = TaskReport {
        sequence: 9,
        ..running.clone()
    };
    let mut kept = task();
    kept.status = observe(&kept, &running, t(40)).expect("news");
    assert_eq!(kept.status.running_at, Some(t(40)));
    let mut old = kept.clone();
    old.status.running_at = None;
    for (mut task, since) in [(kept, t(40)), (old, t(20))] {
        task.status = observe(&task, &later, t(90)).expect("news");
        assert_eq!(task.status.running_at, Some(since));
    }
}

#[test]
fn a_user_stop_is_the_cause_that_counts() {
    let mut task = task();
    for report in &life()[..2] {
        task.status = observe(&task, report, t(40)).expect("news");
    }
    let cause = stop::Cause {
        code: "UserInitiated",
        reason: "enough",
        at: t(25),
    };
    assert!(stop::ask(&mut task, cause));
    assert!(!stop::ask(&mut task, cause), "once");
    assert_eq!(task.status.last_status, TaskStatus::Deactivating);
    for report in &life()[2..] {
        task.status = observe(&task, report, t(40)).expect("news");
    }
    assert_eq!(task.status.stop_code.as_deref(), Some("UserInitiated"));
    assert_eq!(task.status.stopped_reason.as_deref(), Some("enough"));
    assert_eq!(task.status.last_status, TaskStatus::Stopped);
}

proptest! {
    /// Lost, doubled and reordered reports never move a task back, and the last one decides.
    #[test]
    fn states_only_move_forward(order in prop::collection::vec(0usize..4, 0..20)) {
        let mut task = task();
        let reports = life();
        for i in order.into_iter().chain([3]) {
            let before = task.status.last_status;
            if let Some(status) = observe(&task, &reports[i], t(40)) {
                prop_assert!(status.last_status >= before);
                task.status = status;
            }
        }
        prop_assert_eq!(task.status.last_status, TaskStatus::Stopped);
        prop_assert_eq!(observe(&task, &reports[3], t(50)), None);
    }
}

#[test]
fn what_is_kept_of_a_report_is_bounded() {
    let task = task();
    let mut report = life()[0].clone();
    let own = report.containers.len();
    let mut stranger = report.containers[0].clone();
    stranger.name = "nobody's".into();
    report.containers.push(stranger);
    report.containers.push(report.containers[0].clone());
    report.containers[0].reason = Some("ä".repeat(5_000));
    let kept = observe(&task, &report, t(40)).expect("news").report;
    let kept = kept.expect("it is the first");
    assert_eq!(kept.containers.len(), own);
    let reason = kept.containers[0].reason.as_deref().expect("it was given");
    assert_eq!(reason.chars().count(), 1_024);
}
