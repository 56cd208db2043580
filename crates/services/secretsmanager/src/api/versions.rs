//! Versions and their labels.

use super::change;
use crate::model::Version;
use crate::secrets::find;
use crate::stages::{self, CURRENT};
use crate::{SecretsManager, error};
use neargate_api_secretsmanager as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const SIZE: Size = Size::up_to(100);

pub async fn list_secret_version_ids(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::ListSecretVersionIdsInput,
) -> Result<api::ListSecretVersionIdsOutput, AwsError> {
    let found = find(&cx, &input.secret_id).await?;
    let deprecated_too = input.include_deprecated == Some(true);
    let versions = found.versions.iter();
    let listed = versions.filter(|(_, v)| deprecated_too || !v.stages.is_empty());
    let (token, size) = (input.next_token.as_deref(), SIZE.clamp(input.max_results));
    let paged = page(listed, token, size, |(id, _)| (*id).clone());
    let paged = paged.map_err(|_| error::invalid_token())?;
    let shown = |(id, version): (&String, &Version)| api::SecretVersionsListEntry {
        version_id: Some(id.clone()),
        version_stages: Some(version.stages.iter().cloned().collect()),
        last_accessed_date: version.accessed_at,
        created_date: Some(version.created_at),
        kms_key_ids: Some(vec![version.kms_key.clone()]),
    };
    Ok(api::ListSecretVersionIdsOutput {
        versions: Some(paged.items.into_iter().map(shown).collect()),
        next_token: paged.next_token,
        arn: Some(found.arn()),
        name: Some(found.name.clone()),
    })
}

/// A label moves, is attached or is taken away.
pub async fn update_secret_version_stage(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::UpdateSecretVersionStageInput,
) -> Result<api::UpdateSecretVersionStageOutput, AwsError> {
    let stage = &input.version_stage;
    let (from, to) = (&input.remove_from_version_id, &input.move_to_version_id);
    if from.is_none() && to.is_none() {
        return Err(error::parameter(
            "You must specify RemoveFromVersionId or MoveToVersionId.",
        ));
    }
    let found = change(&cx, &input.secret_id, |secret| {
        for id in [from, to].into_iter().flatten() {
            if !secret.versions.contains_key(id) {
                return Err(error::version_not_found(id));
            }
        }
        let holder = stages::holder(secret, stage).map(str::to_owned);
        match (&holder, from) {
            (holder, Some(from)) if holder.as_ref() != Some(from) => {
                return Err(error::parameter(format!(
                    "The staging label {stage} isn't currently attached to version {from}."
                )));
            }
            (Some(holder), None) => {
                return Err(error::parameter(format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is \
                     currently attached to version {holder}, so you must explicitly reference that \
                     version in RemoveFromVersionId."
                )));
            }
            _ => {}
        }
        match to {
            Some(to) => stages::attach(secret, stage, to),
            None if stage == CURRENT => {
                return Err(error::parameter(
                    "You can't remove the staging label AWSCURRENT from a version without moving \
                     it to another one.",
                ));
            }
            None => {
                for version in secret.versions.values_mut() {
                    version.stages.remove(stage);
                }
            }
        }
        stages::check(secret)?;
        secret.changed_at = cx.now();
        Ok(())
    })
    .await?;
    Ok(api::UpdateSecretVersionStageOutput {
        arn: Some(found.arn()),
        name: Some(found.name.clone()),
    })
}
