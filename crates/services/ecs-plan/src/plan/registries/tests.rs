use super::*;
use crate::model::ServiceRegistry;
use crate::plan::stop::{Cause, ask};
use crate::plan::tests::task;
use neargate_base::Timestamp;
use neargate_domain::DesiredState;
use neargate_service::Stored;

const ARN: &str = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1";

fn running() -> Task {
    let mut task = task();
    task.status.last_status = TaskStatus::Running;
    task.spec.registries = vec![ServiceRegistry {
        registry_arn: ARN.into(),
        port: None,
        container_name: None,
        container_port: None,
        takes_health: true,
    }];
    task
}

fn instance(registered: bool) -> TaskInstance {
    TaskInstance {
        registry_arn: ARN.into(),
        registered,
        healthy: true,
    }
}

fn step(task: &Task, turn: impl Fn(&mut Row)) -> Step {
    let mut row = Row::of(&Stored {
        key: "ecs/task/123456789012/us-east-1/default/id".into(),
        revision: 3,
        value: task.clone(),
    });
    turn(&mut row);
    plan(&row, task, true)
}

#[test]
fn a_running_task_is_noted_then_registered_then_followed() {
    let mut task = running();
    let as_is = |_: &mut Row| {};
    assert_eq!(step(&task, as_is), Step::Note(vec![instance(false)]));
    task.status.instances = vec![instance(false)];
    assert_eq!(step(&task, as_is), Step::Register(vec![ARN.into()]));
    task.status.instances = vec![instance(true)];
    assert_eq!(step(&task, as_is), Step::Idle);
    let report = step(&task, |row| row.health = Health::Unhealthy);
    let registries = vec![ARN.into()];
    assert_eq!(
        report,
        Step::Report {
            registries,
            healthy: false
        }
    );
}

#[test]
fn nothing_is_registered_before_a_task_is_well() {
    let mut task = running();
    let unknown = |row: &mut Row| {
        row.checked = true;
        row.health = Health::Unknown;
    };
    assert_eq!(step(&task, unknown), Step::Idle);
    task.status.last_status = TaskStatus::Pending;
    assert_eq!(step(&task, |_| {}), Step::Idle);
}

#[test]
fn a_task_is_deregistered_before_its_containers_are_asked_to_end() {
    let mut task = running();
    task.status.instances = vec![instance(true)];
    let cause = Cause {
        code: "UserInitiated",
        reason: "why not",
        at: Timestamp::from_millis(7),
    };
    assert!(ask(&mut task, cause));
    assert_eq!(task.spec.assignment.desired, DesiredState::Running);
    assert_eq!(step(&task, |_| {}), Step::Deregister);
    task.status.instances.clear();
    assert_eq!(step(&task, |_| {}), Step::Release);
    assert!(stop::release(&mut task));
    assert_eq!(step(&task, |_| {}), Step::Idle);
}

#[test]
fn a_task_that_ended_by_itself_is_deregistered() {
    let mut task = running();
    task.status.instances = vec![instance(false)];
    task.status.last_status = TaskStatus::Stopped;
    assert_eq!(step(&task, |_| {}), Step::Deregister);
}
