//! Events: their shape against AWS's documented samples, which changes make them, and that none
//! is lost or doubled across restarts and gaps.

mod follower;
mod instances;
mod ring;
mod services;
mod shapes;
mod tasks;

use crate::model::Task;
use crate::observe;
use crate::tests::Lab;
use neargate_base::Timestamp;
use neargate_domain::{ContainerReport, ContainerStatus, Health, TaskReport};
use neargate_service::{Resource, Stored};
use neargate_store::Entry;

/// The pinned stored form of a resource.
fn golden<T: Resource>() -> Entry {
    golden_of(T::KIND, T::VERSION)
}

fn golden_of(kind: &str, version: u32) -> Entry {
    let path = format!(
        "{}/../ecs-plan/tests/golden/{}.v{version}.json",
        env!("CARGO_MANIFEST_DIR"),
        kind.replace('/', ".")
    );
    let text = std::fs::read_to_string(&path).expect("pinned");
    Entry {
        key: format!("{kind}/000000000000/us-east-1/c/x"),
        value: text.into(),
        create_revision: 1,
        mod_revision: 7,
        lease: None,
    }
}

/// A golden file with changes: `(JSON pointer, new value)`.
fn changed(entry: &Entry, changes: &[(&str, serde_json::Value)]) -> Entry {
    let mut json: serde_json::Value = serde_json::from_slice(&entry.value).expect("JSON");
    for (pointer, value) in changes {
        *json.pointer_mut(pointer).expect(pointer) = value.clone();
    }
    Entry {
        value: json.to_string().into(),
        mod_revision: entry.mod_revision + 1,
        ..entry.clone()
    }
}

/// What happens to a task on its node.
#[derive(Clone, Copy)]
enum Step {
    Attached,
    Running,
    Unhealthy,
    Released,
}

async fn task(lab: &Lab, arn: &str) -> Stored<Task> {
    let all = lab.house.db.list_prefix::<Task>("ecs/task/").await;
    let mut all = all.expect("listed").into_iter();
    all.find(|t| t.spec.arn == arn).expect("stored")
}

/// The node reports that step.
async fn report(lab: &Lab, arn: &str, step: Step) {
    let task = task(lab, arn).await;
    let at = Timestamp::from_millis(1_700_000_000_500);
    let sequence = task.status.report.as_ref().map_or(0, |r| r.sequence) + 1;
    let (status, started, finished) = match step {
        Step::Attached => (ContainerStatus::Pending, None, None),
        Step::Running | Step::Unhealthy => (ContainerStatus::Running, Some(at), None),
        Step::Released => (ContainerStatus::Stopped, Some(at), Some(at)),
    };
    let containers = task.spec.containers.iter().map(|c| ContainerReport {
        name: c.name.clone(),
        status,
        runtime_id: None,
        image_digest: None,
        started_at: started,
        finished_at: finished,
        exit_code: finished.map(|_| 0),
        reason: None,
        network_bindings: vec![],
        health: match step {
            Step::Unhealthy => Health::Unhealthy,
            _ => Health::Unknown,
        },
    });
    let report = TaskReport {
        task_id: task.spec.assignment.task_id.clone(),
        sequence,
        observed_generation: 1,
        network_ready: true,
        pull_started_at: None,
        pull_stopped_at: None,
        containers: containers.collect(),
        stopped: None,
        released: matches!(step, Step::Released),
    };
    let recorded = observe::report(&lab.house, &task.key, &report).await;
    recorded.expect("recorded");
}
