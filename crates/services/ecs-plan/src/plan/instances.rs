//! When a container instance has left its cluster.

use crate::model::{ContainerInstance, InstanceStatus};
use neargate_base::Timestamp;
use std::time::Duration;

/// How long an `INACTIVE` instance can be described
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container_instance_life_cycle.html>
/// says only that it is discoverable for a while).
const KEPT: Duration = Duration::from_secs(86_400);

/// What is next for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// It does not leave, or waits for tasks that were asked to stop.
    Stays,
    /// The tasks of these keys have to stop first.
    Stop(Vec<String>),
    /// Nothing is left on it.
    Gone,
    /// It is `INACTIVE`, and is looked at again at this time.
    Kept(Timestamp),
    Forget,
}

/// `tasks`: the store keys of those that have not stopped, and whether each was asked to.
pub fn leave(instance: &ContainerInstance, tasks: &[(String, bool)], now: Timestamp) -> Leave {
    let unasked = || {
        let keys = tasks.iter().filter(|(_, asked)| !asked);
        keys.map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    match instance.status {
        InstanceStatus::Active | InstanceStatus::Draining => Leave::Stays,
        // A task that was being placed while the instance left is stopped, too.
        InstanceStatus::Deregistering | InstanceStatus::Inactive if !unasked().is_empty() => {
            Leave::Stop(unasked())
        }
        InstanceStatus::Deregistering if tasks.is_empty() => Leave::Gone,
        InstanceStatus::Inactive if tasks.is_empty() => {
            let until = instance.left_at.unwrap_or(instance.registered_at) + KEPT;
            if until > now {
                Leave::Kept(until)
            } else {
                Leave::Forget
            }
        }
        InstanceStatus::Deregistering | InstanceStatus::Inactive => Leave::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_domain::{LaunchType, Resources};

    fn instance(status: InstanceStatus) -> ContainerInstance {
        ContainerInstance {
            id: "0".repeat(32),
            arn: String::new(),
            cluster: "c".into(),
            node: Some("n".into()),
            ec2_instance_id: "i-0".into(),
            launch_type: LaunchType::Ec2,
            status,
            status_reason: None,
            registered: Resources::default(),
            attributes: Default::default(),
            agent_version: String::new(),
            agent_hash: String::new(),
            docker_version: String::new(),
            capacity_provider: None,
            version: 1,
            tags: Default::default(),
            registered_at: Timestamp::from_millis(0),
            left_at: Some(Timestamp::from_millis(1_000)),
            agent_update_status: None,
        }
    }

    #[test]
    fn it_leaves_with_its_last_task() {
        use InstanceStatus::*;
        let at = Timestamp::from_millis;
        let asked = ("a".to_owned(), true);
        let running = ("b".to_owned(), false);
        let stop = || Leave::Stop(vec!["b".into()]);
        let day = 86_400_000;
        for (status, tasks, now, expected) in [
            (Active, vec![running.clone()], 0, Leave::Stays),
            (Draining, vec![running.clone()], 0, Leave::Stays),
            (Draining, vec![], 0, Leave::Stays),
            (
                Deregistering,
                vec![asked.clone(), running.clone()],
                0,
                stop(),
            ),
            (Deregistering, vec![asked.clone()], 0, Leave::Stays),
            (Deregistering, vec![], 0, Leave::Gone),
            (Inactive, vec![running.clone()], 0, stop()),
            (Inactive, vec![asked], 2 * day, Leave::Stays),
            (Inactive, vec![], 0, Leave::Kept(at(1_000 + day))),
            (Inactive, vec![], 1_000 + day, Leave::Forget),
        ] {
            let said = leave(&instance(status), &tasks, at(now));
            assert_eq!(said, expected, "{status:?} {tasks:?}");
        }
    }
}
