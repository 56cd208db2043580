//! A stored task set as ECS shows it. Counts are of the moment; everything else is as stored.

use super::all;
use crate::Ecs;
use crate::api::services::show_deployment as shown;
use crate::describe::api_tags;
use crate::fleet::{Counts, ServiceId};
use crate::model::{Service, ServiceRevision, TaskSet};
use crate::plan::service::tally;
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx};

pub(super) async fn describe(
    ecs: &Ecs,
    cx: &Ctx,
    id: &ServiceId,
    service: &Service,
    set: &TaskSet,
    with_tags: bool,
) -> Result<api::TaskSet, AwsError> {
    ecs.fleet.current(cx.db()).await?;
    let key = id.key::<ServiceRevision>(&set.revision);
    let revision = cx.db().get_key::<ServiceRevision>(&key).await?;
    let revision = revision.map(|r| shown::revision(&r));
    let mut counts = Counts::default();
    let rows = ecs.fleet.of_service(id);
    tally::of(&rows, &set.id).for_each(|row| counts.add(row));
    let number = |n: usize| Some(i32::try_from(n).unwrap_or(i32::MAX));
    let revision = revision.unwrap_or_default();
    Ok(api::TaskSet {
        id: Some(set.id.clone()),
        task_set_arn: Some(set.arn.clone()),
        service_arn: Some(set.service_arn.clone()),
        cluster_arn: Some(set.cluster_arn.clone()),
        external_id: set.external_id.clone(),
        status: Some(set.state().into()),
        task_definition: revision.task_definition,
        computed_desired_count: number(set.desired(service.spec.desired_count)),
        pending_count: number(counts.pending),
        running_count: number(counts.running),
        created_at: Some(set.created_at),
        updated_at: Some(set.updated_at),
        launch_type: revision.launch_type,
        capacity_provider_strategy: revision.capacity_provider_strategy,
        platform_version: revision.platform_version,
        platform_family: revision.platform_family,
        network_configuration: revision.network_configuration,
        load_balancers: Some(revision.load_balancers.unwrap_or_default()),
        service_registries: Some(revision.service_registries.unwrap_or_default()),
        scale: Some(api::Scale {
            value: Some(set.scale_percent),
            unit: Some("PERCENT".into()),
        }),
        stability_status: Some(set.status.stability.as_str().into()),
        stability_status_at: Some(set.status.stability_at),
        // No member without any, as seen in
        // <https://docs.aws.amazon.com/cli/latest/reference/ecs/create-task-set.html#examples>.
        tags: Some(api_tags(&set.tags)).filter(|tags| with_tags && !tags.is_empty()),
        ..Default::default()
    })
}

/// The task sets of a service, as `DescribeServices` lists them, and the revision of the primary:
/// "Any parameters that are updated on the primary task set in a service will transition to the
/// service".
///
/// # Errors
/// The store's.
pub async fn of_service(
    ecs: &Ecs,
    cx: &Ctx,
    id: &ServiceId,
    service: &Service,
    with_tags: bool,
) -> Result<(Vec<api::TaskSet>, Option<ServiceRevision>), AwsError> {
    let sets = all(cx, id).await?;
    let mut shown = Vec::new();
    for set in &sets {
        shown.push(describe(ecs, cx, id, service, set, with_tags).await?);
    }
    let primary = sets.iter().find(|set| set.primary);
    let revision = match primary {
        Some(set) => {
            let key = id.key::<ServiceRevision>(&set.value.revision);
            cx.db().get_key::<ServiceRevision>(&key).await?
        }
        None => None,
    };
    Ok((shown, revision.map(|r| r.value)))
}
