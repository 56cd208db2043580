//! Task sets, step by step.

use super::{Step, View, plan};
use crate::id::{ClusterId, ServiceId};
use crate::model::{
    Deployment, DeploymentController, Service, ServiceLink, Stability, Task, TaskSet, TaskSetStatus,
};
use crate::plan::service::{Settling, replica};
use crate::row::Row;
use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::{DesiredState, TaskStatus};
use neargate_service::{Resource, Scope, db};
use neargate_store::Entry;
use std::collections::BTreeSet;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_100_000);

fn golden<T: Resource>() -> neargate_service::Stored<T> {
    let path = format!(
        "{}/tests/golden/{}.v{}.json",
        env!("CARGO_MANIFEST_DIR"),
        T::KIND.replace('/', "."),
        T::VERSION
    );
    let text = std::fs::read_to_string(&path).expect("pinned");
    let entry = Entry {
        key: format!("{}/000000000000/us-east-1/c/x", T::KIND),
        value: text.into(),
        create_revision: 1,
        mod_revision: 1,
        lease: None,
    };
    db::decode(&entry).expect("read")
}

fn view(desired: i32, sets: Vec<TaskSet>) -> View {
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    let mut service = golden::<Service>().value;
    service.spec.controller = DeploymentController::External;
    service.spec.desired_count = desired;
    service.spec.deleted_at = None;
    service.spec.deployment.minimum_healthy_percent = 100;
    service.spec.deployment.maximum_percent = 200;
    service.status = Default::default();
    View {
        look_at: None,
        id: ServiceId {
            cluster: ClusterId::new(&scope, "c"),
            name: "web".into(),
        },
        service,
        sets,
        rows: Vec::new(),
        settling: Settling::default(),
        draining: BTreeSet::new(),
    }
}

fn set(id: &str, percent: f64) -> TaskSet {
    TaskSet {
        id: id.into(),
        arn: format!("arn:{id}"),
        service_arn: "arn:s".into(),
        cluster_arn: "arn:c".into(),
        external_id: None,
        created_at: NOW,
        updated_at: NOW,
        revision: format!("r-{id}"),
        token: None,
        scale_percent: percent,
        primary: false,
        deleted_at: None,
        tags: Default::default(),
        status: TaskSetStatus {
            stability: Stability::Stabilizing,
            stability_at: NOW,
            progress: Deployment::new(id, "r", "", NOW),
        },
    }
}

fn row(set: &str, n: usize, status: TaskStatus) -> Arc<Row> {
    let mut row = Row::of(&golden::<Task>());
    row.key = format!("ecs/task/000000000000/us-east-1/c/{set}-{n}");
    row.task_id = format!("{set}-{n}");
    row.service = Some(ServiceLink {
        service: "web".into(),
        deployment: set.into(),
        revision: format!("r-{set}"),
    });
    row.last_status = status;
    row.desired = DesiredState::Running;
    row.protection = None;
    row.stop_code = None;
    row.health = Default::default();
    row.checked = false;
    row.container_instance = None;
    Arc::new(row)
}

fn next(view: &View) -> Step {
    plan(view, NOW, &|rows, count| replica::balanced(rows, count))
}

/// Carry the step out as if every task started and stopped at once.
fn carry_out(view: &mut View, step: Step, made: &mut usize) {
    for changed in step.sets {
        let at = view.sets.iter().position(|s| s.id == changed.id);
        view.sets[at.expect("known")] = changed;
    }
    for stopping in step.stop.iter().flat_map(|(_, stop)| stop) {
        for row in &mut view.rows {
            if row.key == stopping.row.key {
                Arc::make_mut(row).last_status = TaskStatus::Stopped;
            }
        }
    }
    for starting in step.start {
        for _ in 0..starting.count {
            *made += 1;
            view.rows
                .push(row(&starting.deployment, *made, TaskStatus::Running));
        }
    }
    view.sets.retain(|set| !step.forget.contains(&set.id));
    if let Some(status) = step.status {
        view.service.status = status;
    }
}

fn running(view: &View, set: &str) -> usize {
    let of = |r: &&Arc<Row>| r.service.as_ref().is_some_and(|l| l.deployment == set);
    view.rows
        .iter()
        .filter(of)
        .filter(|r| r.is_running())
        .count()
}

#[test]
fn shares_are_rounded_up() {
    for (desired, percent, tasks) in [
        (3, 50.0, 2),
        (10, 0.0, 0),
        (1, 0.1, 1),
        (3, 100.0, 3),
        (10, 30.0, 3),
        (1_000, 0.1, 1),
        (12, 10.0, 2),
    ] {
        assert_eq!(
            set("a", percent).desired(desired),
            tasks,
            "{percent}% of {desired}"
        );
    }
}

#[test]
fn each_set_has_its_own_share() {
    let mut view = view(4, vec![set("a", 100.0), set("b", 50.0)]);
    view.rows = (0..4).map(|n| row("a", n, TaskStatus::Running)).collect();
    let step = next(&view);
    assert!(step.stop.is_empty(), "{step:?}");
    assert_eq!(step.start.len(), 1);
    assert_eq!((&*step.start[0].deployment, step.start[0].count), ("b", 2));
    assert_eq!(step.start[0].revision, "r-b");
}

#[test]
fn it_converges_and_says_steady_once() {
    let mut view = view(5, vec![set("a", 100.0), set("b", 20.0), set("c", 0.0)]);
    let (mut made, mut said) = (0, Vec::new());
    for _ in 0..10 {
        let step = next(&view);
        if step.is_idle() {
            break;
        }
        said.extend(step.events.clone());
        carry_out(&mut view, step, &mut made);
    }
    assert!(next(&view).is_idle());
    assert_eq!(
        (
            running(&view, "a"),
            running(&view, "b"),
            running(&view, "c")
        ),
        (5, 1, 0)
    );
    said.sort();
    assert_eq!(
        said,
        ["a", "b", "c"].map(|s| format!("(service web, taskSet {s}) has reached a steady state."))
    );
    assert!(
        view.sets
            .iter()
            .all(|s| s.status.stability == Stability::SteadyState)
    );

    // The caller shifts: one set up, the other down.
    view.sets[0].scale_percent = 0.0;
    view.sets[1].scale_percent = 100.0;
    let step = next(&view);
    assert!(
        step.sets
            .iter()
            .any(|s| s.status.stability == Stability::Stabilizing)
    );
    for _ in 0..10 {
        let step = next(&view);
        carry_out(&mut view, step, &mut made);
    }
    assert_eq!((running(&view, "a"), running(&view, "b")), (0, 5));
    assert!(next(&view).is_idle());
}

#[test]
fn a_deleted_set_drains_and_is_forgotten() {
    let mut gone = set("a", 100.0);
    gone.deleted_at = Some(NOW);
    let mut view = view(2, vec![gone, set("b", 50.0)]);
    view.rows = vec![
        row("a", 0, TaskStatus::Running),
        row("a", 1, TaskStatus::Pending),
        row("b", 2, TaskStatus::Running),
    ];
    let step = next(&view);
    assert_eq!(step.stop.len(), 1);
    assert_eq!((&*step.stop[0].0, step.stop[0].1.len()), ("a", 2));
    assert!(step.forget.is_empty() && step.start.is_empty());
    let mut made = 10;
    carry_out(&mut view, step, &mut made);
    assert_eq!(next(&view).forget, ["a"]);
}

#[test]
fn tasks_without_a_set_stop() {
    let mut view = view(1, vec![set("b", 0.0)]);
    view.rows = vec![
        row("a", 0, TaskStatus::Running),
        row("a", 1, TaskStatus::Running),
    ];
    let step = next(&view);
    assert_eq!((&*step.stop[0].0, step.stop[0].1.len()), ("a", 2));
}

#[test]
fn sets_go_with_their_service() {
    let mut view = view(2, vec![set("a", 100.0)]);
    view.service.spec.deleted_at = Some(NOW);
    let step = next(&view);
    assert_eq!(step.forget, ["a"]);
    assert!(step.start.is_empty() && step.stop.is_empty());
}

#[test]
fn a_task_that_never_ran_is_struck_and_the_set_waits() {
    let mut view = view(1, vec![set("a", 100.0)]);
    view.sets[0].status.progress.retry_at = Some(NOW + std::time::Duration::from_secs(4));
    let step = next(&view);
    assert!(step.start.is_empty());
    assert_eq!(step.wake_at, view.sets[0].status.progress.retry_at);
}
