//! Services on container instances: DAEMON, draining, capacity that comes later.

use super::super::definition;
use super::super::instances::machine;
use super::Town;
use crate::instances::register;
use crate::model::{ContainerInstance, InstanceStatus};
use neargate_api_ecs::{self as api, ops};
use neargate_domain::NodeKind;
use neargate_service::Stored;
use std::collections::BTreeSet;

async fn join(town: &Town, name: &str) -> Stored<ContainerInstance> {
    town.lab.ecs.nodes.connect(name, NodeKind::Ec2);
    let machine = machine(&town.lab, "c", name);
    let instance = register(&town.lab.house, machine).await.expect("joined");
    // The index learns of connections by itself, a moment later.
    for _ in 0..1_000 {
        let cluster = town.id("web").cluster;
        let known = town.lab.ecs.fleet.capacity(&cluster, |capacity| {
            let known = capacity.instance(&instance.id);
            known.is_some_and(|i| i.agent_connected)
        });
        if known {
            return instance;
        }
        tokio::task::yield_now().await;
    }
    panic!("never connected");
}

/// A definition that runs on instances, of `memory` MiB.
async fn define(town: &Town, memory: i32) {
    let mut input = definition("web");
    input.network_mode = Some("bridge".into());
    input.requires_compatibilities = Some(vec!["EC2".into()]);
    (input.cpu, input.memory) = (None, None);
    input.container_definitions[0].memory = Some(memory);
    let registered = town.lab.call(ops::RegisterTaskDefinition, input).await;
    registered.expect("registered");
}

fn on_instances(input: &mut api::CreateServiceInput) {
    input.launch_type = Some("EC2".into());
    input.network_configuration = None;
}

async fn hosts(town: &Town) -> Vec<String> {
    let live = town.live().await;
    let mut hosts: Vec<String> = live.iter().map(|t| t.spec.node.clone()).collect();
    hosts.sort();
    hosts
}

async fn set(town: &Town, instance: &Stored<ContainerInstance>, status: InstanceStatus) {
    let db = &town.lab.house.db;
    let changed = db.modify::<ContainerInstance, _>(&instance.key, |i| {
        i.status = status;
        Ok(true)
    });
    changed.await.expect("changed");
}

#[tokio::test]
async fn a_daemon_follows_the_instances() {
    let town = Town::new().await;
    define(&town, 128).await;
    let first = join(&town, "a").await;
    join(&town, "b").await;
    town.create(|c| {
        on_instances(c);
        c.scheduling_strategy = Some("DAEMON".into());
        c.desired_count = None;
    })
    .await
    .expect("created");
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["a", "b"]);
    join(&town, "d").await;
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["a", "b", "d"]);
    let service = town.describe().await;
    assert_eq!(
        (service.desired_count, service.running_count),
        (Some(3), Some(3))
    );
    assert_eq!(
        service
            .deployment_configuration
            .expect("shown")
            .maximum_percent,
        Some(100)
    );
    set(&town, &first, InstanceStatus::Draining).await;
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["b", "d"]);
    define(&town, 256).await;
    town.update(|u| u.task_definition = Some("web".into()))
        .await
        .expect("updated");
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["b", "d"]);
    assert!(
        town.live()
            .await
            .iter()
            .all(|t| t.spec.assignment.revision == 2)
    );
}

#[tokio::test]
async fn tasks_leave_a_draining_instance_within_the_limits() {
    let town = Town::new().await;
    define(&town, 128).await;
    let first = join(&town, "a").await;
    town.create(on_instances).await.expect("created");
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["a", "a"]);
    join(&town, "b").await;
    set(&town, &first, InstanceStatus::Draining).await;
    town.settle().await;
    assert_eq!(
        hosts(&town).await,
        ["a", "a", "b", "b"],
        "start before stop"
    );
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["b", "b"]);
}

#[tokio::test]
async fn tasks_without_room_wait_for_it() {
    let town = Town::new().await;
    define(&town, 3_000).await;
    join(&town, "a").await;
    town.create(on_instances).await.expect("created");
    town.rest(&[]).await;
    assert_eq!(hosts(&town).await, ["a"]);
    let events = town.events().await;
    let refused = events
        .iter()
        .find(|e| e.contains("was unable to place a task"));
    let refused = refused.expect("said");
    assert!(
        refused.contains("insufficient memory available"),
        "{refused}"
    );
    join(&town, "b").await;
    town.rest(&[]).await;
    let hosts: BTreeSet<String> = hosts(&town).await.into_iter().collect();
    assert_eq!(hosts.len(), 2);
    // A full cluster is updated by stopping first, as far as the minimum allows.
    define(&town, 3_001).await;
    town.update(|u| {
        u.task_definition = Some("web".into());
        u.deployment_configuration = Some(api::DeploymentConfiguration {
            minimum_healthy_percent: Some(50),
            ..Default::default()
        });
    })
    .await
    .expect("updated");
    town.rest(&[]).await;
    let live = town.live().await;
    assert_eq!(live.len(), 2);
    assert!(
        live.iter().all(|t| t.spec.assignment.revision == 2),
        "replaced"
    );
}
