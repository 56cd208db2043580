//! Policies of identities: who else may send. They are kept; senders of other accounts are not served.

use crate::{Ses, error, identity};
use neargate_api_ses as api;
use neargate_service::{AwsError, Ctx};
use serde_json::Value;
use std::sync::Arc;

/// <https://docs.aws.amazon.com/ses/latest/dg/policy-anatomy.html>
const MOST: usize = 20;

/// Is it a policy?
pub fn check(text: &str) -> Result<(), AwsError> {
    let read = serde_json::from_str::<Value>(text).ok();
    let has = |v: &Value| {
        v.get("Statement")
            .is_some_and(|s| s.is_array() || s.is_object())
    };
    match read.as_ref().is_some_and(has) {
        true => Ok(()),
        false => Err(error::policy_invalid("Policy is malformed.")),
    }
}

/// Writes a policy; `is_new`: whether there must be none, or must be one, of its name.
pub async fn put(cx: &Ctx, name: &str, policy_name: &str, policy: &str) -> Result<(), AwsError> {
    check(policy)?;
    identity::change(cx, name, |identity| {
        identity
            .policies
            .insert(policy_name.to_owned(), policy.to_owned());
        match identity.policies.len() <= MOST {
            true => Ok(true),
            false => Err(error::limit("Too many policies of this identity.")),
        }
    })
    .await
    .map(drop)
}

pub async fn put_identity_policy(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutIdentityPolicyInput,
) -> Result<api::PutIdentityPolicyOutput, AwsError> {
    put(&cx, &input.identity, &input.policy_name, &input.policy).await?;
    Ok(api::PutIdentityPolicyOutput {})
}

pub async fn delete_identity_policy(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteIdentityPolicyInput,
) -> Result<api::DeleteIdentityPolicyOutput, AwsError> {
    identity::change(&cx, &input.identity, |identity| {
        Ok(identity.policies.remove(&input.policy_name).is_some())
    })
    .await?;
    Ok(api::DeleteIdentityPolicyOutput {})
}

pub async fn get_identity_policies(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetIdentityPoliciesInput,
) -> Result<api::GetIdentityPoliciesOutput, AwsError> {
    let found = identity::find(&cx, &input.identity).await?;
    let mut policies = found.map(|i| i.value.policies).unwrap_or_default();
    policies.retain(|name, _| input.policy_names.contains(name));
    Ok(api::GetIdentityPoliciesOutput {
        policies: Some(policies),
    })
}

pub async fn list_identity_policies(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListIdentityPoliciesInput,
) -> Result<api::ListIdentityPoliciesOutput, AwsError> {
    let found = identity::find(&cx, &input.identity).await?;
    let policies = found.map(|i| i.value.policies).unwrap_or_default();
    Ok(api::ListIdentityPoliciesOutput {
        policy_names: Some(policies.into_keys().collect()),
    })
}
