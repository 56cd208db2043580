//! A task's time limit, which a label asks for (`plan::extension`).

use super::{Lab, definition, nothing_yet};
use crate::Expire;
use crate::model::Task;
use neargate_api_ecs::ops;
use neargate_domain::{ContainerStatus, TaskStatus};
use neargate_service::Stored;
use neargate_service::controller::{Applied, Controller as _};
use std::time::Duration;

/// What the controller plans for the one task; it is done. How long it rests.
async fn look(lab: &Lab) -> (usize, Option<Duration>) {
    let expire = Expire {
        db: lab.house.db.clone(),
        clock: lab.house.clock.clone(),
    };
    let view = expire.view(&task(lab).await.key).await.expect("read");
    let now = lab.house.now();
    let plan = expire.plan(&view.expect("a task"), now);
    let count = plan.actions.len();
    for action in plan.actions {
        let applied = expire.apply(action).await.expect("written");
        assert_eq!(applied, Applied::Done);
    }
    (count, plan.wake_at.map(|at| at.since(now)))
}

async fn task(lab: &Lab) -> Stored<Task> {
    lab.tasks().await.pop().expect("one task")
}

#[tokio::test]
async fn a_task_is_asked_to_stop_once_its_time_is_over() {
    let lab = Lab::new();
    let mut input = definition("web");
    let label = ("neargate:timeout".to_owned(), "90".to_owned());
    input.container_definitions[0].docker_labels = Some([label].into_iter().collect());
    let registered = lab.call(ops::RegisterTaskDefinition, input).await;
    registered.expect("registered");
    lab.start("web").await;
    assert_eq!(look(&lab).await, (0, None), "it does not run yet");

    let stored = task(&lab).await;
    let mut report = nothing_yet(&stored.value);
    report.network_ready = true;
    for container in &mut report.containers {
        container.status = ContainerStatus::Running;
        container.started_at = Some(lab.house.now());
    }
    let seen = crate::observe::report(&lab.house, &stored.key, &report).await;
    seen.expect("recorded");
    assert_eq!(task(&lab).await.status.last_status, TaskStatus::Running);
    let left = Duration::from_secs(90);
    assert_eq!(look(&lab).await, (0, Some(left)));
    lab.advance(Duration::from_secs(89));
    assert_eq!(look(&lab).await, (0, Some(Duration::from_secs(1))));
    lab.advance(Duration::from_secs(1));
    assert_eq!(look(&lab).await, (1, None));

    let stopping = task(&lab).await;
    assert_eq!(stopping.status.stop_code.as_deref(), Some("UserInitiated"));
    assert_eq!(
        stopping.status.stopped_reason.as_deref(),
        Some("The task has run for its time limit of 90 seconds (neargate:timeout).")
    );
    lab.advance(Duration::from_secs(90));
    assert_eq!(look(&lab).await, (0, None), "it is asked once");
}
