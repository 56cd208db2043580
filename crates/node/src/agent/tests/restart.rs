//! Restart policies: when a container runs again, and what is seen of it meanwhile.

use super::super::ledger::Entry;
use super::super::observe::Event;
use super::super::plan::Action;
use super::super::recover::take_in;
use super::super::state::*;
use super::plan::{ended, running, step};
use super::*;
use crate::runtime::Exit;
use neargate_domain::{ContainerStatus, Health, HealthCheck, RestartPolicy};

/// After a minute at least, and not after exit code 3.
fn restarted(spec: ContainerSpec) -> ContainerSpec {
    let policy = RestartPolicy {
        ignored_exit_codes: vec![3],
        attempt_period_secs: 60,
    };
    ContainerSpec {
        restart_policy: Some(policy),
        ..spec
    }
}

/// The run that began at `from` and ended at `to`.
fn exit(code: i32, from: u64, to: u64) -> Exit {
    Exit {
        code: Some(code),
        signal: None,
        oom_killed: false,
        started_at: Some(at(from)),
        finished_at: at(to),
        error: None,
        dropped_lines: 0,
    }
}

fn restarting(state: &TaskState) -> bool {
    matches!(state.containers[0].phase, Phase::Restarting { .. })
}

#[test]
fn it_runs_again_and_counts_as_running() {
    let mut state = running(vec![restarted(container("web"))]);
    state.on(Event::Exited(0, exit(1, 0, 60_000)), at(60_001));
    assert_eq!(step(&mut state, at(60_001)), [Action::Restart(0)]);
    assert_eq!(step(&mut state, at(60_002)), []);
    let report = &state.report().containers[0];
    assert_eq!(report.status, ContainerStatus::Running);
    assert_eq!((report.started_at, report.exit_code), (Some(T0), None));
    state.on(Event::Started(0, at(60_500)), at(60_501));
    state.on(Event::Started(0, at(60_500)), at(60_502));
    state.on(Event::Exited(0, exit(1, 0, 60_000)), at(60_503));
    assert_eq!(state.containers[0].phase, Phase::Running { started_at: T0 });
    assert_eq!(state.containers[0].runs.restarts, 1);
    // The period counts from the newest run.
    state.on(Event::Exited(0, exit(1, 60_500, 119_000)), at(119_001));
    assert_eq!(ended(&state, 0).exit_code, Some(1));
    assert_eq!(state.stopped.unwrap().stop_code, "EssentialContainerExited");
}

#[test]
fn a_run_is_new_though_it_began_in_the_same_millisecond() {
    let policy = RestartPolicy {
        ignored_exit_codes: vec![],
        attempt_period_secs: 0,
    };
    let mut state = running(vec![ContainerSpec {
        restart_policy: Some(policy),
        ..container("web")
    }]);
    for n in 1..=3 {
        state.on(Event::Exited(0, exit(1, 0, 0)), T0);
        assert_eq!(step(&mut state, T0), [Action::Restart(0)]);
        state.on(Event::Started(0, T0), T0);
        assert_eq!(state.containers[0].phase, Phase::Running { started_at: T0 });
        assert_eq!(state.containers[0].runs.restarts, n);
    }
}

#[test]
fn some_ends_are_final() {
    let last = |exit: Exit| {
        let mut state = running(vec![restarted(container("web"))]);
        state.on(Event::Exited(0, exit), at(100_000));
        restarting(&state)
    };
    assert!(last(exit(0, 0, 60_000)), "success, too");
    assert!(last(exit(137, 0, 60_000)));
    assert!(!last(exit(3, 0, 60_000)), "ignored");
    assert!(!last(exit(1, 0, 59_999)), "too early");
    let unknown = Exit {
        code: None,
        ..exit(0, 0, 60_000)
    };
    assert!(!last(unknown), "the agent does not know how it ended");
    let mut state = running(vec![container("web")]);
    state.on(Event::Exited(0, exit(1, 0, 60_000)), at(100_000));
    assert!(!restarting(&state), "no policy");
    let mut state = running(vec![restarted(container("web"))]);
    state.on(
        Event::Assigned(Box::new(stop(&state.assignment))),
        at(60_000),
    );
    state.on(Event::Exited(0, exit(143, 0, 60_001)), at(60_002));
    assert!(!restarting(&state), "the task stops");
}

#[test]
fn a_task_that_stops_meanwhile_shows_the_last_end() {
    let mut state = running(vec![restarted(container("web"))]);
    state.on(Event::Exited(0, exit(9, 0, 60_000)), at(60_001));
    state.on(
        Event::Assigned(Box::new(stop(&state.assignment))),
        at(60_002),
    );
    assert_eq!(step(&mut state, at(60_002))[0], Action::GiveUp(0, None));
    assert_eq!(ended(&state, 0).exit_code, Some(9));
    assert_eq!(ended(&state, 0).finished_at, Some(at(60_000)));

    // Once it is under way it cannot be taken back.
    let mut state = running(vec![restarted(container("web"))]);
    state.on(Event::Exited(0, exit(9, 0, 60_000)), at(60_001));
    step(&mut state, at(60_001));
    state.on(
        Event::Assigned(Box::new(stop(&state.assignment))),
        at(60_002),
    );
    assert_eq!(step(&mut state, at(60_002)), []);
    state.on(Event::Started(0, at(60_100)), at(60_101));
    assert_eq!(step(&mut state, at(60_101)), [Action::Signal(0, SIGTERM)]);
}

#[test]
fn a_restart_that_fails_is_the_end() {
    let mut state = running(vec![restarted(container("web"))]);
    state.on(Event::Exited(0, exit(9, 0, 60_000)), at(60_001));
    step(&mut state, at(60_001));
    state.on(Event::StartFailed(0, "no room".into()), at(60_002));
    let end = ended(&state, 0);
    assert_eq!((end.started_at, end.exit_code), (Some(T0), Some(9)));
    assert_eq!(
        end.reason.as_deref(),
        Some("CannotStartContainerError: no room")
    );
    assert_eq!(state.stopped.unwrap().stop_code, "EssentialContainerExited");
}

#[test]
fn health_begins_anew() {
    let mut spec = restarted(container("web"));
    spec.health_check = Some(HealthCheck {
        command: vec!["CMD".into(), "true".into()],
        interval_secs: 5,
        timeout_secs: 2,
        retries: 1,
        start_period_secs: 8,
    });
    let mut state = running(vec![spec]);
    step(&mut state, at(50_000));
    state.on(Event::Checked(0, Some(false)), at(50_000));
    assert_eq!(state.report().containers[0].health, Health::Unhealthy);
    state.on(Event::Exited(0, exit(1, 0, 60_000)), at(60_001));
    assert_eq!(state.report().containers[0].health, Health::Unknown);
    step(&mut state, at(60_001));
    state.on(Event::Started(0, at(60_500)), at(60_501));
    assert_eq!(step(&mut state, at(65_499)), []);
    assert_eq!(step(&mut state, at(65_500)), [Action::Check(0)]);
    state.on(Event::Checked(0, Some(false)), at(65_600));
    assert_eq!(
        state.report().containers[0].health,
        Health::Unknown,
        "the start period begins anew"
    );
}

/// The agent is killed at any moment of it.
#[test]
fn an_agent_that_comes_back_goes_on() {
    let old = exit(1, 0, 60_000);
    let mut state = running(vec![restarted(container("web"))]);
    let before = Entry::of(&state, "boot");
    state.on(Event::Exited(0, old.clone()), at(60_001));
    let between = Entry::of(&state, "boot");
    let back = |entry: &Entry| {
        let mut state = entry.clone().into_state(at(61_000));
        state.network = running(vec![container("web")]).network;
        state
    };
    for entry in [&before, &between] {
        // Nothing of the restart has happened, or the first traces of the run are gone.
        let mut state = back(entry);
        take_in(&mut state, 0, Event::Exited(0, old.clone()), at(61_000));
        assert_eq!(step(&mut state, at(61_000)), [Action::Restart(0)]);
        // It runs again.
        let mut state = back(entry);
        take_in(&mut state, 0, Event::Started(0, at(60_500)), at(61_000));
        assert_eq!(step(&mut state, at(61_000)), []);
        assert_eq!(state.containers[0].phase, Phase::Running { started_at: T0 });
        assert_eq!(state.containers[0].runs.restarts, 1);
    }
    // It ran again, and has ended too early for another time.
    let mut state = back(&between);
    let newest = exit(7, 60_500, 60_900);
    take_in(&mut state, 0, Event::Exited(0, newest), at(61_000));
    assert_eq!(ended(&state, 0).exit_code, Some(7));
    let mut state = back(&between);
    assert_eq!(
        step(&mut state, at(61_000)),
        [Action::Restart(0)],
        "unknown"
    );
}
