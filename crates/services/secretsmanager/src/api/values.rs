//! Values: put, and got back.

use super::day;
use crate::model::Secret;
use crate::secrets::{Found, find, is_gone};
use crate::stages::{self, CURRENT};
use crate::values::{self, Plain};
use crate::{SecretsManager, error, filter, replicas, versions};
use neargate_api_secretsmanager as api;
use neargate_service::db::{Committed, settle};
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn put_secret_value(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::PutSecretValueInput,
) -> Result<api::PutSecretValueOutput, AwsError> {
    let plain = Plain::of(input.secret_string, input.secret_binary)?;
    let plain = plain.ok_or_else(error::no_value)?;
    let token = input.client_request_token;
    let id = token.unwrap_or_else(|| cx.house.rng.uuid());
    let labels = input.version_stages;
    let labels = labels.unwrap_or_else(|| vec![CURRENT.to_owned()]);
    settle(async || {
        let found = find(&cx, &input.secret_id).await?.kept()?.primary()?;
        let mut secret = found.stored.value.clone();
        let mut tx = cx.db().tx();
        if secret.versions.contains_key(&id) {
            versions::is_again(&cx, &found, &id, Some(&plain)).await?;
            tx = tx.unchanged(&found.stored);
        } else {
            let scope = &found.scope;
            tx = versions::add(&cx, tx, scope, &mut secret, &id, &plain, &labels).await?;
            let added = Some((id.as_str(), &plain));
            tx = replicas::follow(&cx, tx, scope, &found, &secret, added).await?;
            tx = tx.update(&found.stored, &secret);
        }
        let output = api::PutSecretValueOutput {
            arn: Some(found.arn()),
            name: Some(secret.name.clone()),
            version_id: Some(id.clone()),
            version_stages: Some(labels_of(&secret, &id)),
        };
        Ok((tx, output))
    })
    .await
}

fn labels_of(secret: &Secret, version: &str) -> Vec<String> {
    let version = secret.versions.get(version);
    let labels = version.into_iter().flat_map(|version| &version.stages);
    labels.cloned().collect()
}

/// The version that a call names by its id, by a label, or by both.
fn named(secret: &Secret, version: Option<&str>, stage: Option<&str>) -> Result<String, AwsError> {
    match (version, stage) {
        (Some(id), stage) => {
            let version = secret.versions.get(id);
            let version = version.ok_or_else(|| error::version_not_found(id))?;
            match stage {
                Some(stage) if !version.stages.contains(stage) => {
                    Err(error::stage_of_another_version())
                }
                _ => Ok(id.to_owned()),
            }
        }
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            let id = stages::holder(secret, stage);
            id.map(str::to_owned)
                .ok_or_else(|| error::stage_not_found(stage))
        }
    }
}

/// Notes the day of a read, once a day.
async fn accessed(cx: &Ctx, found: &Found, version: &str) -> Result<(), AwsError> {
    let today = Some(day(cx.now()));
    let mut secret = found.stored.value.clone();
    let read = secret.versions.get_mut(version);
    if secret.accessed_at == today && read.as_ref().is_none_or(|v| v.accessed_at == today) {
        return Ok(());
    }
    if let Some(read) = read {
        read.accessed_at = today;
    }
    secret.accessed_at = today;
    // Where somebody writes meanwhile, the next read is noted.
    let noted = cx.db().tx().update(&found.stored, &secret);
    let (Committed::At(_) | Committed::Conflict) = noted.commit().await?;
    Ok(())
}

async fn read(cx: &Ctx, found: &Found, id: &str) -> Result<api::SecretValueEntry, AwsError> {
    let plain = values::open(cx, &found.scope, found, id).await?;
    accessed(cx, found, id).await?;
    let (secret_string, secret_binary) = plain.shown();
    Ok(api::SecretValueEntry {
        arn: Some(found.arn()),
        name: Some(found.name.clone()),
        version_id: Some(id.to_owned()),
        secret_binary,
        secret_string,
        version_stages: Some(labels_of(found, id)),
        created_date: found.versions.get(id).map(|version| version.created_at),
    })
}

pub async fn get_secret_value(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::GetSecretValueInput,
) -> Result<api::GetSecretValueOutput, AwsError> {
    let found = find(&cx, &input.secret_id).await?.kept()?;
    let (version, stage) = (input.version_id.as_deref(), input.version_stage.as_deref());
    let id = named(&found, version, stage)?;
    let entry = read(&cx, &found, &id).await?;
    Ok(api::GetSecretValueOutput {
        arn: entry.arn,
        name: entry.name,
        version_id: entry.version_id,
        secret_binary: entry.secret_binary,
        secret_string: entry.secret_string,
        version_stages: entry.version_stages,
        created_date: entry.created_date,
    })
}

const BATCH: Size = Size::up_to(20);

/// A secret that cannot be read is an error among the values of the others.
pub async fn batch_get_secret_value(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::BatchGetSecretValueInput,
) -> Result<api::BatchGetSecretValueOutput, AwsError> {
    let (ids, filters) = (input.secret_id_list, input.filters);
    if ids.is_some() == filters.is_some() {
        return Err(error::parameter(
            "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
        ));
    }
    if input.max_results.is_some() && filters.is_none() {
        return Err(error::parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is \
             provided.",
        ));
    }
    let (names, next_token) = match (ids, filters) {
        (Some(ids), _) => (ids, None),
        (None, filters) => {
            let filters = filters.unwrap_or_default();
            filter::check(&filters)?;
            let mut all = cx.db().list::<Secret>(&cx.scope).await?;
            all.retain(|secret| {
                secret.deleted_at.is_none()
                    && !is_gone(secret, &cx)
                    && filter::fits(&cx.scope, secret, &filters)
            });
            let size = BATCH.clamp(input.max_results);
            let name = |secret: &neargate_service::Stored<Secret>| secret.value.name.clone();
            let paged = page(all, input.next_token.as_deref(), size, name);
            let paged = paged.map_err(|_| error::invalid_token())?;
            let names = paged.items.into_iter().map(|secret| secret.value.name);
            (names.collect(), paged.next_token)
        }
    };
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        match current(&cx, &name).await {
            Ok(entry) => values.push(entry),
            Err(why) if why.status >= 500 => return Err(why),
            Err(why) => errors.push(api::APIErrorType {
                secret_id: Some(name),
                error_code: Some(why.code),
                message: Some(why.message),
            }),
        }
    }
    Ok(api::BatchGetSecretValueOutput {
        secret_values: Some(values),
        next_token,
        errors: Some(errors),
    })
}

async fn current(cx: &Ctx, name: &str) -> Result<api::SecretValueEntry, AwsError> {
    let found = find(cx, name).await?.kept()?;
    let id = named(&found, None, None)?;
    read(cx, &found, &id).await
}
