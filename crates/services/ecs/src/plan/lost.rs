//! What an absent node means. Pure.

use crate::model::{KnownNode, Status};
use neargate_base::Timestamp;
use neargate_domain::{NodeKind, TaskEvent};
use std::time::Duration;

/// The nodes that are lost, and how long until the next one is. A lost one is looked at again
/// every lease: a task may just have been on its way to it.
pub fn due<'a>(
    away: impl Iterator<Item = (&'a str, Duration)>,
    lease: Duration,
) -> (Vec<&'a str>, Option<Duration>) {
    let mut lost = Vec::new();
    let mut next: Option<Duration> = None;
    for (id, absent) in away {
        let wait = match lease.checked_sub(absent) {
            None | Some(Duration::ZERO) => {
                lost.push(id);
                lease
            }
            Some(wait) => wait,
        };
        next = Some(next.map_or(wait, |n| n.min(wait)));
    }
    (lost, next)
}

/// Why the tasks of this node end, in AWS's nearest words.
pub fn reason(node: &KnownNode) -> String {
    match node.kind {
        NodeKind::Ec2 | NodeKind::External => {
            format!("Host EC2 (instance {}) terminated.", node.id)
        }
        NodeKind::Fargate => format!("The host of the task ({}) is gone.", node.id),
    }
}

/// A task whose node is lost: it is to stop, but nobody saw it move on.
pub fn abandoned(before: &Status, code: &str, reason: &str, now: Timestamp) -> Status {
    let mut status = before.clone();
    status.stopping_at.get_or_insert(now);
    if status.stop_code.is_none() {
        status.stop_code = Some(code.to_owned());
        status.stopped_reason = Some(reason.to_owned());
    }
    status.version += 1;
    status
}

/// A task whose node is gone for good: it has ended by decree.
pub fn ended(before: &Status, code: &str, reason: &str, now: Timestamp) -> Status {
    let mut status = abandoned(before, code, reason, now);
    for event in [
        TaskEvent::StopBegan,
        TaskEvent::ContainersStopped,
        TaskEvent::Released,
    ] {
        if let Ok(next) = status.last_status.on(event) {
            status.last_status = next;
        }
    }
    status.execution_stopped_at.get_or_insert(now);
    status.stopped_at.get_or_insert(now);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_domain::TaskStatus;

    const LEASE: Duration = Duration::from_secs(60);

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_node_is_lost_at_the_end_of_its_lease_and_not_before() {
        assert_eq!(due([].into_iter(), LEASE), (vec![], None));
        let all = [("a", secs(10)), ("b", secs(59))];
        assert_eq!(due(all.into_iter(), LEASE), (vec![], Some(secs(1))));
        let all = [("a", secs(10)), ("b", secs(60)), ("c", secs(600))];
        assert_eq!(
            due(all.into_iter(), LEASE),
            (vec!["b", "c"], Some(secs(50)))
        );
        assert_eq!(
            due([("b", secs(61))].into_iter(), LEASE),
            (vec!["b"], Some(LEASE))
        );
    }

    #[test]
    fn a_lost_task_is_to_stop_and_a_dismissed_one_has() {
        let now = Timestamp::from_millis(5);
        let mut running = Status::provisioning();
        running.last_status = TaskStatus::Running;
        let lost = abandoned(&running, "TerminationNotice", "gone", now);
        assert_eq!(
            (lost.last_status, lost.stopped_at),
            (TaskStatus::Running, None)
        );
        assert_eq!(lost.stopped_reason.as_deref(), Some("gone"));
        let gone = ended(&lost, "Other", "other", Timestamp::from_millis(9));
        assert_eq!(gone.last_status, TaskStatus::Stopped);
        assert_eq!(
            gone.stopped_reason.as_deref(),
            Some("gone"),
            "the first cause counts"
        );
        assert_eq!(gone.stopping_at, Some(now));
    }
}
