//! Which instances are not healthy, or too old, and are replaced
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html>).

use super::Work;
use crate::model::{Lifecycle, Member};
use crate::sentence;
use neargate_service::instance::State;
use std::time::Duration;

impl Work<'_> {
    /// Instances that have ended or stopped are unhealthy at once, those with a problem after the
    /// grace period.
    pub(super) fn check_health(&mut self) {
        let checks = !self.group.is_suspended("HealthCheck");
        let replaces =
            !self.group.is_suspended("ReplaceUnhealthy") && !self.group.is_suspended("Terminate");
        for (id, member) in self.in_service_now() {
            let sick = match checks {
                true => self.sickness(&id, &member),
                false => None,
            };
            let user = (!member.healthy).then_some("a user health-check.");
            let Some(why) = sick.or(user) else {
                continue;
            };
            self.put(&id, |m| m.healthy = false);
            if replaces {
                self.begin_end(&id, sentence::out_of_service(self.now, why));
                self.group.replacements += 1;
            }
        }
    }

    fn sickness(&mut self, id: &str, member: &Member) -> Option<&'static str> {
        let seen = self.seen(id);
        let refused = self.group.heeds_balancers()
            && self.healths.values().any(|states| {
                let state = states.get(id).map(String::as_str);
                matches!(state, Some("unhealthy" | "unhealthy.draining"))
            });
        match seen.state {
            Some(State::Running | State::Pending) if seen.problem.is_none() && !refused => None,
            Some(State::Running | State::Pending) => {
                let since = member.in_service_at.unwrap_or(member.since);
                let grace = Duration::from_secs(u64::from(self.group.settings.grace_seconds));
                if since + grace > self.now {
                    self.wake(since + grace);
                    return None;
                }
                Some(match refused {
                    true => "an ELB system health check failure.",
                    false => "an EC2 instance status checks failure.",
                })
            }
            _ => Some("an EC2 health check indicating it has been terminated or stopped."),
        }
    }

    /// One instance at a time is replaced because of its age.
    pub(super) fn check_age(&mut self) {
        let Some(most) = self.group.settings.max_lifetime_seconds else {
            return;
        };
        let most = Duration::from_secs(u64::from(most));
        let oldest = self
            .in_service_now()
            .into_iter()
            .min_by_key(|(_, m)| m.since);
        let Some((id, member)) = oldest else {
            return;
        };
        if member.since + most > self.now {
            return self.wake(member.since + most);
        }
        let steady = |m: &Member| m.state == Lifecycle::InService;
        let is_steady = self.group.instances.values().all(steady)
            && self.group.launches.is_empty()
            && self.group.capacity() >= self.group.desired;
        if is_steady && !self.group.is_suspended("Terminate") {
            let why = "its age, which has reached the maximum instance lifetime.";
            self.begin_end(&id, sentence::out_of_service(self.now, why));
        }
    }

    fn in_service_now(&self) -> Vec<(String, Member)> {
        let all = self.group.instances.iter();
        all.filter(|(_, m)| m.state == Lifecycle::InService)
            .map(|(id, m)| (id.clone(), m.clone()))
            .collect()
    }
}
