//! Forgetting an `INACTIVE` service with its events, revisions and deployments: "Inactive
//! services may be cleaned up and purged from Amazon ECS record keeping"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html>).

use crate::ecs::fleet::ServiceId;
use crate::ecs::model::{Service, ServiceDeployment, ServiceEvent, ServiceRevision, TaskSet};
use neargate_service::controller::Applied;
use neargate_service::{AwsError, Committed, House, Resource, Stored};

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
