//! How the instances of a group go from one state to the next.

use super::{Work, failed};
use crate::hook::{Transition, Waited, waited, waits};
use crate::model::{Lifecycle, Member};
use crate::sentence;
use neargate_service::instance::State;
use std::time::Duration;

/// How long an instance that its host cannot run may stay pending.
const STUCK: Duration = Duration::from_secs(60);

impl Work<'_> {
    pub(super) fn advance_all(&mut self) {
        let ids: Vec<String> = self.group.instances.keys().cloned().collect();
        for id in ids {
            if let Some(member) = self.group.instances.get(&id).cloned() {
                self.advance(&id, member);
            }
        }
    }

    fn advance(&mut self, id: &str, member: Member) {
        let seen = self.seen(id);
        match member.state {
            Lifecycle::Pending => self.pending(id, member, seen.state, seen.problem),
            Lifecycle::PendingWait if !runs(seen.state) => self.lost(id),
            Lifecycle::PendingWait => match waited(&member.waits, self.now) {
                Waited::Until(at) => self.wake(at),
                Waited::Over => self.put(id, |m| m.state = Lifecycle::PendingProceed),
                Waited::Abandoned(why) => {
                    self.close(id, |a, now| a.ended("Cancelled", &why, now));
                    failed(&mut self.group, &member.place.zone, self.now);
                    let cause = sentence::out_of_service(self.now, "a launch failure.");
                    self.begin_end(id, cause);
                }
            },
            Lifecycle::PendingProceed => self.in_service(id),
            Lifecycle::InService | Lifecycle::Detaching => {}
            Lifecycle::EnteringStandby => {
                self.close(id, |a, now| a.succeeded(now));
                self.put(id, |m| m.state = Lifecycle::Standby);
            }
            Lifecycle::Standby if seen.is_gone() => self.lost(id),
            Lifecycle::Standby => {}
            Lifecycle::Terminating => {
                let waits = match self.group.deleting {
                    true => Default::default(),
                    false => waits(&mut self.group, Transition::Terminating, self.now),
                };
                let drains = match self.group.is_target(id) {
                    true => "WaitingForELBConnectionDraining",
                    false => "InProgress",
                };
                let (state, progress) = match waits.is_empty() {
                    true => (Lifecycle::TerminatingProceed, (drains, 50)),
                    false => (Lifecycle::TerminatingWait, ("MidLifecycleAction", 50)),
                };
                self.put(id, |m| {
                    m.state = state;
                    m.waits = waits;
                    m.activity = m.activity.take().map(|a| a.at(progress.0, progress.1));
                });
            }
            Lifecycle::TerminatingWait => match waited(&member.waits, self.now) {
                Waited::Until(at) if !self.group.deleting => self.wake(at),
                _ => self.put(id, |m| {
                    m.state = Lifecycle::TerminatingProceed;
                    m.waits.clear();
                    m.activity = m.activity.take().map(|a| a.at("InProgress", 50));
                }),
            },
            Lifecycle::TerminatingProceed if seen.is_gone() && !self.group.is_target(id) => {
                self.close(id, |a, now| a.succeeded(now));
                self.group.instances.remove(id);
                self.group.scaled_at = Some(self.now);
            }
            Lifecycle::TerminatingProceed => {}
        }
    }

    fn pending(&mut self, id: &str, member: Member, state: Option<State>, problem: Option<String>) {
        match (state, problem) {
            (Some(State::Running), _) => {
                let waits = waits(&mut self.group, Transition::Launching, self.now);
                if waits.is_empty() {
                    return self.in_service(id);
                }
                self.put(id, |m| {
                    m.state = Lifecycle::PendingWait;
                    m.waits = waits;
                    m.activity = m.activity.take().map(|a| a.at("MidLifecycleAction", 40));
                });
            }
            (Some(State::Pending), None) => {}
            (Some(State::Pending), Some(problem)) => {
                let until = member.since + STUCK;
                if until > self.now {
                    return self.wake(until);
                }
                let why = format!("{problem}. Launching EC2 instance failed.");
                self.close(id, |a, now| a.ended("Failed", &why, now));
                failed(&mut self.group, &member.place.zone, self.now);
                let cause = sentence::out_of_service(self.now, "a launch failure.");
                self.begin_end(id, cause);
            }
            _ => self.lost(id),
        }
    }

    /// Somebody ended or stopped it.
    fn lost(&mut self, id: &str) {
        let why = "an EC2 health check indicating it has been terminated or stopped.";
        self.begin_end(id, sentence::out_of_service(self.now, why));
        self.put(id, |m| m.healthy = false);
        self.group.replacements += 1;
    }

    fn in_service(&mut self, id: &str) {
        self.close(id, |a, now| a.succeeded(now));
        let now = self.now;
        self.put(id, |m| {
            m.state = Lifecycle::InService;
            m.in_service_at = Some(now);
            m.waits.clear();
        });
        self.group.failing = None;
        self.group.scaled_at = Some(now);
    }

    pub(super) fn put(&mut self, id: &str, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.group.instances.get_mut(id) {
            change(member);
        }
    }

    /// The activity of an instance ends.
    fn close(
        &mut self,
        id: &str,
        end: impl FnOnce(
            crate::activity::Activity,
            neargate_base::Timestamp,
        ) -> crate::activity::Activity,
    ) {
        let member = self.group.instances.get_mut(id);
        if let Some(activity) = member.and_then(|m| m.activity.take()) {
            self.ended.push(end(activity, self.now));
        }
    }
}

fn runs(state: Option<State>) -> bool {
    state == Some(State::Running)
}
