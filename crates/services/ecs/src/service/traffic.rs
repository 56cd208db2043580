//! Telling load balancers how much of the traffic a deployment's new revision is to get, and noting
//! that they were told.

use super::Journal;
use crate::balancing;
use crate::model::{ServiceDeployment, ServiceRevision};
use crate::plan::service::Traffic;
use neargate_service::{AwsError, Fault, House};
use std::sync::Arc;

/// Tells them. What they refuse is noted, too: the deployment fails of it.
///
/// # Errors
/// The store's; theirs, when it is worth another try.
pub(super) async fn tell(
    house: &Arc<House>,
    journal: &Journal,
    traffic: &Traffic,
) -> Result<(), AwsError> {
    let scope = &journal.id.cluster.scope;
    let key = journal.id.key::<ServiceRevision>(&traffic.revision);
    let revision = house.db.get_key::<ServiceRevision>(&key).await?;
    let revision = revision.ok_or_else(crate::error::resource_not_found)?;
    // The first thing that is told: all of production stays with the old revision.
    let begins = traffic.production == Some(0) && !traffic.back;
    let checked = match begins {
        true => balancing::associated(house, scope, &revision).await,
        false => Ok(()),
    };
    let told = match checked {
        Ok(()) => balancing::shift(house, scope, &revision, traffic).await,
        Err(wrong) => Err(wrong),
    };
    let refused = match told {
        Ok(()) => None,
        Err(error) if error.fault == Fault::Client && !traffic.back => Some(error.message),
        Err(error) => return Err(error),
    };
    let now = house.now();
    let key = journal.id.key::<ServiceDeployment>(&traffic.record);
    let noted = house.db.modify::<ServiceDeployment, _>(&key, |record| {
        let Some(shift) = &mut record.status.shift else {
            return Ok(false);
        };
        match &refused {
            Some(refused) => shift.refused = Some(refused.clone()),
            None => {
                shift.production = traffic.production.or(shift.production);
                shift.test = traffic.test.or(shift.test);
                shift.shifted_at = Some(now);
            }
        }
        Ok(true)
    });
    noted.await.map(drop)
}
