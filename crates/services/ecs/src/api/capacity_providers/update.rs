//! `UpdateCapacityProvider`: what is given changes, the rest stays.

use super::{own, show, with_group};
use crate::model::CapacityProvider;
use crate::plan::capacity;
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn update_capacity_provider(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateCapacityProviderInput,
) -> Result<api::UpdateCapacityProviderOutput, AwsError> {
    let key = own(&cx, &input.name)?;
    let protects = input
        .auto_scaling_group_provider
        .as_ref()
        .and_then(|g| g.managed_termination_protection.as_deref())
        == Some("ENABLED");
    if protects
        && let Some(provider) = cx.db().get_key::<CapacityProvider>(&key).await?
        && let Some(group) = provider.value.auto_scaling_group
    {
        let mut group = group.0;
        group.managed_termination_protection = Some("ENABLED".into());
        with_group(&cx, group).await?;
    }
    let changed = cx.db().modify::<CapacityProvider, _>(&key, |provider| {
        if !provider.active {
            return Err(error::capacity_provider_does_not_exist());
        }
        match (
            &input.auto_scaling_group_provider,
            &input.managed_instances_provider,
            &mut provider.auto_scaling_group,
            &mut provider.managed_instances,
        ) {
            (Some(update), None, Some(group), _) => {
                let merged = merge_group(group.0.clone(), update);
                let full = capacity::auto_scaling_group(merged);
                group.0 = full.map_err(error::invalid_parameter)?;
            }
            (None, Some(update), _, Some(managed)) => merge_managed(&mut managed.0, update),
            _ => return Err(error::one_kind_of_capacity_provider()),
        }
        provider.update_status = "UPDATE_COMPLETE".into();
        Ok(true)
    });
    let changed = changed
        .await?
        .ok_or_else(error::capacity_provider_does_not_exist)?;
    Ok(api::UpdateCapacityProviderOutput {
        capacity_provider: Some(show(&changed, true)),
    })
}

fn merge_group(
    mut group: api::AutoScalingGroupProvider,
    update: &api::AutoScalingGroupProviderUpdate,
) -> api::AutoScalingGroupProvider {
    if let Some(new) = &update.managed_scaling {
        let old = group.managed_scaling.take().unwrap_or_default();
        group.managed_scaling = Some(api::ManagedScaling {
            status: new.status.clone().or(old.status),
            target_capacity: new.target_capacity.or(old.target_capacity),
            minimum_scaling_step_size: new
                .minimum_scaling_step_size
                .or(old.minimum_scaling_step_size),
            maximum_scaling_step_size: new
                .maximum_scaling_step_size
                .or(old.maximum_scaling_step_size),
            instance_warmup_period: new.instance_warmup_period.or(old.instance_warmup_period),
        });
    }
    let protection = update.managed_termination_protection.clone();
    group.managed_termination_protection = protection.or(group.managed_termination_protection);
    group.managed_draining = update.managed_draining.clone().or(group.managed_draining);
    group
}

fn merge_managed(
    managed: &mut api::ManagedInstancesProvider,
    update: &api::UpdateManagedInstancesProviderConfiguration,
) {
    managed.infrastructure_role_arn = Some(update.infrastructure_role_arn.clone());
    if let Some(template) = &mut managed.instance_launch_template {
        let new = &update.instance_launch_template;
        set(
            &mut template.ec2_instance_profile_arn,
            &new.ec2_instance_profile_arn,
        );
        set(
            &mut template.network_configuration,
            &new.network_configuration,
        );
        option(
            &mut template.storage_configuration,
            &new.storage_configuration,
        );
        option(
            &mut template.local_storage_configuration,
            &new.local_storage_configuration,
        );
        option(&mut template.monitoring, &new.monitoring);
        option(
            &mut template.instance_metadata_tags_propagation,
            &new.instance_metadata_tags_propagation,
        );
        option(
            &mut template.instance_requirements,
            &new.instance_requirements,
        );
        option(
            &mut template.capacity_reservations,
            &new.capacity_reservations,
        );
    }
    option(&mut managed.propagate_tags, &update.propagate_tags);
    option(
        &mut managed.infrastructure_optimization,
        &update.infrastructure_optimization,
    );
    option(
        &mut managed.auto_repair_configuration,
        &update.auto_repair_configuration,
    );
}

fn set<T: Clone>(old: &mut T, new: &Option<T>) {
    if let Some(new) = new {
        old.clone_from(new);
    }
}

fn option<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
    if new.is_some() {
        old.clone_from(new);
    }
}
