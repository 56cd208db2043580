//! What the fleet goes through.

use crate::size::{Size, seeds};
use crate::world::{CLUSTER, World};
use neargate_api_ecs as api;
use neargate_base::time::Stopwatch;
use neargate_ecs::fleet::{ClusterId, ServiceId};
use std::time::Duration;

const SEEDS: [u64; 3] = [1, 2, 3];

pub fn simulate<F: Future<Output = ()>>(scenario: impl Fn(u64, Size) -> F) {
    for seed in seeds(&SEEDS) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(scenario(seed, Size::chosen()));
    }
}

/// Say how long a part took, in real time.
fn told(what: &str, since: Stopwatch, world: &World) {
    world.check();
    println!(
        "{what}: {} ms, {} changes so far",
        since.elapsed().as_millis(),
        world.invariants.changes()
    );
}

#[test]
fn a_fleet_of_services_loses_nodes_and_finds_them_again() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        let start = Stopwatch::start();
        for n in 0..size.services {
            let name = format!("s{n}");
            world.create(&name, "web", size.tasks_each).await;
        }
        all_steady(&world, size).await;
        told("all services started", start, &world);

        let start = Stopwatch::start();
        let lost = world.nodes.lose(5);
        all_replaced(&world, size, &lost).await;
        told("5% of the nodes lost, their tasks replaced", start, &world);

        let start = Stopwatch::start();
        world.nodes.find(&lost).await;
        all_steady(&world, size).await;
        told("the nodes are back, the old tasks stopped", start, &world);
    });
}

async fn all_steady(world: &World, size: Size) {
    for n in 0..size.services {
        world.steady(&format!("s{n}"), size.tasks_each).await;
    }
}

/// Every service has all its tasks running, none of them on a lost node.
async fn all_replaced(world: &World, size: Size, lost: &[String]) {
    let cluster = ClusterId::new(&world.scope, CLUSTER);
    let replaced = || {
        let rows = world.ecs.fleet.of_cluster(&cluster);
        let running: Vec<_> = rows.iter().filter(|r| r.is_running()).collect();
        running.len() == size.services * size.tasks_each
            && running.iter().all(|r| !lost.contains(&r.node))
    };
    for _ in 0..4_800 {
        if replaced() {
            return;
        }
        world.check();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!(
        "seed {}: the lost tasks are not replaced",
        world.invariants.seed
    );
}

#[test]
fn one_large_service_comes_up_and_goes_down() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        world.create("large", "web", 0).await;
        let start = Stopwatch::start();
        let desired = i32::try_from(size.large).ok();
        world.update("large", |u| u.desired_count = desired).await;
        world.steady("large", size.large).await;
        told("one service from nothing", start, &world);
        let spread = zones(&world, "large");
        let (least, most) = (spread.iter().min(), spread.iter().max());
        assert!(
            most.zip(least).is_some_and(|(m, l)| m - l <= 1),
            "{spread:?}"
        );
        world.update("large", |u| u.desired_count = Some(0)).await;
        world.steady("large", 0).await;
        told("and back to nothing", start, &world);
    });
}

fn zones(world: &World, service: &str) -> Vec<usize> {
    let id = ServiceId::new(&world.scope, CLUSTER, service);
    let group = format!("service:{}", id.name);
    let zones = world.ecs.fleet.group_by_zone(&id.cluster, &group);
    zones.into_values().collect()
}

#[test]
fn a_rolling_update_stays_within_its_limits_while_tasks_crash() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        let rules = api::DeploymentConfiguration {
            minimum_healthy_percent: Some(90),
            maximum_percent: Some(120),
            ..Default::default()
        };
        world
            .create_with("rolling", "web", size.rolling, |c| {
                c.deployment_configuration = Some(rules);
            })
            .await;
        world.steady("rolling", size.rolling).await;
        world.register("web").await;
        let start = Stopwatch::start();
        let to = |u: &mut api::UpdateServiceInput| u.task_definition = Some("web:2".into());
        world.update("rolling", to).await;
        let id = ServiceId::new(&world.scope, CLUSTER, "rolling");
        for n in 0..size.rolling / 20 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let rows = world.ecs.fleet.of_service(&id);
            let running: Vec<_> = rows.iter().filter(|r| r.is_running()).collect();
            world.nodes.crash(&running[n % running.len()].key).await;
        }
        world.steady("rolling", size.rolling).await;
        told("a rolling update with crashes", start, &world);
    });
}

#[test]
fn an_update_that_cannot_start_is_rolled_back() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        world.register("bad").await;
        world.nodes.break_family("bad");
        let breaker = api::DeploymentCircuitBreaker {
            enable: true,
            rollback: true,
            ..Default::default()
        };
        let rules = api::DeploymentConfiguration {
            deployment_circuit_breaker: Some(breaker),
            ..Default::default()
        };
        world
            .create_with("web", "web", size.rolling, |c| {
                c.deployment_configuration = Some(rules);
            })
            .await;
        world.steady("web", size.rolling).await;
        let start = Stopwatch::start();
        let to = |u: &mut api::UpdateServiceInput| u.task_definition = Some("bad".into());
        world.update("web", to).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.steady("web", size.rolling).await;
        let id = ServiceId::new(&world.scope, CLUSTER, "web");
        let rows = world.ecs.fleet.of_service(&id);
        let running = rows.iter().filter(|r| r.is_running());
        assert!(running.into_iter().all(|r| r.family == "web"));
        told("a rollback", start, &world);
    });
}

/// Tasks that run for half a minute, and then end.
#[test]
fn an_update_to_tasks_that_crash_leaves_the_minimum() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        world.register("bad").await;
        world.nodes.make_brittle("bad");
        let rules = api::DeploymentConfiguration {
            minimum_healthy_percent: Some(75),
            maximum_percent: Some(125),
            ..Default::default()
        };
        world
            .create_with("web", "web", size.rolling, |c| {
                c.deployment_configuration = Some(rules);
            })
            .await;
        world.steady("web", size.rolling).await;
        let start = Stopwatch::start();
        let to = |u: &mut api::UpdateServiceInput| u.task_definition = Some("bad".into());
        world.update("web", to).await;
        let id = ServiceId::new(&world.scope, CLUSTER, "web");
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.check();
            let rows = world.ecs.fleet.of_service(&id);
            let good = rows.iter().filter(|r| r.is_running() && r.family == "web");
            let (good, least) = (good.count(), (size.rolling * 75).div_ceil(100));
            assert!(good >= least, "seed {seed}: {good} of {least} are left");
        }
        let back = |u: &mut api::UpdateServiceInput| u.task_definition = Some("web".into());
        world.update("web", back).await;
        world.steady("web", size.rolling).await;
        told("an update that crashes, and the next", start, &world);
    });
}

#[test]
fn constraints_hold_while_services_share_ports_and_racks() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        let constraint = |kind: &str, expression: Option<&str>| api::PlacementConstraint {
            r#type: Some(kind.into()),
            expression: expression.map(str::to_owned),
        };
        let half = size.nodes / 2;
        world
            .create_with("distinct", "web", half, |c| {
                c.placement_constraints = Some(vec![constraint("distinctInstance", None)]);
            })
            .await;
        let rack = "attribute:rack == r3";
        world
            .create_with("rack", "web", 20, |c| {
                c.placement_constraints = Some(vec![constraint("memberOf", Some(rack))]);
            })
            .await;
        world.steady("distinct", half).await;
        world.steady("rack", 20).await;
        let id = ServiceId::new(&world.scope, CLUSTER, "rack");
        for row in world.ecs.fleet.of_service(&id) {
            let of = row.container_instance.as_deref().expect("on an instance");
            let instance = world.ecs.fleet.instance(&id.cluster, of).expect("known");
            assert_eq!(instance.attribute("rack"), Some("r3"), "seed {seed}");
        }
        world.check();
    });
}
