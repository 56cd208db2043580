//! The wall clock is set by an hour, forward, back and forward again, while services go on.

use crate::scenarios::simulate;
use crate::world::{CLUSTER, World};
use neargate_api_ecs::{self as api, ops};
use neargate_domain::TaskStatus;
use neargate_ecs::fleet::ServiceId;
use neargate_ecs::model::Task;
use neargate_service::{Resource, Stored};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::sleep;

const HOUR: i64 = 3_600;
/// Forward, back twice, and to where it was.
const SETS: [i64; 4] = [HOUR, -HOUR, -HOUR, HOUR];
const MINUTE: Duration = Duration::from_secs(60);

async fn tasks(world: &World) -> Vec<Stored<Task>> {
    let prefix = format!("{}/", Task::KIND);
    world.house.db.list_prefix(&prefix).await.expect("listed")
}

/// The keys of those in that state.
async fn keys(world: &World, last: TaskStatus) -> BTreeSet<String> {
    let tasks = tasks(world).await.into_iter();
    let such = tasks.filter(|t| t.status.last_status == last);
    such.map(|t| t.key).collect()
}

/// `name`, rolled out within narrow limits.
async fn rolling(world: &World, name: &str, desired: usize) {
    let rules = api::DeploymentConfiguration {
        minimum_healthy_percent: Some(90),
        maximum_percent: Some(120),
        ..Default::default()
    };
    let create = world.create_with(name, "web", desired, |c| {
        c.deployment_configuration = Some(rules);
    });
    create.await;
    world.steady(name, desired).await;
}

/// In the middle of a rolling update; its end is the usual one.
#[test]
fn a_rolling_update_does_not_mind() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        rolling(&world, "rolling", size.rolling).await;
        for (n, by) in SETS.into_iter().enumerate() {
            world.register("web").await;
            let to = format!("web:{}", n + 2);
            world
                .update("rolling", |u| u.task_definition = Some(to.clone()))
                .await;
            sleep(Duration::from_secs(2)).await;
            world.wall.set(by);
            world.steady("rolling", size.rolling).await;
            let running = keys(&world, TaskStatus::Running).await;
            for task in tasks(&world).await {
                let newest =
                    usize::try_from(task.spec.assignment.revision).expect("small") == n + 2;
                assert!(newest || !running.contains(&task.key), "seed {seed}: {by}");
            }
            world.check();
        }
    });
}

/// What runs goes on, what has stopped is kept for its hour, nodes away for less than their lease
/// are not given up.
#[test]
fn nothing_is_replaced_lost_or_kept_for_ever() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        rolling(&world, "web", size.rolling).await;
        world
            .update("web", |u| u.force_new_deployment = Some(true))
            .await;
        sleep(Duration::from_secs(1)).await;
        world.steady("web", size.rolling).await;
        let running = keys(&world, TaskStatus::Running).await;
        let stopped = keys(&world, TaskStatus::Stopped).await;
        assert_eq!((running.len(), stopped.len()), (size.rolling, size.rolling));
        for by in SETS {
            let away = world.nodes.lose(5);
            sleep(MINUTE / 3).await;
            world.wall.set(by);
            sleep(MINUTE / 3).await;
            world.nodes.find(&away).await;
            sleep(9 * MINUTE).await;
            assert_eq!(
                keys(&world, TaskStatus::Running).await,
                running,
                "seed {seed}: {by}"
            );
            assert_eq!(
                keys(&world, TaskStatus::Stopped).await,
                stopped,
                "seed {seed}: {by}"
            );
            world.check();
        }
        // An hour by the clock's worst account, and one that is real.
        sleep(120 * MINUTE).await;
        assert_eq!(
            keys(&world, TaskStatus::Running).await,
            running,
            "seed {seed}"
        );
        let kept = keys(&world, TaskStatus::Stopped).await;
        assert!(kept.is_empty(), "seed {seed}: {kept:?}");
    });
}

/// How many tasks of the service were ever started, and still are known.
async fn started(world: &World, name: &str) -> usize {
    let tasks = tasks(world).await;
    let of = |t: &Stored<Task>| t.spec.service.as_ref().is_some_and(|s| s.service == name);
    tasks.iter().filter(|t| of(t)).count()
}

/// Tasks that fail to start are tried again ever more slowly, neither at once nor after an hour.
#[test]
fn the_throttle_holds_and_lets_go() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("bad").await;
        world.nodes.break_family("bad");
        world.create("bad", "bad", 1).await;
        sleep(MINUTE).await;
        let mut before = started(&world, "bad").await;
        assert!((4..=8).contains(&before), "seed {seed}: {before}");
        for by in SETS {
            world.wall.set(by);
            sleep(9 * MINUTE).await;
            let now = started(&world, "bad").await;
            let fresh = now - before;
            assert!((1..=6).contains(&fresh), "seed {seed}: {by}: {fresh}");
            before = now;
        }
        world.nodes.mend_family("bad");
        // The longest delay.
        sleep(28 * MINUTE).await;
        world.steady("bad", 1).await;
    });
}

/// Protection ends at a time of the day, which the caller was told.
#[test]
fn protection_lasts_until_the_hour_that_was_told() {
    simulate(|seed, size| async move {
        let world = World::new(seed, size.nodes).await;
        world.register("web").await;
        world.create("web", "web", 4).await;
        world.steady("web", 4).await;
        let id = ServiceId::new(&world.scope, CLUSTER, "web");
        let running = world.ecs.fleet.of_service(&id);
        let protect = api::UpdateTaskProtectionInput {
            cluster: CLUSTER.into(),
            tasks: vec![running[0].task_id.clone()],
            protection_enabled: true,
            expires_in_minutes: Some(90),
        };
        let done = world.call(ops::UpdateTaskProtection, protect).await;
        assert!(
            done.expect("protected")
                .failures
                .unwrap_or_default()
                .is_empty()
        );
        world.wall.set(HOUR);
        world.update("web", |u| u.desired_count = Some(0)).await;
        sleep(29 * MINUTE).await;
        assert_eq!(world.counts(&id).running, 1, "seed {seed}");
        world.wall.set(-HOUR);
        sleep(59 * MINUTE).await;
        assert_eq!(world.counts(&id).running, 1, "seed {seed}");
        sleep(4 * MINUTE).await;
        assert_eq!(world.counts(&id).running, 0, "seed {seed}");
        world.check();
    });
}
