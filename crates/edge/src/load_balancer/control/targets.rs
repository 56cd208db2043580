//! The targets of a load balancer: which there are, what checks find of them, and who gets requests.

use super::{Control, Event, Running, TargetId};
use crate::load_balancer::health::Health;
use crate::load_balancer::health::check::{Checked, keep_checking};
use crate::load_balancer::target::Target;
use crate::load_balancer::worker::ToWorker;
use neargate_base::time::Stopwatch;
use neargate_domain::load_balancer::{LoadBalancer, TargetHealth, TargetState};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, spawn_local};

pub(super) struct Watched {
    pub target: Arc<Target>,
    pub health: Health,
    /// It became unhealthy.
    ill_since: Option<Stopwatch>,
    checked: Option<Checked>,
    checking: Option<AbortHandle>,
}

impl Watched {
    /// Its connections go on, and are waited for as long as its group says.
    pub fn drains_unhealthy(&self, interval: Duration) -> bool {
        self.health.state == TargetState::Unhealthy
            && self
                .ill_since
                .is_some_and(|since| since.elapsed() < interval)
    }

    pub fn stop_checking(&mut self) {
        if let Some(checking) = self.checking.take() {
            checking.abort();
        }
        self.checked = None;
    }
}

impl Drop for Watched {
    /// Its requests go on, unless [`Target::gone`] was told.
    fn drop(&mut self) {
        self.stop_checking();
    }
}

impl Control {
    /// Targets that stay keep what is under way; those that are gone are cut off.
    pub(super) fn set_targets(
        &self,
        running: &mut Running,
        told: &LoadBalancer,
        known: &[TargetHealth],
    ) {
        let mut before = std::mem::take(&mut running.targets);
        for group in &told.target_groups {
            for registered in &group.targets {
                let id = (group.arn.clone(), registered.key.clone());
                let address = SocketAddrV4::new(registered.address, registered.key.port);
                let kept = before.remove(&id).filter(|kept| {
                    kept.target.address == address
                        && kept.target.zone == registered.availability_zone
                });
                let mut watched = kept.unwrap_or_else(|| {
                    let target = Target::new(
                        group.arn.clone(),
                        registered.key.clone(),
                        address,
                        registered.availability_zone.clone(),
                        self.drained.clone(),
                    );
                    Watched {
                        target: Arc::new(target),
                        health: first_health(&id, group.health_check.is_some(), known),
                        ill_since: None,
                        checked: None,
                        checking: None,
                    }
                });
                let was_draining = watched.target.is_draining();
                watched.target.set_draining(registered.draining);
                let is_checked = group.health_check.is_some();
                if is_checked == (watched.health.state == TargetState::Unavailable)
                    || (was_draining && !registered.draining)
                {
                    watched.health = Health::initial(is_checked);
                }
                running.targets.insert(id, watched);
            }
        }
        // A group that no rule names any more lets its requests end; a target that is not registered
        // any more had its time for that.
        for ((group, _), watched) in &before {
            if told.target_groups.iter().any(|told| told.arn == *group) {
                watched.target.gone.cancel();
            }
        }
        let draining = running.targets.values().map(|watched| &watched.target);
        let draining = draining.filter(|target| target.is_draining());
        let gone = before.values().map(|watched| &watched.target);
        let unused: Vec<u64> = draining.chain(gone).map(|target| target.number).collect();
        if !unused.is_empty() {
            for worker in self.workers.iter() {
                let _ = worker.send(ToWorker::Forget(unused.clone()));
            }
        }
    }

    pub(super) fn check_targets(&self, running: &mut Running, told: &LoadBalancer) {
        for group in &told.target_groups {
            for registered in &group.targets {
                let id = (group.arn.clone(), registered.key.clone());
                let place = running.place_for(registered.availability_zone.as_deref());
                let Some(watched) = running.targets.get_mut(&id) else {
                    continue;
                };
                let check = group.health_check.as_ref().filter(|_| !registered.draining);
                let (Some(check), Some(place)) = (check, place) else {
                    watched.stop_checking();
                    continue;
                };
                let checked = Checked {
                    check: check.clone(),
                    version: group.protocol_version,
                    address: registered.address,
                    port: registered.key.port,
                };
                if watched.checked.as_ref() == Some(&checked) {
                    continue;
                }
                watched.stop_checking();
                let (target, arn) = (watched.target.number, told.arn.clone());
                let found = self.found.clone();
                let tell = move |what| {
                    // Fails when everything ends only.
                    let _ = found.send(Event {
                        load_balancer: arn.clone(),
                        target,
                        found: what,
                    });
                };
                let checking = spawn_local(keep_checking(checked.clone(), place, tell));
                watched.checking = Some(checking.abort_handle());
                watched.checked = Some(checked);
            }
        }
    }

    /// Takes in how another process finds targets.
    pub(super) fn take_in_health(&mut self, found: &[TargetHealth]) {
        for running in self.running.values_mut() {
            for ((group, key), watched) in &mut running.targets {
                let mut found = found.iter();
                let own = found.find(|f| f.target_group_arn == *group && f.key == *key);
                // Draining is told with the target itself.
                if let Some(own) = own.filter(|own| {
                    !matches!(own.state, TargetState::Draining | TargetState::Drained)
                }) {
                    let own = own.clone();
                    if own.state == TargetState::Unhealthy && watched.health.state != own.state {
                        watched.target.fell_ill();
                        watched.ill_since = Some(Stopwatch::start());
                    }
                    watched.health = Health::known(own.state, own.reason, own.description);
                }
            }
            running.choose_anew();
        }
    }

    /// Takes in what a check found.
    pub(super) fn note(&mut self, event: &Event) {
        let Some(running) = self.running.get_mut(&event.load_balancer) else {
            return;
        };
        let mut targets = running.targets.values_mut();
        let Some(watched) = targets.find(|w| w.target.number == event.target) else {
            return;
        };
        let Some(checked) = &watched.checked else {
            return;
        };
        let before = watched.health.state;
        if watched.health.take_in(&event.found, &checked.check) {
            let now = watched.health.state;
            if before != now && now == TargetState::Unhealthy {
                watched.target.fell_ill();
                watched.ill_since = Some(Stopwatch::start());
            }
            let group = watched.target.group_arn.clone();
            if watched.health.state == TargetState::Healthy {
                let target = Arc::clone(&watched.target);
                running.start_slowly(&group, &target);
            }
            running.choose_anew();
        }
    }
}

impl Running {
    /// A target that became healthy starts slowly when another has its full share already.
    fn start_slowly(&self, group: &str, target: &Arc<Target>) {
        let is_slow_group = self.groups.get(group);
        if is_slow_group.is_none_or(|group| group.settings.slow_start.is_zero()) {
            return;
        }
        let others = self.targets.iter().filter(|((of, _), _)| of == group);
        let mut others = others.map(|(_, watched)| watched).filter(|watched| {
            watched.target.number != target.number && watched.health.state == TargetState::Healthy
        });
        if others.any(|other| !other.target.is_slow()) {
            target.start_slowly();
        }
    }

    /// Has requests go to those targets that health allows now.
    pub(super) fn choose_anew(&self) {
        for (arn, group) in &self.groups {
            let own = self.targets.iter().filter(|((of, _), _)| of == arn);
            let own = own.map(|(_, watched)| (Arc::clone(&watched.target), watched.health.state));
            group.set_targets(&own.collect::<Vec<_>>());
        }
    }
}

fn first_health(id: &TargetId, is_checked: bool, known: &[TargetHealth]) -> Health {
    let mut known = known.iter();
    let earlier = known.find(|k| k.target_group_arn == id.0 && k.key == id.1);
    match earlier {
        Some(earlier)
            if is_checked
                && matches!(earlier.state, TargetState::Healthy | TargetState::Unhealthy) =>
        {
            let earlier = earlier.clone();
            Health::known(earlier.state, earlier.reason, earlier.description)
        }
        _ => Health::initial(is_checked),
    }
}
