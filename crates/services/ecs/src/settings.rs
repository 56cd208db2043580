//! The account settings that hold for a principal.

use crate::model::AccountSetting;
use crate::plan::settings::{self, Rule};
use neargate_base::arn::partition;
use neargate_service::{AwsError, House, Scope};

/// The principal's own, else the account's, else AWS's. `name`: of a setting that exists.
///
/// # Errors
/// The store's.
pub(crate) async fn effective(
    house: &House,
    scope: &Scope,
    name: &str,
    principal: &str,
) -> Result<String, AwsError> {
    let rule = settings::find(name).expect("a setting that exists");
    if let Some(own) = set(house, scope, rule, principal).await? {
        return Ok(own);
    }
    let of_account = set(house, scope, rule, &root(scope)).await?;
    Ok(of_account.unwrap_or_else(|| rule.default().to_owned()))
}

/// What was set for this very principal.
///
/// # Errors
/// The store's.
pub(crate) async fn set(
    house: &House,
    scope: &Scope,
    rule: &Rule,
    principal: &str,
) -> Result<Option<String>, AwsError> {
    let id = AccountSetting::id(rule.name, principal);
    let found = house.db.get::<AccountSetting>(scope, &id).await?;
    Ok(found.map(|s| s.value.value))
}

/// The account's root, under whose name the settings for everybody are kept.
pub(crate) fn root(scope: &Scope) -> String {
    format!(
        "arn:{}:iam::{}:root",
        partition(&scope.region),
        scope.account
    )
}
