//! Groups are made and described.

use super::source::{places, source};
use super::{PAGE, all, hooks, number, paged, show, size, tags, text};
use crate::ec2;
use crate::model::{self, Group, Settings};
use crate::{Autoscaling, error, sentence};
use neargate_api_autoscaling as api;
use neargate_service::page::Size;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
pub(super) const MAX_GROUPS: usize = 500;
const COOLDOWN_SECONDS: u32 = 300;
pub(super) const POLICIES: [&str; 7] = [
    "AllocationStrategy",
    "ClosestToNextInstanceHour",
    "Default",
    "NewestInstance",
    "OldestInstance",
    "OldestLaunchConfiguration",
    "OldestLaunchTemplate",
];

pub async fn create_auto_scaling_group(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::CreateAutoScalingGroupInput,
) -> Result<Unit, AwsError> {
    let name = input.auto_scaling_group_name.clone();
    check_name(&name)?;
    if input.instance_id.is_some() {
        return Err(error::unsupported(
            "InstanceId, to make a group like an instance",
        ));
    }
    if input.availability_zone_ids.is_some() {
        return Err(error::unsupported("AvailabilityZoneIds"));
    }
    if input.operator.is_some() {
        return Err(error::unsupported("Operator"));
    }
    let sizes = sizes(input.min_size, input.max_size, input.desired_capacity)?;
    let source = source(
        &cx,
        input.launch_configuration_name.as_ref(),
        input.launch_template.as_ref(),
        input.mixed_instances_policy.as_ref(),
    );
    let source = source.await?.ok_or_else(error::one_source)?;
    let places = places(
        &cx,
        input.availability_zones.as_ref(),
        input.vpc_zone_identifier.as_ref(),
    );
    let places = places.await?;
    if places.is_empty() {
        return Err(error::no_place());
    }
    let mut group = Group {
        name: name.clone(),
        id: cx.house.rng.uuid(),
        created_at: cx.now(),
        min: sizes.0,
        max: sizes.1,
        desired: sizes.2,
        source,
        places,
        settings: Settings {
            cooldown_seconds: COOLDOWN_SECONDS,
            health_check_type: "EC2".into(),
            grace_seconds: 0,
            termination_policies: vec!["Default".into()],
            protects_new: false,
            max_lifetime_seconds: None,
            warmup_seconds: None,
            deletion_protection: "none".into(),
        },
        kept: Json::default(),
        tags: tags::of_new(&name, input.tags.as_deref().unwrap_or_default())?,
        suspended: BTreeMap::new(),
        metrics: BTreeSet::new(),
        hooks: hooks::of_new(input.lifecycle_hook_specification_list.as_deref())?,
        policies: BTreeMap::new(),
        scheduled: BTreeMap::new(),
        notifications: BTreeMap::new(),
        traffic_sources: super::traffic::of_new(
            &cx,
            input.load_balancer_names.as_deref(),
            input.target_group_arns.as_deref(),
            input.traffic_sources.as_deref(),
        )
        .await?,
        unwanted_alarms: BTreeSet::new(),
        refreshes: Vec::new(),
        deleting: false,
        instances: BTreeMap::new(),
        launches: BTreeMap::new(),
        next: 0,
        reasons: Vec::new(),
        replacements: 0,
        rebalancing: false,
        failing: None,
        scaled_at: None,
    };
    let given = Given {
        cooldown: input.default_cooldown,
        health_check_type: input.health_check_type,
        grace: input.health_check_grace_period,
        termination_policies: input.termination_policies,
        protects_new: input.new_instances_protected_from_scale_in,
        max_lifetime: input.max_instance_lifetime,
        warmup: input.default_instance_warmup,
        deletion_protection: input.deletion_protection,
        kept: api::AutoScalingGroup {
            vpc_zone_identifier: input.vpc_zone_identifier,
            placement_group: input.placement_group,
            capacity_rebalance: input.capacity_rebalance,
            service_linked_role_arn: input.service_linked_role_arn,
            context: input.context,
            desired_capacity_type: input.desired_capacity_type,
            instance_maintenance_policy: input.instance_maintenance_policy,
            availability_zone_distribution: input.availability_zone_distribution,
            availability_zone_impairment_policy: input.availability_zone_impairment_policy,
            capacity_reservation_specification: input.capacity_reservation_specification,
            instance_lifecycle_policy: input.instance_lifecycle_policy,
            ..Default::default()
        },
    };
    given.apply(&mut group)?;
    let who = "a user request created an AutoScalingGroup";
    group
        .reasons
        .push(sentence::resized(cx.now(), who, 0, group.desired));
    let known = all(&cx).await?;
    if known.iter().any(|g| g.name == name) {
        return Err(error::group_exists(&name));
    }
    if known.len() >= MAX_GROUPS {
        return Err(error::limit_exceeded("AutoScalingGroup", MAX_GROUPS));
    }
    let key = model::key::<Group>(&cx.scope, &name);
    match cx.db().tx().create(key, &group).commit().await? {
        Committed::At(_) => Ok(Unit),
        Committed::Conflict => Err(error::group_exists(&name)),
    }
}

/// AWS takes printable ASCII without colons.
fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_graphic() || c == ' ';
    if name.chars().all(allowed) && !name.contains(':') {
        return Ok(());
    }
    Err(error::validation(format!(
        "1 validation error detected: Value '{name}' at 'autoScalingGroupName' failed to satisfy \
         constraint: Member must contain printable ASCII characters only, and no colon"
    )))
}

fn sizes(min: i32, max: i32, desired: Option<i32>) -> Result<(u32, u32, u32), AwsError> {
    let counted = (number("minSize", min)?, number("maxSize", max)?);
    if min > max {
        return Err(error::min_above_max(min, max));
    }
    let desired = desired.unwrap_or(min);
    if desired < min || desired > max {
        return Err(error::desired_outside(desired, min, max));
    }
    Ok((counted.0, counted.1, number("desiredCapacity", desired)?))
}

/// What a call says of a group's behaviour.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) cooldown: Option<i32>,
    pub(super) health_check_type: Option<String>,
    pub(super) grace: Option<i32>,
    pub(super) termination_policies: Option<Vec<String>>,
    pub(super) protects_new: Option<bool>,
    pub(super) max_lifetime: Option<i32>,
    pub(super) warmup: Option<i32>,
    pub(super) deletion_protection: Option<String>,
    pub(super) kept: api::AutoScalingGroup,
}

impl Given {
    pub(super) fn apply(self, group: &mut Group) -> Result<(), AwsError> {
        let settings = &mut group.settings;
        if let Some(n) = self.cooldown {
            settings.cooldown_seconds = number("defaultCooldown", n)?;
        }
        if let Some(n) = self.grace {
            settings.grace_seconds = number("healthCheckGracePeriod", n)?;
        }
        if let Some(given) = self.health_check_type {
            let known = ["EC2", "ELB", "EBS", "VPC_LATTICE"];
            if let Some(other) = given.split(',').find(|t| !known.contains(&t.trim())) {
                return Err(error::validation(format!(
                    "{other} is not a valid health check type"
                )));
            }
            settings.health_check_type = given;
        }
        if let Some(policies) = self.termination_policies.filter(|p| !p.is_empty()) {
            for policy in &policies {
                if policy.starts_with("arn:") {
                    return Err(error::unsupported(
                        "termination policies of Lambda functions",
                    ));
                }
                if !POLICIES.contains(&policy.as_str()) {
                    return Err(error::validation(format!(
                        "{policy} is not a valid Termination Policy Type"
                    )));
                }
            }
            settings.termination_policies = policies;
        }
        if let Some(protects) = self.protects_new {
            settings.protects_new = protects;
        }
        match self.max_lifetime {
            None => {}
            // Nothing: there is no limit any more.
            Some(0) => settings.max_lifetime_seconds = None,
            Some(n @ 86_400..=31_536_000) => {
                settings.max_lifetime_seconds = u32::try_from(n).ok();
            }
            Some(_) => {
                return Err(error::validation(
                    "MaxInstanceLifetime must be 0, or between 86400 and 31536000 seconds.",
                ));
            }
        }
        match self.warmup {
            None => {}
            Some(-1) => settings.warmup_seconds = None,
            Some(n) => settings.warmup_seconds = Some(number("defaultInstanceWarmup", n)?),
        }
        if let Some(protection) = self.deletion_protection {
            settings.deletion_protection = protection;
        }
        let (kept, new) = (&mut group.kept.0, self.kept);
        macro_rules! keep {
            ($($member:ident)*) => {
                $(if new.$member.is_some() {
                    kept.$member = new.$member;
                })*
            };
        }
        keep! {
            vpc_zone_identifier placement_group capacity_rebalance service_linked_role_arn context
            desired_capacity_type instance_maintenance_policy availability_zone_distribution
            availability_zone_impairment_policy capacity_reservation_specification
            instance_lifecycle_policy
        }
        if let Some(policy) = &kept.instance_maintenance_policy {
            check_maintenance(policy)?;
        }
        Ok(())
    }
}

fn check_maintenance(policy: &api::InstanceMaintenancePolicy) -> Result<(), AwsError> {
    match (policy.min_healthy_percentage, policy.max_healthy_percentage) {
        (Some(-1), Some(-1)) | (None, None) => Ok(()),
        (Some(min), Some(max)) if (0..=100).contains(&min) && (100..=200).contains(&max) => {
            match max - min <= 100 {
                true => Ok(()),
                false => Err(error::validation(
                    "The difference between MinHealthyPercentage and MaxHealthyPercentage cannot be greater than 100.",
                )),
            }
        }
        _ => Err(error::validation(
            "MinHealthyPercentage must be between 0 and 100, and MaxHealthyPercentage between 100 \
             and 200: either both are given or none.",
        )),
    }
}

pub async fn describe_auto_scaling_groups(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeAutoScalingGroupsInput,
) -> Result<api::DescribeAutoScalingGroupsOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let names = input.auto_scaling_group_names.unwrap_or_default();
    let filters = input.filters.unwrap_or_default();
    for filter in &filters {
        let name = filter.name.as_deref().unwrap_or_default();
        if !(matches!(name, "tag-key" | "tag-value") || name.starts_with("tag:")) {
            return Err(error::validation(format!(
                "The filter {name} is not valid."
            )));
        }
    }
    let wanted = |group: &Stored<Group>| {
        (names.is_empty() || names.contains(&group.name)) && filters.iter().all(|f| fits(group, f))
    };
    let found = all(&cx).await?.into_iter().filter(wanted);
    let found = paged(found, input.next_token.as_deref(), limit, |g| {
        g.id().to_owned()
    })?;
    let with_instances = input.include_instances != Some(false);
    let shown = found.items.iter();
    Ok(api::DescribeAutoScalingGroupsOutput {
        auto_scaling_groups: Some(
            shown
                .map(|g| show::group(&cx.scope, g, with_instances))
                .collect(),
        ),
        next_token: found.next_token,
    })
}

fn fits(group: &Group, filter: &api::Filter) -> bool {
    let values = filter.values.clone().unwrap_or_default();
    let name = filter.name.as_deref().unwrap_or_default();
    match name.strip_prefix("tag:") {
        Some(key) => group
            .tags
            .get(key)
            .is_some_and(|t| values.contains(&t.value)),
        None if name == "tag-key" => group.tags.keys().any(|k| values.contains(k)),
        None => group.tags.values().any(|t| values.contains(&t.value)),
    }
}

pub async fn describe_auto_scaling_instances(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeAutoScalingInstancesInput,
) -> Result<api::DescribeAutoScalingInstancesOutput, AwsError> {
    let limit = size(
        Size {
            default: 50,
            ..Size::up_to(50)
        },
        input.max_records,
    )?;
    let ids = input.instance_ids.unwrap_or_default();
    let mut found: Vec<api::AutoScalingInstanceDetails> = Vec::new();
    for group in all(&cx).await? {
        let members = group.instances.iter();
        let members = members.filter(|(id, _)| ids.is_empty() || ids.contains(id));
        found.extend(members.map(|(id, m)| show::details(&group, id, m)));
    }
    let id = |d: &api::AutoScalingInstanceDetails| d.instance_id.clone().unwrap_or_default();
    found.sort_by_key(id);
    let found = paged(found, input.next_token.as_deref(), limit, id)?;
    Ok(api::DescribeAutoScalingInstancesOutput {
        auto_scaling_instances: Some(found.items),
        next_token: found.next_token,
    })
}

/// The role that is shown where none was given.
pub(super) fn default_role(cx: &neargate_service::Scope) -> Option<String> {
    text(ec2::role(cx))
}
