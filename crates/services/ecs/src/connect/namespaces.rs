//! Namespaces and services of Cloud Map, asked for under ECS's role.

use crate::error;
use crate::role;
use neargate_api_servicediscovery as api;
use neargate_service::{AwsError, Caller, House, Scope};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// A namespace that was found.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    pub id: String,
    pub arn: String,
    pub name: String,
}

/// How long one that is made may take to be there.
const MADE_WITHIN: usize = 100;
const LOOK: Duration = Duration::from_millis(50);

/// By its name or ARN.
///
/// # Errors
/// Cloud Map's.
pub(crate) async fn find(
    house: &Arc<House>,
    scope: &Scope,
    named: &str,
) -> Result<Option<Namespace>, AwsError> {
    let role = role::service_linked(scope);
    let mut input = api::ListNamespacesInput::default();
    loop {
        let call = Caller::call::<api::ops::ListNamespaces>(house, scope, &role, &input);
        let page = call.await?;
        for found in page.namespaces.into_iter().flatten() {
            let (name, arn) = (found.name.as_deref(), found.arn.as_deref());
            if name == Some(named) || arn == Some(named) {
                return Ok(Some(Namespace {
                    id: found.id.unwrap_or_default(),
                    arn: found.arn.unwrap_or_default(),
                    name: found.name.unwrap_or_default(),
                }));
            }
        }
        match page.next_token {
            Some(next) => input.next_token = Some(next),
            None => return Ok(None),
        }
    }
}

/// One that instances are found in by API calls only, as ECS makes it for a cluster.
///
/// # Errors
/// Cloud Map's.
pub(super) async fn find_or_make(
    house: &Arc<House>,
    scope: &Scope,
    named: &str,
) -> Result<Namespace, AwsError> {
    if let Some(found) = find(house, scope, named).await? {
        return Ok(found);
    }
    if named.starts_with("arn:") {
        return Err(error::namespace_not_found());
    }
    let input = api::CreateHttpNamespaceInput {
        name: named.to_owned(),
        creator_request_id: Some(digest(named)),
        description: None,
        tags: Some(vec![managed()]),
    };
    let role = role::service_linked(scope);
    Caller::call::<api::ops::CreateHttpNamespace>(house, scope, &role, &input).await?;
    for _ in 0..MADE_WITHIN {
        if let Some(found) = find(house, scope, named).await? {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(error::namespace_not_found())
}

/// The service in which the tasks of a service of ECS are found, made if it is not there.
///
/// # Errors
/// It is somebody else's; Cloud Map's.
pub(super) async fn service(
    house: &Arc<House>,
    scope: &Scope,
    namespace: &Namespace,
    name: &str,
    owner_arn: &str,
) -> Result<String, AwsError> {
    let input = api::CreateServiceInput {
        name: name.to_owned(),
        namespace_id: Some(namespace.id.clone()),
        // It is the same one's again.
        creator_request_id: Some(digest(owner_arn)),
        r#type: Some("HTTP".to_owned()),
        tags: Some(vec![managed()]),
        ..Default::default()
    };
    let role = role::service_linked(scope);
    let made = Caller::call::<api::ops::CreateService>(house, scope, &role, &input).await;
    match made {
        Ok(made) => Ok(made.service.and_then(|s| s.arn).unwrap_or_default()),
        Err(e) if e.code == "ServiceAlreadyExists" => Err(error::invalid_parameter(format!(
            "The Service Connect discovery name '{name}' is already in use in the namespace {}.",
            namespace.name
        ))),
        Err(e) => Err(e),
    }
}

/// Request ids may have 64 characters.
fn digest(of: &str) -> String {
    hex::encode(Sha256::digest(of.as_bytes()))
}

fn managed() -> api::Tag {
    api::Tag {
        key: "AmazonECSManaged".to_owned(),
        value: "true".to_owned(),
    }
}
