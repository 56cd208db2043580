//! Deployments that shift traffic: BLUE_GREEN, LINEAR and CANARY.
//!
//! The old revision keeps all of its tasks until the last stage; the new one comes up beside it. Each
//! stage ends when what it is for has been observed and its hooks were answered. Load balancers are
//! told one thing at a time ([`Traffic`]), and what they were told is noted before the next step.
//!
//! Where tasks of neither are left, or the deployment goes back, traffic is the old revision's before
//! any task stops.

use super::Step;
use super::rollout::Draft;
use super::tally;
use crate::model::{
    ALL, Deployment, HookAction, HookEnd, HookRun, HookStage, Rollout, ShiftRules, ShiftStatus,
    Stage,
};
use neargate_base::Timestamp;
use std::time::Duration;

/// What load balancers are to be told. Shares are the new revision's, in tenths of a percent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The id of the service deployment that notes it.
    pub record: String,
    /// The id of the revision whose load balancers they are.
    pub revision: String,
    /// Its tasks are in the alternate target groups.
    pub alternate: bool,
    pub production: Option<u32>,
    pub test: Option<u32>,
    /// The deployment goes back: there is nothing else to do but to try again.
    pub back: bool,
}

/// What becomes of tasks meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tasks {
    /// Those of other deployments are replaced.
    Replace,
    /// The old deployment keeps its own; the new one gets so many.
    Beside {
        blue: Box<Deployment>,
        green: usize,
        /// Those of neither stop.
        reconcile: bool,
    },
    /// Nothing happens to them until traffic is told.
    Wait,
}

/// What follows from where a deployment stands.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) tasks: Tasks,
    pub(super) traffic: Option<Traffic>,
}

impl Course {
    fn of(tasks: Tasks) -> Course {
        Course {
            tasks,
            traffic: None,
        }
    }
}

impl Draft<'_> {
    /// Does the primary shift traffic, from an old revision that is still there?
    pub(super) fn shifts(&self) -> bool {
        let primary = &self.status.deployments[0];
        self.rules().shift.is_some()
            && primary.rollout == Rollout::InProgress
            && !primary.rollback
            && self.blue().is_some()
    }

    /// Is traffic where it is to be, and everything over but the end of the old tasks?
    pub(super) fn is_shifted(&mut self, step: &Step) -> bool {
        let shifts = self.shifts();
        let primary = self.status.deployments[0].service_deployment.clone();
        let shift = self.record(&primary).and_then(|r| r.status.shift.as_ref());
        let cleans_up = shift.is_some_and(|shift| shift.stage == Stage::CleanUp);
        step.traffic.is_none() && (!shifts || cleans_up)
    }

    /// The deployment that the primary takes over from.
    fn blue(&self) -> Option<Deployment> {
        let (primary, completed) = (
            &self.status.deployments[0],
            self.status.last_completed.as_ref()?,
        );
        let mut all = self.status.deployments.iter();
        let blue = all.find(|d| d.id == completed.deployment);
        blue.filter(|blue| blue.id != primary.id).cloned()
    }

    /// Moves the deployment on as far as it goes.
    pub(super) fn course(&mut self, desired: usize) -> Course {
        let primary = self.status.deployments[0].clone();
        if primary.rollback {
            return self.way_back(&primary);
        }
        let (Some(rules), Some(blue)) = (self.rules().shift.clone(), self.blue()) else {
            return Course::of(Tasks::Replace);
        };
        if !self.shifts() {
            return Course::of(Tasks::Replace);
        }
        let strangers = self.view.rows.iter().any(|row| {
            let link = row.service.as_ref();
            let other = |id: &str| id != primary.id && id != blue.id;
            row.is_live() && link.is_some_and(|link| other(&link.deployment))
        });
        let now = self.now;
        let Some(record) = self.record(&primary.service_deployment) else {
            return Course::of(Tasks::Wait);
        };
        let first = match strangers {
            true => Stage::ReconcileService,
            false => Stage::PreScaleUp,
        };
        let shift = record.status.shift.take();
        let shift = shift.unwrap_or_else(|| ShiftStatus::new(first, now));
        let (shift, traffic) = self.stages(shift, &rules, &primary, desired, strangers);
        let stage = shift.stage;
        let told = shift.production.is_some();
        if let Some(record) = self.record(&primary.service_deployment) {
            record.status.shift = Some(shift);
        }
        let tasks = match stage {
            Stage::CleanUp => Tasks::Replace,
            stage => Tasks::Beside {
                blue: Box::new(blue),
                green: if stage >= Stage::ScaleUp { desired } else { 0 },
                reconcile: told,
            },
        };
        Course { tasks, traffic }
    }

    /// From stage to stage, until one is not over.
    fn stages(
        &mut self,
        mut shift: ShiftStatus,
        rules: &ShiftRules,
        primary: &Deployment,
        desired: usize,
        strangers: bool,
    ) -> (ShiftStatus, Option<Traffic>) {
        let tell = |production, test| {
            Some(Traffic {
                record: primary.service_deployment.clone(),
                revision: primary.revision.clone(),
                alternate: primary.alternate,
                production,
                test,
                back: false,
            })
        };
        loop {
            let over = match shift.stage {
                // Whatever a deployment before this one has left behind, production is the old
                // revision's.
                Stage::ReconcileService | Stage::PreScaleUp if shift.production != Some(0) => {
                    return (shift, tell(Some(0), None));
                }
                Stage::ReconcileService => !strangers,
                Stage::ScaleUp => self.is_up(primary, desired),
                Stage::TestTrafficShift if shift.test != Some(ALL) => {
                    return (shift, tell(None, Some(ALL)));
                }
                Stage::ProductionTrafficShift => {
                    let share = shift.production.unwrap_or(0);
                    if share < ALL {
                        let next = rules.steps.next(share);
                        let baked = share == 0 || self.step_is_baked(&shift, rules);
                        let hook = HookStage::PreProductionTrafficShift;
                        if baked && self.hooks_are_over(&mut shift, rules, hook, next) {
                            return (shift, tell(Some(next), None));
                        }
                    }
                    share == ALL
                }
                Stage::BakeTime => self.is_baked(&shift),
                Stage::CleanUp => return (shift, None),
                Stage::PreScaleUp
                | Stage::PostScaleUp
                | Stage::TestTrafficShift
                | Stage::PostTestTrafficShift
                | Stage::PostProductionTrafficShift => true,
            };
            let share = shift.production.unwrap_or(0);
            let hook = shift.stage.hook();
            let go_on =
                over && hook.is_none_or(|h| self.hooks_are_over(&mut shift, rules, h, share));
            if !go_on {
                return (shift, None);
            }
            shift.stage = shift.stage.next();
            shift.entered_at = self.now;
        }
    }

    /// Every task of it counts as healthy.
    fn is_up(&self, primary: &Deployment, desired: usize) -> bool {
        let rows = tally::of(&self.view.rows, &primary.id);
        let healthy = rows.filter(|row| self.view.settling.counts(row)).count();
        healthy >= desired && !self.view.settling.is_unsure()
    }

    fn step_is_baked(&mut self, shift: &ShiftStatus, rules: &ShiftRules) -> bool {
        let bake = minutes(rules.steps.bake_minutes());
        self.is_past(shift.shifted_at.unwrap_or(shift.entered_at), bake)
    }

    /// "The time period when both blue and green service revisions are running simultaneously after
    /// the production traffic has shifted."
    fn is_baked(&mut self, shift: &ShiftStatus) -> bool {
        let bake = minutes(self.rules().bake_time_minutes.unwrap_or(0));
        self.is_past(shift.entered_at, bake)
    }

    /// A time to come is one from before the clock was set back.
    fn is_past(&mut self, since: Timestamp, time: Duration) -> bool {
        let until = since.min(self.now) + time;
        self.wake(until);
        until <= self.now
    }

    /// Were all hooks of the stage answered with CONTINUE? The first time they are come to, they begin.
    fn hooks_are_over(
        &mut self,
        shift: &mut ShiftStatus,
        rules: &ShiftRules,
        stage: HookStage,
        share: u32,
    ) -> bool {
        let mut over = true;
        for (nth, hook) in rules.hooks.iter().enumerate() {
            if !hook.stages.contains(&stage) {
                continue;
            }
            let known = |run: &HookRun| (run.stage, run.nth, run.share) == (stage, nth, share);
            if !shift.hooks.iter().any(known) {
                let primary = &self.status.deployments[0];
                shift.hooks.push(HookRun {
                    id: hook_id(&primary.service_deployment, stage, nth, share),
                    stage,
                    nth,
                    share,
                    expires_at: self.now + minutes(hook.timeout_minutes),
                    timeout_action: hook.timeout_action,
                    ended: None,
                });
            }
            for run in shift.hooks.iter_mut().filter(|run| known(run)) {
                over &= self.hook_continues(run);
            }
        }
        over
    }

    fn hook_continues(&mut self, run: &mut HookRun) -> bool {
        if run.ended.is_none() {
            let primary = self.status.deployments[0].service_deployment.clone();
            let answers = self.record(&primary).map(|record| record.answers.clone());
            let answers = answers.unwrap_or_default();
            let answer = answers.into_iter().find(|answer| answer.hook_id == run.id);
            run.ended = match answer {
                Some(answer) => Some(HookEnd::Answered(answer.action)),
                None if run.expires_at <= self.now => Some(HookEnd::TimedOut),
                None => None,
            };
            self.wake(run.expires_at);
        }
        match run.ended {
            Some(HookEnd::Answered(action)) => action == HookAction::Continue,
            Some(HookEnd::TimedOut) => run.timeout_action == HookAction::Continue,
            None => false,
        }
    }

    /// Traffic goes back first.
    fn way_back(&mut self, primary: &Deployment) -> Course {
        let id = primary.service_deployment.clone();
        let Some(record) = self.record(&id) else {
            return Course::of(Tasks::Replace);
        };
        let target = record.target.clone();
        let Some(shift) = &record.status.shift else {
            return Course::of(Tasks::Replace);
        };
        let production = shift.production.is_some_and(|share| share > 0);
        let test = shift.test.is_some_and(|share| share > 0);
        if !production && !test {
            return Course::of(Tasks::Replace);
        }
        Course {
            tasks: Tasks::Wait,
            traffic: Some(Traffic {
                record: id,
                revision: target,
                alternate: !primary.alternate,
                production: production.then_some(0),
                test: test.then_some(0),
                back: true,
            }),
        }
    }

    /// Why the shift cannot go on, if so.
    pub(super) fn shift_failed(&mut self) -> Option<ShiftFailure> {
        let primary = self.status.deployments[0].service_deployment.clone();
        let shift = self.record(&primary)?.status.shift.clone()?;
        if let Some(refused) = shift.refused {
            return Some(ShiftFailure::Traffic(refused));
        }
        shift.hooks.iter().find_map(|run| match run.ended? {
            HookEnd::Answered(HookAction::Rollback) => Some(ShiftFailure::Answer),
            HookEnd::TimedOut if run.timeout_action == HookAction::Rollback => {
                Some(ShiftFailure::TimedOut(run.stage))
            }
            _ => None,
        })
    }
}

/// Why a deployment that shifts traffic goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShiftFailure {
    /// A load balancer refused, in these words.
    Traffic(String),
    /// A hook was answered with ROLLBACK.
    Answer,
    /// Nobody answered a hook of this stage in time.
    TimedOut(HookStage),
}

impl ShiftFailure {
    /// The deployment's `statusReason`, where AWS has a sentence of its own for it
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html>).
    pub(super) fn reason(&self) -> Option<String> {
        let back = "Service deployment rolled back because";
        match self {
            ShiftFailure::Traffic(refused) => Some(format!(
                "{back} of invalid networking configuration. {refused}"
            )),
            ShiftFailure::TimedOut(stage) => {
                Some(format!("{back} {} pause hook timed out.", stage.as_str()))
            }
            ShiftFailure::Answer => None,
        }
    }
}

/// "hookId must follow the format: ecs-{hookType}-{id}"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html>).
fn hook_id(deployment: &str, stage: HookStage, nth: usize, share: u32) -> String {
    let stage = stage.as_str().to_lowercase().replace('_', "");
    format!("ecs-pause-{deployment}-{stage}-{nth}-{share}")
}

fn minutes(n: u32) -> Duration {
    Duration::from_secs(60 * u64::from(n))
}
