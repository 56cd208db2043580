//! What alarms do to a deployment.

use super::{World, rules};
use crate::model::{AlarmWatch, Alarms, Phase, Rollout, ServiceDeployment};
use crate::plan::service::alarms::{Heard, LONGEST_BAKE};
use std::time::Duration;

const BAKE: Duration = Duration::from_secs(120);

/// A service that runs, and an update of it that alarms watch.
fn updated(rollback: bool, bake_time_minutes: Option<u32>) -> World {
    let mut world = World::new(1, rules(100, 200)).at_once();
    world.rest(&[]);
    let deployment = &mut world.view.service.spec.deployment;
    deployment.alarms = Some(Alarms {
        names: vec!["errors".into()],
        enable: true,
        rollback,
    });
    deployment.bake_time_minutes = bake_time_minutes;
    world.deploy();
    world
}

/// CloudWatch says that these are in the state ALARM.
fn hear(world: &mut World, ringing: &[&str]) {
    let target = world.view.service.spec.target.as_ref();
    world.view.alarms = Some(Heard {
        deployment: target.expect("one").deployment.clone(),
        ringing: ringing.iter().map(|name| (*name).to_owned()).collect(),
        bake: BAKE,
    });
}

/// Every task of the new deployment runs, no other does.
fn roll_out(world: &mut World) {
    for _ in 0..6 {
        world.step();
        world.obey(&[]);
    }
    assert!(world.step().is_idle());
    assert_eq!(world.live().len(), 1);
}

/// Is the newest deployment the primary, and how far is it?
fn primary(world: &World) -> (bool, Rollout) {
    let primary = &world.view.service.status.deployments[0];
    (primary.id == newest(world).deployment, primary.rollout)
}

fn newest(world: &World) -> &ServiceDeployment {
    world.view.records.last().expect("one")
}

#[test]
fn an_alarm_while_it_bakes_rolls_it_back() {
    let mut world = updated(true, Some(5));
    hear(&mut world, &[]);
    roll_out(&mut world);
    assert_eq!(primary(&world), (true, Rollout::InProgress));
    assert_eq!(newest(&world).status.alarms, AlarmWatch::Watched);
    world.pass(Duration::from_secs(299));
    hear(&mut world, &["errors"]);
    world.step();
    let rolled = &newest(&world).status;
    assert_eq!(rolled.phase, Phase::RollbackInProgress);
    assert_eq!(rolled.triggered_alarms, ["errors"]);
    world.rest(&[]);
    assert_eq!(primary(&world), (false, Rollout::Completed));
    let said = |what: &str| world.events.iter().any(|e| e.ends_with(what));
    assert!(said("deployment failed: alarm detected."));
    assert!(said("rolling back to deployment ecs-svc/1."));
    let phase = newest(&world).status.phase;
    assert_eq!(
        phase,
        Phase::RollbackSuccessful,
        "the way back does not bake"
    );
}

#[test]
fn without_rollback_it_only_fails() {
    let mut world = updated(false, None);
    hear(&mut world, &[]);
    world.step();
    hear(&mut world, &["errors"]);
    world.step();
    assert_eq!(primary(&world), (true, Rollout::Failed));
    let failed = &world.view.service.status.deployments[0];
    assert_eq!(failed.reason, "ECS deployment alarms: alarm detected.");
    assert_eq!(newest(&world).status.phase, Phase::Stopped);
}

#[test]
fn an_alarm_at_the_start_is_ignored_to_the_end() {
    let mut world = updated(true, Some(60));
    hear(&mut world, &["errors"]);
    world.step();
    hear(&mut world, &[]);
    world.step();
    hear(&mut world, &["errors"]);
    world.rest(&[]);
    assert_eq!(primary(&world), (true, Rollout::Completed));
    assert_eq!(newest(&world).status.alarms, AlarmWatch::Ignored);
    // The next one is judged anew.
    world.deploy();
    hear(&mut world, &[]);
    world.step();
    hear(&mut world, &["errors"]);
    world.step();
    assert_eq!(primary(&world), (false, Rollout::InProgress));
}

/// What was heard of the deployment before says nothing of the next.
#[test]
fn an_answer_is_of_one_deployment() {
    let mut world = updated(true, Some(1));
    hear(&mut world, &[]);
    world.step();
    hear(&mut world, &["errors"]);
    world.deploy();
    world.step();
    assert_eq!(primary(&world), (true, Rollout::InProgress));
    assert_eq!(newest(&world).status.alarms, AlarmWatch::Unasked);
}

#[test]
fn it_bakes_as_long_as_its_alarms_take() {
    for (minutes, heard, expected) in [
        (None, true, BAKE),
        (None, false, LONGEST_BAKE),
        (Some(0), true, Duration::ZERO),
        (Some(10), true, Duration::from_secs(600)),
        (Some(10), false, Duration::from_secs(600)),
    ] {
        let mut world = updated(true, minutes);
        if heard {
            hear(&mut world, &[]);
        }
        roll_out(&mut world);
        if !expected.is_zero() {
            let done = world.now + expected;
            assert_eq!(world.step().wake_at, Some(done), "{minutes:?} {heard}");
            world.pass(expected - Duration::from_millis(1));
            assert!(world.step().is_idle());
            world.pass(Duration::from_millis(1));
            world.step();
        }
        let done = primary(&world);
        assert_eq!(done.1, Rollout::Completed, "{minutes:?} {heard}");
    }
}
