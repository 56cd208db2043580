//! Replication to other regions.

use crate::model::Secret;
use crate::replicas::{self, in_region};
use crate::secrets::{find, record};
use crate::{SecretsManager, deletion, error};
use neargate_api_secretsmanager as api;
use neargate_service::db::settle;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn replicate_secret_to_regions(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::ReplicateSecretToRegionsInput,
) -> Result<api::ReplicateSecretToRegionsOutput, AwsError> {
    let overwrite = input.force_overwrite_replica_secret == Some(true);
    settle(async || {
        let found = find(&cx, &input.secret_id).await?.kept()?.primary()?;
        let mut secret = found.stored.value.clone();
        let (scope, asked) = (&found.scope, &input.add_replica_regions);
        replicas::begin(&cx, scope, &mut secret, asked, overwrite).await?;
        let tx = cx.db().tx().update(&found.stored, &secret);
        let tx = replicas::follow(&cx, tx, scope, &found, &secret, None).await?;
        let output = api::ReplicateSecretToRegionsOutput {
            arn: Some(found.arn()),
            replication_status: replicas::status(&secret),
        };
        Ok((tx, output))
    })
    .await
}

pub async fn remove_regions_from_replication(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::RemoveRegionsFromReplicationInput,
) -> Result<api::RemoveRegionsFromReplicationOutput, AwsError> {
    settle(async || {
        let found = find(&cx, &input.secret_id).await?.kept()?.primary()?;
        let mut secret = found.stored.value.clone();
        let mut tx = cx.db().tx();
        for region in &input.remove_replica_regions {
            let there = in_region(&found.scope, region)?;
            secret.replicas.remove(region);
            if let Some(replica) = replicas::find(&cx, &there, &secret).await? {
                tx = deletion::removal(tx, &there, &replica);
            }
        }
        let output = api::RemoveRegionsFromReplicationOutput {
            arn: Some(found.arn()),
            replication_status: Some(replicas::status(&secret).unwrap_or_default()),
        };
        Ok((tx.update(&found.stored, &secret), output))
    })
    .await
}

/// Asked where the replica is: it becomes a secret of its own.
pub async fn stop_replication_to_replica(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::StopReplicationToReplicaInput,
) -> Result<api::StopReplicationToReplicaOutput, AwsError> {
    settle(async || {
        let found = find(&cx, &input.secret_id).await?.kept()?;
        let Some(primary) = &found.primary_region else {
            return Err(error::parameter("The secret is not a replica."));
        };
        let there = in_region(&found.scope, primary)?;
        let mut tx = cx.db().tx();
        let key = record(&there, &found.name);
        if let Some(primary) = cx.db().get_key::<Secret>(&key).await? {
            let mut changed = primary.value.clone();
            changed.replicas.remove(found.scope.region.as_str());
            tx = tx.update(&primary, &changed);
        }
        let alone = Secret {
            primary_region: None,
            ..found.stored.value.clone()
        };
        let arn = Some(found.arn());
        let output = api::StopReplicationToReplicaOutput { arn };
        Ok((tx.update(&found.stored, &alone), output))
    })
    .await
}
