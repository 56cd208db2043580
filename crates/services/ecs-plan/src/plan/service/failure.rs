//! How a deployment fails, and the way back from it
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html>).
//!
//! A rollback does not fail in its turn: what it goes back to has run before.

use super::rollout::Draft;
use super::shift::ShiftFailure;
use super::{View, sentence, tally};
use crate::model::{AlarmWatch, Completed, Deployment, Phase, Rollback, Rollout};

/// Why a deployment failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Tasks,
    Alarms,
    Asked,
    Traffic,
    Hook,
}

impl Cause {
    /// For the event.
    fn why(self) -> &'static str {
        match self {
            Cause::Tasks => "tasks failed to start",
            Cause::Alarms => "alarm detected",
            Cause::Asked => "deployment stopped by user",
            Cause::Traffic => "traffic could not be shifted",
            Cause::Hook => "lifecycle hook rolled back",
        }
    }

    /// The start of a `rolloutStateReason`.
    fn name(self) -> &'static str {
        match self {
            Cause::Tasks => "ECS deployment circuit breaker",
            Cause::Alarms => "ECS deployment alarms",
            Cause::Asked | Cause::Traffic | Cause::Hook => "ECS deployment",
        }
    }
}

impl Draft<'_> {
    /// Does the primary fail?
    pub(super) fn judge(&mut self, desired: usize) {
        let primary = self.status.deployments[0].clone();
        if primary.rollout != Rollout::InProgress || primary.rollback {
            return;
        }
        let stop = self.view.records.iter();
        let stop = stop.filter(|r| r.id == primary.service_deployment);
        if let Some(stop) = stop.filter_map(|r| r.stop).next() {
            return self.fail(Cause::Asked, stop.rollback, None);
        }
        if let Some(failure) = self.shift_failed() {
            let cause = match failure {
                ShiftFailure::Traffic(_) => Cause::Traffic,
                ShiftFailure::Answer | ShiftFailure::TimedOut(_) => Cause::Hook,
            };
            return self.fail(cause, true, failure.reason());
        }
        // "The deployment circuit breaker can only be used for services using the rolling update
        // (ECS) deployment type."
        if let Some(breaker) = self.rules().circuit_breaker.filter(|b| b.enable)
            && self.rules().shift.is_none()
            && primary.failures >= tally::threshold(&breaker, desired)
        {
            return self.fail(Cause::Tasks, breaker.rollback, None);
        }
        if let Some(alarms) = self.rules().alarms.as_ref().filter(|a| a.enable)
            && self.ringing(&primary)
        {
            self.fail(Cause::Alarms, alarms.rollback, None);
        }
    }

    /// Has an alarm gone off since the deployment began? "If an alarm is in the ALARM state at
    /// the beginning of a deployment, Amazon ECS will not monitor alarms for the duration of that
    /// deployment": the first answer is its beginning.
    fn ringing(&mut self, primary: &Deployment) -> bool {
        let heard = self.view.alarms.as_ref();
        let Some(heard) = heard.filter(|h| h.deployment == primary.id) else {
            return false;
        };
        let Some(record) = self.record(&primary.service_deployment) else {
            return false;
        };
        let watch = &mut record.status.alarms;
        match (*watch, heard.ringing.is_empty()) {
            (AlarmWatch::Unasked, true) => *watch = AlarmWatch::Watched,
            (AlarmWatch::Unasked, false) => *watch = AlarmWatch::Ignored,
            (AlarmWatch::Watched, false) => return true,
            _ => {}
        }
        false
    }

    /// `why` is the `statusReason` of a deployment that goes back, where it is not the
    /// `rolloutStateReason`.
    fn fail(&mut self, cause: Cause, rollback: bool, why: Option<String>) {
        let (now, name) = (self.now, self.name());
        let failed = &mut self.status.deployments[0];
        failed.rollout = Rollout::Failed;
        failed.updated_at = now;
        failed.reason = format!("{}: {}.", cause.name(), cause.why());
        let failed = failed.clone();
        self.events
            .push(sentence::failed(name, &failed.id, cause.why()));
        self.status.steady_at = None;
        self.status.blocked = None;
        let back = self
            .status
            .last_completed
            .clone()
            .filter(|c| rollback && c.deployment != failed.id);
        let ringing = self.view.alarms.as_ref().map(|h| h.ringing.clone());
        let ringing = ringing.filter(|_| cause == Cause::Alarms);
        if let Some(record) = self.record(&failed.service_deployment) {
            record.status.failures = failed.failures;
            record.status.tripped = cause == Cause::Tasks;
            record.status.triggered_alarms = ringing.unwrap_or_default();
            record.status.stopped_at = Some(now);
        }
        match back {
            Some(to) => self.roll_back(cause, &failed, &to, why),
            None if rollback => self.end(
                &failed.service_deployment,
                Phase::RollbackFailed,
                "No rollback candidate was found to run the rollback.",
            ),
            None => self.end(&failed.service_deployment, Phase::Stopped, &failed.reason),
        }
    }

    fn roll_back(
        &mut self,
        cause: Cause,
        failed: &Deployment,
        to: &Completed,
        why: Option<String>,
    ) {
        let why = why.unwrap_or_else(|| failed.reason.clone());
        let (now, name) = (self.now, self.name());
        self.events
            .push(sentence::rolling_back(name, &to.deployment));
        let reason = format!(
            "{}: rolling back to deploymentId {}.",
            cause.name(),
            to.deployment
        );
        let deployments = &mut self.status.deployments;
        let there = deployments.iter().position(|d| d.id == to.deployment);
        let mut primary = match there {
            Some(at) => deployments.remove(at),
            None => Deployment {
                created_at: to.created_at,
                counted_to: newest(self.view),
                ..Deployment::new(
                    &to.deployment,
                    &to.revision,
                    &failed.service_deployment,
                    to.created_at,
                )
            },
        };
        primary.service_deployment = failed.service_deployment.clone();
        primary.updated_at = now;
        primary.alternate = to.alternate;
        primary.rollout = Rollout::InProgress;
        primary.reason = reason.clone();
        primary.rollback = true;
        primary.failures = 0;
        primary.healthy = 0;
        primary.strikes = 0;
        primary.struck_at = None;
        primary.retry_at = None;
        primary.baking_since = None;
        deployments.insert(0, primary);
        if let Some(record) = self.record(&failed.service_deployment) {
            record.status.phase = Phase::RollbackInProgress;
            record.status.updated_at = Some(now);
            record.status.reason = Some(why.clone());
            record.status.rollback = Some(Rollback {
                reason: why,
                started_at: now,
                revision: to.revision.clone(),
            });
        }
    }
}

/// The newest change of any of the service's tasks.
fn newest(view: &View) -> u64 {
    let changes = view.rows.iter().map(|row| row.revision);
    changes.max().unwrap_or_default()
}
