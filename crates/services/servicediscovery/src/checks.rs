//! The health checks of Route 53 that follow instances: made and taken away by its operations, as Cloud
//! Map does, and what they find.
//!
//! A check is made under a reference that says what it checks: made twice, it is one.

use crate::controller::of_service;
use crate::model::{Check, Checked, Service};
use neargate_api_route53 as route53;
use neargate_service::dns::{self, HealthStatus};
use neargate_service::{AwsError, Caller, Ctx, House, Scope, Stored, Tx, db};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

fn role(scope: &Scope) -> String {
    let account = &scope.account;
    format!(
        "arn:aws:iam::{account}:role/aws-service-role/servicediscovery.amazonaws.com/AWSServiceRoleForCloudMap"
    )
}

fn key(scope: &Scope, service_id: &str, instance_id: &str) -> String {
    db::key::<Check>(scope, &format!("{service_id}/{instance_id}"))
}

/// Makes the check; the transaction that keeps it.
pub async fn follow(
    house: &Arc<House>,
    scope: &Scope,
    service_id: &str,
    instance_id: &str,
    of: Checked,
) -> Result<Tx, AwsError> {
    let by = &of.by;
    let what = format!("{service_id}\n{instance_id}\n{of:?}");
    let digest = hex::encode(Sha256::digest(what));
    let input = route53::CreateHealthCheckInput {
        caller_reference: format!("cloudmap-{}", digest.get(..32).unwrap_or_default()),
        health_check_config: route53::HealthCheckConfig {
            ip_address: Some(of.address.clone()),
            port: of.port.map(i32::from),
            r#type: by.kind.clone(),
            resource_path: by.resource_path.clone(),
            failure_threshold: Some(by.failure_threshold),
            request_interval: Some(30),
            ..Default::default()
        },
    };
    let role = role(scope);
    let made = Caller::call::<route53::ops::CreateHealthCheck>(house, scope, &role, &input);
    let made = made.await?.health_check.and_then(|check| check.id);
    let check = Check {
        instance_id: instance_id.to_owned(),
        health_check_id: made.unwrap_or_default(),
        of,
    };
    let key = key(scope, service_id, instance_id);
    Ok(house.db.tx().put(key, &check))
}

/// Takes the check away; the transaction that forgets it.
pub async fn unfollow(
    house: &Arc<House>,
    scope: &Scope,
    service_id: &str,
    check: &Check,
) -> Result<Tx, AwsError> {
    let input = route53::DeleteHealthCheckInput {
        health_check_id: check.health_check_id.clone(),
    };
    let role = role(scope);
    let gone = Caller::call::<route53::ops::DeleteHealthCheck>(house, scope, &role, &input);
    match gone.await {
        Err(error) if error.code != "NoSuchHealthCheck" => return Err(error),
        _ => {}
    }
    let key = key(scope, service_id, &check.instance_id);
    Ok(house.db.tx().delete_key(key))
}

/// What the checks of a service's instances find, by instance. None of what is not checked.
///
/// # Errors
/// The store's.
pub async fn found(
    cx: &Ctx,
    service: &Stored<Service>,
) -> Result<BTreeMap<String, bool>, AwsError> {
    let mut found = BTreeMap::new();
    if service.health_check.is_none() {
        return Ok(found);
    }
    let prefix = of_service::<Check>(&cx.scope, service.id());
    for check in cx.db().list_prefix::<Check>(&prefix).await? {
        let global = dns::global(&cx.scope.account);
        let status = cx.db().get::<HealthStatus>(&global, &check.health_check_id);
        // Until it has been found to be otherwise, it is healthy.
        let healthy = status.await?.is_none_or(|status| status.healthy);
        found.insert(check.instance_id.clone(), healthy);
    }
    Ok(found)
}
