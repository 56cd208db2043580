//! Health checks: when they are due, what they tell, and what waits for them.

use super::super::observe::Event;
use super::super::plan::{Action, plan};
use super::super::state::*;
use super::plan::{cause, exit, prepared, running, step};
use super::*;
use neargate_domain::{Health, HealthCheck};

/// Every 5 s, two failures in a row.
fn checked(spec: ContainerSpec) -> ContainerSpec {
    let check = HealthCheck {
        command: vec!["CMD".into(), "true".into()],
        interval_secs: 5,
        timeout_secs: 2,
        retries: 2,
        start_period_secs: 0,
    };
    ContainerSpec {
        health_check: Some(check),
        ..spec
    }
}

fn starting_for(secs: u32, mut spec: ContainerSpec) -> ContainerSpec {
    spec.health_check.as_mut().unwrap().start_period_secs = secs;
    spec
}

/// One check of container 0 that takes 100 ms.
fn check(state: &mut TaskState, from: u64, passed: bool) -> Health {
    assert_eq!(step(state, at(from - 1)), []);
    assert_eq!(plan(state, at(from - 1)).wake_at, Some(at(from)));
    assert_eq!(step(state, at(from)), [Action::Check(0)]);
    assert_eq!(step(state, at(from + 50)), [], "one at a time");
    state.on(Event::Checked(0, Some(passed)), at(from + 100));
    state.report().containers[0].health
}

#[test]
fn checks_follow_each_other_and_tell() {
    let mut state = running(vec![checked(container("web"))]);
    assert_eq!(state.report().containers[0].health, Health::Unknown);
    assert_eq!(check(&mut state, 5_000, false), Health::Unknown);
    assert_eq!(check(&mut state, 10_100, false), Health::Unhealthy);
    assert_eq!(check(&mut state, 15_200, true), Health::Healthy);
    assert_eq!(check(&mut state, 20_300, false), Health::Healthy);
    assert_eq!(check(&mut state, 25_400, true), Health::Healthy);
    assert_eq!(check(&mut state, 30_500, false), Health::Healthy);
    assert_eq!(check(&mut state, 35_600, false), Health::Unhealthy);
    assert!(!state.stopping(), "a stand-alone task goes on");
}

#[test]
fn a_change_is_reported_and_kept() {
    let mut state = running(vec![checked(container("web"))]);
    step(&mut state, at(5_000));
    let version = state.saving.version;
    state.on(Event::Checked(0, Some(true)), at(5_100));
    assert_eq!(state.saving.version, version + 1);
    state.reporting.in_flight = false;
    let actions = plan(&state, at(5_100)).actions;
    let reported = actions
        .iter()
        .any(|a| matches!(a, Action::Report(r) if r.containers[0].health == Health::Healthy));
    assert!(reported, "{actions:?}");
    step(&mut state, at(10_100));
    state.on(Event::Checked(0, Some(true)), at(10_200));
    assert_eq!(state.saving.version, version + 1, "nothing new");
}

#[test]
fn failures_of_the_start_period_do_not_count() {
    let spec = starting_for(12, checked(container("web")));
    let mut state = running(vec![spec.clone()]);
    assert_eq!(check(&mut state, 5_000, false), Health::Unknown);
    assert_eq!(check(&mut state, 10_100, false), Health::Unknown);
    assert_eq!(check(&mut state, 15_200, false), Health::Unknown);
    assert_eq!(check(&mut state, 20_300, false), Health::Unhealthy);
    // A success ends it.
    let mut state = running(vec![spec]);
    assert_eq!(check(&mut state, 5_000, true), Health::Healthy);
    assert_eq!(check(&mut state, 10_100, false), Health::Healthy);
    assert_eq!(check(&mut state, 15_200, false), Health::Unhealthy);
}

#[test]
fn a_check_cut_short_tells_nothing() {
    let mut state = running(vec![checked(container("web"))]);
    step(&mut state, at(5_000));
    state.on(Event::Checked(0, None), at(5_100));
    assert_eq!(state.containers[0].health.failures, 0);
    assert_eq!(step(&mut state, at(10_100)), [Action::Check(0)]);
    // Late and doubled.
    state.on(Event::Exited(0, exit(0)), at(10_200));
    state.on(Event::Checked(0, Some(false)), at(10_300));
    state.on(Event::Checked(0, Some(false)), at(10_300));
    assert_eq!(state.report().containers[0].health, Health::Unknown);
}

#[test]
fn none_is_begun_while_stopping() {
    let mut state = running(vec![checked(container("web"))]);
    let newer = stop(&state.assignment);
    state.on(Event::Assigned(Box::new(newer)), at(5_000));
    assert_eq!(step(&mut state, at(5_000)), [Action::Signal(0, 15)]);
    assert_eq!(step(&mut state, at(5_001)), []);
}

#[test]
fn a_clock_set_back_stops_no_checks() {
    let mut state = running(vec![checked(container("web"))]);
    assert_eq!(check(&mut state, 5_000, true), Health::Healthy);
    let before = Timestamp::from_millis(T0.as_millis() - 3_600_000);
    assert_eq!(step(&mut state, before), [Action::Check(0)]);
    state.on(Event::Checked(0, Some(true)), before);
    assert_eq!(step(&mut state, before), []);
}

#[test]
fn healthy_is_waited_for() {
    let task = || {
        prepared(vec![
            after(container("web"), "db", "HEALTHY"),
            checked(sidecar("db")),
        ])
    };
    let start_db = |state: &mut TaskState| {
        assert_eq!(step(state, T0), [Action::Start(1)]);
        state.on(Event::Started(1, T0), T0);
        assert_eq!(step(state, T0), []);
    };
    let mut state = task();
    start_db(&mut state);
    assert_eq!(step(&mut state, at(5_000)), [Action::Check(1)]);
    state.on(Event::Checked(1, Some(true)), at(5_100));
    assert_eq!(step(&mut state, at(5_100)), [Action::Start(0)]);

    let mut state = task();
    start_db(&mut state);
    for from in [5_000, 10_000] {
        assert_eq!(step(&mut state, at(from)), [Action::Check(1)]);
        state.on(Event::Checked(1, Some(false)), at(from));
    }
    assert!(matches!(
        &step(&mut state, at(10_000))[..],
        [Action::GiveUp(0, Some(_))]
    ));
    assert_eq!(
        cause(&state),
        (
            "TaskFailedToStart",
            "CannotStartContainerError: dependency graph: failed to resolve container \
             ordering dependency [db] for target [web] as dependency is unhealthy."
        )
    );

    let mut state = task();
    state.assignment.containers[1].start_timeout_secs = 3;
    start_db(&mut state);
    assert_eq!(plan(&state, T0).wake_at, Some(at(3_000)));
    step(&mut state, at(3_000));
    assert!(cause(&state).1.ends_with("as dependency has timed out."));

    let mut state = task();
    start_db(&mut state);
    state.on(Event::Exited(1, exit(0)), at(10));
    step(&mut state, at(10));
    assert!(
        cause(&state)
            .1
            .ends_with("as dependency did not become healthy.")
    );
}

#[test]
fn an_agent_that_comes_back_goes_on() {
    use super::super::ledger::Entry;
    let mut state = running(vec![checked(container("web"))]);
    assert_eq!(check(&mut state, 5_000, true), Health::Healthy);
    let back = Entry::of(&state, "boot").into_state(at(17_300));
    assert_eq!(back.report().containers[0].health, Health::Healthy);
    assert_eq!(back.containers[0].health.next_at, Some(at(20_000)));
}
