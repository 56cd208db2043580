//! The secrets of connections: Secrets Manager's, in the account's name and with EventBridge's own role.

use crate::connection::{Connection, Credentials};
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, House, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/using-service-linked-roles-service-action-1.html>
fn role(scope: &Scope) -> String {
    let account = &scope.account;
    format!(
        "arn:aws:iam::{account}:role/aws-service-role/apidestinations.events.amazonaws.com/\
         AWSServiceRoleForAmazonEventBridgeApiDestinations"
    )
}

async fn call(
    house: &Arc<House>,
    scope: &Scope,
    operation: &str,
    input: Value,
) -> Result<Value, AwsError> {
    let role = role(scope);
    let named = ("secretsmanager", operation);
    Caller::call_by_name(house, scope, By::Role(&role), named, input).await
}

/// Keeps the credentials of a connection in `secret`, or in a new secret. Its ARN.
///
/// # Errors
/// Those of Secrets Manager.
pub async fn keep(
    house: &Arc<House>,
    scope: &Scope,
    name: &str,
    secret: Option<&str>,
    credentials: &Credentials,
) -> Result<String, AwsError> {
    let value = serde_json::to_string(credentials).map_err(AwsError::internal)?;
    if let Some(arn) = secret {
        let input = json!({ "SecretId": arn, "SecretString": value });
        call(house, scope, "PutSecretValue", input).await?;
        return Ok(arn.to_owned());
    }
    let input = json!({
        "Name": format!("events!connection/{name}/{}", house.rng.uuid()),
        "Description": format!("Auth parameters for Amazon EventBridge connection {name}"),
        "SecretString": value,
    });
    let made = call(house, scope, "CreateSecret", input).await?;
    Ok(made["ARN"].as_str().unwrap_or_default().to_owned())
}

/// # Errors
/// Those of Secrets Manager.
pub async fn read(
    house: &Arc<House>,
    scope: &Scope,
    connection: &Connection,
) -> Result<Credentials, AwsError> {
    let Some(arn) = &connection.secret_arn else {
        return Ok(Credentials::default());
    };
    let found = call(house, scope, "GetSecretValue", json!({ "SecretId": arn })).await?;
    let text = found["SecretString"].as_str().unwrap_or_default();
    serde_json::from_str(text).map_err(AwsError::internal)
}

/// Removes the secret, at once; one that is gone already is as good.
///
/// # Errors
/// Those of Secrets Manager.
pub async fn forget(house: &Arc<House>, scope: &Scope, secret: &str) -> Result<(), AwsError> {
    let input = json!({ "SecretId": secret, "ForceDeleteWithoutRecovery": true });
    match call(house, scope, "DeleteSecret", input).await {
        Err(error) if !error.is("ResourceNotFoundException") => Err(error),
        _ => Ok(()),
    }
}
