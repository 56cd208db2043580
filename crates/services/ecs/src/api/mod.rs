//! ECS's handlers, one module per resource.

pub mod account_settings;
pub mod agents;
pub mod attributes;
pub mod capacity_providers;
pub mod clusters;
pub mod execute_command;
pub mod express;
pub mod instances;
pub mod protection;
pub mod run_task;
pub mod services;
pub mod start_task;
pub mod tags;
pub mod task_definitions;
pub mod task_sets;
pub mod tasks;

use crate::describe::api_tags;
use crate::error;
use neargate_api_ecs as api;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx, Stored};

/// The tags of a request, checked.
fn parse_tags(given: Option<Vec<api::Tag>>) -> Result<Tags, AwsError> {
    let pairs = given.into_iter().flatten();
    let pairs = pairs.map(|t| (t.key.unwrap_or_default(), t.value.unwrap_or_default()));
    neargate_service::tags::parse(pairs).map_err(error::invalid_tags)
}

/// The active cluster a call names.
///
/// # Errors
/// `ClusterNotFoundException`.
async fn active_cluster(
    cx: &Ctx,
    named: Option<&str>,
) -> Result<Stored<crate::model::Cluster>, AwsError> {
    crate::clusters::active(cx.db(), &cx.scope, named).await
}

/// A page size within `1..=100`, 100 by default.
fn page_size(given: Option<i32>) -> Result<usize, AwsError> {
    match given {
        None => Ok(100),
        Some(n @ 1..=100) => Ok(usize::try_from(n).expect("1..=100")),
        Some(_) => Err(error::invalid_parameter(
            "maxResults must be between 1 and 100",
        )),
    }
}
