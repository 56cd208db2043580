//! Aliases: other names of keys.

use super::{FIFTY, HUNDRED, paged};
use crate::keys::{AWS_SERVICES, find, find_key};
use crate::model::Alias;
use crate::{Kms, error};
use neargate_api_kms as api;
use neargate_service::db::{self, Committed, settle};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// AWS's limit for one key.
const MOST: usize = 50;

/// # Errors
/// It is no name of an alias that a caller may make.
fn check_name(name: &str) -> Result<(), AwsError> {
    let Some(rest) = name.strip_prefix("alias/").filter(|rest| !rest.is_empty()) else {
        return Err(error::invalid_alias_name());
    };
    if rest.starts_with("aws/") {
        return Err(error::reserved_alias());
    }
    if rest.contains(':') {
        return Err(error::validation(format!(
            "{name} contains invalid characters for an alias"
        )));
    }
    Ok(())
}

async fn target(cx: &Ctx, named: &str, operation: &str) -> Result<String, AwsError> {
    if named.starts_with("alias/") {
        return Err(error::validation("Aliases must refer to keys. Not aliases"));
    }
    let found = find_key(cx, named).await?;
    let found = found.customers(cx, operation)?.kept()?;
    Ok(found.id.clone())
}

pub async fn create_alias(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::CreateAliasInput,
) -> Result<Unit, AwsError> {
    check_name(&input.alias_name)?;
    let key_id = target(&cx, &input.target_key_id, "CreateAlias").await?;
    let all = cx.db().list::<Alias>(&cx.scope).await?;
    if all.iter().filter(|alias| alias.key_id == key_id).count() >= MOST {
        return Err(error::limit(
            "You have reached the limit of aliases of this key.",
        ));
    }
    let now = cx.now();
    let alias = Alias {
        name: input.alias_name,
        key_id,
        created_at: now,
        updated_at: now,
    };
    let key = db::key::<Alias>(&cx.scope, &alias.name);
    match cx.db().tx().create(key, &alias).commit().await? {
        Committed::At(_) => Ok(Unit),
        Committed::Conflict => Err(error::alias_exists(&cx.arn("kms", &alias.name))),
    }
}

pub async fn update_alias(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::UpdateAliasInput,
) -> Result<Unit, AwsError> {
    check_name(&input.alias_name)?;
    let key_id = target(&cx, &input.target_key_id, "UpdateAlias").await?;
    let missing = || error::alias_not_found(&cx.arn("kms", &input.alias_name));
    let old = cx.db().get::<Alias>(&cx.scope, &input.alias_name).await?;
    let old = find(&cx, &old.ok_or_else(missing)?.key_id).await?;
    let new = find(&cx, &key_id).await?;
    if old.usage != new.usage {
        return Err(error::validation(
            "The current and new key must have the same key usage.",
        ));
    }
    let (key, now) = (db::key::<Alias>(&cx.scope, &input.alias_name), cx.now());
    let changed = cx.db().modify::<Alias, _>(&key, |alias| {
        alias.key_id.clone_from(&key_id);
        alias.updated_at = now;
        Ok(true)
    });
    changed.await?.ok_or_else(missing)?;
    Ok(Unit)
}

pub async fn delete_alias(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DeleteAliasInput,
) -> Result<Unit, AwsError> {
    check_name(&input.alias_name)?;
    let missing = || error::alias_not_found(&cx.arn("kms", &input.alias_name));
    settle(async || {
        let alias = cx.db().get::<Alias>(&cx.scope, &input.alias_name).await?;
        let alias = alias.ok_or_else(missing)?;
        Ok((cx.db().tx().delete(&alias), Unit))
    })
    .await
}

/// Those that AWS predefines are listed before they have a key.
pub async fn list_aliases(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListAliasesInput,
) -> Result<api::ListAliasesOutput, AwsError> {
    let all = cx.db().list::<Alias>(&cx.scope).await?;
    let entry = |name: &str| api::AliasListEntry {
        alias_name: Some(name.to_owned()),
        alias_arn: Some(cx.arn("kms", name)),
        ..Default::default()
    };
    let of = |alias: &Alias| api::AliasListEntry {
        target_key_id: Some(alias.key_id.clone()),
        creation_date: Some(alias.created_at),
        last_updated_date: Some(alias.updated_at),
        ..entry(&alias.name)
    };
    let mut shown: Vec<_> = all.iter().map(|alias| of(alias)).collect();
    let size = match &input.key_id {
        Some(named) => {
            let key = find_key(&cx, named).await?;
            shown.retain(|alias| alias.target_key_id.as_ref() == Some(&key.id));
            FIFTY
        }
        None => {
            let predefined = AWS_SERVICES.map(|service| format!("alias/aws/{service}"));
            let made = |name: &String| all.iter().any(|alias| &alias.name == name);
            let missing = predefined.iter().filter(|name| !made(name));
            shown.extend(missing.map(|name| entry(name)));
            HUNDRED
        }
    };
    shown.sort_by(|a, b| a.alias_name.cmp(&b.alias_name));
    let name = |alias: &api::AliasListEntry| alias.alias_name.clone().unwrap_or_default();
    let paged = paged(shown, input.marker.as_deref(), input.limit, size, name)?;
    Ok(api::ListAliasesOutput {
        aliases: Some(paged.items),
        truncated: Some(paged.next_token.is_some()),
        next_marker: paged.next_token,
    })
}
