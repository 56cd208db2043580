//! Parts of a service whose issue has not come: refused by name.

use crate::error;
use neargate_api_ecs as api;
use neargate_service::AwsError;

fn refuse(parts: &[(bool, &str)]) -> Result<(), AwsError> {
    match parts.iter().find(|(used, _)| *used) {
        Some((_, what)) => Err(error::unsupported(what)),
        None => Ok(()),
    }
}

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|l| !l.is_empty())
}

pub(super) fn create(input: &api::CreateServiceInput) -> Result<(), AwsError> {
    refuse(&[
        (
            some(&input.vpc_lattice_configurations),
            "vpcLatticeConfigurations",
        ),
        (some(&input.gateway_connectors), "gatewayConnectors"),
        (input.monitoring.is_some(), "monitoring"),
    ])
}

/// Refuses what a call that creates a service with the same parts would be refused for.
pub(super) fn update(input: &api::UpdateServiceInput) -> Result<(), AwsError> {
    create(&api::CreateServiceInput {
        vpc_lattice_configurations: input.vpc_lattice_configurations.clone(),
        gateway_connectors: input.gateway_connectors.clone(),
        monitoring: input.monitoring.clone(),
        ..Default::default()
    })
}
