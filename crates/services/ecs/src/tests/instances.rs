//! Container instances: what is shown of them, StartTask, draining, the way out.

use super::{Lab, after, said};
use crate::Deregistration;
use crate::fleet::ClusterId;
use crate::instances::{Registration, Versions, register};
use crate::model::{ContainerInstance, InstanceStatus};
use crate::plan::placement::Capacity;
use futures_util::future::join;
use neargate_api_ecs::{self as api, ops};
use neargate_domain::{LaunchType, NodeKind, Resources};
use neargate_service::Stored;
use neargate_service::controller::{Applied, Controller};

/// The node `name` as an EC2 instance of `cluster`.
pub(super) fn machine(lab: &Lab, cluster: &str, name: &str) -> Registration {
    Registration {
        scope: lab.scope.clone(),
        cluster: cluster.into(),
        node: Some(name.into()),
        ec2_instance_id: format!("i-{name}"),
        launch_type: LaunchType::Ec2,
        resources: Resources {
            cpu_units: 2_048,
            memory_mib: 3_900,
            reserved_tcp_ports: vec![22],
            eni_slots: 3,
            ..Default::default()
        },
        attributes: [
            ("ecs.instance-type".to_owned(), Some("t3.medium".to_owned())),
            (
                "com.amazonaws.ecs.capability.docker-remote-api.1.18".to_owned(),
                None,
            ),
        ]
        .into(),
        versions: Versions::of_neargate("1.0.0"),
        tags: Default::default(),
        capacity_provider: None,
    }
}

/// A connected machine of the cluster `default`.
pub(super) async fn connected(lab: &Lab, name: &str) -> Stored<ContainerInstance> {
    lab.ecs.nodes.connect(name, NodeKind::Ec2);
    let registered = register(&lab.house, machine(lab, "default", name)).await;
    let registered = registered.expect("registered");
    seen(lab, &registered.id, true).await;
    registered
}

/// Waits until placement knows whether the instance's agent is connected.
pub(super) async fn seen(lab: &Lab, id: &str, connected: bool) {
    let cluster = ClusterId::new(&lab.scope, "default");
    let is = |c: &mut Capacity| {
        c.instance(id)
            .is_some_and(|i| i.agent_connected == connected)
    };
    while !lab.ecs.fleet.capacity(&cluster, is) {
        tokio::task::yield_now().await;
    }
}

/// A definition of one container for container instances: 128 CPU units, 64 MiB, one host port.
pub(super) async fn register_bridge(lab: &Lab, family: &str, host_port: i32) {
    let input = api::RegisterTaskDefinitionInput {
        family: family.into(),
        network_mode: Some("bridge".into()),
        container_definitions: vec![api::ContainerDefinition {
            name: Some("app".into()),
            image: Some("busybox".into()),
            cpu: Some(128),
            memory: Some(64),
            port_mappings: Some(vec![api::PortMapping {
                container_port: Some(80),
                host_port: Some(host_port),
                ..Default::default()
            }]),
            ..Default::default()
        }],
        ..Default::default()
    };
    let registered = lab.call(ops::RegisterTaskDefinition, input).await;
    registered.expect("registered");
}

pub(super) fn start_on(family: &str, ids: &[&str]) -> api::StartTaskInput {
    api::StartTaskInput {
        task_definition: family.into(),
        container_instances: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

async fn describe(lab: &Lab, id: &str) -> api::ContainerInstance {
    let input = api::DescribeContainerInstancesInput {
        container_instances: vec![id.into()],
        include: Some(vec!["TAGS".into(), "CONTAINER_INSTANCE_HEALTH".into()]),
        ..Default::default()
    };
    let output = lab.call(ops::DescribeContainerInstances, input).await;
    let mut shown = output.expect("described").container_instances.expect("set");
    shown.pop().expect("found")
}

fn remaining(shown: &api::ContainerInstance, name: &str) -> api::Resource {
    let all = shown.remaining_resources.iter().flatten();
    let mut of = all.filter(|r| r.name.as_deref() == Some(name));
    of.next().expect("shown").clone()
}

/// The controller's steps, without its driver.
async fn leave(lab: &Lab, key: &str) {
    let controller = Deregistration {
        db: lab.house.db.clone(),
        fleet: lab.ecs.fleet.clone(),
    };
    while let Some(view) = controller.view(key).await.expect("read") {
        let plan = controller.plan(&view, lab.house.now());
        if plan.actions.is_empty() {
            return;
        }
        for action in plan.actions {
            assert_eq!(
                controller.apply(action).await.expect("applied"),
                Applied::Done
            );
        }
    }
}

#[tokio::test]
async fn what_is_described_is_what_is_there() {
    let lab = Lab::new();
    register_bridge(&lab, "web", 8080).await;
    let instance = connected(&lab, "a").await;
    let started = lab
        .call(ops::StartTask, start_on("web", &[&instance.id]))
        .await;
    let started = started.expect("answered");
    assert_eq!(started.failures, Some(vec![]));
    let shown = describe(&lab, &instance.arn).await;
    assert_eq!(shown.pending_tasks_count, Some(1));
    assert_eq!(shown.running_tasks_count, Some(0));
    assert_eq!(shown.agent_connected, Some(true));
    assert_eq!(remaining(&shown, "CPU").integer_value, Some(2_048 - 128));
    assert_eq!(remaining(&shown, "MEMORY").integer_value, Some(3_900 - 64));
    let ports = remaining(&shown, "PORTS").string_set_value;
    assert_eq!(ports, Some(vec!["22".into(), "8080".into()]));
    let health = shown.health_status.expect("asked for");
    assert_eq!(health.overall_status.as_deref(), Some("OK"));
    lab.ecs.nodes.disconnect("a");
    seen(&lab, &instance.id, false).await;
    let shown = describe(&lab, &instance.id).await;
    assert_eq!(shown.agent_connected, Some(false));
    // A second task does not get the same port.
    lab.ecs.nodes.connect("a", NodeKind::Ec2);
    seen(&lab, &instance.id, true).await;
    let again = lab
        .call(ops::StartTask, start_on("web", &[&instance.id]))
        .await;
    let again = again.expect("answered");
    assert_eq!(again.tasks, Some(vec![]));
    let failures = again.failures.expect("set");
    assert_eq!(failures[0].arn.as_ref(), Some(&instance.arn));
    assert_eq!(failures[0].reason.as_deref(), Some("RESOURCE:PORTS"));
}

#[tokio::test]
async fn start_task_refuses_and_fails_like_run_task() {
    let lab = Lab::new();
    register_bridge(&lab, "web", 0).await;
    lab.register("fargate").await;
    let one = connected(&lab, "a").await;
    let ghost = "0123456789abcdef0123456789abcdef";
    let started = lab
        .call(ops::StartTask, start_on("web", &[&one.id, ghost]))
        .await;
    let started = started.expect("answered");
    assert_eq!(started.tasks.expect("set").len(), 1);
    let failures = started.failures.expect("set");
    assert_eq!(failures[0].reason.as_deref(), Some("MISSING"));
    let many = vec![ghost; 11];
    for bad in [
        start_on("web", &[]),
        start_on("web", &many),
        start_on("web", &["no id"]),
        start_on("fargate", &[&one.id]),
        start_on("none", &[&one.id]),
    ] {
        let (code, _) = said(lab.call(ops::StartTask, bad.clone()).await);
        let known = ["InvalidParameterException", "ClientException"];
        assert!(known.contains(&code.as_str()), "{bad:?}: {code}");
    }
}

#[tokio::test]
async fn draining_instances_take_no_tasks_and_keep_theirs() {
    let lab = Lab::new();
    register_bridge(&lab, "web", 0).await;
    let one = connected(&lab, "a").await;
    let state = |status: &str, ids: &[&str]| api::UpdateContainerInstancesStateInput {
        cluster: None,
        container_instances: ids.iter().map(|id| (*id).to_owned()).collect(),
        status: status.into(),
    };
    lab.call(ops::StartTask, start_on("web", &[&one.id]))
        .await
        .expect("answered");
    let ghost = "f".repeat(32);
    let changed = lab
        .call(
            ops::UpdateContainerInstancesState,
            state("DRAINING", &[&one.arn, &ghost]),
        )
        .await
        .expect("changed");
    let shown = changed.container_instances.expect("set");
    assert_eq!(shown[0].status.as_deref(), Some("DRAINING"));
    assert_eq!(shown[0].pending_tasks_count, Some(1));
    let failures = changed.failures.expect("set");
    assert_eq!(failures[0].reason.as_deref(), Some("MISSING"));
    lab.ecs.fleet.current(&lab.house.db).await.expect("current");
    let refused = lab.call(ops::StartTask, start_on("web", &[&one.id])).await;
    let refused = refused.expect("answered");
    assert_eq!(
        (refused.tasks, refused.failures.map(|f| f.len())),
        (Some(vec![]), Some(1))
    );
    let again = register(&lab.house, machine(&lab, "default", "a"))
        .await
        .expect("known");
    assert_eq!(
        again.status,
        InstanceStatus::Draining,
        "registering does not end it"
    );
    for (status, ids) in [
        ("INACTIVE", vec![one.id.as_str()]),
        ("ACTIVE", vec![]),
        ("ACTIVE", vec![one.id.as_str(); 11]),
        ("ACTIVE", vec!["x"]),
    ] {
        let refused = lab
            .call(ops::UpdateContainerInstancesState, state(status, &ids))
            .await;
        assert_eq!(
            said(refused).0,
            "InvalidParameterException",
            "{status} {ids:?}"
        );
    }
    let listed = |status: Option<&str>, filter: Option<&str>| {
        let input = api::ListContainerInstancesInput {
            status: status.map(Into::into),
            filter: filter.map(Into::into),
            ..Default::default()
        };
        lab.call(ops::ListContainerInstances, input)
    };
    let two = connected(&lab, "b").await;
    let arns = |output: Result<api::ListContainerInstancesOutput, _>| {
        output
            .expect("listed")
            .container_instance_arns
            .expect("set")
    };
    assert_eq!(arns(listed(None, None).await).len(), 2);
    assert_eq!(
        arns(listed(Some("DRAINING"), None).await),
        std::slice::from_ref(&one.arn)
    );
    assert_eq!(
        arns(listed(Some("ACTIVE"), None).await),
        std::slice::from_ref(&two.arn)
    );
    let with_tasks = "task:group == family:web and attribute:ecs.instance-type =~ t3.*";
    assert_eq!(
        arns(listed(None, Some(with_tasks)).await),
        std::slice::from_ref(&one.arn)
    );
    let without = listed(
        None,
        Some("runningTasksCount == 0 and agentConnected == true"),
    );
    assert_eq!(arns(without.await).len(), 2);
    assert_eq!(
        said(listed(None, Some("attribute:")).await).0,
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn a_forced_deregistration_stops_the_tasks_first() {
    let lab = Lab::new();
    register_bridge(&lab, "web", 0).await;
    let one = connected(&lab, "a").await;
    let started = lab.call(ops::StartTask, start_on("web", &[&one.id])).await;
    let task = super::arn(&started.expect("answered").tasks.expect("set")[0]);
    let input = |force| api::DeregisterContainerInstanceInput {
        cluster: None,
        container_instance: one.arn.clone(),
        force: Some(force),
    };
    let refused = lab
        .call(ops::DeregisterContainerInstance, input(false))
        .await;
    let refused = said(refused);
    assert_eq!(refused.1, "Found running tasks on the instance.");
    let gone = lab
        .call(ops::DeregisterContainerInstance, input(true))
        .await;
    let gone = gone.expect("answered").container_instance.expect("shown");
    assert_eq!(gone.status.as_deref(), Some("DEREGISTERING"));
    leave(&lab, &one.key).await;
    let stored = lab.tasks().await;
    let stop = stored[0].spec.stop.as_ref().expect("asked");
    assert_eq!(
        stop.reason,
        "Container instance deregistration forced by user"
    );
    assert_eq!(
        describe(&lab, &one.id).await.status.as_deref(),
        Some("DEREGISTERING")
    );
    lab.end(&task).await;
    lab.ecs.fleet.current(&lab.house.db).await.expect("current");
    // Woken by the task's last change.
    leave(&lab, &stored[0].key).await;
    assert_eq!(
        describe(&lab, &one.id).await.status.as_deref(),
        Some("INACTIVE")
    );
    let twice = lab
        .call(ops::DeregisterContainerInstance, input(true))
        .await;
    assert_eq!(said(twice).0, "InvalidParameterException");
    let listed = lab
        .call(
            ops::ListContainerInstances,
            api::ListContainerInstancesInput::default(),
        )
        .await;
    assert_eq!(
        listed.expect("listed").container_instance_arns,
        Some(vec![])
    );
    lab.advance(std::time::Duration::from_secs(86_400));
    leave(&lab, &one.key).await;
    let left = lab.house.db.get_key::<ContainerInstance>(&one.key).await;
    assert!(left.expect("read").is_none(), "forgotten a day later");
}

/// Whatever order they come in: no task is left on an instance that is gone.
#[tokio::test]
async fn a_deregistration_never_crosses_a_start() {
    let mut outcomes = [0, 0];
    for seed in 0..12 {
        let lab = Lab::seeded(seed);
        register_bridge(&lab, "web", 0).await;
        let one = connected(&lab, "a").await;
        let input = api::DeregisterContainerInstanceInput {
            cluster: None,
            container_instance: one.arn.clone(),
            force: None,
        };
        let (started, gone) = join(
            lab.call(ops::StartTask, start_on("web", &[&one.id])),
            after(4 * seed, lab.call(ops::DeregisterContainerInstance, input)),
        )
        .await;
        let tasks = started.expect("answered").tasks.expect("set");
        outcomes[usize::from(gone.is_ok())] += 1;
        assert!(tasks.is_empty() || gone.is_err(), "seed {seed}: {tasks:?}");
    }
    assert!(
        outcomes[0] > 0 && outcomes[1] > 0,
        "both orders were tried: {outcomes:?}"
    );
}
