//! The size of a group: what is started and what ends until there are as many as desired.

use super::{Work, places, victims};
use crate::activity::Activity;
use crate::model::{Launch, Lifecycle, Member, Place};
use crate::sentence;

/// The most that is begun in one step: a transaction, and a step of a large group, stay small.
const BATCH: u32 = 20;

impl Work<'_> {
    pub(super) fn scale(&mut self) {
        let want = self.group.desired + self.surge();
        let have = self.group.capacity();
        if have >= want {
            self.group.replacements = 0;
        }
        if have == want {
            self.group.reasons.clear();
        } else if have < want {
            self.grow(have, want);
        } else {
            self.shrink(have, want);
        }
    }

    fn grow(&mut self, have: u32, want: u32) {
        if self.group.is_suspended("Launch") {
            return;
        }
        if let Some(failing) = &self.group.failing
            && failing.until > self.now
        {
            let until = failing.until;
            return self.wake(until);
        }
        let reasons = std::mem::take(&mut self.group.reasons);
        for _ in 0..(want - have).min(BATCH) {
            let Some(place) = places::next(&self.group) else {
                return;
            };
            let cause = match self.group.replacements {
                0 => {
                    let mut sentences = reasons.clone();
                    sentences.push(sentence::started(self.now, have, want));
                    sentence::joined(&sentences)
                }
                _ => {
                    self.group.replacements -= 1;
                    sentence::replaces(self.now)
                }
            };
            self.launch(place, cause);
        }
    }

    fn launch(&mut self, place: Place, cause: String) {
        let number = self.group.next;
        let description = "Launching a new EC2 instance".to_owned();
        let activity = Activity::begin(&mut self.group, description, cause, &place, self.now);
        let launch = Launch {
            place,
            activity: activity.at("WaitingForInstanceId", 0),
            from: None,
            candidate: 0,
        };
        self.group.launches.insert(number, launch);
    }

    fn shrink(&mut self, have: u32, want: u32) {
        if self.group.is_suspended("Terminate") {
            return;
        }
        let reasons = std::mem::take(&mut self.group.reasons);
        for _ in 0..(have - want).min(BATCH) {
            let Some(id) = victims::next(&self.group, self.now) else {
                return;
            };
            let mut sentences = reasons.clone();
            sentences.push(sentence::shrunk(self.now, have, want));
            sentences.push(sentence::selected(self.now, &id));
            self.begin_end(&id, sentence::joined(&sentences));
        }
    }

    /// Instances beyond the desired capacity, for a while.
    fn surge(&self) -> u32 {
        u32::from(self.group.rebalancing) + self.refresh_surge()
    }

    /// Where one zone has two more than another, one is started in that before one of the other
    /// ends (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html>).
    pub(super) fn rebalance(&mut self) {
        let group = &self.group;
        let in_service = |m: &Member| m.state == Lifecycle::InService || !m.state.counts();
        let is_settled = group.instances.values().all(in_service) && group.launches.is_empty();
        if group.rebalancing {
            let has_more = group.capacity() > group.desired;
            if is_settled && (has_more || group.failing.is_some()) {
                self.group.rebalancing = false;
            }
            return;
        }
        let may = ["AZRebalance", "Launch", "Terminate"]
            .iter()
            .all(|process| !group.is_suspended(process));
        let is_calm = is_settled
            && group.failing.is_none()
            && group.active_refresh().is_none()
            && group.capacity() == group.desired
            && !group.instances.values().any(|m| m.state.ends());
        if !may || !is_calm {
            return;
        }
        let zones = places::by_zone(group);
        let own = group.zones();
        let least = own.iter().filter_map(|z| zones.get(z)).min().copied();
        let heavy = |m: &Member| {
            let there = zones.get(&m.place.zone).copied().unwrap_or(0);
            m.state.counts()
                && !m.protected
                && (!own.contains(&m.place.zone) || least.is_some_and(|l| there > l + 1))
        };
        let Some((_, from)) = group.instances.iter().find(|(_, m)| heavy(m)) else {
            return;
        };
        let Some(place) = places::next(group) else {
            return;
        };
        let why = format!(
            "an instance was launched to aid in balancing the group's zones: {} has more than {}.",
            from.place.zone, place.zone
        );
        self.group.rebalancing = true;
        self.launch(place, sentence::at(self.now, &why));
    }
}
