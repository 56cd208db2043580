//! Simulation: nodes whose reports come late, twice, out of order or not at all, and that
//! restart; users who stop tasks meanwhile. The seed of a failure is printed and repeats it.

use super::{Lab, nothing_yet};
use crate::model::Task;
use crate::observe;
use neargate_api_ecs::{self as api, ops};
use neargate_base::{Rng, Timestamp};
use neargate_domain::report::TaskStopped;
use neargate_domain::{ContainerStatus, TaskReport, TaskStatus};
use std::collections::BTreeMap;

/// What a restarted agent skips, so as to stay above what it sent before.
const RESTART_GAP: u64 = 1_024;

/// The last report of a task that ran and ended by itself.
pub(super) fn released(task: &Task) -> TaskReport {
    let mut node = Node::of(task);
    while !node.view.released {
        node.step(Timestamp::from_millis(1_700_000_001_000));
    }
    TaskReport {
        sequence: u64::MAX,
        ..node.view
    }
}

/// The node's side of one task: its truth, and the reports on their way.
struct Node {
    key: String,
    view: TaskReport,
    flying: Vec<TaskReport>,
}

impl Node {
    fn of(task: &Task) -> Node {
        Node {
            key: String::new(),
            view: nothing_yet(task),
            flying: Vec::new(),
        }
    }

    /// The next thing that happens to the task on its node.
    fn step(&mut self, now: Timestamp) {
        let view = &mut self.view;
        let all = |view: &TaskReport, status| view.containers.iter().all(|c| c.status == status);
        if !view.network_ready {
            view.network_ready = true;
        } else if all(view, ContainerStatus::Pending) {
            for c in &mut view.containers {
                (c.status, c.started_at) = (ContainerStatus::Running, Some(now));
            }
        } else if view.stopped.is_none() {
            view.stopped = Some(TaskStopped {
                stop_code: "EssentialContainerExited".into(),
                reason: "Essential container in task exited".into(),
                at: now,
            });
        } else if !all(view, ContainerStatus::Stopped) {
            for c in &mut view.containers {
                (c.status, c.finished_at, c.exit_code) =
                    (ContainerStatus::Stopped, Some(now), Some(7));
            }
        } else {
            view.released = true;
        }
        view.sequence += 1;
        self.flying.push(view.clone());
    }
}

/// What may never be taken back.
fn forward_only(before: &Task, after: &Task, seed: u64) {
    let (b, a) = (&before.status, &after.status);
    assert!(
        a.last_status >= b.last_status,
        "seed {seed}: {:?} -> {:?}",
        b.last_status,
        a.last_status
    );
    assert!(a.version >= b.version, "seed {seed}");
    for (what, before, after) in [
        ("connectivity_at", b.connectivity_at, a.connectivity_at),
        ("started_at", b.started_at, a.started_at),
        ("stopping_at", b.stopping_at, a.stopping_at),
        (
            "execution_stopped_at",
            b.execution_stopped_at,
            a.execution_stopped_at,
        ),
        ("stopped_at", b.stopped_at, a.stopped_at),
    ] {
        assert!(
            before.is_none() || before == after,
            "seed {seed}: {what} {before:?} -> {after:?}"
        );
    }
    let cause = |s: &crate::model::Status| s.stop_code.clone().zip(s.stopped_reason.clone());
    assert!(
        cause(b).is_none() || cause(b) == cause(a),
        "seed {seed}: the first cause counts"
    );
    let exit = |t: &Task| {
        t.status
            .report
            .as_ref()
            .and_then(|r| r.containers[0].exit_code)
    };
    assert!(
        exit(before).is_none() || exit(before) == exit(after),
        "seed {seed}: exit code"
    );
}

async fn simulate(seed: u64) {
    let lab = Lab::seeded(seed);
    let rng = Rng::seeded(seed ^ 0x5eed);
    lab.register("web").await;
    for _ in 0..4 {
        lab.start("web").await;
    }
    let mut nodes: Vec<Node> = lab
        .tasks()
        .await
        .into_iter()
        .map(|t| Node {
            key: t.key.clone(),
            ..Node::of(&t.value)
        })
        .collect();
    let mut seen: BTreeMap<String, Task> = BTreeMap::new();
    for _ in 0..300 {
        lab.advance(std::time::Duration::from_millis(1 + rng.below(50)));
        let which = usize::try_from(rng.below(4)).expect("four tasks");
        let node = &mut nodes[which];
        match rng.below(10) {
            0..=2 if !node.view.released => node.step(lab.house.now()),
            3..=6 if !node.flying.is_empty() => {
                let n = usize::try_from(rng.below(node.flying.len() as u64)).expect("an index");
                // Kept in flight at times: it comes again.
                let report = if rng.below(3) == 0 {
                    node.flying[n].clone()
                } else {
                    node.flying.remove(n)
                };
                observe::report(&lab.house, &node.key, &report)
                    .await
                    .expect("recorded");
            }
            7 if !node.flying.is_empty() => {
                node.flying.pop();
            }
            8 => {
                // A restart: what is in flight may still arrive; the view is sent anew.
                node.view.sequence += RESTART_GAP;
                node.flying.push(node.view.clone());
            }
            9 if rng.below(40) == 0 => {
                let task = node.view.task_id.clone();
                let stop = api::StopTaskInput {
                    task,
                    ..Default::default()
                };
                lab.call(ops::StopTask, stop).await.expect("asked");
            }
            _ => {}
        }
        let task = lab
            .house
            .db
            .get_key::<Task>(&nodes[which].key)
            .await
            .expect("read");
        let task = task.expect("stored").value;
        if let Some(before) = seen.get(&nodes[which].key) {
            forward_only(before, &task, seed);
        }
        seen.insert(nodes[which].key.clone(), task);
    }
    // A node sends until it is heard: in the end its whole truth arrives.
    for node in &mut nodes {
        while !node.view.released {
            node.step(lab.house.now());
        }
        node.view.sequence += 1;
        observe::report(&lab.house, &node.key, &node.view)
            .await
            .expect("recorded");
        let before = seen.remove(&node.key).expect("seen");
        let task = lab
            .house
            .db
            .get_key::<Task>(&node.key)
            .await
            .expect("read")
            .expect("stored");
        forward_only(&before, &task, seed);
        assert_eq!(task.status.last_status, TaskStatus::Stopped, "seed {seed}");
        assert!(
            task.status.stop_code.is_some() && task.status.stopped_at.is_some(),
            "seed {seed}"
        );
        assert_eq!(
            task.status.report.as_ref().expect("kept").containers[0].exit_code,
            Some(7)
        );
        for late in &node.flying {
            observe::report(&lab.house, &node.key, late)
                .await
                .expect("dropped");
        }
        let after = lab
            .house
            .db
            .get_key::<Task>(&node.key)
            .await
            .expect("read")
            .expect("stored");
        assert_eq!(
            after.revision, task.revision,
            "seed {seed}: late reports write nothing"
        );
    }
    assert_eq!(
        lab.addresses().await,
        0,
        "seed {seed}: every address is given back, once"
    );
}

#[tokio::test]
async fn reports_in_any_order_only_move_tasks_forward() {
    for seed in 0..12 {
        simulate(seed).await;
    }
}

/// An address that was given back and taken by another task must not be released again.
#[tokio::test]
async fn a_doubled_end_does_not_take_the_next_tasks_address() {
    let lab = Lab::new();
    lab.register("web").await;
    let first = lab.start("web").await;
    let task = lab.tasks().await.remove(0);
    lab.end(&first).await;
    assert_eq!(lab.addresses().await, 0);
    lab.start("web").await;
    let again = TaskReport {
        sequence: u64::MAX,
        ..released(&task.value)
    };
    observe::report(&lab.house, &task.key, &again)
        .await
        .expect("dropped");
    assert_eq!(lab.addresses().await, 1);
}
