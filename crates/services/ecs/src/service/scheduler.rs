//! The service scheduler: wakes a service whenever something it depends on changes, and has one
//! step planned and applied at a time.

use super::view::Seen;
use super::{apply, is_of, prefixes_of, view};
use crate::Ecs;
use crate::fleet::{Row, ServiceId, place, service_of};
use crate::model::{ContainerInstance, Service, ServiceDeployment, Task};
use crate::plan::placement::Strategy;
use crate::plan::service::{Step, plan, replica};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::target_health::TargetGroupHealth;
use neargate_service::{AwsError, House, Resource, Stored};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A service of 10,000 tasks is looked at ten times a second at the most, one of 100 a thousand
/// times.
const REST_PER_TASK: Duration = Duration::from_micros(10);

/// Keeps services running.
#[derive(Debug)]
pub struct Scheduler {
    pub ecs: Arc<Ecs>,
    pub house: Arc<House>,
}

/// A step and what it was planned for.
pub struct Work {
    pub(super) id: ServiceId,
    pub(super) read: Stored<Service>,
    pub(super) records: Vec<Stored<ServiceDeployment>>,
    pub(super) step: Step,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.step;
        f.debug_struct("Work")
            .field("start", &step.start)
            .field("stop", &step.stop.len())
            .field("events", &step.events)
            .finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Which tasks go first: as the placement strategies say, else so that the balance stays.
    fn surplus(&self, seen: &Seen, rows: &[Arc<Row>], count: usize) -> Vec<Arc<Row>> {
        let given = seen.read.spec.placement_strategy.iter();
        let strategies: Vec<Strategy> = given
            .filter_map(|s| {
                let kind = s.0.r#type.as_deref().unwrap_or_default();
                Strategy::from_api(kind, s.0.field.as_deref()).ok()
            })
            .collect();
        if strategies.is_empty() {
            return replica::balanced(rows, count);
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.task_id.as_str()).collect();
        let cluster = &seen.view.id.cluster;
        let first = self.ecs.fleet.capacity(cluster, |capacity| {
            capacity.surplus(&ids, &strategies, count, 0)
        });
        let first: HashSet<String> = first.into_iter().collect();
        let picked = rows.iter().filter(|row| first.contains(&row.task_id));
        picked.cloned().collect()
    }
}

#[async_trait]
impl Controller for Scheduler {
    type View = Seen;
    type Action = Work;

    fn name(&self) -> &'static str {
        "ecs-service-scheduler"
    }

    fn prefixes(&self) -> Vec<String> {
        prefixes_of(&[
            Service::KIND,
            ServiceDeployment::KIND,
            Task::KIND,
            ContainerInstance::KIND,
            TargetGroupHealth::KIND,
        ])
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        self.keys_of(store_key).pop()
    }

    fn keys_of(&self, store_key: &str) -> Vec<String> {
        if is_of(store_key, TargetGroupHealth::KIND) {
            return self.ecs.balancing.services_of(store_key);
        }
        if is_of(store_key, Task::KIND) {
            // A task that the index does not have yet was started by this controller just now.
            let row = self.ecs.fleet.task(store_key);
            let service = row.and_then(|row| row.service_id());
            return service.iter().map(ServiceId::store_key).collect();
        }
        if is_of(store_key, ContainerInstance::KIND) {
            let Some((cluster, _)) = place(store_key) else {
                return Vec::new();
            };
            let services = self.ecs.fleet.services(&cluster).into_iter();
            return services
                .filter(|service| service.status.inactive_at.is_none())
                .map(|service| service.key.clone())
                .collect();
        }
        let service = service_of(store_key);
        service.iter().map(ServiceId::store_key).collect()
    }

    /// Nodes come and go, and alarms change.
    fn wakes(&self) -> BoxStream<'static, Vec<String>> {
        let changes = self.ecs.nodes.changes();
        let ecs = self.ecs.clone();
        let nodes = stream::unfold((changes, ecs), |(mut changes, ecs)| async move {
            changes.changed().await.ok()?;
            let keys = ecs.fleet.service_keys();
            Some((keys, (changes, ecs)))
        });
        let (alarms, house) = (self.ecs.alarms.clone(), self.house.clone());
        let alarms = stream::unfold((alarms, house), |(alarms, house)| async move {
            let news = alarms.news(&house).await;
            let keys = news.iter().map(ServiceId::store_key).collect();
            Some((keys, (alarms, house)))
        });
        stream::select(nodes, alarms).boxed()
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        let Some(id) = service_of(key) else {
            return Ok(None);
        };
        view::view(&self.ecs, &self.house, id).await
    }

    fn plan(&self, seen: &Self::View, now: Timestamp) -> Plan<Work> {
        let scale_in = |rows: &[Arc<Row>], count: usize| self.surplus(seen, rows, count);
        let step = plan(&seen.view, now, &scale_in);
        let (wake_at, reason) = (step.wake_at, step.reason);
        let idle = step.is_idle();
        let work = Work {
            id: seen.view.id.clone(),
            read: seen.read.clone(),
            records: seen.records.clone(),
            step,
        };
        Plan {
            actions: if idle { Vec::new() } else { vec![work] },
            wake_at,
            reason,
        }
    }

    async fn apply(&self, work: Work) -> Result<Applied, AwsError> {
        apply::apply(&self.ecs, &self.house, work).await
    }

    /// Each task's every turn wakes its service, and each look passes over all its tasks.
    fn rest(&self, seen: &Self::View) -> Duration {
        REST_PER_TASK * u32::try_from(seen.view.rows.len()).unwrap_or(u32::MAX)
    }
}
