//! The next step of a scalable target, pure: what is under way comes on, scheduled actions happen,
//! the desired count comes within its bounds, and alarms are heard.
//!
//! Nothing is decided while ECS has not been told of what was decided before.

pub mod hear;
#[cfg(test)]
mod tests;

use crate::activity::{Activity, NotScaled};
use crate::ecs::Seen;
use crate::model::{Acting, Target};
use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmReading;
use neargate_service::Scope;
use std::time::Duration;

/// How long ECS may take to fulfil a change.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Between two looks at how far ECS is: a tenth of the time that it has taken, within these.
const PACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a step goes by.
#[derive(Debug)]
pub struct View<'a> {
    pub scope: &'a Scope,
    /// `None`: ECS has no such service any more.
    pub service: Option<&'a Seen>,
    /// What alarms say whose actions are policies of the target.
    pub readings: &'a [AlarmReading],
    pub now: Timestamp,
}

/// The target as it becomes, and its activities that are new or have changed.
#[derive(Debug)]
pub struct Step {
    pub target: Target,
    pub activities: Vec<Activity>,
    pub wake_at: Option<Timestamp>,
}

/// `id` makes ids of activities.
pub fn next(target: &Target, view: &View<'_>, id: &dyn Fn() -> String) -> Step {
    let mut work = Work {
        target: target.clone(),
        activities: Vec::new(),
        wake_at: None,
        view,
        id,
    };
    if work.target.deregistered {
        work.give_up();
    } else if work.target.acting.as_ref().is_none_or(|a| a.is_set) {
        work.come_on();
        work.run_scheduled();
        work.keep_bounds();
        work.hear();
    }
    Step {
        target: work.target,
        activities: work.activities,
        wake_at: work.wake_at,
    }
}

/// ECS took the desired count of what is under way, or refused it.
pub fn told(target: &mut Target, refused: Option<&str>, now: Timestamp) -> Option<Activity> {
    let mut acting = target.acting.take_if(|a| !a.is_set)?;
    match refused {
        None => {
            acting.is_set = true;
            acting.activity.waiting(acting.to);
            let activity = acting.activity.clone();
            target.acting = Some(acting);
            Some(activity)
        }
        Some(why) => {
            target.grew.take_if(|change| change.ended_at.is_none());
            target.shrank.take_if(|change| change.ended_at.is_none());
            Some(acting.activity.failed(acting.to, why, now))
        }
    }
}

/// A step under way.
struct Work<'a> {
    target: Target,
    activities: Vec<Activity>,
    wake_at: Option<Timestamp>,
    view: &'a View<'a>,
    id: &'a dyn Fn() -> String,
}

impl Work<'_> {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// What ECS was told of comes true, or does not.
    fn come_on(&mut self) {
        let now = self.view.now;
        let Some(acting) = self.target.acting.take() else {
            return;
        };
        let to = acting.to;
        let activity = acting.activity.clone();
        let passed = now.since(activity.started_at);
        let ended = match self.view.service {
            Some(service) if service.desired != to => activity.overridden(to, service.desired, now),
            Some(service) if service.running == to => activity.fulfilled(to, now),
            Some(_) if passed < PATIENCE => {
                self.target.acting = Some(acting);
                self.wake(now + (passed / 10).clamp(PACE.0, PACE.1));
                return;
            }
            _ => activity.unfulfilled(to, now),
        };
        self.end(ended);
    }

    /// Nobody waits any more for what is under way.
    fn give_up(&mut self) {
        if let Some(acting) = self.target.acting.take() {
            let ended = acting
                .activity
                .abandoned(acting.to, acting.is_set, self.view.now);
            self.end(ended);
        }
    }

    fn end(&mut self, activity: Activity) {
        let ended_at = activity.ended_at;
        for change in [&mut self.target.grew, &mut self.target.shrank] {
            if let Some(change) = change
                && change.ended_at.is_none()
            {
                change.ended_at = ended_at;
            }
        }
        self.activities.push(activity);
    }

    /// Sets out to change the desired count; what was under way is overridden.
    fn begin(&mut self, to: u32, cause: String) {
        let now = self.view.now;
        if let Some(acting) = self.target.acting.take() {
            let ended = acting.activity.overridden(acting.to, to, now);
            self.end(ended);
        }
        let activity = Activity::setting((self.id)(), to, cause, now);
        self.activities.push(activity.clone());
        self.target.not_scaled = None;
        self.target.acting = Some(Acting {
            activity,
            to,
            is_set: false,
        });
    }

    /// Actions whose time has come, each once, however long nobody looked. One that comes while
    /// they are suspended does not happen.
    fn run_scheduled(&mut self) {
        let now = self.view.now;
        for (name, action) in self.target.scheduled.clone() {
            if action.next_at > now {
                self.wake(action.next_at);
                continue;
            }
            if !self.target.suspended.scheduled {
                self.set_bounds(&name, action.min, action.max);
            }
            match action.after(now) {
                Some(next_at) => {
                    if let Some(kept) = self.target.scheduled.get_mut(&name) {
                        kept.next_at = next_at;
                    }
                    self.wake(next_at);
                }
                None => {
                    self.target.scheduled.remove(&name);
                }
            }
        }
    }

    fn set_bounds(&mut self, action: &str, min: Option<u32>, max: Option<u32>) {
        let target = &mut self.target;
        let new = (min.unwrap_or(target.min), max.unwrap_or(target.max));
        let refused =
            (new.0 > new.1).then_some("Maximum capacity cannot be less than minimum capacity");
        if refused.is_none() {
            (target.min, target.max) = new;
            target.bounds_set = true;
            target.not_scaled = None;
        }
        let id = (self.id)();
        let activity = Activity::bounds(id, action, (min, max), refused, self.view.now);
        self.activities.push(activity);
    }

    /// After the bounds were set, and only then: who sets a desired count beyond them by hand has it
    /// until an alarm leads to a change.
    fn keep_bounds(&mut self) {
        let Some(service) = self.view.service.filter(|_| self.target.bounds_set) else {
            return;
        };
        self.target.bounds_set = false;
        let (min, max) = (self.target.min, self.target.max);
        if service.desired < min {
            self.begin(min, format!("minimum capacity was set to {min}"));
        } else if service.desired > max {
            self.begin(max, format!("maximum capacity was set to {max}"));
        }
    }

    /// An alarm led to nothing. It may go on doing so: that is written down once.
    fn not_scaled(&mut self, cause: String, why: NotScaled) {
        if self.target.not_scaled.as_ref() == Some(&why.code) {
            return;
        }
        self.target.not_scaled = Some(why.code.clone());
        let activity = Activity::not_scaled((self.id)(), cause, why, self.view.now);
        self.activities.push(activity);
    }
}
