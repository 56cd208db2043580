//! Service deployments and service revisions
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html>).

use super::{find, show_deployment};
use crate::api::page_size;
use crate::fleet::ServiceId;
use crate::model::{
    HookAction, HookAnswer, Service, ServiceDeployment, ServiceRevision, State, Stop,
};
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, Resource, Stored, page};
use std::sync::Arc;

/// The most that one call describes.
const MAX_ARNS: usize = 20;

/// The service and the id of `service-deployment/<cluster>/<service>/<id>` in this account and
/// region.
fn parse(cx: &Ctx, arn: &str, kind: &str) -> Option<(ServiceId, String)> {
    let parsed: Arn = arn.parse().ok()?;
    let here = parsed.service == "ecs"
        && parsed.region == cx.scope.region.as_str()
        && parsed.account == cx.scope.account.as_str();
    let mut parts = parsed.resource.split('/');
    let (of, cluster, service, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let whole = here && of == kind && parts.next().is_none();
    whole.then(|| (ServiceId::new(&cx.scope, cluster, service), id.to_owned()))
}

async fn get<T: Resource>(
    cx: &Ctx,
    arn: &str,
    kind: &str,
) -> Result<Option<(ServiceId, Stored<T>)>, AwsError> {
    let (service, id) =
        parse(cx, arn, kind).ok_or_else(|| error::invalid_parameter("Invalid ARN"))?;
    let found = cx.db().get_key::<T>(&service.key::<T>(&id)).await?;
    Ok(found.map(|found| (service, found)))
}

fn check_arns(arns: &[String], what: &str) -> Result<(), AwsError> {
    if arns.is_empty() {
        return Err(error::invalid_parameter(format!("{what} cannot be empty.")));
    }
    if arns.len() > MAX_ARNS {
        return Err(error::invalid_parameter(format!(
            "{what} can have at most {MAX_ARNS} items."
        )));
    }
    Ok(())
}

fn missing(arn: &str) -> api::Failure {
    api::Failure {
        arn: Some(arn.to_owned()),
        reason: Some("MISSING".into()),
        ..Default::default()
    }
}

/// At most 20; unknown ones come back as failures.
pub async fn describe_service_deployments(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeServiceDeploymentsInput,
) -> Result<api::DescribeServiceDeploymentsOutput, AwsError> {
    check_arns(&input.service_deployment_arns, "serviceDeploymentArns")?;
    ecs.fleet.current(cx.db()).await?;
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for arn in &input.service_deployment_arns {
        match get::<ServiceDeployment>(&cx, arn, "service-deployment").await? {
            None => failures.push(missing(arn)),
            Some((id, record)) => {
                let service = cx.db().get_key::<Service>(&id.store_key()).await?;
                let service = service.as_ref().map(|s| &s.value);
                shown.push(show_deployment::record(&ecs, &id, &record, service));
            }
        }
    }
    Ok(api::DescribeServiceDeploymentsOutput {
        service_deployments: Some(shown),
        failures: Some(failures),
    })
}

/// At most 20 of one service that is not `INACTIVE`; unknown ones come back as failures.
pub async fn describe_service_revisions(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeServiceRevisionsInput,
) -> Result<api::DescribeServiceRevisionsOutput, AwsError> {
    let arns = &input.service_revision_arns;
    check_revisions(&cx, arns).await?;
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for arn in arns {
        match get::<ServiceRevision>(&cx, arn, "service-revision").await? {
            None => failures.push(missing(arn)),
            Some((_, revision)) => shown.push(show_deployment::revision(&revision)),
        }
    }
    Ok(api::DescribeServiceRevisionsOutput {
        service_revisions: Some(shown),
        failures: Some(failures),
    })
}

/// What can be described together.
async fn check_revisions(cx: &Ctx, arns: &[String]) -> Result<(), AwsError> {
    let refuse = |why: &str| Err(error::invalid_parameter(why));
    if arns.is_empty() {
        return refuse("The Service ARN provided is invalid.");
    }
    if arns.len() > MAX_ARNS {
        return refuse("Service Revision ARN count cannot exceed 20");
    }
    let of = arns.iter().map(|arn| parse(cx, arn, "service-revision"));
    let Some(of) = of.collect::<Option<Vec<_>>>() else {
        return refuse("The ServiceRevision ARN is invalid.");
    };
    let (id, _) = &of[0];
    if of.iter().any(|(other, _)| other != id) {
        return refuse(
            "Cross service requests are not allowed. All requested service revisions must be for a single service",
        );
    }
    let service = cx.db().get_key::<Service>(&id.store_key()).await?;
    let service = service.ok_or_else(error::service_not_found)?;
    if service.state() == State::Inactive {
        return refuse("Cannot call DescribeServiceRevisions for a service that is INACTIVE");
    }
    Ok(())
}

/// The newest first.
pub async fn list_service_deployments(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListServiceDeploymentsInput,
) -> Result<api::ListServiceDeploymentsOutput, AwsError> {
    let (id, service) = find(&cx, input.cluster.as_deref(), &input.service).await?;
    service.ok_or_else(error::service_not_found)?;
    let prefix = id.key::<ServiceDeployment>("");
    let mut records = cx.db().list_prefix::<ServiceDeployment>(&prefix).await?;
    let statuses = input.status.unwrap_or_default();
    let created = input.created_at.unwrap_or_default();
    records.retain(|r| {
        (statuses.is_empty() || statuses.iter().any(|s| s == r.phase().as_str()))
            && created.before.is_none_or(|t| r.created_at <= t)
            && created.after.is_none_or(|t| r.created_at >= t)
    });
    let position =
        |r: &Stored<ServiceDeployment>| format!("{:020}/{}", r.created_at.as_millis().max(0), r.id);
    records.sort_by_key(|r| std::cmp::Reverse(position(r)));
    let limit = page_size(input.max_results)?;
    let page = page::page_descending(records, input.next_token.as_deref(), limit, position)
        .map_err(|_| error::invalid_next_token())?;
    let brief = |r: Stored<ServiceDeployment>| api::ServiceDeploymentBrief {
        service_deployment_arn: Some(r.arn.clone()),
        service_arn: Some(r.service_arn.clone()),
        cluster_arn: Some(r.cluster_arn.clone()),
        started_at: r.status.started_at,
        created_at: Some(r.created_at),
        finished_at: r.status.finished_at,
        target_service_revision_arn: Some(revision_arn(&id, &r.target)),
        status: Some(r.phase().as_str().into()),
        status_reason: r.status.reason.clone(),
    };
    Ok(api::ListServiceDeploymentsOutput {
        service_deployments: Some(page.items.into_iter().map(brief).collect()),
        next_token: page.next_token,
    })
}

fn revision_arn(id: &ServiceId, revision: &str) -> String {
    let (of, name) = (&id.cluster.name, &id.name);
    let path = format!("service-revision/{of}/{name}/{revision}");
    id.cluster.scope.arn("ecs", path)
}

/// Continues a deployment that a lifecycle hook holds, or sends it back
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContinueServiceDeployment.html>).
pub async fn continue_service_deployment(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ContinueServiceDeploymentInput,
) -> Result<api::ContinueServiceDeploymentOutput, AwsError> {
    let arn = &input.service_deployment_arn;
    let found = get::<ServiceDeployment>(&cx, arn, "service-deployment").await?;
    let (_, record) = found.ok_or_else(error::service_deployment_not_found)?;
    let answer = HookAnswer {
        hook_id: input.hook_id.clone(),
        action: match input.action.as_deref() {
            Some("ROLLBACK") => HookAction::Rollback,
            _ => HookAction::Continue,
        },
    };
    let changed = cx
        .db()
        .modify::<ServiceDeployment, _>(&record.key, |record| {
            if record.phase().is_final() {
                return Err(error::service_deployment_terminal());
            }
            let shift = record.status.shift.as_ref();
            let mut hooks = shift.iter().flat_map(|shift| &shift.hooks);
            let waits = hooks.any(|run| run.id == answer.hook_id && run.ended.is_none());
            let answered = record.answers.iter().any(|a| a.hook_id == answer.hook_id);
            if !waits || answered {
                return Err(error::no_such_hook(&answer.hook_id));
            }
            record.answers.push(answer.clone());
            Ok(true)
        });
    changed
        .await?
        .ok_or_else(error::service_deployment_not_found)?;
    Ok(api::ContinueServiceDeploymentOutput {
        service_deployment_arn: Some(arn.clone()),
    })
}

/// Back to the revision before (`ROLLBACK`, the default), or just no further (`ABORT`).
pub async fn stop_service_deployment(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::StopServiceDeploymentInput,
) -> Result<api::StopServiceDeploymentOutput, AwsError> {
    let arn = &input.service_deployment_arn;
    let found = get::<ServiceDeployment>(&cx, arn, "service-deployment").await?;
    let (_, record) = found.ok_or_else(error::service_deployment_not_found)?;
    let stop = Stop {
        at: cx.now(),
        rollback: input.stop_type.as_deref() != Some("ABORT"),
    };
    let changed = cx
        .db()
        .modify::<ServiceDeployment, _>(&record.key, |record| {
            if record.phase().is_final() {
                return Err(error::service_deployment_over());
            }
            let first = record.stop.is_none();
            record.stop.get_or_insert(stop);
            Ok(first)
        });
    changed
        .await?
        .ok_or_else(error::service_deployment_not_found)?;
    Ok(api::StopServiceDeploymentOutput {
        service_deployment_arn: Some(arn.clone()),
    })
}
