//! A stored service deployment and a stored service revision as ECS shows them.

use super::rules;
use super::show::{
    counts, family, load_balancers, network, number, platform_version, registries, strategy,
};
use crate::Ecs;
use crate::fleet::ServiceId;
use crate::model::{
    ALL, AlarmWatch, DeploymentStatus, HookAction, HookEnd, Scheduling, Service, ServiceDeployment,
    ServiceRevision, ShiftStatus,
};
use crate::plan::service::tally;
use neargate_api_ecs as api;

/// A service revision; what it has none of is no member, as seen in
/// <https://docs.aws.amazon.com/cli/latest/reference/ecs/describe-service-revisions.html#examples>.
pub(in crate::api) fn revision(revision: &ServiceRevision) -> api::ServiceRevision {
    let image = |(name, image): &(String, String)| api::ContainerImage {
        container_name: Some(name.clone()),
        image: Some(image.clone()),
        ..Default::default()
    };
    api::ServiceRevision {
        service_revision_arn: Some(revision.arn.clone()),
        service_arn: Some(revision.service_arn.clone()),
        cluster_arn: Some(revision.cluster_arn.clone()),
        task_definition: Some(revision.task_definition.clone()),
        capacity_provider_strategy: strategy(revision),
        launch_type: revision.launch_type.clone(),
        platform_version: platform_version(revision),
        platform_family: family(revision),
        network_configuration: revision.network.as_ref().map(|n| network(&n.0)),
        container_images: Some(revision.images.iter().map(image).collect()),
        load_balancers: Some(load_balancers(revision)).filter(|all| !all.is_empty()),
        service_registries: Some(registries(revision)).filter(|all| !all.is_empty()),
        guard_duty_enabled: Some(false),
        volume_configurations: volumes(revision),
        service_connect_configuration: revision.connect.as_ref().map(|c| c.given.0.clone()),
        created_at: Some(revision.created_at),
        ..Default::default()
    }
}

/// A revision's share of traffic, in percent.
fn weight(
    status: &DeploymentStatus,
    target: bool,
    told: impl Fn(&ShiftStatus) -> Option<u32>,
) -> Option<f64> {
    let share = told(status.shift.as_ref()?)?;
    let share = if target { share } else { ALL - share };
    Some(f64::from(share) / 10.0)
}

/// The hooks that were come to.
fn hooks(status: &DeploymentStatus) -> Option<Vec<api::DeploymentLifecycleHookDetail>> {
    let hooks = &status.shift.as_ref()?.hooks;
    let shown = hooks.iter().map(|run| api::DeploymentLifecycleHookDetail {
        hook_id: Some(run.id.clone()),
        target_type: Some("PAUSE".into()),
        status: Some(
            match run.ended {
                None => "AWAITING_ACTION",
                Some(HookEnd::Answered(HookAction::Continue)) => "SUCCEEDED",
                Some(HookEnd::Answered(HookAction::Rollback)) => "FAILED",
                Some(HookEnd::TimedOut) => "TIMED_OUT",
            }
            .into(),
        ),
        expires_at: Some(run.expires_at),
        timeout_action: Some(run.timeout_action.as_str().into()),
        ..Default::default()
    });
    Some(shown.collect::<Vec<_>>()).filter(|shown| !shown.is_empty())
}

/// A service deployment; what it counts is live while it lasts. Without alarms only their status
/// is a member, as seen in
/// <https://docs.aws.amazon.com/cli/latest/reference/ecs/describe-service-deployments.html#examples>.
pub(super) fn record(
    ecs: &Ecs,
    id: &ServiceId,
    record: &ServiceDeployment,
    service: Option<&Service>,
) -> api::ServiceDeployment {
    let status = &record.status;
    let phase = record.phase();
    let rows = ecs.fleet.of_service(id);
    let arn = |revision: &str| {
        let (of, name) = (&id.cluster.name, &id.name);
        let path = format!("service-revision/{of}/{name}/{revision}");
        id.cluster.scope.arn("ecs", path)
    };
    let summary = |revision: &String| {
        let counted = status.counts.iter().find(|c| c.revision == *revision);
        let size = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let live = counts(rows.iter().filter(|row| {
            let link = row.service.as_ref();
            !phase.is_final() && link.is_some_and(|link| link.revision == *revision)
        }));
        let target = *revision == record.target;
        let wanted = match service.filter(|_| target && !phase.is_final()) {
            Some(service) if service.spec.scheduling == Scheduling::Replica => {
                service.spec.desired_count
            }
            Some(_) => number(live.running + live.pending),
            None => number(live.running + live.pending),
        };
        api::ServiceRevisionSummary {
            arn: Some(arn(revision)),
            requested_task_count: Some(counted.map_or(wanted, |c| size(c.requested))),
            running_task_count: Some(counted.map_or(number(live.running), |c| size(c.running))),
            pending_task_count: Some(counted.map_or(number(live.pending), |c| size(c.pending))),
            requested_production_traffic_weight: weight(status, target, |s| s.production),
            requested_test_traffic_weight: weight(status, target, |s| s.test),
        }
    };
    let breaker = record.rules.circuit_breaker.filter(|b| b.enable);
    let now = service.map(|s| s.status.deployments.as_slice());
    let now = now.and_then(|of| of.iter().find(|d| d.id == record.deployment));
    let failures = match now.filter(|_| !phase.is_final() && !status.tripped) {
        Some(deployment) => deployment.failures,
        None => status.failures,
    };
    let watch = |enabled: bool, triggered: bool| match (enabled, triggered, phase.is_final()) {
        (false, _, _) => "DISABLED",
        (_, true, _) => "TRIGGERED",
        (_, _, false) => "MONITORING",
        (_, _, true) => "MONITORING_COMPLETE",
    };
    let wanted = usize::try_from(service.map_or(0, |s| s.spec.desired_count)).unwrap_or(0);
    let alarms = record.rules.alarms.as_ref();
    let stage = status.shift.as_ref().map(|shift| shift.stage);
    api::ServiceDeployment {
        service_deployment_arn: Some(record.arn.clone()),
        service_arn: Some(record.service_arn.clone()),
        cluster_arn: Some(record.cluster_arn.clone()),
        created_at: Some(record.created_at),
        started_at: status.started_at,
        finished_at: status.finished_at,
        stopped_at: status.stopped_at,
        updated_at: status.updated_at.or(Some(record.created_at)),
        source_service_revisions: Some(record.sources.iter().map(summary).collect()),
        target_service_revision: Some(summary(&record.target)),
        status: Some(phase.as_str().into()),
        status_reason: status.reason.clone(),
        lifecycle_stage: stage.map(|stage| stage.as_str().to_owned()),
        lifecycle_hook_details: hooks(status),
        deployment_configuration: Some(rules::shown(&record.rules)),
        rollback: status.rollback.as_ref().map(|r| api::Rollback {
            reason: Some(r.reason.clone()),
            started_at: Some(r.started_at),
            service_revision_arn: Some(arn(&r.revision)),
        }),
        deployment_circuit_breaker: Some(api::ServiceDeploymentCircuitBreaker {
            status: Some(watch(breaker.is_some(), status.tripped).into()),
            failure_count: Some(i32::try_from(failures).unwrap_or(i32::MAX)),
            threshold: breaker
                .map(|b| i32::try_from(tally::threshold(&b, wanted)).unwrap_or(i32::MAX)),
        }),
        alarms: Some(api::ServiceDeploymentAlarms {
            status: Some(
                watch(
                    alarms.is_some_and(|a| a.enable) && status.alarms != AlarmWatch::Ignored,
                    !status.triggered_alarms.is_empty(),
                )
                .into(),
            ),
            alarm_names: alarms.map(|a| a.names.clone()).filter(|n| !n.is_empty()),
            triggered_alarm_names: alarms
                .filter(|a| !a.names.is_empty())
                .map(|_| status.triggered_alarms.clone()),
        }),
    }
}

/// The EBS volumes of its tasks.
pub(super) fn volumes(revision: &ServiceRevision) -> Option<Vec<api::ServiceVolumeConfiguration>> {
    let volumes = revision.volumes.iter().map(|v| v.0.clone()).collect();
    Some(volumes).filter(|all: &Vec<_>| !all.is_empty())
}
