//! Tags on everything of ECS that has them. AWS's words for what is missing or deleted are known
//! of clusters, services, tasks and task definitions; the others have `ResourceNotFoundException`.

use super::{api_tags, parse_tags};
use crate::model::{
    CapacityProvider, Cluster, ContainerInstance, Service, State, Task, TaskDefinition, TaskSet,
};
use crate::plan::capacity::FARGATE;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_base::Arn;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Ctx, Resource, db};
use std::sync::Arc;

/// Something that carries tags.
trait Tagged: Resource {
    fn tags(&mut self) -> &mut Tags;

    /// # Errors
    /// When it was deleted: its tags are out of reach.
    fn reachable(&self) -> Result<(), AwsError> {
        Ok(())
    }

    /// There is none of that name.
    fn missing() -> AwsError {
        error::resource_not_found()
    }
}

impl Tagged for Cluster {
    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn reachable(&self) -> Result<(), AwsError> {
        match self.active {
            true => Ok(()),
            false => Err(error::inactive_tagged("cluster")),
        }
    }

    fn missing() -> AwsError {
        error::missing_tagged("cluster")
    }
}

impl Tagged for TaskDefinition {
    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn missing() -> AwsError {
        error::unable_to_describe()
    }
}

impl Tagged for CapacityProvider {
    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

impl Tagged for ContainerInstance {
    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

impl Tagged for Service {
    fn tags(&mut self) -> &mut Tags {
        &mut self.spec.tags
    }

    fn reachable(&self) -> Result<(), AwsError> {
        match self.state() {
            State::Active | State::Draining => Ok(()),
            State::Inactive => Err(error::inactive_tagged("service")),
        }
    }

    fn missing() -> AwsError {
        error::missing_tagged("service")
    }
}

impl Tagged for TaskSet {
    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

impl Tagged for Task {
    fn tags(&mut self) -> &mut Tags {
        &mut self.spec.tags
    }

    fn missing() -> AwsError {
        error::missing_tagged("task")
    }
}

pub async fn tag_resource(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let new = parse_tags(Some(input.tags))?;
    edit(&cx, &input.resource_arn, |tags| {
        tags::merge(tags, &new).map_err(error::invalid_tags)?;
        Ok(true)
    })
    .await?;
    Ok(api::TagResourceOutput::default())
}

pub async fn untag_resource(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    if input.tag_keys.iter().any(|key| tags::is_reserved(key)) {
        return Err(error::invalid_tags(InvalidTags::Reserved));
    }
    edit(&cx, &input.resource_arn, |tags| {
        Ok(tags::remove(tags, &input.tag_keys))
    })
    .await?;
    Ok(api::UntagResourceOutput::default())
}

pub async fn list_tags_for_resource(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = edit(&cx, &input.resource_arn, |_| Ok(false)).await?;
    Ok(api::ListTagsForResourceOutput {
        tags: Some(api_tags(&tags)),
    })
}

/// Change (or, when `change` answers false, only read) the tags of whatever `arn` names.
async fn edit(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Tags) -> Result<bool, AwsError>,
) -> Result<Tags, AwsError> {
    let parsed: Arn = arn
        .parse()
        .map_err(|_| error::invalid_parameter("Invalid ARN"))?;
    let (kind, name) = parsed.resource_type();
    match kind {
        "cluster" => {
            let id = reference::cluster(&cx.scope, Some(arn))?;
            apply::<Cluster>(cx, &id, change).await
        }
        "task-definition" => {
            let of = reference::task_definition(&cx.scope, arn)?;
            let id = TaskDefinition::id(&of.family, of.revision.unwrap_or(0));
            apply::<TaskDefinition>(cx, &id, change).await
        }
        "task" | "service" | "container-instance" => {
            // The short forms have no cluster in them.
            let (cluster, _) = name.split_once('/').ok_or_else(error::short_arn)?;
            match kind {
                "task" => {
                    let id = reference::task(&cx.scope, cluster, arn)?;
                    apply::<Task>(cx, &Task::id(cluster, &id), change).await
                }
                "service" => {
                    let name = reference::service_name(&cx.scope, cluster, arn)?;
                    apply::<Service>(cx, &Service::key_id(cluster, &name), change).await
                }
                _ => {
                    let id = reference::container_instance(&cx.scope, cluster, arn)?;
                    let id = ContainerInstance::key_id(cluster, &id);
                    apply::<ContainerInstance>(cx, &id, change).await
                }
            }
        }
        // task-set/<cluster>/<service>/ecs-svc/<digits>
        "task-set" => {
            let path = reference::task_set(&cx.scope, arn).ok_or_else(error::resource_not_found)?;
            apply::<TaskSet>(cx, &path, change).await
        }
        "capacity-provider" => {
            let name = reference::capacity_provider(&cx.scope, arn)
                .ok_or_else(error::resource_not_found)?;
            if FARGATE.contains(&name.as_str()) {
                return Err(error::reserved_capacity_provider());
            }
            apply::<CapacityProvider>(cx, &name, change).await
        }
        _ => Err(error::invalid_parameter(
            "The specified resource ARN is not of a type that can be tagged.",
        )),
    }
}

async fn apply<T: Tagged>(
    cx: &Ctx,
    id: &str,
    change: impl Fn(&mut Tags) -> Result<bool, AwsError>,
) -> Result<Tags, AwsError> {
    let key = db::key::<T>(&cx.scope, id);
    let changed = cx
        .db()
        .modify::<T, _>(&key, |resource| {
            resource.reachable()?;
            change(resource.tags())
        })
        .await?;
    let mut resource = changed.ok_or_else(T::missing)?;
    Ok(std::mem::take(resource.value.tags()))
}
