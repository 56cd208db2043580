//! What the planner sees of a service: one read of it and of its service deployments, the rest
//! from the index.

use super::{Journal, Template, start};
use crate::Ecs;
use crate::alarms::Watched;
use crate::balancing;
use crate::fleet::{Row, ServiceId};
use crate::launch::{Capacity, seats};
use crate::model::{
    AlarmWatch, Cluster, Rollout, Scheduling, Service, ServiceDeployment, ServiceRevision,
};
use crate::plan::placement::{SpreadBy, Strategy};
use crate::plan::service::{Known, Settling, View, adopted};
use neargate_service::{AwsError, House, Stored};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A view and the stored values it is of.
pub struct Seen {
    pub(super) view: View,
    pub(super) read: Stored<Service>,
    pub(super) records: Vec<Stored<ServiceDeployment>>,
}

pub(super) async fn view(
    ecs: &Ecs,
    house: &House,
    id: ServiceId,
) -> Result<Option<Seen>, AwsError> {
    let Some(read) = house.db.get_key::<Service>(&id.store_key()).await? else {
        ecs.alarms.watch(&id, None);
        return Ok(None);
    };
    ecs.fleet.current(&house.db).await?;
    let rows = ecs.fleet.rows_of_service(&id);
    let (rows, look_at) = balancing::judged(ecs, house, &id, &read, rows).await?;
    let records = records(house, &id, &read).await?;
    let draining = draining(ecs, &id, &rows);
    let daemon = read.spec.scheduling == Scheduling::Daemon;
    let mut view = View {
        busy: match daemon {
            true => busy(ecs, &id, &draining),
            false => BTreeSet::new(),
        },
        draining,
        look_at,
        settling: settling(ecs, house, &rows),
        seats: BTreeSet::new(),
        zones: BTreeSet::new(),
        alarms: ecs.alarms.watch(&id, watched(&read, &records)),
        records: records.iter().map(|r| r.value.clone()).collect(),
        rows,
        service: read.value.clone(),
        id: id.clone(),
    };
    if read.is_active() && (daemon || may_rebalance(&read, &view.rows)) {
        // A revision that cannot be read or used leaves the view without; its launch says why.
        let journal = Journal::new(id, read.clone());
        if let Some(template) = template(house, &journal).await? {
            places(ecs, &journal, &template, &mut view);
        }
    }
    Ok(Some(Seen {
        view,
        read,
        records,
    }))
}

/// The alarms to watch: those of a deployment that rolls out or bakes.
fn watched(service: &Service, records: &[Stored<ServiceDeployment>]) -> Option<Watched> {
    let alarms = service.spec.deployment.alarms.as_ref();
    let alarms = alarms.filter(|a| a.enable && service.is_active())?;
    let primary = adopted(service).into_iter().next();
    let primary = primary.filter(|d| d.rollout == Rollout::InProgress && !d.rollback)?;
    let record = records
        .iter()
        .find(|r| r.id == primary.service_deployment)?;
    let ignored = record.status.alarms == AlarmWatch::Ignored || record.status.phase.is_final();
    (!ignored).then(|| Watched {
        deployment: primary.id,
        names: alarms.names.clone(),
    })
}

/// Could tasks move between zones now? Zones are looked up only then: a service that starts
/// thousands of tasks is viewed at every report.
fn may_rebalance(service: &Service, rows: &[Arc<Row>]) -> bool {
    let primary = service.status.deployments.first();
    let completed = primary.is_some_and(|d| d.rollout == Rollout::Completed);
    let settled = || rows.iter().all(|r| !r.is_live() || r.is_well());
    service.spec.az_rebalancing
        && completed
        && (service.status.rebalanced_at.is_some() || settled())
}

/// The service deployments of the target and of the primary; before a target is taken up, all
/// that have not ended, for they end with it.
async fn records(
    house: &House,
    id: &ServiceId,
    service: &Service,
) -> Result<Vec<Stored<ServiceDeployment>>, AwsError> {
    let target = service.spec.target.as_ref();
    let taken_up = target.map(|t| &t.deployment) == service.status.adopted.as_ref();
    if !taken_up || service.spec.deleted_at.is_some() {
        let prefix = id.key::<ServiceDeployment>("");
        let mut all = house.db.list_prefix::<ServiceDeployment>(&prefix).await?;
        all.retain(|r| !r.status.phase.is_final());
        return Ok(all);
    }
    let primary = service.status.deployments.first();
    let ids: BTreeSet<&String> = target
        .map(|t| &t.service_deployment)
        .into_iter()
        .chain(primary.map(|d| &d.service_deployment))
        .collect();
    let mut records = Vec::new();
    for of in ids {
        let key = id.key::<ServiceDeployment>(of);
        records.extend(house.db.get_key::<ServiceDeployment>(&key).await?);
    }
    Ok(records)
}

/// Instances with tasks of the service that take no new ones. (An instance is there for as long as
/// it has tasks.)
pub(crate) fn draining(ecs: &Ecs, id: &ServiceId, rows: &[Arc<Row>]) -> BTreeSet<String> {
    let closed = ecs.fleet.closed_instances(&id.cluster);
    if closed.is_empty() {
        return closed;
    }
    let live = rows.iter().filter(|row| row.is_live());
    let on = live.filter_map(|row| row.container_instance.as_ref());
    on.filter(|id| closed.contains(*id)).cloned().collect()
}

/// Which of the tasks do not count as healthy yet: by the time that passed, whatever became of the
/// clock. Of a time that the clock shows twice, or no more, it knows the least age only; what was
/// seen to run for long enough does not become young by that.
pub(crate) fn settling(ecs: &Ecs, house: &House, rows: &[Arc<Row>]) -> Settling {
    let began = ecs.fleet.began();
    let known = Known {
        began_at: began.map_or(0, |began| began.at),
        up: began.map_or(Duration::ZERO, |began| began.elapsed()),
    };
    let ran = |row: &Row| {
        let told = row.running_at.map(|at| house.clock.age(at));
        let seen = row.seen_running.map(|since| since.elapsed());
        told.max(seen).unwrap_or_default()
    };
    Settling::of(rows, ecs.times.settle, known, ran)
}

/// The draining instances that have tasks of other services.
fn busy(ecs: &Ecs, id: &ServiceId, draining: &BTreeSet<String>) -> BTreeSet<String> {
    let others = |instance: &&String| {
        let rows = ecs.fleet.of_instance(&id.cluster, instance);
        rows.iter().any(|row| row.service_id().as_ref() != Some(id))
    };
    draining.iter().filter(others).cloned().collect()
}

async fn template(house: &House, journal: &Journal) -> Result<Option<Template>, AwsError> {
    let Some(primary) = adopted(&journal.read).into_iter().next() else {
        return Ok(None);
    };
    let (scope, spec) = (&journal.id.cluster.scope, &journal.read.spec);
    let cluster = house.db.get::<Cluster>(scope, &spec.cluster).await?;
    let key = journal.id.key::<ServiceRevision>(&primary.revision);
    let revision = house.db.get_key::<ServiceRevision>(&key).await?;
    let (Some(cluster), Some(revision)) = (cluster, revision) else {
        return Ok(None);
    };
    let Ok(definition) = start::definition(house, journal, &revision).await else {
        return Ok(None);
    };
    let of = (primary.id.as_str(), primary.alternate);
    let template = Template::of(scope, &cluster, spec, &revision, &definition, of);
    let Ok(mut template) = template else {
        return Ok(None);
    };
    template.launch.locate(house).await?;
    Ok(Some(template))
}

/// How many tasks a DAEMON service is to have.
///
/// # Errors
/// The store's.
pub(crate) async fn seats_of(
    ecs: &Ecs,
    house: &House,
    id: &ServiceId,
    service: &Stored<Service>,
) -> Result<usize, AwsError> {
    if !service.is_active() {
        return Ok(0);
    }
    let journal = Journal::new(id.clone(), service.clone());
    let template = template(house, &journal).await?;
    Ok(
        match template.as_ref().map(|t| (&t.launch, &t.launch.capacity)) {
            Some((launch, Capacity::Instances(instances))) => seats(ecs, launch, instances).len(),
            _ => 0,
        },
    )
}

/// Seats of a DAEMON service; zones of one whose tasks are spread over them.
fn places(ecs: &Ecs, journal: &Journal, template: &Template, view: &mut View) {
    let cluster = &journal.id.cluster;
    match &template.launch.capacity {
        Capacity::Fargate { .. } => {
            let network = template.launch.network.iter();
            view.zones = network.flat_map(|n| n.zones.values().cloned()).collect();
        }
        Capacity::Instances(instances) => {
            let seats = seats(ecs, &template.launch, instances);
            if journal.read.spec.scheduling == Scheduling::Daemon {
                view.seats = seats.into_iter().collect();
            } else if by_zone(&template.rules.strategies) {
                let on = seats.iter();
                let on = on.filter_map(|id| ecs.fleet.instance(cluster, id));
                view.zones = on
                    .filter_map(|i| Some(i.attribute("ecs.availability-zone")?.to_owned()))
                    .collect();
            }
        }
    }
}

/// The first thing that matters is the zone
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html>).
fn by_zone(strategies: &[Strategy]) -> bool {
    let zone = SpreadBy::Attribute("ecs.availability-zone".into());
    strategies.first() == Some(&Strategy::Spread(zone))
}
