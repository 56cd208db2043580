//! `StartTask`: one task on each of the instances that the caller names; nothing is chosen
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StartTask.html>).

use super::run_task::Request;
use super::{active_cluster, instances};
use crate::launch::{Capacity, Failure, Instances, launch};
use crate::model::{ContainerInstance, InstanceStatus};
use crate::{Ecs, error, reference};
use crate::{clusters, describe};
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const MAX_INSTANCES: usize = 10;

pub async fn start_task(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::StartTaskInput,
) -> Result<api::StartTaskOutput, AwsError> {
    let named = input.cluster.as_deref();
    let mut cluster = clusters::active_or_default(&cx.house, &cx.scope, named).await?;
    if input.container_instances.is_empty() {
        return Err(error::invalid_parameter(
            "Container instances cannot be empty.",
        ));
    }
    if input.container_instances.len() > MAX_INSTANCES {
        return Err(error::invalid_parameter(format!(
            "instanceIds can have at most {MAX_INSTANCES} items."
        )));
    }
    let named = input.container_instances.iter();
    let ids = named.map(|named| reference::container_instance(&cx.scope, &cluster.name, named));
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    // Checked whole before anything starts, also when no instance exists.
    let as_ec2 = Request::check(&cx, &run_task(&input, LaunchType::Ec2), &cluster).await?;
    ecs.fleet.current(cx.db()).await?;
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        let found = instances::find(&cx, &cluster, &id).await?;
        let Some(instance) = found.filter(|i| i.status != InstanceStatus::Inactive) else {
            failures.push(instances::missing(&cx, &cluster, &id));
            continue;
        };
        if instance.status != InstanceStatus::Active {
            failures.push(api::Failure {
                arn: Some(instance.arn.clone()),
                reason: Some(instance.status.as_str().into()),
                detail: Some("The container instance takes no new tasks.".into()),
            });
            continue;
        }
        let mut wanted = if instance.launch_type == LaunchType::External {
            let external = run_task(&input, LaunchType::External);
            Request::check(&cx, &external, &cluster).await?.launch
        } else {
            as_ec2.launch.clone()
        };
        wanted.capacity = on(&instance);
        let launched = loop {
            wanted.cluster = cluster.clone();
            match launch(&ecs, &cx.house, &wanted, 1, &|tx, _| tx).await? {
                Some(launched) => break launched,
                None => cluster = active_cluster(&cx, input.cluster.as_deref()).await?,
            }
        };
        tasks.extend(launched.tasks.iter().map(|t| describe::started(t)));
        let failure = |f: &Failure| api::Failure {
            arn: f.arn.clone(),
            reason: Some(f.reason.clone()),
            detail: f.detail.clone(),
        };
        let unplaced = launched.unplaced.iter().flat_map(|u| &u.failures);
        failures.extend(unplaced.map(failure));
    }
    Ok(api::StartTaskOutput {
        tasks: Some(tasks),
        failures: Some(failures),
    })
}

/// The task runs on this instance or not at all; the definition's placement constraints do not
/// count.
fn on(instance: &ContainerInstance) -> Capacity {
    Capacity::Instances(Instances {
        external: instance.launch_type == LaunchType::External,
        on: Some(instance.id.clone()),
        ..Instances::default()
    })
}

/// What both operations check alike.
fn run_task(input: &api::StartTaskInput, launch_type: LaunchType) -> api::RunTaskInput {
    api::RunTaskInput {
        cluster: input.cluster.clone(),
        launch_type: Some(launch_type.as_str().into()),
        enable_ecs_managed_tags: input.enable_ecs_managed_tags,
        enable_execute_command: input.enable_execute_command,
        group: input.group.clone(),
        network_configuration: input.network_configuration.clone(),
        overrides: input.overrides.clone(),
        propagate_tags: input.propagate_tags.clone(),
        reference_id: input.reference_id.clone(),
        started_by: input.started_by.clone(),
        tags: input.tags.clone(),
        task_definition: input.task_definition.clone(),
        volume_configurations: input.volume_configurations.clone(),
        ..Default::default()
    }
}
