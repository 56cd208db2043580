//! Capacity providers and their Auto Scaling groups: instances of a group are its provider's; the
//! group grows and shrinks with the tasks; instances with tasks are protected, and emptied before
//! they end. What to do `plan/scaling` says.

pub(crate) mod group;
mod view;

use crate::Ecs;
use crate::model::{CapacityProvider, Cluster, ContainerInstance, InstanceStatus, Task};
use crate::plan::scaling;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::metrics::Datum;
use neargate_service::{AwsError, House, Resource, Scope};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
pub use view::Seen;

/// Many changes of a cluster cost few looks.
const REST: Duration = Duration::from_millis(250);
/// Between two heartbeats of an instance that is being emptied: a fraction of its hook's time.
const HEARTBEAT: Duration = Duration::from_secs(3_600);

/// Between two readings of a provider's reservation.
const PUBLISH: Duration = Duration::from_secs(60);

/// Scales the groups of capacity providers.
#[derive(Debug)]
pub struct Scaling {
    pub ecs: Arc<Ecs>,
    pub house: Arc<House>,
    /// What is remembered of each provider, by its key: all there are.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Since when its group is too large.
    low_since: Option<Timestamp>,
    /// When each instance that is being emptied was last spoken for.
    beats: HashMap<String, Timestamp>,
}

/// What is to be done for a provider's group.
#[derive(Debug)]
pub enum Action {
    /// A container instance, by its key, is of the provider from now on.
    Adopt {
        key: String,
        provider: String,
    },
    Mark,
    SetHook(bool),
    Protect(Vec<String>, bool),
    Resize(u32),
    /// A container instance, by its key.
    Drain(String),
    Release(String),
    Beat(String),
}

/// An action, and for whom.
#[derive(Debug)]
pub struct Of {
    provider: String,
    scope: Scope,
    group: String,
    action: Action,
}

impl Scaling {
    pub fn new(ecs: Arc<Ecs>, house: Arc<House>) -> Scaling {
        Scaling {
            ecs,
            house,
            known: Mutex::default(),
        }
    }

    /// How much of the group the tasks need, as CloudWatch has it.
    fn publish(&self, seen: &Seen, now: Timestamp) {
        if !seen.view.asked.scales {
            return;
        }
        let value = scaling::reservation(&seen.view);
        for cluster in &seen.clusters {
            let datum = Datum::new(
                "AWS/ECS/ManagedScaling",
                "CapacityProviderReservation",
                &[
                    ("CapacityProviderName", &*seen.provider),
                    ("ClusterName", &**cluster),
                ],
                "Percent",
                value,
                now,
            );
            self.house.metrics.put(&seen.scope, datum);
        }
    }
}

#[async_trait]
impl Controller for Scaling {
    type View = Seen;
    type Action = Of;

    fn name(&self) -> &'static str {
        "ecs-capacity-scaling"
    }

    fn prefixes(&self) -> Vec<String> {
        let kinds = [
            CapacityProvider::KIND,
            Cluster::KIND,
            Task::KIND,
            ContainerInstance::KIND,
            neargate_service::scaling::GROUP,
        ];
        kinds.map(|kind| format!("{kind}/")).into()
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        self.keys_of(store_key).pop()
    }

    /// A change may concern each provider of its account and region.
    fn keys_of(&self, store_key: &str) -> Vec<String> {
        if store_key.starts_with(&format!("{}/", CapacityProvider::KIND)) {
            return vec![store_key.to_owned()];
        }
        let known = self.known.lock();
        if known.is_empty() {
            return Vec::new();
        }
        let Some(scope) = Scope::of_key(store_key) else {
            return Vec::new();
        };
        let here = neargate_service::db::prefix::<CapacityProvider>(&scope);
        let keys = known.keys().filter(|key| key.starts_with(&here));
        keys.cloned().collect()
    }

    async fn view(&self, key: &str) -> Result<Option<Seen>, AwsError> {
        let provider = self.house.db.get_key::<CapacityProvider>(key).await?;
        let provider = provider.filter(|p| p.auto_scaling_group.is_some());
        let Some(provider) = provider else {
            self.known.lock().remove(key);
            return Ok(None);
        };
        // Known before anything of it is read: a change after that wakes it.
        self.known.lock().entry(key.to_owned()).or_default();
        let mut seen = view::view(&self.ecs, &self.house, &provider).await?;
        let mut known = self.known.lock();
        if !provider.active {
            known.remove(key);
            return Ok(seen);
        }
        let known = known.entry(key.to_owned()).or_default();
        let now = self.house.now();
        if let Some(seen) = &mut seen {
            self.publish(seen, now);
            seen.view.low_since = known.low_since;
            let is_low = scaling::plan(&seen.view, now).is_low;
            known.low_since = is_low.then(|| known.low_since.unwrap_or(now));
            seen.view.low_since = known.low_since;
            let emptied = seen.emptied();
            known.beats.retain(|id, _| emptied.contains(id));
            for id in emptied {
                let last = known.beats.entry(id.clone()).or_insert(now);
                if now.since(*last) >= HEARTBEAT {
                    *last = now;
                    seen.beats.push(id);
                }
            }
        }
        Ok(seen)
    }

    fn plan(&self, seen: &Seen, now: Timestamp) -> Plan<Of> {
        let mut actions = Vec::new();
        for key in &seen.foreign {
            actions.push(Action::Adopt {
                key: key.clone(),
                provider: seen.provider.clone(),
            });
        }
        if seen.unmarked {
            actions.push(Action::Mark);
        }
        if seen.wants_hook != seen.has_hook {
            actions.push(Action::SetHook(seen.wants_hook));
        }
        let plan = scaling::plan(&seen.view, now);
        if !plan.protect.is_empty() {
            actions.push(Action::Protect(plan.protect, true));
        }
        if !plan.unprotect.is_empty() {
            actions.push(Action::Protect(plan.unprotect, false));
        }
        actions.extend(plan.resize.map(Action::Resize));
        actions.extend(plan.drain.into_iter().map(Action::Drain));
        if seen.has_hook {
            actions.extend(plan.release.into_iter().map(Action::Release));
        }
        actions.extend(seen.beats.iter().cloned().map(Action::Beat));
        let of = |action| Of {
            provider: seen.provider.clone(),
            scope: seen.scope.clone(),
            group: seen.group.clone(),
            action,
        };
        let beat = (!seen.emptied().is_empty()).then(|| now + HEARTBEAT);
        let publish = seen.view.asked.scales.then(|| now + PUBLISH);
        Plan {
            actions: actions.into_iter().map(of).collect(),
            wake_at: plan.wake_at.into_iter().chain(beat).chain(publish).min(),
            reason: "a capacity provider and its group",
        }
    }

    async fn apply(&self, of: Of) -> Result<Applied, AwsError> {
        let (house, scope, name) = (&self.house, &of.scope, of.group.as_str());
        match of.action {
            Action::Adopt { key, provider } => {
                let adopt = |i: &mut ContainerInstance| {
                    let new = i.capacity_provider.as_ref() != Some(&provider);
                    if new {
                        i.capacity_provider = Some(provider.clone());
                        i.version += 1;
                    }
                    Ok(new)
                };
                house.db.modify::<ContainerInstance, _>(&key, adopt).await?;
            }
            Action::Mark => group::mark(house, scope, name).await?,
            Action::SetHook(wanted) => group::set_hook(house, scope, name, wanted).await?,
            Action::Protect(ids, protected) => {
                group::protect(house, scope, name, ids, protected).await?;
            }
            Action::Resize(count) => {
                tracing::info!(
                    provider = of.provider,
                    group = name,
                    count,
                    "managed scaling"
                );
                group::resize(house, scope, name, count).await?;
            }
            Action::Drain(key) => {
                let drain = |i: &mut ContainerInstance| {
                    let is_active = i.status == InstanceStatus::Active;
                    if is_active {
                        i.status = InstanceStatus::Draining;
                        i.version += 1;
                    }
                    Ok(is_active)
                };
                house.db.modify::<ContainerInstance, _>(&key, drain).await?;
            }
            Action::Release(id) => group::answer(house, scope, name, &id, true).await?,
            Action::Beat(id) => group::answer(house, scope, name, &id, false).await?,
        }
        Ok(Applied::Done)
    }

    fn rest(&self, _: &Seen) -> Duration {
        REST
    }
}
