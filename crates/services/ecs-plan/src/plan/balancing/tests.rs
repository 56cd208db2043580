use super::*;
use crate::model::TargetLink;
use crate::plan::stop::{Cause, ask};
use crate::plan::tests::task;
use neargate_base::Timestamp;
use neargate_domain::DesiredState;
use neargate_domain::load_balancer::TargetReason;
use neargate_service::Stored;

const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1f";

fn running() -> Task {
    let mut task = task();
    task.status.last_status = TaskStatus::Running;
    task.spec.target_groups = vec![TargetLink {
        target_group_arn: GROUP.into(),
        container_name: "app".into(),
        container_port: 80,
        by_instance: false,
    }];
    task
}

fn key() -> TargetKey {
    TargetKey {
        id: "172.31.0.9".into(),
        port: 80,
    }
}

fn target(state: Registration) -> TaskTarget {
    TaskTarget {
        target_group_arn: GROUP.into(),
        container_name: "app".into(),
        container_port: 80,
        key: key(),
        state,
    }
}

fn step(task: &Task, gone: Vec<TaskTarget>) -> Step {
    plan([Seen {
        key: "t",
        task,
        places: vec![Some(key())],
        gone,
    }])
}

fn stop_it(task: &mut Task) {
    let cause = Cause {
        code: "UserInitiated",
        reason: "why not",
        at: Timestamp::from_millis(7),
    };
    assert!(ask(task, cause));
}

fn to() -> BTreeMap<String, Vec<(String, TargetKey)>> {
    BTreeMap::from([(GROUP.to_owned(), vec![("t".to_owned(), key())])])
}

#[test]
fn a_running_task_is_noted_then_registered() {
    let mut task = running();
    let first = step(&task, vec![]);
    assert_eq!(
        first.noted,
        vec![("t".to_owned(), vec![target(Registration::Asked)])]
    );
    task.status.targets = vec![target(Registration::Asked)];
    let second = step(&task, vec![]);
    assert_eq!((second.register, second.noted), (to(), vec![]));
    task.status.targets = vec![target(Registration::Registered)];
    assert!(step(&task, vec![]).is_idle());
}

#[test]
fn nothing_is_registered_before_a_task_runs_or_without_an_open_port() {
    let mut task = running();
    task.status.last_status = TaskStatus::Pending;
    assert!(step(&task, vec![]).is_idle());
    task.status.last_status = TaskStatus::Running;
    let closed = Seen {
        key: "t",
        task: &task,
        places: vec![None],
        gone: vec![],
    };
    assert!(plan([closed]).is_idle());
}

#[test]
fn a_target_is_drained_before_its_containers_are_asked_to_end() {
    let mut task = running();
    task.status.targets = vec![target(Registration::Registered)];
    stop_it(&mut task);
    let desired = |task: &Task| task.spec.assignment.desired;
    assert_eq!(
        (desired(&task), task.status.last_status),
        (DesiredState::Running, TaskStatus::Deactivating)
    );
    let leaving = step(&task, vec![]);
    assert_eq!((leaving.deregister, leaving.released), (to(), vec![]));
    task.status.targets = vec![target(Registration::Draining)];
    assert!(step(&task, vec![]).is_idle(), "it finishes what it has");
    let over = step(&task, vec![target(Registration::Draining)]);
    assert_eq!(over.noted, vec![("t".to_owned(), vec![])]);
    assert_eq!(over.released, vec!["t".to_owned()]);
    task.status.targets.clear();
    let generation = task.spec.assignment.generation;
    assert!(stop::release(&mut task));
    assert_eq!(
        (desired(&task), task.status.last_status),
        (DesiredState::Stopped, TaskStatus::Stopping)
    );
    assert_eq!(task.spec.assignment.generation, generation + 1);
    assert!(!stop::release(&mut task), "once");
}

#[test]
fn a_task_that_is_no_target_ends_at_once() {
    let mut task = running();
    stop_it(&mut task);
    assert_eq!(task.spec.assignment.desired, DesiredState::Stopped);
    assert!(step(&task, vec![]).is_idle());
}

#[test]
fn a_task_that_ended_by_itself_is_deregistered() {
    let mut task = running();
    task.status.targets = vec![target(Registration::Asked)];
    task.status.last_status = TaskStatus::Stopped;
    let step = step(&task, vec![]);
    assert_eq!((step.deregister, step.released), (to(), vec![]));
}

fn row(task: Task) -> Arc<Row> {
    let key = "ecs/task/123456789012/us-east-1/default/id".to_owned();
    Arc::new(Row::of(&Stored {
        key,
        revision: 3,
        value: task,
    }))
}

fn health(state: TargetState) -> BTreeMap<String, TargetGroupHealth> {
    let target = TargetHealth {
        target_group_arn: GROUP.into(),
        key: key(),
        state,
        reason: Some(TargetReason::FailedHealthChecks),
        description: Some("Health checks failed".into()),
    };
    BTreeMap::from([(
        GROUP.to_owned(),
        TargetGroupHealth {
            targets: vec![target],
        },
    )])
}

#[test]
fn a_task_is_as_healthy_as_its_targets() {
    let mut task = running();
    task.status.targets = vec![target(Registration::Registered)];
    let row = row(task);
    let judge = |health: &BTreeMap<_, _>, grace| judged(&row, health, grace, || 42);
    assert!(row.is_well(), "by itself it is");
    let initial = judge(&health(TargetState::Initial), false);
    assert!(!initial.is_well() && !initial.is_unhealthy());
    assert!(
        !judge(&BTreeMap::new(), false).is_well(),
        "nobody looked yet"
    );
    assert!(judge(&health(TargetState::Healthy), false).is_well());
    assert!(judge(&health(TargetState::Unavailable), false).is_well());
    let spared = judge(&health(TargetState::Unhealthy), true);
    assert!(!spared.is_well() && !spared.is_unhealthy(), "in its grace");
    let failing = judge(&health(TargetState::Unhealthy), false);
    assert!(failing.is_unhealthy());
    assert_eq!(failing.turns.unhealthy, Some(42));
    let why = failing.failing.as_ref().map(|f| f.reason.as_str());
    assert_eq!(why, Some("Health checks failed"));
}

#[test]
fn it_is_not_well_before_every_target_is_registered() {
    let row = row(running());
    let judged = judged(&row, &health(TargetState::Healthy), false, || 1);
    assert!(!judged.is_well() && is_due(&row));
}
