//! Starting the tasks of a service, batch by batch.

use super::{Journal, Template};
use crate::Ecs;
use crate::launch::{Capacity, Instances, launch_on};
use crate::model::{Cluster, ServiceRevision, Task, TaskDefinition};
use crate::plan::service::{Starting, blocked, sentence, tally};
use crate::reference;
use neargate_service::db::Tx;
use neargate_service::{AwsError, Fault, House, Stored};
use std::cell::RefCell;

/// Batches of one step: after these the service is looked at anew.
const BATCHES: usize = 8;

/// Start tasks; false when the service changed meanwhile.
///
/// # Errors
/// The store's.
pub(crate) async fn start(
    ecs: &Ecs,
    house: &House,
    journal: &mut Journal,
    starting: &Starting,
) -> Result<bool, AwsError> {
    let template = match template(house, journal, starting).await {
        Ok(template) => template,
        Err(e) => return refused(house, journal, e).await,
    };
    let mut left = capacities(ecs, journal, &template, starting);
    for _ in 0..BATCHES {
        if left.is_empty() {
            break;
        }
        let size = template.launch.batch().min(left.len());
        let batch: Vec<&Capacity> = left[..size].iter().collect();
        let written = parking_lot::Mutex::new(None);
        let with = |tx: Tx, tasks: &[Task]| {
            let ids = tasks.iter().map(|t| t.spec.assignment.task_id.as_str());
            let event = sentence::started(&journal.who, ids);
            let status = &journal.read.status;
            let (tx, service) = journal.write(house, tx, status, &[event]);
            *written.lock() = Some(service);
            tx
        };
        let launched = launch_on(ecs, house, &template.launch, &batch, &with).await;
        let launched = match launched {
            Ok(Some(launched)) => launched,
            Ok(None) => return Ok(false),
            Err(e) => return refused(house, journal, e).await,
        };
        if let (Some(first), Some(service)) = (launched.tasks.first(), written.into_inner()) {
            journal.read.revision = first.revision;
            journal.read.value = service;
        }
        if let Some(unplaced) = launched.unplaced {
            let failed = left.get(launched.tasks.len()).and_then(Capacity::provider);
            journal.providers = failed.map(str::to_owned).into_iter().collect();
            return block(house, journal, &unplaced.event).await;
        }
        left.drain(..size);
    }
    Ok(true)
}

/// Configuration that was good and is no longer: the service says so and tries again.
async fn refused(house: &House, journal: &mut Journal, e: AwsError) -> Result<bool, AwsError> {
    if e.fault == Fault::Server {
        return Err(e);
    }
    let because = format!("was unable to place a task. Reason: {}", e.message);
    block(house, journal, &because).await
}

async fn block(house: &House, journal: &mut Journal, because: &str) -> Result<bool, AwsError> {
    let name = journal.who.clone();
    let now = house.now();
    let Some((status, event)) = blocked(&journal.read.status, &name, because, now) else {
        return Ok(true);
    };
    let events: Vec<String> = event.into_iter().collect();
    journal.record(house, &status, &events).await
}

async fn template(
    house: &House,
    journal: &Journal,
    starting: &Starting,
) -> Result<Template, AwsError> {
    let scope = &journal.id.cluster.scope;
    let spec = &journal.read.spec;
    let cluster = house.db.get::<Cluster>(scope, &spec.cluster).await?;
    let cluster: Stored<Cluster> = cluster
        .filter(|c| c.active)
        .ok_or_else(crate::error::cluster_not_found)?;
    let key = journal.id.key::<ServiceRevision>(&starting.revision);
    let revision = house.db.get_key::<ServiceRevision>(&key).await?;
    let revision = revision.ok_or_else(crate::error::resource_not_found)?;
    let definition = definition(house, journal, &revision).await?;
    let deployments = &journal.read.status.deployments;
    let deployment = deployments.iter().find(|d| d.id == starting.deployment);
    let alternate = deployment.is_some_and(|d| d.alternate);
    let of = (starting.deployment.as_str(), alternate);
    let mut template = Template::of(scope, &cluster, spec, &revision, &definition, of)?;
    template.launch.locate(house).await?;
    Ok(template)
}

/// The revision's task definition: an inactive one goes on being used
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html>).
pub(super) async fn definition(
    house: &House,
    journal: &Journal,
    revision: &ServiceRevision,
) -> Result<Stored<TaskDefinition>, AwsError> {
    let scope = &journal.id.cluster.scope;
    let named = reference::task_definition(scope, &revision.task_definition)?;
    let id = TaskDefinition::id(&named.family, named.revision.unwrap_or(0));
    let found = house.db.get::<TaskDefinition>(scope, &id).await?;
    found.ok_or_else(crate::error::task_definition_not_found)
}

/// What each task to start runs on.
fn capacities(
    ecs: &Ecs,
    journal: &Journal,
    template: &Template,
    starting: &Starting,
) -> Vec<Capacity> {
    if !starting.on.is_empty() {
        let on = starting.on.iter().map(|id| {
            let mut capacity = template.launch.capacity.clone();
            if let Capacity::Instances(instances) = &mut capacity {
                *instances = Instances {
                    on: Some(id.clone()),
                    ..instances.clone()
                };
            }
            capacity
        });
        return on.collect();
    }
    let rows = ecs.fleet.rows_of_service(&journal.id);
    let by_provider = RefCell::new(std::collections::HashMap::<String, u32>::new());
    for row in tally::of(&rows, &starting.deployment).filter(|row| row.is_live()) {
        if let Some(provider) = &row.capacity_provider {
            *by_provider
                .borrow_mut()
                .entry(provider.clone())
                .or_default() += 1;
        }
    }
    let tasks = |provider: &str| by_provider.borrow().get(provider).copied().unwrap_or(0);
    template.wanted.next(starting.count, tasks, &template.rules)
}
