//! The one target of a deployment: its service, with what happened there.

use super::deployment;
use crate::model::{Deployment, Lifecycle, Side, Stage};
use crate::{CodeDeploy, error};
use neargate_api_codedeploy as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

fn id(of: &Deployment) -> String {
    let (cluster, service) = of.service();
    format!("{cluster}:{service}")
}

fn shown(cx: &Ctx, of: &Deployment) -> api::DeploymentTarget {
    let event = |event: &Lifecycle| api::LifecycleEvent {
        lifecycle_event_name: Some(event.name.clone()),
        diagnostics: None,
        start_time: event.start,
        end_time: event.end,
        status: Some(event.status.clone()),
    };
    let green_is_primary =
        matches!(of.stage, Stage::Wait | Stage::Terminate | Stage::Over) && of.weight == 100;
    let set = |side: &Side, label: &str, primary: bool, weight: u8| api::ECSTaskSet {
        identifer: Some(side.set.clone()),
        status: Some(if primary { "PRIMARY" } else { "ACTIVE" }.into()),
        traffic_weight: Some(f64::from(weight)),
        target_group: Some(api::TargetGroupInfo {
            name: Some(side.target_group_name.clone()),
        }),
        task_set_label: Some(label.into()),
        ..Default::default()
    };
    let mut sets = Vec::new();
    if !of.blue.set.is_empty() {
        sets.push(set(&of.blue, "Blue", !green_is_primary, 100 - of.weight));
    }
    if !of.green.set.is_empty() {
        sets.push(set(&of.green, "Green", green_is_primary, of.weight));
    }
    let (cluster, service) = of.service();
    api::DeploymentTarget {
        deployment_target_type: Some("ECSTarget".into()),
        ecs_target: Some(api::ECSTarget {
            deployment_id: Some(of.id.clone()),
            target_id: Some(id(of)),
            target_arn: Some(cx.arn("ecs", format!("service/{cluster}/{service}"))),
            last_updated_at: Some(of.updated_at),
            lifecycle_events: Some(of.events.iter().map(event).collect()),
            status: Some(of.status.name().into()),
            task_sets_info: Some(sets),
        }),
        ..Default::default()
    }
}

pub async fn list_deployment_targets(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ListDeploymentTargetsInput,
) -> Result<api::ListDeploymentTargetsOutput, AwsError> {
    let found = deployment(&cx, Some(&input.deployment_id)).await?;
    Ok(api::ListDeploymentTargetsOutput {
        target_ids: Some(vec![id(&found)]),
        next_token: None,
    })
}

fn no_target(target: &str) -> AwsError {
    error::named(
        "DeploymentTargetDoesNotExist",
        format!("The target {target} does not belong to the deployment"),
    )
}

pub async fn get_deployment_target(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::GetDeploymentTargetInput,
) -> Result<api::GetDeploymentTargetOutput, AwsError> {
    let found = deployment(&cx, Some(&input.deployment_id)).await?;
    if input.target_id != id(&found) {
        return Err(no_target(&input.target_id));
    }
    Ok(api::GetDeploymentTargetOutput {
        deployment_target: Some(shown(&cx, &found)),
    })
}

pub async fn batch_get_deployment_targets(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::BatchGetDeploymentTargetsInput,
) -> Result<api::BatchGetDeploymentTargetsOutput, AwsError> {
    let found = deployment(&cx, Some(&input.deployment_id)).await?;
    let own = id(&found);
    if let Some(other) = input.target_ids.iter().find(|target| **target != own) {
        return Err(no_target(other));
    }
    Ok(api::BatchGetDeploymentTargetsOutput {
        deployment_targets: Some(vec![shown(&cx, &found)]),
    })
}
