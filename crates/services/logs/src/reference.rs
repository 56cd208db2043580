//! Finding the group a request means, by name or by ARN.

use super::error;
use super::model::Group;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, Db, Scope, Stored};

/// The group of this name.
pub async fn group(db: &Db, scope: &Scope, name: &str) -> Result<Stored<Group>, AwsError> {
    db.get::<Group>(scope, name)
        .await?
        .ok_or_else(error::group_not_found)
}

/// The group of a request that takes either a name or an identifier (a name or an ARN).
pub async fn named_or_identified(
    cx: &Ctx,
    name: Option<&str>,
    identifier: Option<&str>,
) -> Result<Stored<Group>, AwsError> {
    match (name, identifier) {
        (Some(name), None) => group(cx.db(), &cx.scope, name).await,
        (None, Some(identifier)) => identified(cx, identifier).await,
        (Some(_), Some(_)) => Err(error::exclusive("LogGroupName", "LogGroupIdentifier")),
        (None, None) => Err(error::no_group_named()),
    }
}

/// The group of this name or ARN.
pub async fn identified(cx: &Ctx, identifier: &str) -> Result<Stored<Group>, AwsError> {
    find(cx, identifier)
        .await?
        .ok_or_else(error::group_not_found)
}

/// The group of an ARN with or without `:*`.
pub async fn of_arn(cx: &Ctx, arn: &str) -> Result<Stored<Group>, AwsError> {
    find_by_arn(cx, arn)
        .await?
        .ok_or_else(error::group_not_found)
}

/// The group of this name or ARN, if there is one.
pub async fn find(cx: &Ctx, identifier: &str) -> Result<Option<Stored<Group>>, AwsError> {
    if identifier.starts_with("arn:") {
        return find_by_arn(cx, identifier).await;
    }
    cx.db().get(&cx.scope, identifier).await
}

/// Another account's or region's group is none.
async fn find_by_arn(cx: &Ctx, arn: &str) -> Result<Option<Stored<Group>>, AwsError> {
    let invalid = || error::invalid_arn(arn);
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    let name = parsed
        .resource
        .strip_prefix("log-group:")
        .ok_or_else(invalid)?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    if parsed.service != "logs" || name.is_empty() || name.contains(':') {
        return Err(invalid());
    }
    if !cx.scope.holds(&parsed) {
        return Ok(None);
    }
    cx.db().get(&cx.scope, name).await
}
