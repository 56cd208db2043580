//! Policies of repositories and of the registry: checked to follow IAM's grammar, and kept as they
//! were sent.

use super::open;
use crate::Ecr;
use crate::error;
use crate::model::Registry;
use crate::policy;
use neargate_api_ecr as api;
use neargate_policy::Document;
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

fn check_policy(policy: Option<Document>, what: &str) -> Result<(), AwsError> {
    policy.map(drop).ok_or_else(|| error::invalid_policy(what))
}

pub async fn set_repository_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::SetRepositoryPolicyInput,
) -> Result<api::SetRepositoryPolicyOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "SetRepositoryPolicy",
    )
    .await?;
    check_policy(policy::of_repository(&input.policy_text), "repository")?;
    contents
        .modify(|r| {
            r.policy = Some(input.policy_text.clone());
            Ok(())
        })
        .await?;
    Ok(api::SetRepositoryPolicyOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        policy_text: Some(input.policy_text),
    })
}

pub async fn get_repository_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::GetRepositoryPolicyInput,
) -> Result<api::GetRepositoryPolicyOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "GetRepositoryPolicy",
    )
    .await?;
    let policy = contents.repository.policy.clone();
    let missing = || error::repository_policy_not_found(&contents.scope, contents.name());
    Ok(api::GetRepositoryPolicyOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(contents.name().to_owned()),
        policy_text: Some(policy.ok_or_else(missing)?),
    })
}

pub async fn delete_repository_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::DeleteRepositoryPolicyInput,
) -> Result<api::DeleteRepositoryPolicyOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "DeleteRepositoryPolicy",
    )
    .await?;
    let mut removed = None;
    contents
        .modify(|r| {
            removed = r.policy.take();
            match removed {
                Some(_) => Ok(()),
                None => Err(error::repository_policy_not_found(
                    &contents.scope,
                    contents.name(),
                )),
            }
        })
        .await?;
    Ok(api::DeleteRepositoryPolicyOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        policy_text: removed,
    })
}

const REGISTRY: &str = "registry";

pub async fn put_registry_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::PutRegistryPolicyInput,
) -> Result<api::PutRegistryPolicyOutput, AwsError> {
    check_policy(policy::of_registry(&input.policy_text), "registry")?;
    let registry = Registry {
        policy: Some(input.policy_text.clone()),
    };
    let key = db::key::<Registry>(&cx.scope, REGISTRY);
    match cx.db().tx().put(key, &registry).commit().await? {
        Committed::At(_) | Committed::Conflict => {}
    }
    Ok(api::PutRegistryPolicyOutput {
        registry_id: Some(cx.scope.account.to_string()),
        policy_text: Some(input.policy_text),
    })
}

pub async fn get_registry_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    _: api::GetRegistryPolicyInput,
) -> Result<api::GetRegistryPolicyOutput, AwsError> {
    let registry = cx.db().get::<Registry>(&cx.scope, REGISTRY).await?;
    let policy = registry.and_then(|r| r.value.policy);
    Ok(api::GetRegistryPolicyOutput {
        registry_id: Some(cx.scope.account.to_string()),
        policy_text: Some(policy.ok_or_else(|| error::registry_policy_not_found(&cx.scope))?),
    })
}

pub async fn delete_registry_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    _: api::DeleteRegistryPolicyInput,
) -> Result<api::DeleteRegistryPolicyOutput, AwsError> {
    let missing = || error::registry_policy_not_found(&cx.scope);
    let mut removed = None;
    let key = db::key::<Registry>(&cx.scope, REGISTRY);
    let changed = cx.db().modify::<Registry, _>(&key, |r| {
        removed = r.policy.take();
        removed.is_some().then_some(true).ok_or_else(missing)
    });
    changed.await?.ok_or_else(missing)?;
    Ok(api::DeleteRegistryPolicyOutput {
        registry_id: Some(cx.scope.account.to_string()),
        policy_text: removed,
    })
}
