//! `ListSecrets`.

use super::{secrets::labelled, shown_tags};
use crate::model::Secret;
use crate::secrets::{arn, is_gone};
use crate::{SecretsManager, error, filter, replicas};
use neargate_api_secretsmanager as api;
use neargate_base::Timestamp;
use neargate_service::page::{Size, page, page_descending};
use neargate_service::{AwsError, Ctx, Scope, Stored};
use std::sync::Arc;

const SIZE: Size = Size::up_to(100);

/// Where a secret stands in a list that is sorted so.
fn place(secret: &Secret, sorted_by: &str) -> String {
    let at = |time: Option<Timestamp>| {
        let millis = time.map_or(0, Timestamp::as_millis);
        format!("{millis:020} {}", secret.name)
    };
    match sorted_by {
        "name" => secret.name.clone(),
        "last-changed-date" => at(Some(secret.changed_at)),
        "last-accessed-date" => at(secret.accessed_at),
        _ => at(Some(secret.created_at)),
    }
}

pub async fn list_secrets(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::ListSecretsInput,
) -> Result<api::ListSecretsOutput, AwsError> {
    let filters = input.filters.unwrap_or_default();
    filter::check(&filters)?;
    let deleted_too = input.include_planned_deletion == Some(true);
    let mut all = cx.db().list::<Secret>(&cx.scope).await?;
    all.retain(|secret| {
        (deleted_too || secret.deleted_at.is_none())
            && !is_gone(secret, &cx)
            && filter::fits(&cx.scope, secret, &filters)
    });
    let by = input.sort_by.as_deref().unwrap_or("created-date");
    let id = |secret: &Stored<Secret>| place(secret, by);
    all.sort_by_cached_key(id);
    let (token, size) = (input.next_token.as_deref(), SIZE.clamp(input.max_results));
    let paged = if input.sort_order.as_deref() == Some("desc") {
        all.reverse();
        page_descending(all, token, size, id)
    } else {
        page(all, token, size, id)
    };
    let paged = paged.map_err(|_| error::invalid_token())?;
    let shown = paged.items.into_iter();
    Ok(api::ListSecretsOutput {
        secret_list: Some(shown.map(|s| entry(&cx.scope, s.value)).collect()),
        next_token: paged.next_token,
    })
}

fn entry(scope: &Scope, secret: Secret) -> api::SecretListEntry {
    api::SecretListEntry {
        arn: Some(arn(scope, &secret)),
        primary_region: replicas::primary_region(scope, &secret),
        secret_versions_to_stages: Some(labelled(&secret)),
        name: Some(secret.name),
        description: secret.description,
        kms_key_id: secret.kms_key_id,
        last_changed_date: Some(secret.changed_at),
        last_accessed_date: secret.accessed_at,
        deleted_date: secret.deleted_at,
        tags: Some(shown_tags(&secret.tags)),
        created_date: Some(secret.created_at),
        ..Default::default()
    }
}
