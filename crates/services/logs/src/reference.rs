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
        (Some(_), Some(_)) => Err(error::invalid_parameter(
            "LogGroupName and LogGroupIdentifier are mutually exclusive parameters.",
        )),
        (None, None) => Err(error::invalid_parameter(
            "Exactly one of LogGroupName or LogGroupIdentifier must be specified.",
        )),
    }
}

/// The group of this name or ARN.
pub async fn identified(cx: &Ctx, identifier: &str) -> Result<Stored<Group>, AwsError> {
    if identifier.starts_with("arn:") {
        return of_arn(cx, identifier).await;
    }
    group(cx.db(), &cx.scope, identifier).await
}

/// The group of an ARN with or without `:*`. Another account's or region's is not found.
pub async fn of_arn(cx: &Ctx, arn: &str) -> Result<Stored<Group>, AwsError> {
    let invalid = || error::invalid_parameter(format!("The specified ARN is invalid: {arn}"));
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    let name = parsed
        .resource
        .strip_prefix("log-group:")
        .ok_or_else(invalid)?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    let here =
        parsed.account == cx.scope.account.as_str() && parsed.region == cx.scope.region.as_str();
    if parsed.service != "logs" || name.is_empty() || name.contains(':') {
        return Err(invalid());
    }
    if here {
        group(cx.db(), &cx.scope, name).await
    } else {
        Err(error::group_not_found())
    }
}
