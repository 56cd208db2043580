//! How a secret gets a further version, and when old ones go
//! (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>).

use crate::error;
use crate::model::{Secret, Version};
use crate::secrets::Found;
use crate::stages::{self, CURRENT};
use crate::values::{self, Plain};
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx, Scope, Tx};
use std::time::Duration;

/// More are kept of the last day alone.
const KEPT: usize = 100;
const MOST: usize = 1000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds a version with these labels to the secret, and its value to the transaction. A secret's
/// first version holds, whatever its labels.
///
/// # Errors
/// There are too many versions or labels, or KMS refuses.
pub(crate) async fn add(
    cx: &Ctx,
    tx: Tx,
    scope: &Scope,
    secret: &mut Secret,
    id: &str,
    plain: &Plain,
    labels: &[String],
) -> Result<Tx, AwsError> {
    let (value, kms_key) = values::seal(cx, scope, secret, id, plain).await?;
    let version = Version {
        stages: Default::default(),
        created_at: cx.now(),
        accessed_at: None,
        kms_key,
    };
    secret.versions.insert(id.to_owned(), version);
    for label in labels {
        stages::attach(secret, label, id);
    }
    if stages::holder(secret, CURRENT).is_none() {
        stages::attach(secret, CURRENT, id);
    }
    stages::check(secret)?;
    secret.changed_at = cx.now();
    let mut tx = tx.create(values::record(scope, secret, id), &value);
    for gone in outdated(secret, cx.now()) {
        tx = tx.delete_key(values::record(scope, secret, &gone));
        secret.versions.remove(&gone);
    }
    if secret.versions.len() > MOST {
        return Err(error::too_many_versions());
    }
    Ok(tx)
}

/// Deprecated versions that are not kept: the oldest ones beyond the hundredth, unless they are of
/// the last day.
fn outdated(secret: &Secret, now: Timestamp) -> Vec<String> {
    let versions = secret.versions.iter();
    let mut deprecated: Vec<_> = versions
        .filter(|(_, v)| v.stages.is_empty() && v.created_at + DAY < now)
        .collect();
    deprecated.sort_by_key(|(_, v)| v.created_at);
    let surplus = secret.versions.len().saturating_sub(KEPT);
    let gone = deprecated.into_iter().take(surplus);
    gone.map(|(id, _)| id.clone()).collect()
}

/// Is the version that a token names made of the same value?
///
/// # Errors
/// It is not: a version is never changed.
pub(crate) async fn is_again(
    cx: &Ctx,
    found: &Found,
    token: &str,
    plain: Option<&Plain>,
) -> Result<(), AwsError> {
    let there = values::open(cx, &found.scope, found, token).await?;
    match plain {
        Some(plain) if plain.is_same(&there) => Ok(()),
        _ => Err(error::token_in_use(token, &found.arn())),
    }
}
