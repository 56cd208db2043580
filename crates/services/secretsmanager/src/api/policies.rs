//! Resource policies of secrets.

use super::change;
use crate::secrets::find;
use crate::{SecretsManager, error};
use neargate_api_secretsmanager as api;
use neargate_policy::document::{Effect, Matcher};
use neargate_policy::principal::Named;
use neargate_policy::{Document, Malformed, Use};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// # Errors
/// It is no policy.
fn parse(text: &str) -> Result<Document, AwsError> {
    let parsed = Document::parse_as(Use::Resource, text);
    parsed.map_err(|why| match why {
        Malformed::Syntax => error::malformed_policy("This resource policy contains invalid Json"),
        other => error::malformed_policy(&other.to_string()),
    })
}

/// Does a statement allow everybody, on no condition?
fn is_public(policy: &Document) -> bool {
    policy.statements.iter().any(|statement| {
        let everybody = match &statement.principals {
            Some(Matcher::Any(named)) => named.contains(&Named::Everyone),
            Some(Matcher::Not(_)) => true,
            None => false,
        };
        statement.effect == Effect::Allow && everybody && statement.conditions.is_empty()
    })
}

pub async fn put_resource_policy(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::PutResourcePolicyInput,
) -> Result<api::PutResourcePolicyOutput, AwsError> {
    let policy = parse(&input.resource_policy)?;
    if input.block_public_policy == Some(true) && is_public(&policy) {
        return Err(error::public_policy());
    }
    let found = change(&cx, &input.secret_id, |secret| {
        secret.policy = Some(input.resource_policy.clone());
        Ok(())
    })
    .await?;
    Ok(api::PutResourcePolicyOutput {
        arn: Some(found.arn()),
        name: Some(found.name.clone()),
        policy_name: None,
    })
}

pub async fn get_resource_policy(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::GetResourcePolicyInput,
) -> Result<api::GetResourcePolicyOutput, AwsError> {
    let found = find(&cx, &input.secret_id).await?;
    Ok(api::GetResourcePolicyOutput {
        arn: Some(found.arn()),
        name: Some(found.name.clone()),
        resource_policy: found.policy.clone(),
        policy_name: None,
    })
}

pub async fn delete_resource_policy(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::DeleteResourcePolicyInput,
) -> Result<api::DeleteResourcePolicyOutput, AwsError> {
    let found = change(&cx, &input.secret_id, |secret| {
        secret.policy = None;
        Ok(())
    })
    .await?;
    Ok(api::DeleteResourcePolicyOutput {
        arn: Some(found.arn()),
        name: Some(found.name.clone()),
        policy_name: None,
    })
}

pub async fn validate_resource_policy(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::ValidateResourcePolicyInput,
) -> Result<api::ValidateResourcePolicyOutput, AwsError> {
    if let Some(named) = &input.secret_id {
        find(&cx, named).await?;
    }
    let policy = parse(&input.resource_policy)?;
    let public = is_public(&policy).then(|| api::ValidationErrorsEntry {
        check_name: Some("Policy grants broad access".into()),
        error_message: Some("This resource policy grants broad access to your secret.".into()),
    });
    Ok(api::ValidateResourcePolicyOutput {
        policy_validation_passed: Some(public.is_none()),
        validation_errors: Some(public.into_iter().collect()),
    })
}
