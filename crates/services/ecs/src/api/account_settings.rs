//! Account settings
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Setting.html>).

use crate::model::AccountSetting;
use crate::plan::settings::{self, Rule};
use crate::settings::{effective, root, set};
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, db, page};
use std::sync::Arc;

/// A page of `ListAccountSettings` has at most, and by default, ten
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListAccountSettings.html>).
const MAX_PAGE: i32 = 10;

pub async fn put_account_setting(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::PutAccountSettingInput,
) -> Result<api::PutAccountSettingOutput, AwsError> {
    let principal = principal(&cx, input.principal_arn)?;
    Ok(api::PutAccountSettingOutput {
        setting: Some(put(&cx, &input.name, input.value, principal).await?),
    })
}

/// For everybody of the account who has no setting of their own.
pub async fn put_account_setting_default(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::PutAccountSettingDefaultInput,
) -> Result<api::PutAccountSettingDefaultOutput, AwsError> {
    let root = root(&cx.scope);
    Ok(api::PutAccountSettingDefaultOutput {
        setting: Some(put(&cx, &input.name, input.value, root).await?),
    })
}

async fn put(
    cx: &Ctx,
    name: &str,
    value: String,
    principal: String,
) -> Result<api::Setting, AwsError> {
    let rule = changeable(name)?;
    if !rule.values.contains(&value.as_str()) {
        return Err(error::invalid_parameter(format!(
            "Invalid value for the account setting {name}. Valid values: [{}]",
            rule.values.join(", ")
        )));
    }
    let setting = AccountSetting {
        name: name.to_owned(),
        value,
        principal,
    };
    let id = AccountSetting::id(name, &setting.principal);
    let tx = cx
        .db()
        .tx()
        .put(db::key::<AccountSetting>(&cx.scope, &id), &setting);
    let _ = tx.commit().await?;
    Ok(show(rule, &setting.value, &setting.principal))
}

/// What holds then is the account's setting, or the default.
pub async fn delete_account_setting(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteAccountSettingInput,
) -> Result<api::DeleteAccountSettingOutput, AwsError> {
    let rule = changeable(&input.name)?;
    let principal = principal(&cx, input.principal_arn)?;
    let id = AccountSetting::id(&input.name, &principal);
    let tx = cx.db().tx();
    let tx = tx.delete_key(db::key::<AccountSetting>(&cx.scope, &id));
    let _ = tx.commit().await?;
    let value = effective(&cx.house, &cx.scope, rule.name, &principal).await?;
    Ok(api::DeleteAccountSettingOutput {
        setting: Some(show(rule, &value, &principal)),
    })
}

pub async fn list_account_settings(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListAccountSettingsInput,
) -> Result<api::ListAccountSettingsOutput, AwsError> {
    if input.value.is_some() && input.name.is_none() {
        return Err(error::invalid_parameter(
            "You must specify an account setting name to use the value parameter.",
        ));
    }
    if let Some(name) = &input.name
        && settings::find(name).is_none()
    {
        return Err(error::invalid_parameter("Invalid account setting name."));
    }
    let limit = match input.max_results.unwrap_or(MAX_PAGE) {
        n @ 1..=MAX_PAGE => usize::try_from(n).expect("1..=10"),
        _ => {
            return Err(error::invalid_parameter(format!(
                "maxResults must be between 1 and {MAX_PAGE}"
            )));
        }
    };
    let principal = principal(&cx, input.principal_arn)?;
    let mut found = Vec::new();
    for rule in &settings::RULES {
        if input.name.as_deref().is_some_and(|name| name != rule.name) {
            continue;
        }
        let value = if input.effective_settings == Some(true) {
            Some(effective(&cx.house, &cx.scope, rule.name, &principal).await?)
        } else {
            set(&cx.house, &cx.scope, rule, &principal).await?
        };
        let value = value.filter(|v| input.value.as_ref().is_none_or(|wanted| wanted == v));
        found.extend(value.map(|value| show(rule, &value, &principal)));
    }
    let name = |s: &api::Setting| s.name.clone().unwrap_or_default();
    let page = page::page(found, input.next_token.as_deref(), limit, name);
    let page = page.map_err(|_| error::invalid_next_token())?;
    Ok(api::ListAccountSettingsOutput {
        settings: Some(page.items),
        next_token: page.next_token,
    })
}

fn changeable(name: &str) -> Result<&'static Rule, AwsError> {
    match settings::find(name) {
        Some(rule) if rule.kind == "user" => Ok(rule),
        Some(_) => Err(error::invalid_parameter(format!(
            "The account setting {name} is managed by AWS and can't be changed."
        ))),
        None => Err(error::invalid_parameter("Invalid account setting name.")),
    }
}

/// The user, role or root the call is about; the caller when it names none.
fn principal(cx: &Ctx, named: Option<String>) -> Result<String, AwsError> {
    let Some(named) = named.filter(|n| !n.is_empty()) else {
        return Ok(cx.principal.arn.clone());
    };
    let parsed = named.parse::<Arn>().ok().filter(|arn| {
        let (kind, name) = arn.resource_type();
        let one = arn.resource == "root" || (matches!(kind, "user" | "role") && !name.is_empty());
        arn.service == "iam" && arn.account == cx.scope.account.as_str() && one
    });
    parsed
        .map(|_| named)
        .ok_or_else(|| error::invalid_parameter("Invalid principalArn"))
}

fn show(rule: &Rule, value: &str, principal: &str) -> api::Setting {
    api::Setting {
        name: Some(rule.name.into()),
        value: Some(value.into()),
        principal_arn: Some(principal.into()),
        r#type: Some(rule.kind.into()),
    }
}
