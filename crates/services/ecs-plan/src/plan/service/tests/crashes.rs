//! Tasks that crash, start after start: what they may take down with them, and how often they are
//! started.

use super::{World, breaker, rules};
use crate::model::{Rollout, Scheduling};
use crate::row::Row;
use std::sync::Arc;
use std::time::Duration;

/// Run for `time`, a tenth of a second a round while something happens. Tasks of `bad` deployments crash after `life`; those
/// of others run on. Answers how many were started.
fn run(world: &mut World, bad: &[&str], life: Duration, time: Duration) -> usize {
    let until = world.now + time;
    let mut started = 0;
    while world.now < until {
        let step = world.step();
        let mut quiet = step.is_idle();
        started += step.start.map_or(0, |s| s.count.max(s.on.len()));
        for row in world.view.rows.clone() {
            let crashes = bad.contains(&deployment(&row)) && row.is_running();
            let over = row.started_at.is_some_and(|at| at + life <= world.now);
            if crashes && over && !row.is_stopping() {
                world.ends(&row.key, "EssentialContainerExited");
                quiet = false;
            }
        }
        world.obey(&[]);
        world.pass(Duration::from_millis(if quiet { 1_000 } else { 100 }));
    }
    started
}

fn deployment(row: &Row) -> &str {
    row.service.as_ref().map_or("", |link| &link.deployment)
}

fn running_of(world: &World, id: &str) -> usize {
    let live = world.live();
    let of = |row: &&Arc<Row>| deployment(row) == id && row.is_running();
    live.iter().filter(of).count()
}

fn said(world: &World, what: &str) -> usize {
    world.events.iter().filter(|e| e.contains(what)).count()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A service whose every task counts; the next deployment is `ecs-svc/<answer>`.
fn settled(desired: i32, minimum: u32, maximum: u32) -> (World, String, String) {
    let mut world = World::new(desired, rules(minimum, maximum));
    world.rest(&[]);
    let primary = &world.view.service.status.deployments[0];
    assert_eq!(primary.rollout, Rollout::Completed);
    let old = primary.id.clone();
    world.deploy();
    let new = world
        .view
        .service
        .spec
        .target
        .clone()
        .expect("one")
        .deployment;
    (world, old, new)
}

#[test]
fn a_task_counts_after_40_seconds_and_the_planner_wakes_for_it() {
    let mut world = World::new(1, rules(100, 200));
    world.step();
    let key = world.live()[0].key.clone();
    world.pass(secs(7));
    world.runs(&key);
    let step = world.step();
    assert_eq!(step.wake_at, Some(world.now + secs(40)), "from RUNNING on");
    world.pass(secs(39));
    assert_eq!(world.step().wake_at, Some(world.now + secs(1)));
    assert_eq!(said(&world, "steady state"), 0);
    world.pass(secs(1));
    world.step();
    assert_eq!(said(&world, "deployment completed"), 1);
    assert_eq!(said(&world, "steady state"), 1);
}

#[test]
fn a_checked_task_counts_once_it_is_healthy() {
    let mut world = World::new(1, rules(100, 200));
    world.step();
    let key = world.live()[0].key.clone();
    world.change(&key, |row| row.checked = true);
    world.runs(&key);
    world.pass(secs(3_600));
    world.step();
    assert_eq!(said(&world, "steady state"), 0);
    world.is_well(&key);
    world.step();
    assert_eq!(said(&world, "steady state"), 1);
}

#[test]
fn an_update_that_crashes_takes_no_task_below_the_minimum() {
    for (minimum, maximum, left) in [(100, 200, 4), (50, 100, 2), (75, 100, 3), (0, 200, 4)] {
        for life in [Duration::ZERO, secs(3), secs(39)] {
            let (mut world, old, new) = settled(4, minimum, maximum);
            let steady = said(&world, "steady state");
            run(&mut world, &[&new], life, secs(600));
            let case = (minimum, maximum, life);
            assert_eq!(running_of(&world, &old), left, "{case:?}");
            let deployments = &world.view.service.status.deployments;
            assert_eq!(deployments[0].rollout, Rollout::InProgress, "{case:?}");
            assert!(deployments[0].failures > 5, "{case:?}");
            assert_eq!(deployments.len(), 2);
            assert_eq!(said(&world, "steady state"), steady, "{case:?}");
            // The next one is good.
            world.deploy();
            world.rest(&[]);
            assert_eq!(world.view.service.status.deployments.len(), 1);
        }
    }
}

#[test]
fn with_no_minimum_and_no_room_the_old_deployment_still_stays_listed() {
    let (mut world, old, new) = settled(2, 0, 100);
    run(&mut world, &[&new], secs(3), secs(120));
    assert_eq!(running_of(&world, &old), 0, "as it was asked for");
    let listed = |world: &World| {
        let of = &world.view.service.status.deployments;
        of.iter().map(|d| d.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&world), [new.clone(), old]);
    // One of them stays, however many are tried.
    world.deploy();
    let newer = world
        .view
        .service
        .spec
        .target
        .clone()
        .expect("one")
        .deployment;
    run(&mut world, &[&new, &newer], secs(3), secs(120));
    assert_eq!(listed(&world), [newer, new]);
    world.deploy();
    world.rest(&[]);
    assert_eq!(listed(&world).len(), 1);
}

#[test]
fn the_breaker_counts_crashes_and_goes_back_to_what_runs() {
    let (mut world, old, new) = settled(2, 100, 200);
    world.view.service.spec.deployment.circuit_breaker = Some(breaker());
    run(&mut world, &[&new], Duration::ZERO, secs(10));
    assert_eq!(said(&world, "deployment failed: tasks failed to start"), 1);
    assert_eq!(said(&world, "rolling back"), 1);
    let deployments = &world.view.service.status.deployments;
    assert_eq!(
        (deployments.len(), deployments[0].id.clone()),
        (1, old.clone())
    );
    assert_eq!(deployments[0].rollout, Rollout::Completed);
    assert_eq!(running_of(&world, &old), 2);
}

#[test]
fn a_failed_deployment_without_a_way_back_leaves_the_others_alone() {
    for daemon in [false, true] {
        let mut world = World::new(2, rules(50, 100));
        if daemon {
            world.view.service.spec.scheduling = Scheduling::Daemon;
            world.view.seats = ["i-1", "i-2"].map(String::from).into();
        }
        world.rest(&[]);
        let old = world.view.service.status.deployments[0].id.clone();
        world.view.service.spec.deployment.circuit_breaker = Some(crate::model::CircuitBreaker {
            rollback: false,
            ..breaker()
        });
        world.deploy();
        let new = world
            .view
            .service
            .spec
            .target
            .clone()
            .expect("one")
            .deployment;
        run(&mut world, &[&new], Duration::ZERO, secs(60));
        let primary = &world.view.service.status.deployments[0];
        assert_eq!(primary.rollout, Rollout::Failed);
        assert_eq!(running_of(&world, &old), 1, "daemon: {daemon}");
        world.view.service.spec.deployment.minimum_healthy_percent = 0;
        run(&mut world, &[&new], Duration::ZERO, secs(60));
        assert_eq!(running_of(&world, &old), 1, "daemon: {daemon}");
    }
}

#[test]
fn a_crash_loop_is_started_ever_more_slowly_and_never_called_steady() {
    for life in [Duration::ZERO, secs(3)] {
        let mut world = World::new(1, rules(100, 200));
        let first = world
            .view
            .service
            .spec
            .target
            .clone()
            .expect("one")
            .deployment;
        let started = run(&mut world, &[&first], life, secs(15));
        assert!((3..=8).contains(&started), "{started}");
        let started = run(&mut world, &[&first], life, secs(3_600));
        assert!((12..30).contains(&started), "{started}");
        assert_eq!(said(&world, "steady state"), 0);
        assert_eq!(said(&world, "unable to consistently start tasks"), 1);
        assert!(world.events.len() < 60, "{}", world.events.len());
        // It is asked for more of them: they wait as well.
        world.view.service.spec.desired_count = 10;
        let started = run(&mut world, &[&first], life, secs(280));
        assert!(started <= 10, "{started}");
        // Once its tasks stay up all is well again, within five minutes.
        run(&mut world, &[], life, secs(5 * 60 + 50));
        assert_eq!(said(&world, "steady state"), 1);
    }
}

/// What they need went away, and comes back.
#[test]
fn a_completed_service_whose_tasks_begin_to_crash_is_paced_too() {
    let mut world = World::new(3, rules(100, 200));
    world.rest(&[]);
    let id = world.view.service.status.deployments[0].id.clone();
    let started = run(&mut world, &[&id], Duration::ZERO, secs(60));
    assert!((6..30).contains(&started), "{started}");
    let primary = &world.view.service.status.deployments[0];
    assert_eq!(primary.rollout, Rollout::Completed, "it has been");
    assert_eq!(said(&world, "steady state"), 1);
}

#[test]
fn one_of_two_that_crashes_keeps_the_deployment_from_being_complete() {
    let mut world = World::new(2, rules(100, 200));
    world.step();
    let lives = world.live()[0].key.clone();
    for _ in 0..200 {
        world.step();
        for row in world.live() {
            if row.key == lives || !row.is_running() {
                world.runs(&row.key);
            } else {
                world.ends(&row.key, "EssentialContainerExited");
            }
        }
        world.pass(secs(1));
    }
    let primary = &world.view.service.status.deployments[0];
    assert_eq!(primary.rollout, Rollout::InProgress);
    assert_eq!(said(&world, "steady state"), 0);
}

#[test]
fn checks_that_never_pass_are_failures_and_paced() {
    let (mut world, old, new) = settled(2, 100, 200);
    let mut started = 0;
    for _ in 0..600 {
        started += world.step().start.map_or(0, |s| s.count);
        world.obey(&[]);
        for row in world.live() {
            if deployment(&row) == new && row.is_running() && !row.is_unhealthy() {
                world.falls_ill(&row.key);
            }
        }
        world.pass(secs(1));
    }
    assert_eq!(running_of(&world, &old), 2);
    assert!((6..40).contains(&started), "{started}");
    assert!(world.view.service.status.deployments[0].failures > 5);
}

#[test]
fn what_a_restart_has_not_heard_of_does_not_count_at_once() {
    use crate::plan::service::{Known, Settling};
    let mut world = World::new(1, rules(100, 200));
    world.rest(&[]);
    let row = &world.live()[0];
    let after = |began_at: u64, up: Duration| {
        let known = Known { began_at, up };
        let now = world.now + secs(3_600);
        let ran = |row: &Row| row.running_at.map_or(Duration::ZERO, |at| now.since(at));
        Settling::of(std::slice::from_ref(row), world.settle, known, ran)
    };
    let unheard = after(row.revision, secs(1));
    assert!(!unheard.counts(row) && unheard.is_unsure());
    assert_eq!(unheard.look_at(world.now), Some(world.now + secs(39)));
    assert!(
        after(row.revision, secs(40)).counts(row),
        "its node had nothing new to say"
    );
    assert!(
        after(row.revision - 1, secs(1)).counts(row),
        "its node has spoken"
    );
}
