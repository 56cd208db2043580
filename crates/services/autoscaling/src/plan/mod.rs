//! What is to become of a group next: pure.
//!
//! A step answers the group as it should be, without any call: instances that are to be started are
//! noted under `launches`, those that are to end reach `Terminating:Proceed`, and the controller
//! carries that out once it is written. So a replay finds what was begun, and begins nothing twice.

mod health;
mod members;
mod places;
pub mod policy;
mod refresh;
mod scale;
pub mod traffic;
mod victims;

use crate::activity::Activity;
use crate::model::{Failing, Group, Lifecycle, Member, TrafficSource};
use crate::sentence;
use neargate_base::Timestamp;
use neargate_service::instance::State;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An instance as EC2 knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `None`: EC2 has forgotten it.
    pub state: Option<State>,
    pub problem: Option<String>,
}

/// The states of targets, by target group and instance, as far as they matter now.
pub type Healths = BTreeMap<String, BTreeMap<String, String>>;

impl Seen {
    pub fn is_gone(&self) -> bool {
        matches!(self.state, None | Some(State::Terminated))
    }
}

/// A step of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub group: Group,
    /// Activities that ended with it.
    pub ended: Vec<Activity>,
    /// Look again then, even if nothing changes.
    pub wake_at: Option<Timestamp>,
}

/// What the group becomes, as `seen` are its instances.
pub fn next(
    group: &Group,
    seen: &BTreeMap<String, Seen>,
    healths: &Healths,
    now: Timestamp,
) -> Step {
    let mut work = Work {
        group: group.clone(),
        ended: Vec::new(),
        wake_at: None,
        seen,
        healths,
        now,
    };
    let gone = |s: &TrafficSource| s.leaving && s.registered.is_empty();
    work.group.traffic_sources.retain(|_, source| !gone(source));
    if work.group.deleting {
        work.end_all();
    } else {
        work.run_scheduled();
        work.check_health();
        work.check_age();
        work.refresh();
    }
    work.advance_all();
    if !work.group.deleting {
        work.rebalance();
        work.scale();
    }
    Step {
        group: work.group,
        ended: work.ended,
        wake_at: work.wake_at,
    }
}

/// A step under way.
struct Work<'a> {
    group: Group,
    ended: Vec<Activity>,
    wake_at: Option<Timestamp>,
    seen: &'a BTreeMap<String, Seen>,
    healths: &'a Healths,
    now: Timestamp,
}

impl Work<'_> {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn seen(&self, id: &str) -> Seen {
        self.seen.get(id).cloned().unwrap_or(Seen {
            state: None,
            problem: None,
        })
    }

    /// Actions whose time has come, each once, however long nobody looked.
    fn run_scheduled(&mut self) {
        if self.group.is_suspended("ScheduledActions") {
            return;
        }
        for (name, action) in self.group.scheduled.clone() {
            if action.next_at > self.now {
                self.wake(action.next_at);
                continue;
            }
            let group = &mut self.group;
            let before = group.desired;
            group.min = action.min.unwrap_or(group.min);
            group.max = action.max.unwrap_or(group.max);
            let wanted = action.desired.unwrap_or(group.desired);
            group.desired = wanted.min(group.max).max(group.min);
            let (min, max, desired) = (group.min, group.max, group.desired);
            let mut sets = String::new();
            for (what, set) in [
                ("min size", action.min),
                ("max size", action.max),
                ("desired capacity", action.desired),
            ] {
                if let Some(n) = set {
                    sets.push_str(&format!("  Setting {what} to {n}."));
                }
            }
            let executed = format!("the scheduled action {name} executed.{sets}");
            group.reasons.push(sentence::at(self.now, &executed));
            let who = format!(
                "a scheduled action {}",
                sentence::constraints(min, max, desired)
            );
            let reason = sentence::resized(self.now, &who, before, desired);
            group.reasons.push(reason);
            match action.after(self.now) {
                Some(next_at) => {
                    if let Some(kept) = group.scheduled.get_mut(&name) {
                        kept.next_at = next_at;
                    }
                    self.wake(next_at);
                }
                None => {
                    group.scheduled.remove(&name);
                }
            }
        }
    }

    /// Everything goes, whatever protects or holds it.
    fn end_all(&mut self) {
        let from = self.group.capacity();
        let ids: Vec<String> = self.group.instances.keys().cloned().collect();
        for id in ids {
            let of = |m: &Member| !m.state.ends() && m.state != Lifecycle::Detaching;
            if !self.group.instances.get(&id).is_some_and(of) {
                continue;
            }
            let mut sentences = self.group.reasons.clone();
            sentences.push(sentence::shrunk(self.now, from, 0));
            sentences.push(sentence::selected(self.now, &id));
            self.begin_end(&id, sentence::joined(&sentences));
        }
    }

    /// The instance begins to end, for a reason.
    fn begin_end(&mut self, id: &str, cause: String) {
        let ended = begin_end(&mut self.group, id, cause, self.now);
        self.ended.extend(ended);
    }
}

/// Begins to end an instance; answers the activity that this cuts short.
pub fn begin_end(group: &mut Group, id: &str, cause: String, now: Timestamp) -> Option<Activity> {
    let place = group.instances.get(id)?.place.clone();
    let description = format!("Terminating EC2 instance: {id}");
    let activity = Activity::begin(group, description, cause, &place, now);
    let member = group.instances.get_mut(id)?;
    let cut = member.activity.replace(activity);
    member.state = Lifecycle::Terminating;
    member.waits.clear();
    cut.map(|a| a.ended("Cancelled", "The instance is terminated.", now))
}

/// One more launch failed: the next one waits, longer each time, and elsewhere if it can.
pub fn failed(group: &mut Group, zone: &str, now: Timestamp) {
    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(300);
    let times = group.failing.as_ref().map_or(0, |f| f.times);
    let delay = FIRST.saturating_mul(1 << times.min(10)).min(LONGEST);
    let mut zones = match &group.failing {
        Some(failing) => failing.zones.clone(),
        None => BTreeSet::new(),
    };
    zones.insert(zone.to_owned());
    // Another zone is tried at once.
    let elsewhere = group.zones().iter().any(|z| !zones.contains(z));
    if !elsewhere {
        zones.clear();
    }
    group.failing = Some(Failing {
        times: times + u32::from(!elsewhere),
        until: if elsewhere { now } else { now + delay },
        zones,
    });
}
