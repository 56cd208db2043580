//! How an instance refresh goes on
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html>): old
//! instances end as far as enough healthy ones stay, and the group replaces them.

use super::Work;
use crate::model::{Group, Lifecycle, Member};
use crate::refresh::{Refresh, Status};
use crate::sentence;
use neargate_base::Timestamp;
use std::time::Duration;

/// `MinHealthyPercentage` where neither the call nor the group says it.
const MIN_HEALTHY: i32 = 90;
/// `CheckpointDelay`.
const CHECKPOINT_DELAY: i32 = 3_600;
/// How long a refresh waits for protected or standing-by instances.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The shares of the desired capacity that must and may be healthy.
fn bounds(group: &Group, refresh: &Refresh) -> (i32, i32) {
    let kept = group.kept.instance_maintenance_policy.clone();
    let kept = kept.unwrap_or_default();
    let given = |n: Option<i32>| n.filter(|n| *n >= 0);
    let min = given(refresh.preferences.min_healthy_percentage)
        .or(given(kept.min_healthy_percentage))
        .unwrap_or(MIN_HEALTHY);
    let max = given(refresh.preferences.max_healthy_percentage)
        .or(given(kept.max_healthy_percentage))
        .unwrap_or(100);
    (min, max.max(100))
}

fn share(of: u32, percent: i32) -> u32 {
    let percent = u64::try_from(percent).unwrap_or(0);
    u32::try_from(u64::from(of) * percent / 100).unwrap_or(u32::MAX)
}

fn share_rounded_up(of: u32, percent: i32) -> u32 {
    let percent = u64::try_from(percent).unwrap_or(0);
    u32::try_from((u64::from(of) * percent).div_ceil(100)).unwrap_or(u32::MAX)
}

impl Work<'_> {
    pub(super) fn refresh(&mut self) {
        let Some(mut refresh) = self.group.active_refresh().cloned() else {
            return;
        };
        if self.group.is_suspended("InstanceRefresh") {
            return;
        }
        self.go_on(&mut refresh);
        if refresh.status == Status::Successful
            && let Some(source) = refresh.source.clone()
        {
            self.group.source = source;
        }
        if let Some(kept) = self.group.active_refresh_mut() {
            *kept = refresh;
        }
    }

    fn go_on(&mut self, refresh: &mut Refresh) {
        let here = |id: &String| {
            let member = self.group.instances.get(id);
            member.is_some_and(|m| !m.state.ends() && m.state != Lifecycle::Detaching)
        };
        refresh.left.retain(here);
        match refresh.status {
            Status::Cancelling => {
                if self.is_settled(refresh) {
                    end(refresh, Status::Cancelled, self.now);
                }
                return;
            }
            Status::Pending => refresh.status = Status::InProgress,
            _ => {}
        }
        if let Some(until) = refresh.waits_until {
            if until > self.now {
                return self.wake(until);
            }
            refresh.waits_until = None;
            if refresh.status == Status::Baking {
                return end(refresh, Status::Successful, self.now);
            }
            refresh.reason = None;
        }
        if !self.is_settled(refresh) {
            return;
        }
        if self.at_checkpoint(refresh) {
            return;
        }
        self.set_aside(refresh);
        if refresh.left.is_empty() {
            return self.done(refresh);
        }
        self.replace(refresh);
    }

    /// Have all instances that were started for it come into service, and warmed up?
    fn is_settled(&mut self, refresh: &Refresh) -> bool {
        let warmup = refresh.preferences.instance_warmup.filter(|n| *n >= 0);
        let warmup = warmup.and_then(|n| u32::try_from(n).ok());
        let settings = &self.group.settings;
        let seconds = warmup
            .or(settings.warmup_seconds)
            .unwrap_or(settings.grace_seconds);
        let warmup = Duration::from_secs(u64::from(seconds));
        let mut warm_at: Option<Timestamp> = None;
        for member in self.group.instances.values() {
            match member.state {
                Lifecycle::InService => {
                    let is_new = member.since >= refresh.started_at;
                    let ready = member.in_service_at.unwrap_or(member.since) + warmup;
                    if is_new && ready > self.now {
                        warm_at = Some(warm_at.map_or(ready, |at| at.min(ready)));
                    }
                }
                Lifecycle::Standby => {}
                _ => return false,
            }
        }
        if let Some(at) = warm_at {
            self.wake(at);
            return false;
        }
        self.group.launches.is_empty() && self.group.capacity() >= self.group.desired
    }

    fn at_checkpoint(&mut self, refresh: &mut Refresh) -> bool {
        if refresh.rollback.is_some() {
            return false;
        }
        let points = refresh.preferences.checkpoint_percentages.clone();
        let Some(next) = points.and_then(|p| p.get(refresh.checkpoints).copied()) else {
            return false;
        };
        if refresh.percentage() < next || next >= 100 {
            return false;
        }
        refresh.checkpoints += 1;
        let delay = refresh.preferences.checkpoint_delay;
        let delay = u64::try_from(delay.unwrap_or(CHECKPOINT_DELAY)).unwrap_or(0);
        let until = self.now + Duration::from_secs(delay);
        refresh.waits_until = Some(until);
        refresh.reason = Some(format!(
            "The instance refresh has reached its checkpoint of {next} percent, and goes on at {until}."
        ));
        self.wake(until);
        true
    }

    /// Protected and standing-by instances are left out, taken all the same, or waited for.
    fn set_aside(&mut self, refresh: &mut Refresh) {
        let protected = refresh.preferences.scale_in_protected_instances.clone();
        let standby = refresh.preferences.standby_instances.clone();
        let ignored = |m: &Member| {
            m.protected && protected.as_deref() == Some("Ignore")
                || m.state == Lifecycle::Standby && standby.as_deref() == Some("Ignore")
        };
        let members = &self.group.instances;
        refresh
            .left
            .retain(|id| !members.get(id).is_some_and(ignored));
    }

    fn done(&mut self, refresh: &mut Refresh) {
        if refresh.rollback.is_some() {
            return end(refresh, Status::RollbackSuccessful, self.now);
        }
        let bake = refresh.preferences.bake_time.unwrap_or(0);
        let Some(bake) = u64::try_from(bake).ok().filter(|n| *n > 0) else {
            return end(refresh, Status::Successful, self.now);
        };
        let until = self.now + Duration::from_secs(bake);
        refresh.status = Status::Baking;
        refresh.waits_until = Some(until);
        self.wake(until);
    }

    /// Ends as many old instances as may be missing.
    fn replace(&mut self, refresh: &mut Refresh) {
        let (min, max) = bounds(&self.group, refresh);
        let desired = self.group.desired;
        let serving = |m: &&Member| m.state == Lifecycle::InService && m.healthy;
        let healthy = self.group.instances.values().filter(serving).count();
        let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
        let may_go = match max > 100 {
            // New ones come first.
            true => healthy.saturating_sub(desired.max(share_rounded_up(desired, min))),
            false => healthy
                .saturating_sub(share_rounded_up(desired, min))
                .max(1),
        };
        let protected = refresh.preferences.scale_in_protected_instances.as_deref();
        let standby = refresh.preferences.standby_instances.as_deref();
        let takes = |id: &&String| {
            let Some(m) = self.group.instances.get(*id) else {
                return false;
            };
            let is_free = !m.protected || protected == Some("Refresh");
            let is_awake = m.state != Lifecycle::Standby || standby == Some("Terminate");
            is_free && is_awake
        };
        let takeable: Vec<String> = refresh.left.iter().filter(takes).cloned().collect();
        if takeable.is_empty() {
            let until = refresh.started_at + PATIENCE;
            if until > self.now {
                return self.wake(until);
            }
            refresh.reason = Some(
                "The instances that are left are protected from scale in or in standby.".into(),
            );
            let status = match refresh.rollback {
                Some(_) => Status::RollbackFailed,
                None => Status::Failed,
            };
            return end(refresh, status, self.now);
        }
        let count = usize::try_from(may_go).unwrap_or(usize::MAX);
        for id in takeable.into_iter().take(count) {
            refresh.left.remove(&id);
            let why = "an instance refresh.";
            self.begin_end(&id, sentence::out_of_service(self.now, why));
        }
    }

    /// Instances that a refresh adds before it takes old ones away.
    pub(super) fn refresh_surge(&self) -> u32 {
        let Some(refresh) = self.group.active_refresh() else {
            return 0;
        };
        let goes_on = matches!(
            refresh.status,
            Status::InProgress | Status::RollbackInProgress
        );
        if !goes_on || refresh.left.is_empty() || refresh.waits_until.is_some() {
            return 0;
        }
        let (_, max) = bounds(&self.group, refresh);
        if max <= 100 {
            return 0;
        }
        let more = share(self.group.desired, max).saturating_sub(self.group.desired);
        let left = u32::try_from(refresh.left.len()).unwrap_or(u32::MAX);
        more.max(1).min(left)
    }
}

fn end(refresh: &mut Refresh, status: Status, now: Timestamp) {
    refresh.status = status;
    refresh.ended_at = Some(now);
}
