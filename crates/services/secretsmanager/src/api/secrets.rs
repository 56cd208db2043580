//! Secrets themselves.

use super::{parse_tags, shown_tags};
use crate::model::{Secret, Version};
use crate::secrets::{Found, arn, find, is_gone, new_suffix, record};
use crate::stages::{CURRENT, PENDING, PREVIOUS};
use crate::values::{self, Plain};
use crate::{SecretsManager, deletion, error, replicas, versions};
use neargate_api_secretsmanager as api;
use neargate_service::db::{Committed, settle};
use neargate_service::{AwsError, Ctx, Scope, Tx};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// AWS's own.
const LONGEST_WINDOW_DAYS: i64 = 30;
const SHORTEST_WINDOW_DAYS: i64 = 7;

fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c);
    if name.chars().all(allowed) {
        Ok(())
    } else {
        Err(error::invalid_name())
    }
}

/// Who asks again with the same token and the same value is told of what there is.
pub async fn create_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::CreateSecretInput,
) -> Result<api::CreateSecretOutput, AwsError> {
    check_name(&input.name)?;
    if input.r#type.is_some() || input.cross_account_primary_arn.is_some() {
        let what = "secrets of external services and of other accounts";
        return Err(error::unsupported(what));
    }
    let plain = Plain::of(input.secret_string, input.secret_binary)?;
    let token = input.client_request_token;
    let now = cx.now();
    let new = Secret {
        suffix: new_suffix(&cx),
        description: input.description,
        kms_key_id: input.kms_key_id.filter(|key| !key.is_empty()),
        created_at: now,
        changed_at: now,
        accessed_at: None,
        deleted_at: None,
        policy: None,
        primary_region: None,
        replicas: BTreeMap::new(),
        tags: parse_tags(input.tags.unwrap_or_default())?,
        versions: BTreeMap::new(),
        name: input.name,
    };
    let regions = input.add_replica_regions.unwrap_or_default();
    let overwrite = input.force_overwrite_replica_secret == Some(true);
    let id = token.clone().unwrap_or_else(|| cx.house.rng.uuid());
    let key = record(&cx.scope, &new.name);
    settle(async || {
        let there = cx.db().get_key::<Secret>(&key).await?;
        let tx = cx.db().tx();
        let tx = match there {
            None => tx,
            Some(old) if is_gone(&old, &cx) => {
                let removal = deletion::removal(tx, &cx.scope, &old);
                let (Committed::At(_) | Committed::Conflict) = removal.commit().await?;
                cx.db().tx()
            }
            Some(old) if old.deleted_at.is_some() => return Err(error::name_is_deleted()),
            Some(stored) => {
                let again = token
                    .as_ref()
                    .filter(|id| stored.versions.contains_key(*id));
                let again = again.ok_or_else(|| error::exists(&new.name))?;
                let scope = cx.scope.clone();
                let found = Found { scope, stored };
                versions::is_again(&cx, &found, again, plain.as_ref()).await?;
                let output = created(&cx.scope, &found, Some(again));
                return Ok((tx.unchanged(&found.stored), output));
            }
        };
        let (mut secret, mut tx) = (new.clone(), tx);
        if let Some(plain) = &plain {
            let labels = [CURRENT.to_owned()];
            tx = versions::add(&cx, tx, &cx.scope, &mut secret, &id, plain, &labels).await?;
        }
        replicas::begin(&cx, &cx.scope, &mut secret, &regions, overwrite).await?;
        let added = plain.as_ref().map(|plain| (id.as_str(), plain));
        tx = replicas::follow(&cx, tx, &cx.scope, &new, &secret, added).await?;
        let output = created(&cx.scope, &secret, plain.as_ref().map(|_| &id));
        Ok((tx.create(key.clone(), &secret), output))
    })
    .await
}

fn created(scope: &Scope, secret: &Secret, version: Option<&String>) -> api::CreateSecretOutput {
    api::CreateSecretOutput {
        arn: Some(arn(scope, secret)),
        name: Some(secret.name.clone()),
        version_id: version.cloned(),
        replication_status: replicas::status(secret),
    }
}

pub async fn update_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::UpdateSecretInput,
) -> Result<api::UpdateSecretOutput, AwsError> {
    if input.r#type.is_some() {
        return Err(error::unsupported("secrets of external services"));
    }
    let plain = Plain::of(input.secret_string, input.secret_binary)?;
    let token = input.client_request_token;
    let id = token.clone().unwrap_or_else(|| cx.house.rng.uuid());
    let (description, key) = (input.description, input.kms_key_id);
    settle(async || {
        let found = find(&cx, &input.secret_id).await?.kept()?.primary()?;
        let Found { scope, stored } = &found;
        let mut secret = stored.value.clone();
        let mut tx = cx.db().tx();
        if let Some(description) = &description {
            secret.description = Some(description.clone());
        }
        if let Some(key) = &key {
            let key = Some(key.clone()).filter(|key| !key.is_empty());
            if key != secret.kms_key_id {
                secret.kms_key_id = key;
                tx = sealed_again(&cx, tx, &found, &mut secret).await?;
            }
        }
        secret.changed_at = cx.now();
        let is_there = secret.versions.contains_key(&id);
        match &plain {
            Some(plain) if is_there => {
                versions::is_again(&cx, &found, &id, Some(plain)).await?;
            }
            Some(plain) => {
                let labels = [CURRENT.to_owned()];
                tx = versions::add(&cx, tx, scope, &mut secret, &id, plain, &labels).await?;
            }
            None => {}
        }
        let output = api::UpdateSecretOutput {
            arn: Some(found.arn()),
            name: Some(secret.name.clone()),
            version_id: plain.as_ref().map(|_| id.clone()),
        };
        let added = plain.as_ref().filter(|_| !is_there);
        let added = added.map(|plain| (id.as_str(), plain));
        tx = replicas::follow(&cx, tx, scope, stored, &secret, added).await?;
        Ok((tx.update(stored, &secret), output))
    })
    .await
}

/// When another key is chosen, the versions that are in use are sealed under it.
async fn sealed_again(
    cx: &Ctx,
    mut tx: Tx,
    found: &Found,
    secret: &mut Secret,
) -> Result<Tx, AwsError> {
    let in_use = |version: &Version| {
        let mut labels = [CURRENT, PENDING, PREVIOUS].into_iter();
        labels.any(|label| version.stages.contains(label))
    };
    let ids: Vec<String> = secret.versions.keys().cloned().collect();
    for id in ids {
        if in_use(&secret.versions[&id]) {
            let plain = values::open(cx, &found.scope, found, &id).await?;
            let (value, key) = values::seal(cx, &found.scope, secret, &id, &plain).await?;
            tx = tx.put(values::record(&found.scope, secret, &id), &value);
            if let Some(version) = secret.versions.get_mut(&id) {
                version.kms_key = key;
            }
        }
    }
    Ok(tx)
}

pub async fn describe_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::DescribeSecretInput,
) -> Result<api::DescribeSecretOutput, AwsError> {
    let found = find(&cx, &input.secret_id).await?;
    let arn = found.arn();
    let scope = found.scope;
    let secret = found.stored.value;
    let stages = labelled(&secret);
    Ok(api::DescribeSecretOutput {
        primary_region: replicas::primary_region(&scope, &secret),
        replication_status: replicas::status(&secret),
        arn: Some(arn),
        name: Some(secret.name),
        description: secret.description,
        kms_key_id: secret.kms_key_id,
        last_changed_date: Some(secret.changed_at),
        last_accessed_date: secret.accessed_at,
        deleted_date: secret.deleted_at,
        tags: Some(shown_tags(&secret.tags)).filter(|tags| !tags.is_empty()),
        version_ids_to_stages: Some(stages).filter(|stages| !stages.is_empty()),
        created_date: Some(secret.created_at),
        ..Default::default()
    })
}

/// The versions that have labels.
pub(super) fn labelled(secret: &Secret) -> BTreeMap<String, Vec<String>> {
    let versions = secret.versions.iter();
    let labelled = versions.filter(|(_, version)| !version.stages.is_empty());
    labelled
        .map(|(id, version)| (id.clone(), version.stages.iter().cloned().collect()))
        .collect()
}

/// Without a recovery window a secret is gone at once, and one that is not there is no error.
pub async fn delete_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::DeleteSecretInput,
) -> Result<api::DeleteSecretOutput, AwsError> {
    let force = input.force_delete_without_recovery == Some(true);
    if force && input.recovery_window_in_days.is_some() {
        return Err(error::parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = input.recovery_window_in_days.unwrap_or(LONGEST_WINDOW_DAYS);
    if !(SHORTEST_WINDOW_DAYS..=LONGEST_WINDOW_DAYS).contains(&days) {
        return Err(error::parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let window = DAY * u32::try_from(days).unwrap_or_default();
    let output = |arn, name: &str, end| api::DeleteSecretOutput {
        arn: Some(arn),
        name: Some(name.to_owned()),
        deletion_date: Some(end),
    };
    settle(async || {
        let tx = cx.db().tx();
        let found = match find(&cx, &input.secret_id).await {
            Err(missing) if force && missing.is("ResourceNotFoundException") => {
                let name = &input.secret_id;
                let resource = format!("secret:{name}-{}", new_suffix(&cx));
                let arn = match name.starts_with("arn:") {
                    true => name.clone(),
                    false => cx.arn("secretsmanager", resource),
                };
                return Ok((tx, output(arn, name, cx.now())));
            }
            found => found?.primary()?,
        };
        let replicas = found.replicas.iter().filter(|(_, r)| r.failure.is_none());
        let regions: Vec<&str> = replicas.map(|(region, _)| region.as_str()).collect();
        if !regions.is_empty() {
            return Err(error::has_replicas(&found.name, &regions.join(", ")));
        }
        if force {
            let output = output(found.arn(), &found.name, cx.now());
            return Ok((deletion::removal(tx, &found.scope, &found.stored), output));
        }
        if found.deleted_at.is_some() {
            return Err(error::deleted_twice());
        }
        let end = cx.now() + window;
        let secret = Secret {
            deleted_at: Some(end),
            ..found.stored.value.clone()
        };
        let output = output(found.arn(), &found.name, end);
        Ok((tx.update(&found.stored, &secret), output))
    })
    .await
}

pub async fn restore_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::RestoreSecretInput,
) -> Result<api::RestoreSecretOutput, AwsError> {
    settle(async || {
        let found = find(&cx, &input.secret_id).await?.primary()?;
        let secret = Secret {
            deleted_at: None,
            ..found.stored.value.clone()
        };
        let output = api::RestoreSecretOutput {
            arn: Some(found.arn()),
            name: Some(secret.name.clone()),
        };
        Ok((cx.db().tx().update(&found.stored, &secret), output))
    })
    .await
}
