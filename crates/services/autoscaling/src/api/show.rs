//! Groups and their instances as callers see them.

use super::{groups, tags, text};
use crate::model::{From, Group, Member, Source, Template};
use neargate_api_autoscaling as api;
use neargate_service::Scope;

pub(super) fn group(scope: &Scope, group: &Group, with_instances: bool) -> api::AutoScalingGroup {
    let settings = &group.settings;
    let of_kind = |kind: &str| -> Vec<String> {
        let sources = group.traffic_sources.iter();
        sources
            .filter(|(_, s)| s.kind == kind && !s.leaving)
            .map(|(id, _)| id.clone())
            .collect()
    };
    let seconds = |n: u32| i32::try_from(n).ok();
    let kept = group.kept.0.clone();
    let mut shown = api::AutoScalingGroup {
        auto_scaling_group_name: text(&group.name),
        auto_scaling_group_arn: Some(group.arn(scope)),
        min_size: i32::try_from(group.min).ok(),
        max_size: i32::try_from(group.max).ok(),
        desired_capacity: i32::try_from(group.desired).ok(),
        default_cooldown: seconds(settings.cooldown_seconds),
        availability_zones: Some(group.zones()),
        load_balancer_names: Some(of_kind("elb")),
        target_group_arns: Some(of_kind("elbv2")),
        traffic_sources: Some(
            group
                .traffic_sources
                .iter()
                .filter(|(_, s)| !s.leaving)
                .map(|(id, s)| api::TrafficSourceIdentifier {
                    identifier: id.clone(),
                    r#type: text(&s.kind),
                })
                .collect(),
        ),
        health_check_type: text(&settings.health_check_type),
        health_check_grace_period: seconds(settings.grace_seconds),
        instances: with_instances.then(|| {
            let members = group.instances.iter();
            members.map(|(id, m)| instance(id, m)).collect()
        }),
        created_time: Some(group.created_at),
        suspended_processes: Some(
            group
                .suspended
                .iter()
                .map(|(name, reason)| api::SuspendedProcess {
                    process_name: text(name),
                    suspension_reason: text(reason),
                })
                .collect(),
        ),
        enabled_metrics: Some(
            group
                .metrics
                .iter()
                .map(|metric| api::EnabledMetric {
                    metric: text(metric),
                    granularity: text("1Minute"),
                })
                .collect(),
        ),
        status: group.deleting.then(|| "Delete in progress".into()),
        tags: Some(tags::shown(group)),
        termination_policies: Some(settings.termination_policies.clone()),
        new_instances_protected_from_scale_in: Some(settings.protects_new),
        max_instance_lifetime: settings.max_lifetime_seconds.and_then(seconds),
        default_instance_warmup: settings.warmup_seconds.and_then(seconds),
        deletion_protection: text(&settings.deletion_protection),
        service_linked_role_arn: kept
            .service_linked_role_arn
            .clone()
            .or_else(|| groups::default_role(scope)),
        vpc_zone_identifier: text(kept.vpc_zone_identifier.clone().unwrap_or_default()),
        availability_zone_distribution: Some(
            kept.availability_zone_distribution.clone().unwrap_or(
                api::AvailabilityZoneDistribution {
                    capacity_distribution_strategy: text("balanced-best-effort"),
                },
            ),
        ),
        availability_zone_impairment_policy: Some(
            kept.availability_zone_impairment_policy.clone().unwrap_or(
                api::AvailabilityZoneImpairmentPolicy {
                    zonal_shift_enabled: Some(false),
                    impaired_zone_health_check_behavior: text("IgnoreUnhealthy"),
                },
            ),
        ),
        capacity_reservation_specification: Some(
            kept.capacity_reservation_specification.clone().unwrap_or(
                api::CapacityReservationSpecification {
                    capacity_reservation_preference: text("default"),
                    capacity_reservation_target: None,
                },
            ),
        ),
        ..kept
    };
    match &group.source {
        Source::Configuration(name) => shown.launch_configuration_name = text(name),
        Source::Template(of) => shown.launch_template = Some(template(of)),
        Source::Mixed(policy) => shown.mixed_instances_policy = Some(policy.0.clone()),
    }
    shown
}

pub(super) fn template(of: &Template) -> api::LaunchTemplateSpecification {
    api::LaunchTemplateSpecification {
        launch_template_id: text(&of.id),
        launch_template_name: text(&of.name),
        version: of.version.clone(),
    }
}

fn health(member: &Member) -> &'static str {
    if member.healthy {
        "Healthy"
    } else {
        "Unhealthy"
    }
}

fn instance(id: &str, member: &Member) -> api::Instance {
    let (configuration, launch_template) = origin(member);
    api::Instance {
        instance_id: text(id),
        instance_type: text(&member.instance_type),
        availability_zone: text(&member.place.zone),
        lifecycle_state: text(member.state.shown()),
        health_status: text(health(member)),
        launch_configuration_name: configuration,
        launch_template,
        image_id: text(&member.image_id),
        protected_from_scale_in: Some(member.protected),
        ..Default::default()
    }
}

/// Here health is written in capitals, as AWS does it.
pub(super) fn details(group: &Group, id: &str, member: &Member) -> api::AutoScalingInstanceDetails {
    let (configuration, launch_template) = origin(member);
    api::AutoScalingInstanceDetails {
        instance_id: text(id),
        instance_type: text(&member.instance_type),
        auto_scaling_group_name: text(&group.name),
        availability_zone: text(&member.place.zone),
        lifecycle_state: text(member.state.shown()),
        health_status: text(health(member).to_uppercase()),
        launch_configuration_name: configuration,
        launch_template,
        image_id: text(&member.image_id),
        protected_from_scale_in: Some(member.protected),
        ..Default::default()
    }
}

fn origin(member: &Member) -> (Option<String>, Option<api::LaunchTemplateSpecification>) {
    match &member.from {
        From::Configuration { name, .. } => (text(name), None),
        From::Template(of) => (None, Some(template(of))),
        From::Elsewhere => (None, None),
    }
}
