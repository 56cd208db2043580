//! What an absent node means. Pure.

use crate::model::KnownNode;
use neargate_domain::NodeKind;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
