//! Alarms and what policies make of them
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html#target-tracking-multiple-scaling-policies>).
//!
//! A target grows by the policy that asks for the most; it shrinks, if nothing lets it grow, by the
//! one that leaves the most.

use super::Work;
use crate::activity::NotScaled;
use crate::ecs::Seen;
use crate::model::{Change, Kind, Policy};
use neargate_api_application_autoscaling as api;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::scaling::adjust::{self, AdjustmentType, Step};
use std::time::Duration;

/// What a policy waits for a change to take effect where it does not say: ECS's
/// (<https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html#target-tracking-cooldown>).
const COOLDOWN: Duration = Duration::from_secs(300);

/// What an alarm and a policy ask for.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    to: u32,
    grows: bool,
    cause: String,
}

impl Work<'_> {
    pub(super) fn hear(&mut self) {
        let Some(service) = self.view.service.cloned() else {
            return;
        };
        if self.target.acting.as_ref().is_some_and(|a| !a.is_set) {
            return;
        }
        let wishes = self.wishes(&service);
        self.remember();
        let largest = |grows: bool| {
            let of = wishes.iter().filter(move |w| w.grows == grows);
            of.max_by_key(|w| w.to).cloned()
        };
        if let Some(wish) = largest(true) {
            self.grow(&service, wish);
        } else if let Some(wish) = largest(false) {
            self.shrink(&service, wish);
        }
    }

    /// What the policies ask for by the evaluations that are new.
    fn wishes(&self, service: &Seen) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for reading in self.view.readings {
            let heard = self.target.heard.get(&reading.arn);
            if heard.is_some_and(|at| *at >= reading.evaluated_at) || !reading.actions_enabled {
                continue;
            }
            for (name, policy) in &self.target.policies {
                let arn = self.target.policy_arn(self.view.scope, name, policy);
                if !reading.actions.iter().any(|action| names(action, &arn)) {
                    continue;
                }
                let to = match &policy.kind {
                    Kind::Step(asked) => self.step(service, asked, reading),
                    Kind::TargetTracking(asked) => self.track(service, policy, asked, reading),
                };
                let cause = format!(
                    "monitor alarm {} in state {} triggered policy {name}",
                    reading.name,
                    reading.state.as_str()
                );
                wishes.extend(to.map(|(to, grows)| Wish { to, grows, cause }));
            }
        }
        wishes
    }

    /// No evaluation is heard twice; those of alarms that are gone are forgotten.
    fn remember(&mut self) {
        let readings = self.view.readings.iter();
        let seen = readings.map(|r| (r.arn.clone(), r.evaluated_at));
        self.target.heard = seen.collect();
    }

    /// What a policy of steps makes of the capacity, and whether it lets it grow.
    fn step(
        &self,
        service: &Seen,
        asked: &api::StepScalingPolicyConfiguration,
        reading: &AlarmReading,
    ) -> Option<(u32, bool)> {
        let steps: Vec<Step> = asked.step_adjustments.iter().flatten().map(step).collect();
        let threshold = reading.threshold.unwrap_or(0.0);
        // An alarm that was put into its state by hand has no value: it is at its threshold.
        let value = reading.value.unwrap_or(threshold);
        let by = adjust::step(&steps, value - threshold)?;
        let kind = asked.adjustment_type.as_deref();
        let kind = kind.and_then(AdjustmentType::parse)?;
        let least = asked.min_adjustment_magnitude.unwrap_or(0);
        let to = |base| adjust::adjusted(base, kind, by, u32::try_from(least).unwrap_or(0));
        let cooldown = seconds(asked.cooldown);
        let grows = match kind {
            AdjustmentType::ExactCapacity => to(0) > service.desired,
            _ => by > 0,
        };
        match grows {
            true => Some((to(self.base_of_growth(service, cooldown)), true)),
            false => self
                .may_shrink(service, cooldown)
                .then(|| (to(service.desired), false)),
        }
    }

    /// The same for one that tracks a target.
    fn track(
        &self,
        service: &Seen,
        policy: &Policy,
        asked: &api::TargetTrackingScalingPolicyConfiguration,
        reading: &AlarmReading,
    ) -> Option<(u32, bool)> {
        let own = policy
            .alarms
            .iter()
            .find(|alarm| alarm.name == reading.name)?;
        // Without data it does nothing.
        let value = reading.value?;
        if own.is_high {
            let base = self.base_of_growth(service, seconds(asked.scale_out_cooldown));
            let to = adjust::tracked(base, value, asked.target_value);
            // Too high by however little is too high, and in proportion to nothing is nothing.
            return Some((to.max(base.saturating_add(1)), true));
        }
        let may = self.may_shrink(service, seconds(asked.scale_in_cooldown));
        let to = self.enough_for_all(service).filter(|_| may)?;
        Some((to, false))
    }

    /// What a policy counts from that lets the target grow. While it waits for what was added to take
    /// effect, that is counted as a part of what is added now: it counts from before that. Else it
    /// counts what runs, lest what cannot be started grows without end.
    fn base_of_growth(&self, service: &Seen, cooldown: Duration) -> u32 {
        match self.target.grew {
            Some(grew) if self.is_fresh(grew, cooldown) => grew.from,
            _ => service.running.min(service.desired),
        }
    }

    /// A target does not shrink while its service deploys
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html>).
    fn may_shrink(&self, service: &Seen, cooldown: Duration) -> bool {
        let is_fresh = |change| self.is_fresh(change, cooldown);
        !service.deploys && !self.target.shrank.is_some_and(is_fresh)
    }

    /// Is what was changed to take effect first?
    fn is_fresh(&self, change: Change, cooldown: Duration) -> bool {
        change
            .ended_at
            .is_none_or(|at| at + cooldown > self.view.now)
    }

    /// Several policies that track targets let it shrink only together, and to what is enough for
    /// each of them. `None`: one of them does not find that there is too much.
    fn enough_for_all(&self, service: &Seen) -> Option<u32> {
        let mut enough = 0;
        for policy in self.target.policies.values() {
            let Kind::TargetTracking(asked) = &policy.kind else {
                continue;
            };
            for low in policy.alarms.iter().filter(|alarm| !alarm.is_high) {
                let mut readings = self.view.readings.iter();
                let is_low = |r: &&AlarmReading| r.name == low.name && r.state == AlarmState::Alarm;
                let value = readings.find(is_low)?.value?;
                enough = enough.max(adjust::tracked(service.desired, value, asked.target_value));
            }
        }
        Some(enough.min(service.desired))
    }

    fn grow(&mut self, service: &Seen, wish: Wish) {
        if self.target.suspended.scale_out {
            return;
        }
        let to = wish.to.clamp(self.target.min, self.target.max);
        if to > service.desired {
            self.begin(to, wish.cause);
            self.target.shrank = None;
            self.target.grew = Some(Change {
                from: service.desired,
                ended_at: None,
            });
        } else if service.desired >= self.target.max {
            let max = Some(self.target.max);
            self.already_at("AlreadyAtMaxCapacity", wish.cause, |why| why.max = max);
        } else {
            self.already_at_desired(service, wish.cause);
        }
    }

    fn shrink(&mut self, service: &Seen, wish: Wish) {
        if self.target.suspended.scale_in {
            return;
        }
        let to = wish.to.clamp(self.target.min, self.target.max);
        if to < service.desired {
            self.begin(to, wish.cause);
            self.target.grew = None;
            self.target.shrank = Some(Change {
                from: service.desired,
                ended_at: None,
            });
        } else if service.desired <= self.target.min {
            let min = Some(self.target.min);
            self.already_at("AlreadyAtMinCapacity", wish.cause, |why| why.min = min);
        } else {
            self.already_at_desired(service, wish.cause);
        }
    }

    fn already_at_desired(&mut self, service: &Seen, cause: String) {
        let current = Some(service.desired);
        self.already_at("AlreadyAtDesiredCapacity", cause, |why| {
            why.current = current
        });
    }

    fn already_at(&mut self, code: &str, cause: String, set: impl FnOnce(&mut NotScaled)) {
        let mut why = NotScaled {
            code: code.into(),
            ..NotScaled::default()
        };
        set(&mut why);
        self.not_scaled(cause, why);
    }
}

/// Does an action name the policy? That of an own alarm also says who made it.
fn names(action: &str, policy: &str) -> bool {
    let rest = action.strip_prefix(policy);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(":createdBy/"))
}

fn seconds(given: Option<i32>) -> Duration {
    let given = given.and_then(|n| u64::try_from(n).ok());
    given.map_or(COOLDOWN, Duration::from_secs)
}

/// A step as it was asked for.
pub fn step(asked: &api::StepAdjustment) -> Step {
    Step {
        lower: asked.metric_interval_lower_bound,
        upper: asked.metric_interval_upper_bound,
        adjustment: asked.scaling_adjustment,
    }
}
