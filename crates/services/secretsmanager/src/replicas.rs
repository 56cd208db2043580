//! Replicas of secrets in other regions
//! (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html>).
//!
//! All regions are in one store: a replica is written in the transaction that changes its secret, so
//! that it is never behind. Its values are sealed by a key of its own region.

use crate::error;
use crate::model::{Replica, Secret, Version};
use crate::secrets::record;
use crate::values::{self, Plain};
use neargate_api_secretsmanager as api;
use neargate_base::Region;
use neargate_service::{AwsError, Ctx, Scope, Stored, Tx};

pub(crate) fn in_region(scope: &Scope, region: &str) -> Result<Scope, AwsError> {
    let region: Region = region.parse().map_err(|_| error::replica_region())?;
    if region == scope.region {
        return Err(error::replica_region());
    }
    Ok(Scope {
        account: scope.account.clone(),
        region,
    })
}

/// Notes that the secret has replicas in these regions. One whose name is taken there has failed,
/// unless it is to be overwritten.
///
/// # Errors
/// There is no such region, or the secret itself is there.
pub(crate) async fn begin(
    cx: &Ctx,
    scope: &Scope,
    secret: &mut Secret,
    asked: &[api::ReplicaRegionType],
    overwrite: bool,
) -> Result<(), AwsError> {
    for one in asked {
        let region = one.region.as_deref().unwrap_or_default();
        let there = in_region(scope, region)?;
        let taken = cx
            .db()
            .get_key::<Secret>(&record(&there, &secret.name))
            .await?;
        let is_other = taken.is_some_and(|other| !is_replica_of(&other, secret));
        let name = &secret.name;
        let failure = (is_other && !overwrite).then(|| {
            format!("Replication failed: Secret name {name} already exists in region {region}.")
        });
        let replica = Replica {
            kms_key_id: one.kms_key_id.clone(),
            failure,
        };
        secret.replicas.insert(region.to_owned(), replica);
    }
    Ok(())
}

/// Adds to a transaction that the replicas become as the secret is to be. `before`: the secret that
/// the values in the store are of; `new`: a version whose value is not in the store yet.
///
/// # Errors
/// KMS refuses in one of the regions.
pub(crate) async fn follow(
    cx: &Ctx,
    mut tx: Tx,
    scope: &Scope,
    before: &Secret,
    secret: &Secret,
    new: Option<(&str, &Plain)>,
) -> Result<Tx, AwsError> {
    for (region, replica) in &secret.replicas {
        if replica.failure.is_some() {
            continue;
        }
        let there = in_region(scope, region)?;
        let key = record(&there, &secret.name);
        let mut old = cx.db().get_key::<Secret>(&key).await?;
        if let Some(other) = old.as_mut().filter(|old| !is_replica_of(old, secret)) {
            // It is overwritten.
            for id in std::mem::take(&mut other.value.versions).into_keys() {
                if other.suffix != secret.suffix || !secret.versions.contains_key(&id) {
                    tx = tx.delete_key(values::record(&there, other, &id));
                }
            }
        }
        let mut copy = Secret {
            primary_region: Some(scope.region.to_string()),
            replicas: Default::default(),
            kms_key_id: replica.kms_key_id.clone(),
            accessed_at: old.as_ref().and_then(|old| old.accessed_at),
            versions: Default::default(),
            ..secret.clone()
        };
        for (id, version) in &secret.versions {
            let there_already = old.as_ref().and_then(|old| old.versions.get(id));
            let copied = match there_already {
                Some(old) => Version {
                    stages: version.stages.clone(),
                    ..old.clone()
                },
                None => {
                    let plain = match new.filter(|(new, _)| new == id) {
                        Some((_, plain)) => plain.clone(),
                        None => values::open(cx, scope, before, id).await?,
                    };
                    let (value, kms_key) = values::seal(cx, &there, &copy, id, &plain).await?;
                    tx = tx.put(values::record(&there, &copy, id), &value);
                    Version {
                        kms_key,
                        accessed_at: None,
                        ..version.clone()
                    }
                }
            };
            copy.versions.insert(id.clone(), copied);
        }
        tx = match old {
            Some(old) => {
                for id in old
                    .versions
                    .keys()
                    .filter(|id| !copy.versions.contains_key(*id))
                {
                    tx = tx.delete_key(values::record(&there, &copy, id));
                }
                tx.update(&old, &copy)
            }
            None => tx.create(key, &copy),
        };
    }
    Ok(tx)
}

fn is_replica_of(found: &Secret, secret: &Secret) -> bool {
    found.suffix == secret.suffix && found.primary_region.is_some()
}

/// The replica in a region, if it is one of this secret.
pub(crate) async fn find(
    cx: &Ctx,
    scope: &Scope,
    secret: &Secret,
) -> Result<Option<Stored<Secret>>, AwsError> {
    let found = cx
        .db()
        .get_key::<Secret>(&record(scope, &secret.name))
        .await?;
    Ok(found.filter(|found| is_replica_of(found, secret)))
}

/// How a secret's replicas are.
pub(crate) fn status(secret: &Secret) -> Option<Vec<api::ReplicationStatusType>> {
    let shown = |(region, replica): (&String, &Replica)| api::ReplicationStatusType {
        region: Some(region.clone()),
        kms_key_id: Some(
            replica
                .kms_key_id
                .clone()
                .unwrap_or_else(|| "alias/aws/secretsmanager".into()),
        ),
        status: Some(
            if replica.failure.is_some() {
                "Failed"
            } else {
                "InSync"
            }
            .into(),
        ),
        status_message: Some(
            replica
                .failure
                .clone()
                .unwrap_or_else(|| "Replication succeeded".into()),
        ),
        last_accessed_date: None,
    };
    let all: Vec<_> = secret.replicas.iter().map(shown).collect();
    Some(all).filter(|all| !all.is_empty())
}

/// The region of the secret itself, where it is replicated.
pub(crate) fn primary_region(scope: &Scope, secret: &Secret) -> Option<String> {
    let own = || (!secret.replicas.is_empty()).then(|| scope.region.to_string());
    secret.primary_region.clone().or_else(own)
}
