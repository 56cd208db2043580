//! What a container waits for: `dependsOn`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html>),
//! `volumesFrom` and `links`.

use crate::error::client;
use neargate_api_ecs as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

/// Dependencies name other containers of the task; neither they nor links have a cycle.
///
/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(containers: &[api::ContainerDefinition]) -> Result<(), AwsError> {
    let named = |name: &str| containers.iter().find(|c| c.name.as_deref() == Some(name));
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
    // Whoever has another's volumes starts after it.
    let depends = |c: &api::ContainerDefinition| {
        let on = c.depends_on.iter().flatten();
        let from = c.volumes_from.iter().flatten();
        let from = from.filter_map(|from| from.source_container.clone());
        let known = from.filter(|name| named(name).is_some());
        on.map(|d| d.container_name.clone()).chain(known).collect()
    };
    if has_cycle(containers, depends) {
        return Err(client("Container dependencies must not form a cycle."));
    }
    // `name` or `name:alias`. One that names no container of the task is in no cycle.
    let links = |c: &api::ContainerDefinition| {
        let to = c.links.iter().flatten().filter_map(|l| l.split(':').next());
        let known = to.filter(|to| named(to).is_some());
        known.map(str::to_owned).collect()
    };
    if has_cycle(containers, links) {
        // <https://github.com/Shippable/support/issues/4194>
        return Err(client("Container links should not have a cycle"));
    }
    Ok(())
}

fn has_cycle(
    containers: &[api::ContainerDefinition],
    needs: impl Fn(&api::ContainerDefinition) -> Vec<String>,
) -> bool {
    // Whatever needs only settled containers is settled; a cycle never is.
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    while settled.len() < containers.len() {
        let before = settled.len();
        for c in containers {
            if needs(c).iter().all(|n| settled.contains(n.as_str())) {
                settled.insert(c.name.as_deref().unwrap_or_default());
            }
        }
        if settled.len() == before {
            return true;
        }
    }
    false
}
