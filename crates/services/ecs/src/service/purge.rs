//! Forgetting an `INACTIVE` service with its events, revisions and deployments: "Inactive
//! services may be cleaned up and purged from Amazon ECS record keeping"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html>).

use crate::fleet::ServiceId;
use crate::model::{Service, ServiceDeployment, ServiceEvent, ServiceRevision, TaskSet};
use neargate_service::controller::Applied;
use neargate_service::{AwsError, Committed, House, Resource, Stored};
use std::collections::BTreeSet;

/// Keys deleted in one transaction.
const BATCH: usize = 100;

pub(super) async fn purge(
    house: &House,
    id: &ServiceId,
    service: &Stored<Service>,
) -> Result<Applied, AwsError> {
    all::<ServiceEvent>(house, id, service).await?;
    all::<ServiceRevision>(house, id, service).await?;
    all::<ServiceDeployment>(house, id, service).await?;
    all::<TaskSet>(house, id, service).await?;
    Ok(match house.db.tx().delete(service).commit().await? {
        Committed::At(_) => Applied::Done,
        Committed::Conflict => Applied::Conflict,
    })
}

/// The history that is kept: "the most recent 90-day history" in AWS, so many deployments here.
const HISTORY: usize = 100;

/// Forget the oldest ended deployments beyond [`HISTORY`], with the revisions they brought unless
/// something still refers to them.
pub(super) async fn trim(
    house: &House,
    id: &ServiceId,
    service: &Stored<Service>,
) -> Result<(), AwsError> {
    let prefix = id.key::<ServiceDeployment>("");
    let mut records = house.db.list_prefix::<ServiceDeployment>(&prefix).await?;
    if records.len() <= HISTORY {
        return Ok(());
    }
    records.sort_by_key(|r| std::cmp::Reverse((r.created_at, r.id.clone())));
    let old = records.split_off(HISTORY);
    let status = &service.status;
    let mut needed: BTreeSet<&String> = records
        .iter()
        .flat_map(|r| r.sources.iter().chain([&r.target]))
        .collect();
    needed.extend(status.deployments.iter().map(|d| &d.revision));
    needed.extend(status.last_completed.as_ref().map(|c| &c.revision));
    let mut tx = house.db.tx().unchanged(service);
    for record in old
        .iter()
        .filter(|r| r.status.phase.is_final())
        .take(BATCH / 2)
    {
        tx = tx.delete(record);
        if !needed.contains(&record.target) {
            tx = tx.delete_key(id.key::<ServiceRevision>(&record.target));
        }
    }
    // Somebody else wrote first: the next deployment tries again.
    let _ = tx.commit().await?;
    Ok(())
}

/// Everything of one kind, as long as the service is not made again.
async fn all<T: Resource>(
    house: &House,
    id: &ServiceId,
    service: &Stored<Service>,
) -> Result<(), AwsError> {
    let prefix = id.key::<T>("");
    loop {
        let page = house.db.store().range(&prefix, None, BATCH, None).await?;
        if page.entries.is_empty() {
            return Ok(());
        }
        let mut tx = house.db.tx().unchanged(service);
        for entry in page.entries {
            tx = tx.delete_key(entry.key);
        }
        if tx.commit().await? == Committed::Conflict {
            return Ok(());
        }
    }
}
