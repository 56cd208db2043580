//! `CreateTaskSet`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateTaskSet.html>).

use super::show::describe;
use super::{all, external};
use crate::api::services::{
    Configuration, active_definition, balanced, digits, idempotency_token, registered,
};
use crate::api::{active_cluster, parse_tags};
use crate::fleet::ServiceId;
use crate::launch::capacity::Wanted;
use crate::model::{
    Deployment, ServiceRevision, ServiceSpec, Stability, TaskSet, TaskSetStatus, TaskSetToken,
};
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Committed, Ctx, idempotency};
use neargate_wire::json::Json;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>)
const MAX_SETS: usize = 5;

/// Creates a task set, `ACTIVE`; the same call with the same token answers with what it made.
pub async fn create_task_set(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::CreateTaskSetInput,
) -> Result<api::CreateTaskSetOutput, AwsError> {
    let scale_percent = percent(input.scale.as_ref())?;
    let token = token(&input)?;
    let tags = parse_tags(input.tags.clone())?;
    loop {
        let cluster = active_cluster(&cx, Some(&input.cluster)).await?;
        let (id, service) = external(&cx, &input.cluster, &input.service).await?;
        let sets = all(&cx, &id).await?;
        if let Some(token) = &token
            && let Some(made) = sets.iter().find(|set| of_token(set, &token.token))
        {
            if made.token.as_ref() != Some(token) {
                return Err(error::task_set_not_idempotent());
            }
            let task_set = Some(describe(&ecs, &cx, &id, &service, made, true).await?);
            return Ok(api::CreateTaskSetOutput { task_set });
        }
        if sets.len() >= MAX_SETS {
            return Err(error::too_many_task_sets(sets.len()));
        }
        let definition = active_definition(&cx, &input.task_definition).await?;
        let strategy = input.capacity_provider_strategy.as_ref();
        let wanted = Wanted::of(&cluster, input.launch_type.as_deref(), strategy)?;
        let mut configuration = Configuration {
            task_definition: definition
                .definition
                .0
                .task_definition_arn
                .clone()
                .unwrap_or_default(),
            launch_type: None,
            strategy: Vec::new(),
            platform_version: input.platform_version.clone().filter(|v| !v.is_empty()),
            network: input.network_configuration.clone().map(Json),
            load_balancers: balanced(&cx, input.load_balancers.as_ref(), &definition).await?,
            volumes: Vec::new(),
            registries: registered(&cx, input.service_registries.as_ref(), &definition).await?,
            // Service Connect is of services that ECS deploys.
            connect: None,
        };
        configuration.capacity(&wanted);
        let revision = configuration
            .revision(&cx, &id, &cluster, &service.spec, &definition)
            .await?;
        let number = digits(&cx.house.rng);
        let of_service = format!("{}/{}", id.cluster.name, id.name);
        let name = format!("ecs-svc/{number}");
        let now = cx.now();
        let set = TaskSet {
            arn: cx.arn("ecs", format!("task-set/{of_service}/{name}")),
            service_arn: service.spec.arn.clone(),
            cluster_arn: service.spec.cluster_arn.clone(),
            external_id: input.external_id.clone(),
            created_at: now,
            updated_at: now,
            revision: revision.id.clone(),
            token: token.clone(),
            scale_percent,
            primary: false,
            deleted_at: None,
            tags: tags.clone(),
            status: TaskSetStatus {
                stability: Stability::Stabilizing,
                stability_at: now,
                progress: Deployment::new(&name, &revision.id, "", now),
            },
            id: name,
        };
        let tx = cx
            .db()
            .tx()
            .unchanged(&cluster)
            .update(&service, &service.value)
            .create(id.key::<ServiceRevision>(&revision.id), &revision)
            .create(id.key::<TaskSet>(&number), &set);
        if let Committed::At(_) = tx.commit().await? {
            let task_set = Some(describe(&ecs, &cx, &id, &service, &set, true).await?);
            return Ok(api::CreateTaskSetOutput { task_set });
        }
    }
}

/// The task set that CodeDeploy's services begin with: all of the service, and its primary.
pub fn primary(
    cx: &Ctx,
    id: &ServiceId,
    spec: &ServiceSpec,
    revision: &ServiceRevision,
) -> TaskSet {
    let number = digits(&cx.house.rng);
    let name = format!("ecs-svc/{number}");
    let of_service = format!("{}/{}", id.cluster.name, id.name);
    let now = spec.created_at;
    TaskSet {
        arn: cx.arn("ecs", format!("task-set/{of_service}/{name}")),
        service_arn: spec.arn.clone(),
        cluster_arn: spec.cluster_arn.clone(),
        external_id: None,
        created_at: now,
        updated_at: now,
        revision: revision.id.clone(),
        token: None,
        scale_percent: 100.0,
        primary: true,
        deleted_at: None,
        tags: Default::default(),
        status: TaskSetStatus {
            stability: Stability::Stabilizing,
            stability_at: now,
            progress: Deployment::new(&name, &revision.id, "", now),
        },
        id: name,
    }
}

fn of_token(set: &TaskSet, token: &str) -> bool {
    set.token.as_ref().is_some_and(|t| t.token == token)
}

fn token(input: &api::CreateTaskSetInput) -> Result<Option<TaskSetToken>, AwsError> {
    let token = idempotency_token(input.client_token.as_deref())?.to_owned();
    if token.is_empty() {
        return Ok(None);
    }
    let request = idempotency::digest(input);
    Ok(Some(TaskSetToken { token, request }))
}

/// 0 when not given
/// (<https://docs.aws.amazon.com/cli/latest/reference/ecs/create-task-set.html#examples>).
pub(super) fn percent(scale: Option<&api::Scale>) -> Result<f64, AwsError> {
    let Some(scale) = scale else { return Ok(0.0) };
    let value = scale.value.unwrap_or(0.0);
    if !(0.0..=100.0).contains(&value) {
        return Err(error::invalid_parameter(
            "Invalid scale: the value must be between 0.0 and 100.0.",
        ));
    }
    Ok(value)
}
