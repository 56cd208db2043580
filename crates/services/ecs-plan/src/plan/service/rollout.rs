//! The life of deployments: taken up, in progress, completed.
//!
//! ```text
//!            every task of it counts as healthy, no other is left
//! IN_PROGRESS -----------------------------------------------------> COMPLETED
//!      | circuit breaker, alarm or StopServiceDeployment ([`super::failure`])
//!      +--> FAILED; with rollback the last completed one is the primary again, IN_PROGRESS
//! ```

use super::tally::{self, tally};
use super::{SAID_AGAIN, Step, View, sentence};
use crate::model::{
    AlarmWatch, Completed, Counted, Deployment, DeploymentRules, Phase, Rollout, ServiceDeployment,
    ServiceStatus,
};
use crate::plan::service::alarms::LONGEST_BAKE;
use neargate_base::Timestamp;
use std::time::Duration;

/// A step being drawn up.
pub(super) struct Draft<'a> {
    pub(super) view: &'a View,
    pub(super) now: Timestamp,
    pub(super) status: ServiceStatus,
    records: Vec<ServiceDeployment>,
    pub(super) events: Vec<String>,
    /// The events announce a steady state.
    steady: bool,
    pub(super) wake_at: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(view: &'a View, now: Timestamp) -> Draft<'a> {
        Draft {
            view,
            now,
            status: view.service.status.clone(),
            records: view.records.clone(),
            events: Vec::new(),
            steady: false,
            wake_at: None,
        }
    }

    pub(super) fn name(&self) -> &'a str {
        &self.view.service.spec.name
    }

    pub(super) fn rules(&self) -> &'a DeploymentRules {
        &self.view.service.spec.deployment
    }

    pub(super) fn record(&mut self, id: &str) -> Option<&mut ServiceDeployment> {
        let found = self.records.iter_mut().find(|r| r.id == id);
        found.filter(|r| !r.status.phase.is_final())
    }

    /// Take up the target, if it is a new one.
    pub(super) fn adopt(&mut self) {
        let spec = &self.view.service.spec;
        let Some(target) = &spec.target else { return };
        if self.status.adopted.as_ref() == Some(&target.deployment) {
            return;
        }
        let now = self.now;
        let others = self.records.iter().map(|r| r.id.clone());
        let others: Vec<String> = others.filter(|r| *r != target.service_deployment).collect();
        for id in others {
            self.end(&id, Phase::Stopped, "Superseded by a newer deployment.");
        }
        self.status.adopted = Some(target.deployment.clone());
        let mut fresh = Deployment::new(
            &target.deployment,
            &target.revision,
            &target.service_deployment,
            target.at,
        );
        // Those who shift traffic go to the target groups that have none.
        let completed = self.status.last_completed.as_ref();
        let shifts = spec.deployment.shift.is_some();
        fresh.alternate = completed.is_some_and(|c| c.alternate != shifts);
        self.status.deployments.insert(0, fresh);
        self.status.steady_at = None;
        self.status.blocked = None;
        self.status.stuck_at = None;
        self.status.impaired_at = None;
        if let Some(record) = self.record(&target.service_deployment) {
            record.status.phase = Phase::InProgress;
            record.status.started_at = Some(now);
            record.status.updated_at = Some(now);
        }
    }

    /// Count failures and say so when the throttle begins.
    pub(super) fn count(&mut self, desired: usize) {
        let breaker = self.rules().circuit_breaker;
        let reset = breaker.is_none_or(|b| b.reset_on_healthy_task != Some(false));
        let primary = &mut self.status.deployments[0];
        let before = primary.failures;
        tally(
            primary,
            &self.view.rows,
            &self.view.settling,
            reset,
            self.now,
        );
        if before != primary.failures {
            primary.updated_at = self.now;
        }
        let throttled = tally::is_throttled(primary);
        if !throttled || desired == 0 {
            self.status.impaired_at = None;
        } else if self.due(self.status.impaired_at) {
            self.status.impaired_at = Some(self.now);
            self.events.push(sentence::impaired(self.name()));
        }
    }

    /// Was it not said, or so long ago that it is said again?
    fn due(&self, said: Option<Timestamp>) -> bool {
        said.is_none_or(|at| at + SAID_AGAIN <= self.now)
    }

    /// A task moves to another zone.
    pub(super) fn rebalance(&mut self, zones: &[(String, usize)]) {
        self.status.rebalanced_at = Some(self.now);
        let event = sentence::unbalanced(self.name(), zones);
        self.events.push(event);
    }

    /// The limits allow no step.
    pub(super) fn stuck(&mut self, stuck: bool) {
        if !stuck {
            self.status.stuck_at = None;
        } else if self.due(self.status.stuck_at) {
            self.status.stuck_at = Some(self.now);
            self.events.push(sentence::stuck(self.name()));
        }
    }

    /// Is the primary complete, and the service steady?
    pub(super) fn settle(&mut self, desired: usize, step: &Step) {
        let (view, now, name) = (self.view, self.now, self.name());
        let (id, rollout) = {
            let primary = &self.status.deployments[0];
            (primary.id.clone(), primary.rollout)
        };
        let (mut healthy, mut live, mut others) = (0, 0, 0);
        for row in view.rows.iter().filter(|row| row.is_live()) {
            let link = row.service.as_ref();
            if link.is_some_and(|link| link.deployment == id) {
                live += 1;
                healthy += usize::from(view.settling.counts(row));
            } else {
                others += 1;
            }
        }
        if live >= desired && step.start.is_none() {
            self.status.blocked = None;
        }
        let full = healthy == desired && live == desired;
        let settled = full && others == 0 && step.stop.is_empty() && step.start.is_none();
        if view.settling.is_unsure() {
            return;
        }
        if !settled {
            self.status.deployments[0].baking_since = None;
        }
        let ready = match rollout {
            Rollout::InProgress => settled && self.is_shifted(step) && self.baked(),
            Rollout::Completed => settled,
            Rollout::Failed => false,
        };
        let primary = &mut self.status.deployments[0];
        if ready && primary.rollout == Rollout::InProgress {
            primary.rollout = Rollout::Completed;
            primary.reason = sentence::complete(&primary.id);
            primary.updated_at = now;
            let done = primary.clone();
            self.status.last_completed = Some(Completed {
                deployment: done.id.clone(),
                revision: done.revision.clone(),
                created_at: done.created_at,
                alternate: done.alternate,
            });
            self.events.push(sentence::completed(name, &done.id));
            let phase = match done.rollback {
                true => Phase::RollbackSuccessful,
                false => Phase::Successful,
            };
            self.count_in(&done, desired);
            self.end(&done.service_deployment, phase, "");
            self.status.deployments[0].rollback = false;
        }
        if !ready {
            self.status.steady_at = None;
        } else if self.due(self.status.steady_at) {
            self.status.steady_at = Some(now);
            self.events.push(sentence::steady(name));
            self.steady = true;
        }
        if let Some(at) = self.status.steady_at {
            self.wake(at + SAID_AGAIN);
        }
        self.forget_emptied();
    }

    /// With alarms a deployment goes on being watched for its bake time.
    fn baked(&mut self) -> bool {
        if self.rules().shift.is_some() {
            // That was a stage.
            return true;
        }
        let Some(bake) = self.bake().filter(|bake| !bake.is_zero()) else {
            return true;
        };
        let now = self.now;
        // A time to come is one from before the clock was set back.
        let kept = &mut self.status.deployments[0].baking_since;
        let since = kept.filter(|at| *at <= now).unwrap_or(now);
        *kept = Some(since);
        self.wake(since + bake);
        since + bake <= now
    }

    /// How long: as asked for, else as long as its alarms take to notice. Alarms that are ignored
    /// are as none.
    fn bake(&mut self) -> Option<Duration> {
        let rules = self.rules();
        rules.alarms.as_ref().filter(|a| a.enable)?;
        let primary = self.status.deployments[0].clone();
        let record = self.record(&primary.service_deployment);
        let ignored = record.is_none_or(|r| r.status.alarms == AlarmWatch::Ignored);
        if ignored || primary.rollback {
            return None;
        }
        let heard = self.view.alarms.as_ref();
        let heard = heard.filter(|h| h.deployment == primary.id);
        Some(match rules.bake_time_minutes {
            Some(minutes) => Duration::from_secs(60 * u64::from(minutes)),
            None => heard.map_or(LONGEST_BAKE, |h| h.bake),
        })
    }

    pub(super) fn wake(&mut self, at: Timestamp) {
        if at > self.now {
            self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// Earlier deployments of which nothing runs any more are not shown. Until the primary's
    /// tasks count one of them is: it is not replaced before, and whoever waits for the service to be
    /// stable waits for there to be one deployment only.
    fn forget_emptied(&mut self) {
        let rows = &self.view.rows;
        let runs = |d: &Deployment| tally::of(rows, &d.id).any(|row| row.is_live());
        let deployments = &mut self.status.deployments;
        let primary = &deployments[0];
        let replaced = primary.rollout == Rollout::Completed || primary.baking_since.is_some();
        let mut kept = replaced || deployments[1..].iter().any(runs);
        let mut first = true;
        deployments.retain(|deployment| {
            std::mem::take(&mut first) || runs(deployment) || !std::mem::replace(&mut kept, true)
        });
    }

    fn count_in(&mut self, done: &Deployment, desired: usize) {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let counts = vec![Counted {
            revision: done.revision.clone(),
            requested: size(desired),
            running: size(desired),
            pending: 0,
        }];
        if let Some(record) = self.record(&done.service_deployment) {
            record.status.counts = counts;
            if !done.rollback {
                record.status.failures = done.failures;
            }
        }
    }

    /// A service deployment is over.
    pub(super) fn end(&mut self, id: &str, phase: Phase, reason: &str) {
        let now = self.now;
        let Some(record) = self.record(id) else {
            return;
        };
        let status = &mut record.status;
        status.phase = phase;
        status.finished_at = Some(now);
        status.updated_at = Some(now);
        if phase == Phase::Stopped {
            status.stopped_at = Some(now);
        }
        if !reason.is_empty() {
            status.reason = Some(reason.to_owned());
        }
    }

    /// The service is deleted.
    pub(super) fn end_records(&mut self) {
        let ids: Vec<String> = self.records.iter().map(|r| r.id.clone()).collect();
        for id in ids {
            self.end(&id, Phase::Stopped, "The service was deleted.");
        }
    }

    pub(super) fn step(self, reason: &'static str) -> Step {
        self.into_step(Step::default(), reason)
    }

    pub(super) fn into_step(self, step: Step, reason: &'static str) -> Step {
        let changed = |r: &ServiceDeployment| !self.view.records.contains(r);
        Step {
            status: (self.status != self.view.service.status).then_some(self.status),
            events: self.events,
            steady: self.steady,
            records: self
                .records
                .iter()
                .filter(|r| changed(r))
                .cloned()
                .collect(),
            reason,
            ..step
        }
    }
}

impl Deployment {
    /// A deployment that begins.
    pub fn new(id: &str, revision: &str, service_deployment: &str, at: Timestamp) -> Deployment {
        Deployment {
            id: id.to_owned(),
            revision: revision.to_owned(),
            service_deployment: service_deployment.to_owned(),
            created_at: at,
            updated_at: at,
            rollout: Rollout::InProgress,
            reason: sentence::in_progress(id),
            rollback: false,
            failures: 0,
            counted_to: 0,
            healthy: 0,
            strikes: 0,
            struck_at: None,
            retry_at: None,
            baking_since: None,
            alternate: false,
        }
    }
}

/// The deployments as they are once the target is taken up: for whoever describes a service
/// before its controller has.
pub fn adopted(service: &crate::model::Service) -> Vec<Deployment> {
    let status = &service.status;
    let mut deployments = status.deployments.clone();
    if let Some(target) = &service.spec.target
        && status.adopted.as_ref() != Some(&target.deployment)
        && status.inactive_at.is_none()
    {
        let fresh = Deployment::new(
            &target.deployment,
            &target.revision,
            &target.service_deployment,
            target.at,
        );
        deployments.insert(0, fresh);
    }
    deployments
}
