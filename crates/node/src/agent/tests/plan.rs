//! Planner tables: a state, and what is done next.

use super::super::observe::{Event, stream_failure};
use super::super::plan::{Action, begin, plan};
use super::super::seams::PulledImage;
use super::super::state::*;
use super::*;
use crate::runtime::Exit;
use std::sync::Arc;

/// The planned actions, reports and saves aside, each marked as begun.
pub(super) fn step(state: &mut TaskState, now: Timestamp) -> Vec<Action> {
    let actions = plan(state, now).actions;
    actions.iter().for_each(|a| begin(state, a, now));
    let bookkeeping = |a: &Action| matches!(a, Action::Report(_) | Action::Save { .. });
    actions.into_iter().filter(|a| !bookkeeping(a)).collect()
}

pub(super) fn exit(code: i32) -> Exit {
    Exit {
        code: Some(code),
        signal: None,
        oom_killed: false,
        started_at: None,
        finished_at: at(5_000),
        error: None,
        dropped_lines: 0,
    }
}

/// Every preparation done, nothing started.
pub(super) fn prepared(containers: Vec<ContainerSpec>) -> TaskState {
    let mut state = new_task(containers);
    step(&mut state, T0);
    state.on(
        Event::Saved {
            version: 1,
            durable: true,
        },
        T0,
    );
    state.on(Event::NetworkReady(links()), T0);
    for i in 0..state.containers.len() {
        state.on(Event::Pulled(i, Arc::new(PulledImage::default())), T0);
        state.on(Event::LogsReady(i), T0);
    }
    state
}

pub(super) fn running(containers: Vec<ContainerSpec>) -> TaskState {
    let mut state = prepared(containers);
    loop {
        let actions = step(&mut state, T0);
        for action in &actions {
            match action {
                Action::Start(i) => state.on(Event::Started(*i, T0), T0),
                other => panic!("{other:?}"),
            }
        }
        if actions.is_empty() {
            return state;
        }
    }
}

pub(super) fn ended(state: &TaskState, i: usize) -> &Ended {
    match &state.containers[i].phase {
        Phase::Ended(ended) => ended,
        other => panic!("{other:?}"),
    }
}

pub(super) fn cause(state: &TaskState) -> (&str, &str) {
    let stopped = state.stopped.as_ref().expect("stopped");
    (&stopped.stop_code, &stopped.reason)
}

#[test]
fn everything_that_can_begins_at_once() {
    let mut state = new_task(vec![logged(container("web")), sidecar("log")]);
    assert_eq!(
        step(&mut state, T0),
        [
            Action::AttachNetwork,
            Action::Pull(0),
            Action::CheckLogs(0),
            Action::Pull(1)
        ]
    );
    assert_eq!(step(&mut state, T0), []);
}

#[test]
fn nothing_starts_before_all_is_ready() {
    let ready = prepared(vec![logged(container("web")), sidecar("log")]);
    let mut state = ready.clone();
    state.network = Network::Attaching;
    assert_eq!(step(&mut state, T0), []);
    let mut state = ready.clone();
    state.saving.written = 0;
    assert_eq!(step(&mut state, T0), []);
    let mut state = ready.clone();
    state.containers[0].log_ready = Once::Doing;
    assert_eq!(step(&mut state, T0), []);
    let mut state = ready.clone();
    state.containers[1].phase = Phase::Pulling;
    assert_eq!(step(&mut state, T0), []);
    assert_eq!(
        step(&mut ready.clone(), T0),
        [Action::Start(0), Action::Start(1)]
    );
}

#[test]
fn start_follows_depends_on() {
    let mut state = prepared(vec![
        after(after(container("web"), "db", "START"), "migrate", "SUCCESS"),
        container("db"),
        sidecar("migrate"),
    ]);
    assert_eq!(step(&mut state, T0), [Action::Start(1), Action::Start(2)]);
    state.on(Event::Started(1, T0), T0);
    state.on(Event::Started(2, T0), T0);
    assert_eq!(step(&mut state, T0), []);
    state.on(Event::Exited(2, exit(0)), T0);
    assert_eq!(step(&mut state, T0), [Action::Start(0)]);
}

#[test]
fn a_failed_dependency_ends_the_task() {
    let mut state = prepared(vec![
        after(container("web"), "migrate", "SUCCESS"),
        sidecar("migrate"),
    ]);
    step(&mut state, T0);
    state.on(Event::Started(1, T0), T0);
    state.on(Event::Exited(1, exit(3)), T0);
    let actions = step(&mut state, T0);
    assert!(
        matches!(&actions[..], [Action::GiveUp(0, Some(_))]),
        "{actions:?}"
    );
    assert_eq!(ended(&state, 0).exit_code, Some(143));
    assert_eq!(
        cause(&state),
        (
            "TaskFailedToStart",
            "CannotStartContainerError: dependency graph: failed to resolve container ordering \
             dependency [migrate] for target [web] as dependency did not exit successfully."
        )
    );
}

#[test]
fn a_dependency_may_time_out() {
    let migrate = ContainerSpec {
        start_timeout_secs: 10,
        ..sidecar("migrate")
    };
    let mut state = prepared(vec![
        after(container("web"), "migrate", "COMPLETE"),
        migrate,
    ]);
    step(&mut state, T0);
    state.on(Event::Started(1, T0), T0);
    assert_eq!(plan(&state, at(9_999)).wake_at, Some(at(10_000)));
    let actions = step(&mut state, at(10_000));
    assert!(
        matches!(&actions[..], [Action::GiveUp(0, Some(_))]),
        "{actions:?}"
    );
}

#[test]
fn a_pull_failure_fails_the_task() {
    let mut state = new_task(vec![container("web"), sidecar("log")]);
    step(&mut state, T0);
    state.on(Event::PullFailed(0, "pull access denied".into()), at(7));
    let text = "CannotPullContainerError: pull access denied";
    assert_eq!(cause(&state), ("TaskFailedToStart", text));
    assert_eq!(ended(&state, 0).reason.as_deref(), Some(text));
    assert_eq!(state.pull_stopped_at, Some(at(7)));
    assert_eq!(step(&mut state, T0), [Action::GiveUp(1, None)]);
    assert_eq!(ended(&state, 1), &Ended::default());
}

#[test]
fn a_missing_log_group_fails_the_task() {
    let mut state = new_task(vec![logged(container("web"))]);
    step(&mut state, T0);
    let why = "ResourceNotFoundException: The specified log group does not exist.";
    state.on(Event::LogsRefused(0, stream_failure(why)), T0);
    assert_eq!(
        cause(&state),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: failed to validate logger args: create stream has been \
             retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: \
             The specified log group does not exist. : exit status 1"
        )
    );
}

#[test]
fn a_start_failure_fails_the_task_or_its_sidecar() {
    let mut state = prepared(vec![container("web")]);
    step(&mut state, T0);
    state.on(Event::StartFailed(0, "no such file".into()), T0);
    assert_eq!(
        cause(&state),
        (
            "TaskFailedToStart",
            "CannotStartContainerError: no such file"
        )
    );

    let mut state = prepared(vec![container("web"), sidecar("log")]);
    step(&mut state, T0);
    state.on(Event::StartFailed(1, "no such file".into()), T0);
    assert_eq!(state.stopped, None);
    assert_eq!(ended(&state, 1).exit_code, None);
}

#[test]
fn an_essential_exit_stops_the_others_and_a_side_one_does_not() {
    let mut state = running(vec![container("web"), sidecar("log")]);
    state.on(Event::Exited(1, exit(1)), T0);
    assert_eq!(state.stopped, None);

    let mut state = running(vec![container("web"), sidecar("log")]);
    state.on(Event::Exited(0, exit(1)), T0);
    assert_eq!(
        cause(&state),
        (
            "EssentialContainerExited",
            "Essential container in task exited"
        )
    );
    assert_eq!(step(&mut state, T0), [Action::Signal(1, 15)]);
}

#[test]
fn stop_goes_in_reverse_order_and_kills_late_ones() {
    let web = ContainerSpec {
        stop_timeout_secs: 5,
        ..after(container("web"), "db", "START")
    };
    let mut state = running(vec![web, container("db")]);
    let newer = stop(&state.assignment);
    state.on(Event::Assigned(Box::new(newer)), T0);
    assert_eq!(cause(&state), ("UserInitiated", "Task stopped by user"));
    assert_eq!(step(&mut state, T0), [Action::Signal(0, 15)]);
    assert_eq!(plan(&state, at(4_999)).wake_at, Some(at(5_000)));
    assert_eq!(step(&mut state, at(4_999)), []);
    assert_eq!(step(&mut state, at(5_000)), [Action::Kill(0)]);
    assert_eq!(step(&mut state, at(5_001)), []);
    state.on(Event::Exited(0, exit(137)), at(5_002));
    assert_eq!(step(&mut state, at(5_002)), [Action::Signal(1, 15)]);
    state.on(Event::Exited(1, exit(143)), at(5_003));
    assert_eq!(cause(&state).0, "UserInitiated");
}

#[test]
fn desired_never_goes_back() {
    let mut state = running(vec![container("web")]);
    let stopped = stop(&state.assignment);
    state.on(Event::Assigned(Box::new(stopped)), T0);
    let mut newer = assignment(vec![container("web")]);
    newer.generation = 9;
    state.on(Event::Assigned(Box::new(newer)), T0);
    assert_eq!(state.assignment.desired, DesiredState::Stopped);
    assert_eq!(state.assignment.generation, 9);
}

#[test]
fn out_of_memory_is_told() {
    let mut state = running(vec![container("web")]);
    state.on(
        Event::Exited(
            0,
            Exit {
                oom_killed: true,
                ..exit(137)
            },
        ),
        T0,
    );
    let ended = ended(&state, 0);
    assert_eq!(ended.exit_code, Some(137));
    let text = "OutOfMemoryError: Container killed due to memory usage";
    assert_eq!(ended.reason.as_deref(), Some(text));
}

#[test]
fn a_vanished_container_has_no_exit_code() {
    let mut state = running(vec![container("web")]);
    state.on(Event::Lost(0), T0);
    assert_eq!(ended(&state, 0).exit_code, None);
    assert!(
        ended(&state, 0)
            .reason
            .as_ref()
            .is_some_and(|r| r.starts_with("ContainerVanished"))
    );
}

#[test]
fn release_waits_for_lines_and_ledger() {
    let mut state = running(vec![logged(container("web"))]);
    state.on(Event::Exited(0, exit(0)), T0);
    assert_eq!(step(&mut state, T0), [Action::ReleaseNetwork]);
    state.on(Event::NetworkReleased, T0);
    let version = state.saving.version;
    state.on(
        Event::Saved {
            version,
            durable: true,
        },
        T0,
    );
    assert_eq!(step(&mut state, T0), []);
    state.on(Event::Drained(0), T0);
    assert_eq!(step(&mut state, T0), [Action::RemoveTask]);
    assert!(!state.report().released);
    state.on(Event::TaskRemoved, T0);
    assert!(state.report().released);
    assert_eq!(step(&mut state, T0), []);
    state.on(Event::Removed, T0);
    assert_eq!(step(&mut state, T0), [Action::Forget]);
}

#[test]
fn a_task_nobody_knows_any_more_is_killed_at_once() {
    let mut state = running(vec![logged(container("web"))]);
    state.on(Event::Removed, T0);
    assert_eq!(step(&mut state, T0), [Action::Kill(0)]);
    state.on(Event::Exited(0, exit(137)), T0);
    assert_eq!(
        step(&mut state, T0),
        [Action::ReleaseNetwork, Action::RemoveTask]
    );
}

#[test]
fn a_network_failure_fails_a_task_that_does_not_run_yet() {
    let mut state = new_task(vec![container("web")]);
    step(&mut state, T0);
    let failed = Event::NetworkFailed {
        message: "no bridge".into(),
        retry_at: at(5_000),
    };
    state.on(failed.clone(), T0);
    assert_eq!(
        cause(&state),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: no bridge"
        )
    );

    let mut state = running(vec![container("web")]);
    state.network = Network::Attaching;
    state.on(failed, T0);
    assert_eq!(state.stopped, None);
    assert_eq!(plan(&state, T0).wake_at, Some(at(5_000)));
    assert_eq!(step(&mut state, at(5_000)), [Action::AttachNetwork]);
}

#[test]
fn a_full_disk_fails_a_new_task() {
    let mut state = new_task(vec![container("web")]);
    step(&mut state, T0);
    let message = "no space left".to_owned();
    state.on(
        Event::SaveFailed {
            message,
            retry_at: at(100),
        },
        T0,
    );
    assert_eq!(
        cause(&state).1,
        "ResourceInitializationError: no space left"
    );
    assert_eq!(plan(&state, T0).wake_at, Some(at(100)));
}

#[test]
fn nothing_is_reported_before_it_is_safe() {
    let reports = |state: &TaskState| {
        plan(state, T0)
            .actions
            .iter()
            .any(|a| matches!(a, Action::Report(_)))
    };
    let mut state = running(vec![container("web")]);
    state.reporting.in_flight = false;
    assert!(reports(&state), "a start is not worth waiting for");
    state.on(Event::Exited(0, exit(3)), T0);
    assert!(!reports(&state));
    let mut full = state.clone();
    full.on(
        Event::SaveFailed {
            message: "full".into(),
            retry_at: at(100),
        },
        T0,
    );
    assert!(reports(&full));
    let version = state.saving.version;
    state.on(
        Event::Saved {
            version,
            durable: true,
        },
        T0,
    );
    assert!(reports(&state));
}

#[test]
fn a_full_disk_does_not_keep_the_task_from_being_removed() {
    let mut state = running(vec![container("web")]);
    state.on(Event::Exited(0, exit(3)), T0);
    state.on(
        Event::SaveFailed {
            message: "full".into(),
            retry_at: at(100),
        },
        T0,
    );
    state.on(Event::NetworkReleased, T0);
    state.network = Network::Released;
    assert_eq!(step(&mut state, T0), [Action::Discard(0)]);
    state.on(Event::Discarded(0), T0);
    assert_eq!(step(&mut state, T0), []);
    let report = Box::new(state.report());
    state.on(Event::Reported(report), T0);
    assert_eq!(step(&mut state, T0), [Action::RemoveTask]);
}
