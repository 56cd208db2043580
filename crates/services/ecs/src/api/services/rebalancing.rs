//! Which services can be balanced across Availability Zones
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html>).
//!
//! Not those with the DAEMON strategy, of launch type EXTERNAL, with a `maximumPercent` that leaves
//! no room for one more task, with another first placement strategy than to spread them across
//! zones, or with a constraint on the zone. A new service is balanced if it can be and nobody says
//! otherwise
//! (<https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/ecs_service>).

use crate::error;
use crate::model::{DeploymentController, DeploymentRules, Scheduling};
use neargate_api_ecs as api;
use neargate_service::AwsError;

const ZONE: &str = "attribute:ecs.availability-zone";

/// Whether a new service is balanced.
///
/// # Errors
/// `InvalidParameterException` when it is asked for and cannot be.
pub(super) fn of_new(
    input: &api::CreateServiceInput,
    rules: &DeploymentRules,
    scheduling: Scheduling,
    controller: DeploymentController,
) -> Result<bool, AwsError> {
    let constraints = input.placement_constraints.iter().flatten();
    let fits = constraints
        .filter_map(|c| c.expression.as_deref())
        .all(|e| !e.contains(ZONE))
        && spreads(input.placement_strategy.as_deref().unwrap_or_default())
        && input.launch_type.as_deref() != Some("EXTERNAL");
    match input.availability_zone_rebalancing.as_deref() {
        Some("DISABLED") => Ok(false),
        _ if scheduling == Scheduling::Daemon || controller.has_task_sets() => Ok(false),
        None => Ok(fits && room(rules).is_ok()),
        Some(_) if !fits => Err(error::invalid_parameter(
            "Availability Zone Rebalancing does not support the launch type EXTERNAL, placement constraints on the Availability Zone, or a first placement strategy other than spread by attribute:ecs.availability-zone.",
        )),
        Some(_) => room(rules).map(|()| true),
    }
}

fn spreads(strategies: &[api::PlacementStrategy]) -> bool {
    strategies.first().is_none_or(|first| {
        first.r#type.as_deref() == Some("spread") && first.field.as_deref() == Some(ZONE)
    })
}

/// There is room for the task that takes another's place.
///
/// # Errors
/// `InvalidParameterException`.
pub(super) fn room(rules: &DeploymentRules) -> Result<(), AwsError> {
    match rules.maximum_percent {
        ..=100 => Err(error::rebalancing_without_room()),
        _ => Ok(()),
    }
}
