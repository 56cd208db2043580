//! Deployments: made, continued, stopped, told of.

use super::{configs, deployment, group};
use crate::controller::{self, new_id};
use crate::model::{Deployment, Side, Stage, Status};
use crate::{CodeDeploy, appspec, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_codedeploy as api;
use neargate_service::caller::By;
use neargate_service::page;
use neargate_service::{AwsError, Caller, Committed, Ctx, db};
use neargate_wire::json::Json;
use serde_json::json;
use std::sync::Arc;

/// The largest object that is read.
const MOST_BYTES: u64 = 256 << 10;

/// The text of a revision, which the group's role reads where it is an object.
async fn text(cx: &Ctx, revision: &api::RevisionLocation, role: &str) -> Result<String, AwsError> {
    let content = match revision.revision_type.as_deref() {
        Some("AppSpecContent") => revision
            .app_spec_content
            .as_ref()
            .and_then(|c| c.content.clone()),
        Some("String") => revision.string.as_ref().and_then(|s| s.content.clone()),
        Some("S3") => match &revision.s3_location {
            Some(location) => Some(object(cx, location, role).await?),
            None => None,
        },
        Some(other) => return Err(error::not_built(&format!("revisions of type {other}:"))),
        None => None,
    };
    content.ok_or_else(|| error::named("RevisionRequired", "The revision has no AppSpec content"))
}

async fn object(cx: &Ctx, at: &api::S3Location, role: &str) -> Result<String, AwsError> {
    let invalid = |why: String| error::named("InvalidRevision", why);
    if !matches!(at.bundle_type.as_deref(), Some("YAML" | "JSON")) {
        return Err(invalid(
            "For ECS deployments, the bundle type of a revision in Amazon S3 must be YAML or JSON"
                .into(),
        ));
    }
    let input = json!({
        "Bucket": at.bucket,
        "Key": at.key,
        "VersionId": at.version,
        "IfMatch": at.e_tag,
        "Range": format!("bytes=0-{MOST_BYTES}"),
    });
    let named = ("s3", "GetObject");
    let found = Caller::call_by_name(&cx.house, &cx.scope, By::Role(role), named, input).await;
    let found = found.map_err(|why| match why.status {
        500.. => why,
        _ => invalid(format!(
            "The revision cannot be read: {} ({})",
            why.message, why.code
        )),
    })?;
    let body = found["Body"].as_str().unwrap_or_default();
    let bytes = STANDARD
        .decode(body)
        .unwrap_or_else(|_| body.as_bytes().to_vec());
    String::from_utf8(bytes).map_err(|_| invalid("The AppSpec file is not UTF-8".into()))
}

pub async fn create_deployment(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::CreateDeploymentInput,
) -> Result<api::CreateDeploymentOutput, AwsError> {
    let name = input.deployment_group_name.as_deref();
    let name = name.ok_or_else(|| {
        error::named(
            "DeploymentGroupNameRequired",
            "The deployment group name was not specified",
        )
    })?;
    loop {
        let there = group(&cx, &input.application_name, name).await?;
        let revision = input
            .revision
            .clone()
            .or(there.info.target_revision.clone());
        let revision = revision
            .ok_or_else(|| error::named("RevisionRequired", "The revision was not specified"))?;
        let role = there.info.service_role_arn.clone().unwrap_or_default();
        let spec = appspec::read(&text(&cx, &revision, &role).await?);
        let spec = spec.map_err(|why| error::named("InvalidRevision", why))?;
        super::groups::is_idle(&cx, &there).await?;
        let of_group = there.info.deployment_config_name.clone();
        let config = input.deployment_config_name.clone().or(of_group);
        let config = config.unwrap_or_default();
        let mut of = there.info.0.clone();
        if let Some(rollback) = &input.auto_rollback_configuration {
            of.auto_rollback_configuration = Some(rollback.clone());
        }
        if let Some(alarms) = &input.override_alarm_configuration {
            of.alarm_configuration = Some(alarms.clone());
        }
        let now = cx.now();
        let made = Deployment {
            id: new_id(&cx.house),
            application: input.application_name.clone(),
            group: name.to_owned(),
            routing: configs::routing(&cx, &config).await?,
            config,
            previous: of.target_revision.clone().map(Json),
            of: Json(of),
            revision: Json(revision),
            spec,
            description: input.description.clone(),
            creator: "user".into(),
            created_at: now,
            started_at: None,
            completed_at: None,
            updated_at: now,
            status: Status::Created,
            stage: Stage::Install,
            events: Vec::new(),
            blue: Side::default(),
            green: Side::default(),
            weight: 0,
            next_at: None,
            goes_on: false,
            ends_as: None,
            error: None,
            rolls_back: None,
            rolled_back_by: None,
        };
        let mut after = there.value.clone();
        after.last = Some(made.id.clone());
        let key = db::key::<Deployment>(&cx.scope, &made.id);
        let tx = cx.db().tx().create(key, &made).update(&there, &after);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::CreateDeploymentOutput {
                deployment_id: Some(made.id),
            });
        }
    }
}

fn shown(of: Deployment) -> api::DeploymentInfo {
    let count = |is: bool| Some(i64::from(is));
    let (status, stage) = (of.status, of.stage);
    let waits = matches!(stage, Stage::Wait | Stage::Terminate);
    let rollback = match (&of.rolls_back, &of.rolled_back_by) {
        (None, None) => None,
        (rolls_back, by) => Some(api::RollbackInfo {
            rollback_deployment_id: by.clone(),
            rollback_triggering_deployment_id: rolls_back.clone(),
            rollback_message: None,
        }),
    };
    let info = of.of.0;
    api::DeploymentInfo {
        application_name: Some(of.application),
        deployment_group_name: Some(of.group),
        deployment_config_name: Some(of.config),
        deployment_id: Some(of.id),
        previous_revision: of.previous.map(|r| r.0),
        revision: Some(of.revision.0),
        status: Some(status.name().into()),
        error_information: of.error.map(|(code, message)| api::ErrorInformation {
            code: Some(code),
            message: Some(message),
        }),
        create_time: Some(of.created_at),
        start_time: of.started_at,
        complete_time: of.completed_at,
        deployment_overview: Some(api::DeploymentOverview {
            pending: count(status == Status::Created),
            in_progress: count(status == Status::InProgress),
            succeeded: count(status == Status::Succeeded),
            failed: count(status == Status::Failed),
            skipped: count(status == Status::Stopped),
            ready: count(status == Status::Ready),
        }),
        description: of.description,
        creator: Some(of.creator),
        ignore_application_stop_failures: Some(false),
        auto_rollback_configuration: info.auto_rollback_configuration,
        update_outdated_instances_only: Some(false),
        rollback_info: rollback,
        deployment_style: info.deployment_style,
        instance_termination_wait_time_started: Some(waits || status == Status::Succeeded),
        blue_green_deployment_configuration: info.blue_green_deployment_configuration,
        load_balancer_info: info.load_balancer_info,
        file_exists_behavior: Some("DISALLOW".into()),
        deployment_status_messages: Some(Vec::new()),
        compute_platform: Some("ECS".into()),
        override_alarm_configuration: None,
        ..Default::default()
    }
}

pub async fn get_deployment(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::GetDeploymentInput,
) -> Result<api::GetDeploymentOutput, AwsError> {
    let found = deployment(&cx, Some(&input.deployment_id)).await?;
    Ok(api::GetDeploymentOutput {
        deployment_info: Some(shown(found.value)),
    })
}

pub async fn batch_get_deployments(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::BatchGetDeploymentsInput,
) -> Result<api::BatchGetDeploymentsOutput, AwsError> {
    let mut all = Vec::new();
    for id in &input.deployment_ids {
        all.push(shown(deployment(&cx, Some(id)).await?.value));
    }
    Ok(api::BatchGetDeploymentsOutput {
        deployments_info: Some(all),
    })
}

pub async fn list_deployments(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ListDeploymentsInput,
) -> Result<api::ListDeploymentsOutput, AwsError> {
    match (&input.application_name, &input.deployment_group_name) {
        (Some(application), Some(name)) => drop(group(&cx, application, name).await?),
        (Some(application), None) => drop(super::application(&cx, application).await?),
        (None, Some(_)) => {
            return Err(error::named(
                "ApplicationNameRequired",
                "The application name was not specified",
            ));
        }
        (None, None) => {}
    }
    let all = cx.db().list::<Deployment>(&cx.scope).await?;
    let statuses = input.include_only_statuses.unwrap_or_default();
    let range = input.create_time_range.unwrap_or_default();
    let wanted = |of: &Deployment| {
        let named = |name: &Option<String>, is: &str| name.as_ref().is_none_or(|n| n == is);
        named(&input.application_name, &of.application)
            && named(&input.deployment_group_name, &of.group)
            && input.external_id.is_none()
            && (statuses.is_empty() || statuses.iter().any(|s| s == of.status.name()))
            && range.start.is_none_or(|start| start <= of.created_at)
            && range.end.is_none_or(|end| of.created_at <= end)
    };
    let mut all: Vec<Deployment> = all.into_iter().map(|d| d.value).filter(wanted).collect();
    let order = |of: &Deployment| format!("{:020}/{}", of.created_at.as_millis(), of.id);
    all.sort_by_key(|of| std::cmp::Reverse(order(of)));
    let token = input.next_token.as_deref();
    let page = page::page_descending(all, token, super::PAGE, order);
    let page = page.map_err(|_| error::next_token())?;
    Ok(api::ListDeploymentsOutput {
        deployments: Some(page.items.into_iter().map(|of| of.id).collect()),
        next_token: page.next_token,
    })
}

pub async fn continue_deployment(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ContinueDeploymentInput,
) -> Result<api::ops::ContinueDeploymentOutput, AwsError> {
    let terminates = match input.deployment_wait_type.as_deref() {
        None | Some("READY_WAIT") => false,
        Some("TERMINATION_WAIT") => true,
        Some(_) => {
            return Err(error::named(
                "InvalidDeploymentWaitType",
                "The wait type is invalid",
            ));
        }
    };
    let id = input.deployment_id.as_deref();
    loop {
        let before = deployment(&cx, id).await?;
        if before.status.is_over() {
            return Err(error::completed(&before.id));
        }
        let waits = if terminates {
            matches!(before.stage, Stage::Wait | Stage::Terminate)
        } else {
            before.stage == Stage::Ready
        };
        if !waits {
            return Err(error::named(
                "DeploymentIsNotInReadyState",
                format!(
                    "The deployment {} is not in the state that it is to go on from",
                    before.id
                ),
            ));
        }
        let mut after = before.value.clone();
        after.goes_on = true;
        after.updated_at = cx.now();
        if let Committed::At(_) = cx.db().tx().update(&before, &after).commit().await? {
            return Ok(Default::default());
        }
    }
}

pub async fn stop_deployment(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::StopDeploymentInput,
) -> Result<api::StopDeploymentOutput, AwsError> {
    loop {
        let before = deployment(&cx, Some(&input.deployment_id)).await?;
        let mut after = before.value.clone();
        controller::stop(&mut after, cx.now())?;
        after.updated_at = cx.now();
        let tx = controller::told(
            cx.db().tx(),
            &cx.house,
            &cx.scope,
            Some(before.status),
            &after,
        );
        if let Committed::At(_) = tx.update(&before, &after).commit().await? {
            return Ok(api::StopDeploymentOutput {
                status: Some("Pending".into()),
                status_message: Some("The deployment is being stopped".into()),
            });
        }
    }
}
