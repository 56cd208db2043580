//! What is asked of Cloud Map, under ECS's role.

use crate::model::{ServiceRegistry, Task};
use crate::role;
use neargate_api_servicediscovery as api;
use neargate_service::{AwsError, Caller, House, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

const NO_SUCH_SERVICE: &str = "ServiceNotFound";
const NO_SUCH_INSTANCE: &str = "InstanceNotFound";

/// A service of Cloud Map; `None`: there is none with this ARN.
///
/// # Errors
/// Cloud Map's.
pub(super) async fn registry(
    house: &Arc<House>,
    scope: &Scope,
    arn: &str,
) -> Result<Option<api::Service>, AwsError> {
    let input = api::GetServiceInput { id: arn.to_owned() };
    let role = role::service_linked(scope);
    match Caller::call::<api::ops::GetService>(house, scope, &role, &input).await {
        Ok(found) => Ok(found.service),
        Err(error) if error.code == NO_SUCH_SERVICE => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn register(
    house: &Arc<House>,
    scope: &Scope,
    task: &Task,
    registry: &ServiceRegistry,
    attributes: BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let id = &task.spec.assignment.task_id;
    let input = api::RegisterInstanceInput {
        service_id: registry.registry_arn.clone(),
        instance_id: id.clone(),
        // To register the same again is to do nothing.
        creator_request_id: Some(id.clone()),
        attributes,
    };
    let role = role::service_linked(scope);
    Caller::call::<api::ops::RegisterInstance>(house, scope, &role, &input)
        .await
        .map(drop)
}

pub(super) async fn report(
    house: &Arc<House>,
    scope: &Scope,
    task: &Task,
    registry: &ServiceRegistry,
    healthy: bool,
) -> Result<(), AwsError> {
    let input = api::UpdateInstanceCustomHealthStatusInput {
        service_id: registry.registry_arn.clone(),
        instance_id: task.spec.assignment.task_id.clone(),
        status: if healthy { "HEALTHY" } else { "UNHEALTHY" }.to_owned(),
    };
    let role = role::service_linked(scope);
    type Update = api::ops::UpdateInstanceCustomHealthStatus;
    let told = Caller::call::<Update>(house, scope, &role, &input).await;
    gone_is_fine(told.map(drop))
}

pub(super) async fn deregister(
    house: &Arc<House>,
    scope: &Scope,
    task: &Task,
    registry_arn: &str,
) -> Result<(), AwsError> {
    let input = api::DeregisterInstanceInput {
        service_id: registry_arn.to_owned(),
        instance_id: task.spec.assignment.task_id.clone(),
    };
    let role = role::service_linked(scope);
    let gone = Caller::call::<api::ops::DeregisterInstance>(house, scope, &role, &input).await;
    gone_is_fine(gone.map(drop))
}

/// Somebody else took the instance away, or its service.
fn gone_is_fine(outcome: Result<(), AwsError>) -> Result<(), AwsError> {
    match outcome {
        Err(error) if [NO_SUCH_SERVICE, NO_SUCH_INSTANCE].contains(&error.code.as_str()) => Ok(()),
        outcome => outcome,
    }
}
