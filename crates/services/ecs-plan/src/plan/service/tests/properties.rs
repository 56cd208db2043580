//! Whatever happens, no step breaks the limits ([`World::step`] checks each), and once it stops
//! happening the service comes to rest as it is wanted.

use super::{World, breaker, rules};
use crate::model::Rollout;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Happening {
    Step,
    Obey,
    /// The nth unstopped task comes to run.
    Runs(usize),
    Ends(usize),
    FallsIll(usize),
    Protected(usize, u64),
    Heals(usize),
    /// Its node is lost.
    Lost(usize),
    Scaled(i32),
    Deployed,
    /// Every task of the newest deployment fails.
    Fails,
    Passes(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        6 => Just(Step),
        3 => Just(Obey),
        3 => (0..20usize).prop_map(Runs),
        2 => (0..20usize).prop_map(Ends),
        1 => (0..20usize).prop_map(FallsIll),
        1 => (0..20usize).prop_map(Heals),
        1 => (0..20usize, 1..200u64).prop_map(|(n, s)| Protected(n, s)),
        1 => (0..20usize).prop_map(Lost),
        1 => (0..12i32).prop_map(Scaled),
        1 => Just(Deployed),
        2 => Just(Fails),
        1 => (1..100u64).prop_map(Passes),
    ]
}

fn happen(world: &mut World, happening: &Happening) {
    let pick = |world: &World, n: usize| {
        let there = world.view.rows.iter().filter(|row| !row.is_stopped());
        let keys: Vec<String> = there.map(|row| row.key.clone()).collect();
        (!keys.is_empty()).then(|| keys[n % keys.len()].clone())
    };
    match happening {
        Happening::Step => {
            world.step();
        }
        Happening::Obey => world.obey(&[]),
        Happening::Runs(n) => {
            if let Some(key) = pick(world, *n) {
                world.runs(&key);
            }
        }
        Happening::Ends(n) => {
            if let Some(key) = pick(world, *n) {
                world.ends(&key, "EssentialContainerExited");
            }
        }
        Happening::FallsIll(n) => {
            if let Some(key) = pick(world, *n) {
                world.falls_ill(&key);
            }
        }
        Happening::Heals(n) => {
            if let Some(key) = pick(world, *n) {
                world.is_well(&key);
            }
        }
        Happening::Protected(n, seconds) => {
            if let Some(key) = pick(world, *n) {
                let until = world.now + Duration::from_secs(*seconds);
                world.protect(&key, until);
            }
        }
        Happening::Lost(n) => {
            if let Some(key) = pick(world, *n) {
                world.change(&key, |row| {
                    row.desired = neargate_domain::DesiredState::Stopped
                });
            }
        }
        Happening::Scaled(count) => world.view.service.spec.desired_count = *count,
        Happening::Deployed => world.deploy(),
        Happening::Fails => {
            let newest = world.view.service.status.deployments.first();
            let newest = newest.map(|d| d.id.clone()).unwrap_or_default();
            world.obey(&[&newest]);
        }
        Happening::Passes(seconds) => world.pass(Duration::from_secs(*seconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn limits_hold_and_it_comes_to_rest(
        desired in 0..12i32,
        minimum in 0..=100u32,
        above in 0..=100u32,
        broken in any::<bool>(),
        settle in prop_oneof![Just(0u64), 1..90u64],
        happenings in prop::collection::vec(happening(), 0..80),
    ) {
        let mut limits = rules(minimum, 100 + above);
        limits.circuit_breaker = broken.then(breaker);
        let mut world = World::new(desired, limits);
        world.settle = Duration::from_secs(settle);
        for one in &happenings {
            happen(&mut world, one);
        }
        // From here on the limits allow a step and every task runs.
        world.view.service.spec.deployment.minimum_healthy_percent = 0;
        let failed = |world: &World| {
            world.view.service.status.deployments.first().map(|d| d.rollout) == Some(Rollout::Failed)
        };
        world.step();
        if failed(&world) {
            world.deploy();
        }
        world.rest(&[]);
        if failed(&world) {
            world.deploy();
            world.rest(&[]);
        }
        let status = &world.view.service.status;
        let wanted = usize::try_from(world.view.service.spec.desired_count).unwrap_or(0);
        prop_assert_eq!(status.deployments.len(), 1, "{:#?}", status);
        prop_assert_eq!(status.deployments[0].rollout, Rollout::Completed);
        let live = world.live();
        prop_assert_eq!(live.len(), wanted);
        for row in live {
            let link = row.service.as_ref().expect("of the service");
            prop_assert_eq!(&link.deployment, &status.deployments[0].id);
            prop_assert!(world.settling().counts(&row));
        }
        prop_assert!(world.plan().is_idle(), "planning after applying is empty");
    }
}
