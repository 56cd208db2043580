//! What of a file is new: pure comparison with what is registered and running.

use neargate_api_ecs::{
    CreateServiceInput, RegisterTaskDefinitionInput, Service, Tag, TaskDefinition,
    UpdateServiceInput,
};
use neargate_base::Timestamp;

/// Is the wanted definition the registered one? Compared as ECS would describe both.
pub fn is_registered(
    wanted: &RegisterTaskDefinitionInput,
    registered: &TaskDefinition,
    tags: &[Tag],
) -> bool {
    let now = Timestamp::default();
    let wanted_tags = wanted.tags.clone().unwrap_or_default();
    let described = neargate_ecs::as_described(wanted, String::new(), 0, String::new(), now);
    content(described) == content(registered.clone())
        && sorted(wanted_tags) == sorted(tags.to_vec())
}

/// The definition without what registering gives, and without what follows from the rest.
fn content(definition: TaskDefinition) -> TaskDefinition {
    TaskDefinition {
        task_definition_arn: None,
        revision: None,
        status: None,
        requires_attributes: None,
        compatibilities: None,
        registered_at: None,
        deregistered_at: None,
        registered_by: None,
        ..definition
    }
}

fn sorted(mut tags: Vec<Tag>) -> Vec<Tag> {
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    tags
}

/// What `UpdateService` must change; `None`: nothing.
///
/// # Errors
/// What ECS cannot change of a service.
pub fn update(
    wanted: &CreateServiceInput,
    service: &Service,
    task_definition: &str,
    force: bool,
) -> Result<Option<UpdateServiceInput>, String> {
    fixed("launchType", &wanted.launch_type, &service.launch_type)?;
    fixed(
        "schedulingStrategy",
        &wanted.scheduling_strategy,
        &service.scheduling_strategy,
    )?;
    let other = |w: &Option<String>, now: &Option<String>| w.clone().filter(|_| w != now);
    let definition = service.task_definition.as_deref() != Some(task_definition);
    let mut update = UpdateServiceInput {
        desired_count: wanted
            .desired_count
            .filter(|n| Some(*n) != service.desired_count),
        task_definition: definition.then(|| task_definition.to_owned()),
        availability_zone_rebalancing: other(
            &wanted.availability_zone_rebalancing,
            &service.availability_zone_rebalancing,
        ),
        platform_version: other(&wanted.platform_version, &service.platform_version),
        propagate_tags: other(&wanted.propagate_tags, &service.propagate_tags),
        ..Default::default()
    };
    macro_rules! changed {
        ($($field:ident)*) => { $(
            if wanted.$field.is_some() && wanted.$field != service.$field {
                update.$field = wanted.$field.clone();
            }
        )* };
    }
    changed!(capacity_provider_strategy deployment_configuration network_configuration
        placement_constraints placement_strategy health_check_grace_period_seconds
        deployment_controller enable_execute_command enable_ecs_managed_tags load_balancers
        service_registries);
    // What a service does not show is given each time; ECS compares.
    update.service_connect_configuration = wanted.service_connect_configuration.clone();
    update.volume_configurations = wanted.volume_configurations.clone();
    update.vpc_lattice_configurations = wanted.vpc_lattice_configurations.clone();
    update.gateway_connectors = wanted.gateway_connectors.clone();
    update.monitoring = wanted.monitoring.clone();
    // Other capacity is refused without it.
    if force || update.capacity_provider_strategy.is_some() {
        update.force_new_deployment = Some(true);
    }
    Ok((update != UpdateServiceInput::default()).then_some(update))
}

fn fixed(name: &str, wanted: &Option<String>, now: &Option<String>) -> Result<(), String> {
    match (wanted, now) {
        (Some(wanted), Some(now)) if wanted != now => Err(format!(
            "{name} of a service cannot change from {now} to {wanted}: delete the service first \
             (aws ecs delete-service --force), or give the new one another name"
        )),
        _ => Ok(()),
    }
}

/// Does the definition run on Fargate only, and nobody said how else?
pub fn implies_fargate(
    definition: &RegisterTaskDefinitionInput,
    service: &CreateServiceInput,
) -> bool {
    let only = definition.requires_compatibilities.as_deref();
    only.is_some_and(|all| all == ["FARGATE"])
        && service.launch_type.is_none()
        && service.capacity_provider_strategy.is_none()
}
