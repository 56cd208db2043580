//! Container instances: registration, description, state
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerInstance.html>).

mod registration;
mod show;

pub use registration::register_container_instance;
pub(super) use show::Shown;

use super::{active_cluster, page_size};
use crate::fleet::ClusterId;
use crate::model::{Cluster, ContainerInstance, InstanceStatus};
use crate::plan::query::Expression;
use crate::{Ecs, error, instances, reference};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx, Stored, page};
use std::sync::Arc;

/// The most instances one call describes.
const MAX_DESCRIBED: usize = 100;
/// The most instances one call changes.
const MAX_UPDATED: usize = 10;

/// Takes an instance out of its cluster; with `force` its tasks are stopped.
pub async fn deregister_container_instance(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DeregisterContainerInstanceInput,
) -> Result<api::DeregisterContainerInstanceOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let name = &cluster.name;
    let id = reference::container_instance(&cx.scope, name, &input.container_instance)?;
    let force = input.force.unwrap_or(false);
    let gone = instances::deregister(&ecs, &cx.house, &cx.scope, name, &id, force).await?;
    Ok(api::DeregisterContainerInstanceOutput {
        container_instance: Some(Shown::with_tags().show(&ecs, &cx, &gone)),
    })
}

/// At most 100 instances; unknown ones come back as failures.
pub async fn describe_container_instances(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeContainerInstancesInput,
) -> Result<api::DescribeContainerInstancesOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    count(&input.container_instances, MAX_DESCRIBED)?;
    ecs.fleet.current(cx.db()).await?;
    let shown = Shown::of(input.include.as_deref().unwrap_or_default());
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for named in &input.container_instances {
        let id = reference::container_instance(&cx.scope, &cluster.name, named)?;
        match find(&cx, &cluster, &id).await? {
            Some(instance) => found.push(shown.show(&ecs, &cx, &instance)),
            None => failures.push(missing(&cx, &cluster, &id)),
        }
    }
    Ok(api::DescribeContainerInstancesOutput {
        container_instances: Some(found),
        failures: Some(failures),
    })
}

/// ARNs of the cluster's instances that are not `INACTIVE`, unless filtered otherwise.
pub async fn list_container_instances(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::ListContainerInstancesInput,
) -> Result<api::ListContainerInstancesOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let limit = page_size(input.max_results)?;
    let filter = match input.filter.as_deref().filter(|f| !f.is_empty()) {
        Some(filter) => Some(Expression::parse(filter).map_err(error::invalid_filter)?),
        None => None,
    };
    ecs.fleet.current(cx.db()).await?;
    let id = ClusterId::new(&cx.scope, &cluster.name);
    let status = input.status.as_deref();
    let wanted = ecs.fleet.instances(&id).into_iter().filter(|instance| {
        let of_status = match status {
            Some(status) => instance.status.as_str() == status,
            None => instance.status != InstanceStatus::Inactive,
        };
        of_status
            && filter
                .as_ref()
                .is_none_or(|f| f.selects(&show::Asked::of(&ecs, &cx, instance, f.of_tasks())))
    });
    let token = input.next_token.as_deref();
    let page = page::page(wanted, token, limit, |i| i.id.clone());
    let page = page.map_err(|_| error::invalid_next_token())?;
    let arns = page.items.iter().map(|i| i.arn.clone());
    Ok(api::ListContainerInstancesOutput {
        container_instance_arns: Some(arns.collect()),
        next_token: page.next_token,
    })
}

/// `ACTIVE` or `DRAINING`, at most ten a call. Services move their tasks away from an instance
/// that drains; stand-alone tasks go on.
pub async fn update_container_instances_state(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateContainerInstancesStateInput,
) -> Result<api::UpdateContainerInstancesStateOutput, AwsError> {
    let wanted = match input.status.as_str() {
        "ACTIVE" => InstanceStatus::Active,
        "DRAINING" => InstanceStatus::Draining,
        _ => return Err(error::instance_status()),
    };
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    count(&input.container_instances, MAX_UPDATED)?;
    let ids = input.container_instances.iter();
    let ids = ids.map(|named| reference::container_instance(&cx.scope, &cluster.name, named));
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    ecs.fleet.current(cx.db()).await?;
    let (mut changed, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        let key = ClusterId::new(&cx.scope, &cluster.name).key::<ContainerInstance>(&id);
        let instance = cx.db().modify::<ContainerInstance, _>(&key, |instance| {
            let may = matches!(
                instance.status,
                InstanceStatus::Active | InstanceStatus::Draining
            );
            if !may || instance.status == wanted {
                return Ok(false);
            }
            instance.status = wanted;
            instance.version += 1;
            Ok(true)
        });
        match instance.await? {
            Some(instance) if instance.status == wanted => {
                changed.push(Shown::with_tags().show(&ecs, &cx, &instance));
            }
            Some(instance) => failures.push(api::Failure {
                arn: Some(instance.arn.clone()),
                reason: Some("INACTIVE".into()),
                ..Default::default()
            }),
            None => failures.push(missing(&cx, &cluster, &id)),
        }
    }
    Ok(api::UpdateContainerInstancesStateOutput {
        container_instances: Some(changed),
        failures: Some(failures),
    })
}

/// Our agent is part of Neargate and comes with it: there is never another version to fetch.
pub async fn update_container_agent(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateContainerAgentInput,
) -> Result<api::UpdateContainerAgentOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let id = reference::container_instance(&cx.scope, &cluster.name, &input.container_instance)?;
    let found = find(&cx, &cluster, &id).await?;
    let instance = found
        .filter(|i| i.status != InstanceStatus::Inactive)
        .ok_or_else(error::container_instance_not_found)?;
    Err(if instance.agent_version.is_empty() {
        error::missing_agent_version()
    } else {
        error::no_agent_update()
    })
}

pub(super) async fn find(
    cx: &Ctx,
    cluster: &Cluster,
    id: &str,
) -> Result<Option<Stored<ContainerInstance>>, AwsError> {
    let key_id = ContainerInstance::key_id(&cluster.name, id);
    cx.db().get::<ContainerInstance>(&cx.scope, &key_id).await
}

pub(super) fn missing(cx: &Ctx, cluster: &Cluster, id: &str) -> api::Failure {
    let resource = format!("container-instance/{}/{id}", cluster.name);
    api::Failure {
        arn: Some(cx.arn("ecs", resource)),
        reason: Some("MISSING".into()),
        ..Default::default()
    }
}

/// # Errors
/// `InvalidParameterException` for none or more than `most`.
fn count(named: &[String], most: usize) -> Result<(), AwsError> {
    if named.is_empty() {
        Err(error::invalid_parameter(
            "Container instances cannot be empty.",
        ))
    } else if named.len() > most {
        Err(error::invalid_parameter(format!(
            "instanceIds can have at most {most} items."
        )))
    } else {
        Ok(())
    }
}
