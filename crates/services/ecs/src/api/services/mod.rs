//! Services
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html>). The handlers
//! write what is asked for; [`crate::Scheduler`] makes it so.

mod create;
mod delete;
pub mod deployments;
mod list;
mod rebalancing;
mod revision;
mod rules;
mod shifting;
pub mod show;
pub mod show_deployment;
mod unbuilt;
mod update;

pub use create::create_service;
pub(super) use create::{balanced, registered};
pub use delete::delete_service;
pub use list::{describe_services, list_services, list_services_by_namespace};
pub(super) use revision::{Configuration, active_definition, digits, idempotency_token};
pub use update::update_service;

use crate::fleet::ServiceId;
use crate::model::Service;
use crate::{error, reference};
use neargate_service::{AwsError, Ctx, Stored};

/// The service a call names, whatever its state.
///
/// # Errors
/// `ClusterNotFoundException`, `InvalidParameterException`.
pub async fn find(
    cx: &Ctx,
    cluster: Option<&str>,
    named: &str,
) -> Result<(ServiceId, Option<Stored<Service>>), AwsError> {
    let cluster = super::active_cluster(cx, cluster).await?;
    let name = reference::service_name(&cx.scope, &cluster.name, named)?;
    let id = ServiceId::new(&cx.scope, &cluster.name, &name);
    let found = cx.db().get_key::<Service>(&id.store_key()).await?;
    Ok((id, found))
}

/// The active service a call wants to change.
///
/// # Errors
/// `ServiceNotFoundException`, `ServiceNotActiveException`.
pub async fn active(
    cx: &Ctx,
    cluster: Option<&str>,
    named: &str,
) -> Result<(ServiceId, Stored<Service>), AwsError> {
    let (id, found) = find(cx, cluster, named).await?;
    let service = found.ok_or_else(error::service_not_found)?;
    if service.is_active() {
        Ok((id, service))
    } else {
        Err(error::service_not_active())
    }
}
