//! What agents say to ECS. Our nodes do not speak through here: they report what they observe to
//! the control plane directly, and nothing a caller submits changes what a task is seen as.

use super::active_cluster;
use crate::model::{Cluster, Task};
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The submission was read.
const ACKNOWLEDGMENT: &str = "ACK";

pub async fn submit_task_state_change(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::SubmitTaskStateChangeInput,
) -> Result<api::SubmitTaskStateChangeOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    exists(&cx, &cluster, input.task.as_deref()).await?;
    Ok(api::SubmitTaskStateChangeOutput {
        acknowledgment: Some(ACKNOWLEDGMENT.into()),
    })
}

pub async fn submit_container_state_change(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::SubmitContainerStateChangeInput,
) -> Result<api::SubmitContainerStateChangeOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    exists(&cx, &cluster, input.task.as_deref()).await?;
    Ok(api::SubmitContainerStateChangeOutput {
        acknowledgment: Some(ACKNOWLEDGMENT.into()),
    })
}

pub async fn submit_attachment_state_changes(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::SubmitAttachmentStateChangesInput,
) -> Result<api::SubmitAttachmentStateChangesOutput, AwsError> {
    active_cluster(&cx, input.cluster.as_deref()).await?;
    if input.attachments.is_empty() {
        return Err(error::invalid_parameter("attachments cannot be empty."));
    }
    Ok(api::SubmitAttachmentStateChangesOutput {
        acknowledgment: Some(ACKNOWLEDGMENT.into()),
    })
}

/// # Errors
/// `InvalidParameterException` for a task that does not.
async fn exists(cx: &Ctx, cluster: &Cluster, task: Option<&str>) -> Result<(), AwsError> {
    let named = task.filter(|t| !t.is_empty());
    let named = named.ok_or_else(|| error::invalid_parameter("Task cannot be empty."))?;
    let id = reference::task(&cx.scope, &cluster.name, named)?;
    let id = Task::id(&cluster.name, &id);
    let found = cx.db().get::<Task>(&cx.scope, &id).await?;
    found.map(|_| ()).ok_or_else(error::task_not_found)
}

/// This very endpoint.
pub async fn discover_poll_endpoint(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DiscoverPollEndpointInput,
) -> Result<api::DiscoverPollEndpointOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    if let Some(named) = input
        .container_instance
        .as_deref()
        .filter(|i| !i.is_empty())
    {
        let id = reference::container_instance(&cx.scope, &cluster.name, named)?;
        let found = super::instances::find(&cx, &cluster, &id).await?;
        found.ok_or_else(error::container_instance_not_found)?;
    }
    let endpoint = format!("http://{}/", cx.house.settings.registry_endpoint);
    Ok(api::DiscoverPollEndpointOutput {
        endpoint: Some(endpoint.clone()),
        telemetry_endpoint: Some(endpoint.clone()),
        service_connect_endpoint: Some(endpoint),
    })
}
