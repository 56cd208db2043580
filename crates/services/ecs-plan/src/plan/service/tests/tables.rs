//! One step each.

use super::{World, breaker, rules};
use crate::model::{CircuitBreaker, DeploymentRules, Rollout, Scheduling, Threshold};
use crate::plan::service::replica::Limits;
use crate::plan::service::tally::{delay, threshold};
use std::time::Duration;

#[test]
fn the_minimum_is_rounded_up_and_the_maximum_down() {
    for (desired, minimum, maximum, expected) in [
        (4, 50, 100, (2, 4)),
        (3, 50, 150, (2, 4)),
        (1, 100, 200, (1, 2)),
        (1, 50, 150, (1, 1)),
        (10, 0, 100, (0, 10)),
        (0, 100, 200, (0, 0)),
        (7, 90, 110, (7, 7)),
    ] {
        let limits = Limits::of(&rules(minimum, maximum), desired);
        assert_eq!((limits.minimum, limits.maximum), expected, "{desired}");
    }
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>)
#[test]
fn the_breakers_threshold() {
    let of = |threshold| CircuitBreaker {
        threshold,
        ..breaker()
    };
    for (given, desired, expected) in [
        (None, 1, 3),
        (None, 25, 13),
        (None, 400, 200),
        (None, 800, 200),
        (Some(Threshold::Count(5)), 800, 5),
        (Some(Threshold::BoundedPercent(10)), 100, 10),
        (Some(Threshold::BoundedPercent(10)), 10, 3),
        (Some(Threshold::UnboundedPercent(10)), 10, 1),
        (Some(Threshold::UnboundedPercent(50)), 1_000, 500),
    ] {
        assert_eq!(
            threshold(&of(given), desired),
            expected,
            "{given:?} of {desired}"
        );
    }
}

#[test]
fn the_throttle_rises_to_27_minutes() {
    let seconds = |n| delay(n).map(|d| d.as_secs());
    assert_eq!(
        [1, 2, 3, 4, 5].map(seconds),
        [None, None, Some(2), Some(4), Some(8)]
    );
    assert_eq!(seconds(100), Some(27 * 60));
    assert_eq!(seconds(u32::MAX), Some(27 * 60));
}

/// How many tasks start and stop in the first steps of an update of running tasks.
fn first_steps(desired: i32, deployment: DeploymentRules) -> Vec<(usize, usize)> {
    let mut world = World::new(desired, deployment).at_once();
    world.rest(&[]);
    world.deploy();
    let mut steps = Vec::new();
    for _ in 0..4 {
        let step = world.step();
        steps.push((step.start.map_or(0, |s| s.count), step.stop.len()));
        world.obey(&[]);
    }
    steps
}

#[test]
fn updates_go_as_fast_as_the_limits_allow() {
    let all = |steps: &[(usize, usize)]| steps.to_vec();
    assert_eq!(
        first_steps(4, rules(100, 200)),
        all(&[(4, 0), (0, 4), (0, 0), (0, 0)])
    );
    assert_eq!(
        first_steps(4, rules(50, 100)),
        all(&[(0, 2), (2, 0), (0, 2), (2, 0)])
    );
    assert_eq!(
        first_steps(4, rules(100, 150)),
        all(&[(2, 0), (0, 2), (2, 0), (0, 2)])
    );
    assert_eq!(
        first_steps(4, rules(0, 100)),
        all(&[(0, 4), (4, 0), (0, 0), (0, 0)])
    );
}

#[test]
fn limits_that_allow_no_step_are_told() {
    let mut world = World::new(1, rules(100, 150));
    world.rest(&[]);
    world.deploy();
    world.rest(&[]);
    let stuck = world
        .events
        .iter()
        .filter(|e| e.contains("was unable to stop or start tasks"));
    assert_eq!(stuck.count(), 1, "{:?}", world.events);
    assert_eq!(world.live().len(), 1);
    world.view.service.spec.deployment.maximum_percent = 200;
    world.rest(&[]);
    assert_eq!(
        world.view.service.status.deployments[0].rollout,
        Rollout::Completed
    );
}

#[test]
fn a_steady_state_is_said_again_after_six_hours() {
    let mut world = World::new(1, rules(100, 200));
    world.rest(&[]);
    let steady = |world: &World| {
        let said = world
            .events
            .iter()
            .filter(|e| e.ends_with("has reached a steady state."));
        said.count()
    };
    assert_eq!(steady(&world), 1);
    world.pass(Duration::from_secs(6 * 3_600 - 1));
    assert!(world.step().is_idle());
    world.pass(Duration::from_secs(1));
    world.step();
    assert_eq!(steady(&world), 2);
    assert!(world.step().is_idle());
}

#[test]
fn a_protected_task_outlives_the_scale_in_until_its_time_is_up() {
    let mut world = World::new(3, rules(100, 200));
    world.rest(&[]);
    let keys: Vec<String> = world.live().iter().map(|row| row.key.clone()).collect();
    let until = world.now + Duration::from_secs(60);
    keys[..2].iter().for_each(|key| world.protect(key, until));
    world.view.service.spec.desired_count = 0;
    let step = world.step();
    assert_eq!(step.stop.len(), 1);
    assert_eq!(step.wake_at, Some(until));
    world.rest(&[]);
    assert!(world.live().is_empty(), "it looked again by itself");
}

#[test]
fn tasks_of_a_draining_instance_move_first() {
    let mut world = World::new(2, rules(100, 200));
    world.rest(&[]);
    let key = world.live()[0].key.clone();
    world.change(&key, |row| row.container_instance = Some("i-1".into()));
    world.view.draining.insert("i-1".into());
    let step = world.step();
    assert_eq!((step.start.map(|s| s.count), step.stop.len()), (Some(1), 0));
    world.rest(&[]);
    assert!(!world.live().iter().any(|row| row.key == key));
    assert_eq!(world.live().len(), 2);
}

#[test]
fn a_daemon_has_one_task_on_each_instance() {
    let mut world = World::new(0, rules(50, 100));
    world.view.service.spec.scheduling = Scheduling::Daemon;
    world.view.seats = ["i-1", "i-2", "i-3", "i-4"].map(String::from).into();
    world.rest(&[]);
    let seats = |world: &World| {
        let on = world
            .live()
            .into_iter()
            .filter_map(|row| row.container_instance.clone());
        let mut on: Vec<String> = on.collect();
        on.sort();
        on
    };
    assert_eq!(seats(&world), ["i-1", "i-2", "i-3", "i-4"]);
    assert_eq!(world.view.service.status.seats, Some(4), "for the event");
    // Replaced in place, two at a time.
    world.deploy();
    let step = world.step();
    assert_eq!((step.start, step.stop.len()), (None, 2));
    assert!(world.step().start.is_none(), "their seats are still taken");
    world.obey(&[]);
    let step = world.step();
    assert_eq!(step.start.expect("two").on.len(), 2);
    world.rest(&[]);
    assert_eq!(seats(&world).len(), 4);
    let of = |row: &crate::row::Row| row.service.clone().expect("of it").deployment;
    assert!(world.live().iter().all(|row| of(row) == "ecs-svc/6"));
    // An instance drains while other tasks are there; another comes.
    world.view.seats = ["i-2", "i-3", "i-4", "i-5"].map(String::from).into();
    world.view.busy.insert("i-1".into());
    world.rest(&[]);
    assert_eq!(seats(&world).len(), 5);
    world.view.busy.clear();
    world.rest(&[]);
    assert_eq!(seats(&world), ["i-2", "i-3", "i-4", "i-5"]);
}

#[test]
fn zones_are_evened_out_one_task_at_a_time() {
    let mut world = World::new(3, rules(100, 200));
    world.view.service.spec.az_rebalancing = true;
    world.view.zones = ["a", "b"].map(String::from).into();
    world.rest(&[]);
    let keys: Vec<String> = world.live().iter().map(|row| row.key.clone()).collect();
    for key in keys {
        world.change(&key, |row| row.availability_zone = "a".into());
    }
    world.rest(&[]);
    let in_a = |world: &World| {
        let live = world.live();
        live.iter()
            .filter(|row| row.availability_zone == "a")
            .count()
    };
    assert_eq!((in_a(&world), world.live().len()), (2, 3));
    let said = world
        .events
        .iter()
        .filter(|e| e.contains("AZ Rebalancing in progress"));
    assert_eq!(said.count(), 1, "{:?}", world.events);
}

#[test]
fn of_many_stopped_tasks_the_newest_are_kept() {
    let mut world = World::new(1, rules(0, 100)).at_once();
    for crash in 0..1_500 {
        world.step();
        let [task] = &world.live()[..] else {
            panic!("one task after crash {crash}");
        };
        world.runs(&task.key);
        world.ends(&task.key, "EssentialContainerExited");
        world.pass(Duration::from_millis(250));
    }
    // Four a second: all are older than a minute but the last 240.
    assert!((1_000..=1_101).contains(&world.view.rows.len()));
    let first = &world.view.rows[0].task_id;
    assert!(
        first.parse::<usize>().unwrap() > 400,
        "the oldest went: {first}"
    );

    // Twenty times as fast, nearly all of them are younger than that, and stay.
    for _ in 0..1_500 {
        world.step();
        let task = world.live()[0].key.clone();
        world.runs(&task);
        world.ends(&task, "EssentialContainerExited");
        world.pass(Duration::from_millis(12));
    }
    let minute = 60 * 1_000 / 12;
    assert!(world.view.rows.len() < 1_101 + minute);
    assert!(world.view.rows.len() > 1_400);
    world.pass(Duration::from_secs(120));
    world.step();
    assert!(world.view.rows.len() <= 1_101, "a minute later they go");
}

#[test]
fn a_large_service_keeps_as_many_stopped_tasks_as_it_has() {
    let mut world = World::new(1_200, rules(0, 200));
    world.rest(&[]);
    world.deploy();
    world.rest(&[]);
    let stopped = |world: &World| world.view.rows.iter().filter(|r| r.is_stopped()).count();
    assert_eq!(stopped(&world), 1_200);
    world.pass(Duration::from_secs(600));
    assert!(world.plan().forget.is_empty());
}
