//! `dependsOn`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html>).

use crate::ecs::error::client;
use neargate_api::ecs as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

/// Dependencies name other containers of the task and have no cycle.
///
/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(containers: &[api::ContainerDefinition]) -> Result<(), AwsError> {
    let named = |name: &str| containers.iter().find(|c| c.name.as_deref() == Some(name));
    let needs = |name: &str| {
        named(name)
            .into_iter()
            .flat_map(|c| c.depends_on.iter().flatten())
    };
    for d in containers
        .iter()
        .flat_map(|c| c.depends_on.iter().flatten())
    {
        let Some(other) = named(&d.container_name) else {
            // The plus is ECS's.
            return Err(client(format!(
                "Cannot depend on container + '{}' because it does not exist",
                d.container_name
            )));
        };
        if d.condition == "HEALTHY" && other.health_check.is_none() {
            return Err(client(
                "A dependency container with HEALTHY condition must have health check configured",
            ));
        }
        if matches!(d.condition.as_str(), "COMPLETE" | "SUCCESS") && other.essential.unwrap_or(true)
        {
            return Err(client(
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
            ));
        }
    }
    // Whatever depends only on settled containers is settled; a cycle never is.
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    while settled.len() < containers.len() {
        let before = settled.len();
        for name in containers.iter().filter_map(|c| c.name.as_deref()) {
            if needs(name).all(|d| settled.contains(d.container_name.as_str())) {
                settled.insert(name);
            }
        }
        if settled.len() == before {
            return Err(client("Container dependencies must not form a cycle."));
        }
    }
    Ok(())
}
