//! AWS Secrets Manager: secrets, their versions and the labels that say which one holds.
//!
//! A version's value is sealed under a data key of its own, which KMS made and opens: what is
//! stored opens only while the KMS key is enabled.

mod api;
mod deletion;
mod error;
mod filter;
mod model;
mod password;
mod replicas;
mod secrets;
mod stages;
#[cfg(test)]
mod tests;
mod values;
mod versions;

use neargate_api_secretsmanager::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Secrets Manager's handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct SecretsManager;

impl Component for SecretsManager {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.spawn("secrets-deletion", deletion::run(house));
    }
}

const CREATED: &str = "secrets of external services and of other accounts are refused";
const ROTATION: &str = "there are no functions that could rotate a secret: a RotationLambdaARN is \
                        refused; versions and their labels can be moved by hand";

/// Which operations are served, and how completely.
fn table(service: Arc<SecretsManager>) -> OperationTable<SecretsManager> {
    use api::{lists, policies, replication, rotation, secrets, tags, values, versions};
    OperationTable::new(&SERVICE, service)
        .on(ops::BatchGetSecretValue, values::batch_get_secret_value)
        .partly(
            ops::CancelRotateSecret,
            rotation::cancel_rotate_secret,
            ROTATION,
        )
        .partly(ops::CreateSecret, secrets::create_secret, CREATED)
        .on(ops::DeleteResourcePolicy, policies::delete_resource_policy)
        .on(ops::DeleteSecret, secrets::delete_secret)
        .on(ops::DescribeSecret, secrets::describe_secret)
        .on(ops::GetRandomPassword, password::get_random_password)
        .on(ops::GetResourcePolicy, policies::get_resource_policy)
        .on(ops::GetSecretValue, values::get_secret_value)
        .on(ops::ListSecretVersionIds, versions::list_secret_version_ids)
        .on(ops::ListSecrets, lists::list_secrets)
        .on(ops::PutResourcePolicy, policies::put_resource_policy)
        .on(ops::PutSecretValue, values::put_secret_value)
        .on(
            ops::RemoveRegionsFromReplication,
            replication::remove_regions_from_replication,
        )
        .on(
            ops::ReplicateSecretToRegions,
            replication::replicate_secret_to_regions,
        )
        .on(ops::RestoreSecret, secrets::restore_secret)
        .partly(ops::RotateSecret, rotation::rotate_secret, ROTATION)
        .on(
            ops::StopReplicationToReplica,
            replication::stop_replication_to_replica,
        )
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
        .on(ops::UpdateSecret, secrets::update_secret)
        .on(
            ops::UpdateSecretVersionStage,
            versions::update_secret_version_stage,
        )
        .on(
            ops::ValidateResourcePolicy,
            policies::validate_resource_policy,
        )
}
