//! Key policies.

use super::change;
use crate::keys::find_key;
use crate::{Kms, error, policy};
use neargate_api_kms as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

fn named(name: Option<&str>) -> Result<(), AwsError> {
    match name {
        None | Some(policy::NAME) => Ok(()),
        Some(_) => Err(error::no_such_policy()),
    }
}

pub async fn get_key_policy(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GetKeyPolicyInput,
) -> Result<api::GetKeyPolicyOutput, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    named(input.policy_name.as_deref())?;
    Ok(api::GetKeyPolicyOutput {
        policy: Some(found.policy.clone()),
        policy_name: Some(policy::NAME.into()),
    })
}

pub async fn put_key_policy(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::PutKeyPolicyInput,
) -> Result<Unit, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let found = found.customers(&cx, "PutKeyPolicy")?.kept()?;
    named(input.policy_name.as_deref())?;
    policy::check(
        &cx,
        &found.arn(),
        &input.policy,
        input.bypass_policy_lockout_safety_check,
    )?;
    change(&cx, &found, |key| {
        key.policy.clone_from(&input.policy);
        Ok(true)
    })
    .await?;
    Ok(Unit)
}

pub async fn list_key_policies(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListKeyPoliciesInput,
) -> Result<api::ListKeyPoliciesOutput, AwsError> {
    find_key(&cx, &input.key_id).await?;
    Ok(api::ListKeyPoliciesOutput {
        policy_names: Some(vec![policy::NAME.into()]),
        next_marker: None,
        truncated: Some(false),
    })
}
