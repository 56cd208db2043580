//! The clock is set while a task waits: for a retry, for a container's end, for a health check.

use super::super::health::Due;
use super::super::observe::Event;
use super::super::plan::{Action, plan};
use super::super::state::*;
use super::plan::{prepared, running, step};
use super::*;
use crate::runtime::Exit;
use neargate_domain::{Health, HealthCheck, RestartPolicy};

const HOUR: i64 = 3_600_000;

/// The clock is set at `T0`; what was `millis` later is now.
fn set(state: &mut TaskState, by: i64) -> impl Fn(u64) -> Timestamp + use<> {
    state.clock_set(by);
    move |millis| at(millis).shift(by)
}

#[test]
fn a_stop_takes_its_time() {
    for by in [HOUR, -HOUR] {
        let mut state = running(vec![container("web")]);
        state.assignment.desired = DesiredState::Stopped;
        state.settle(T0);
        assert_eq!(step(&mut state, T0), [Action::Signal(0, 15)]);
        let then = set(&mut state, by);
        assert_eq!(step(&mut state, then(29_999)), [], "{by}");
        assert_eq!(step(&mut state, then(30_000)), [Action::Kill(0)], "{by}");
        let again = set(&mut state, by);
        assert_eq!(step(&mut state, again(39_999).shift(by)), [], "{by}");
        assert_eq!(step(&mut state, again(40_000).shift(by)), [Action::Kill(0)]);
    }
}

/// The agent was away while the clock was set back: nobody knows for how long.
#[test]
fn a_stop_that_is_yet_to_come_begins_anew() {
    let mut state = running(vec![container("web")]);
    state.assignment.desired = DesiredState::Stopped;
    state.settle(T0);
    state.containers[0].signalled_at = Some(at(3_600_000));
    assert_eq!(step(&mut state, T0), [Action::Signal(0, 15)]);
    assert_eq!(step(&mut state, at(29_999)), []);
    assert_eq!(step(&mut state, at(30_000)), [Action::Kill(0)]);
}

#[test]
fn a_retry_comes_when_it_would_have() {
    let reports = |state: &TaskState, now| {
        let actions = plan(state, now).actions;
        actions.iter().any(|a| matches!(a, Action::Report(_)))
    };
    for by in [HOUR, -HOUR] {
        let mut state = running(vec![container("web")]);
        state.saving.durable = state.saving.durable_version;
        state.on(
            Event::ReportFailed {
                retry_at: at(5_000),
            },
            T0,
        );
        let then = set(&mut state, by);
        assert!(!reports(&state, then(4_999)), "{by}");
        assert!(reports(&state, then(5_000)), "{by}");
    }
    let mut state = running(vec![container("web")]);
    state.saving.durable = state.saving.durable_version;
    let retry_at = at(3_600_000);
    state.on(Event::ReportFailed { retry_at }, T0);
    assert!(reports(&state, T0), "no retry is that far away");
}

#[test]
fn a_dependency_has_its_start_timeout() {
    let db = ContainerSpec {
        start_timeout_secs: 30,
        health_check: Some(check(300)),
        ..sidecar("db")
    };
    let mut state = prepared(vec![db, after(container("web"), "db", "HEALTHY")]);
    assert_eq!(step(&mut state, T0), [Action::Start(0)]);
    state.on(Event::Started(0, T0), T0);
    let then = set(&mut state, HOUR);
    let waits = |action: &Action| matches!(action, Action::Check(_));
    assert!(step(&mut state, then(29_999)).iter().all(waits));
    let over = step(&mut state, then(30_000));
    assert!(
        matches!(&over[..], [Action::GiveUp(1, Some(_)), ..]),
        "{over:?}"
    );
}

fn check(start_period_secs: u32) -> HealthCheck {
    HealthCheck {
        command: vec!["CMD".into(), "true".into()],
        interval_secs: 10,
        timeout_secs: 5,
        retries: 1,
        start_period_secs,
    }
}

#[test]
fn failures_within_the_start_period_do_not_count() {
    let web = ContainerSpec {
        health_check: Some(check(60)),
        ..container("web")
    };
    for by in [HOUR, -HOUR] {
        let mut state = running(vec![web.clone()]);
        let then = set(&mut state, by);
        let due = state.containers[0].health.due(&check(60), then(9_999));
        assert_eq!(due, Due::At(then(10_000)), "{by}");
        assert_eq!(step(&mut state, then(10_000)), [Action::Check(0)]);
        state.on(Event::Checked(0, Some(false)), then(11_000));
        assert_eq!(state.containers[0].health.status, Health::Unknown, "{by}");
        assert_eq!(step(&mut state, then(61_000)), [Action::Check(0)]);
        state.on(Event::Checked(0, Some(false)), then(62_000));
        assert_eq!(state.containers[0].health.status, Health::Unhealthy);
    }
}

#[test]
fn a_container_that_ran_long_enough_runs_again() {
    let web = ContainerSpec {
        restart_policy: Some(RestartPolicy {
            ignored_exit_codes: vec![],
            attempt_period_secs: 60,
        }),
        ..container("web")
    };
    for (by, ran, again) in [
        (-HOUR, 60_000, true),
        (HOUR, 60_000, true),
        (HOUR, 59_999, false),
    ] {
        let mut state = running(vec![web.clone()]);
        let then = set(&mut state, by);
        let exit = Exit {
            code: Some(1),
            signal: None,
            oom_killed: false,
            started_at: Some(T0),
            finished_at: then(ran),
            error: None,
            dropped_lines: 0,
        };
        state.on(Event::Exited(0, exit), then(ran));
        let restarting = matches!(state.containers[0].phase, Phase::Restarting { .. });
        assert_eq!(restarting, again, "{by} {ran}");
        if again {
            assert_eq!(step(&mut state, then(ran)), [Action::Restart(0)]);
            // Before the run before, says the clock.
            state.on(Event::Started(0, then(ran + 1)), then(ran + 2));
            let phase = &state.containers[0].phase;
            assert_eq!(*phase, Phase::Running { started_at: T0 }, "{by}");
            assert_eq!(state.containers[0].runs.restarts, 1);
        }
    }
}
