//! Resource policies. They are kept, and nobody is let in by them.

use super::paged;
use crate::model::Policy;
use crate::{XRay, error};
use neargate_api_xray as api;
use neargate_policy::{Document, Use};
use neargate_service::db::settle;
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

/// Policies of an account.
const MOST: usize = 5;
const MOST_BYTES: usize = 5 << 10;

fn shown(policy: &Policy) -> api::ResourcePolicy {
    api::ResourcePolicy {
        policy_name: Some(policy.name.clone()),
        policy_document: Some(policy.document.clone()),
        policy_revision_id: Some(policy.revision.to_string()),
        last_updated_time: Some(policy.updated_at),
    }
}

pub async fn put_resource_policy(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::PutResourcePolicyInput,
) -> Result<api::PutResourcePolicyOutput, AwsError> {
    if input.policy_document.len() > MOST_BYTES {
        return Err(error::policy_too_large(MOST_BYTES));
    }
    Document::parse_as(Use::Resource, &input.policy_document)
        .map_err(|why| error::malformed_policy(&why))?;
    let expected = input.policy_revision_id.as_deref();
    let policy = settle(async || {
        let stored = cx.db().get::<Policy>(&cx.scope, &input.policy_name).await?;
        // 0 asks for one that is not there yet.
        let revision = stored.as_ref().map_or(0, |policy| policy.revision);
        if expected.is_some_and(|expected| expected != revision.to_string()) {
            return Err(error::other_revision());
        }
        let policy = Policy {
            name: input.policy_name.clone(),
            document: input.policy_document.clone(),
            revision: revision + 1,
            updated_at: cx.now(),
        };
        let tx = match &stored {
            Some(stored) => cx.db().tx().update(stored, &policy),
            None => {
                if cx.db().list::<Policy>(&cx.scope).await?.len() >= MOST {
                    return Err(error::too_many_policies(MOST));
                }
                let key = db::key::<Policy>(&cx.scope, &policy.name);
                cx.db().tx().create(key, &policy)
            }
        };
        Ok((tx, shown(&policy)))
    });
    Ok(api::PutResourcePolicyOutput {
        resource_policy: Some(policy.await?),
    })
}

/// One that is not there is deleted already.
pub async fn delete_resource_policy(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::DeleteResourcePolicyInput,
) -> Result<api::DeleteResourcePolicyOutput, AwsError> {
    let expected = input.policy_revision_id.as_deref();
    settle(async || {
        let stored = cx.db().get::<Policy>(&cx.scope, &input.policy_name).await?;
        let Some(stored) = stored else {
            return match expected {
                Some(_) => Err(error::other_revision()),
                None => Ok((cx.db().tx(), ())),
            };
        };
        if expected.is_some_and(|expected| expected != stored.revision.to_string()) {
            return Err(error::other_revision());
        }
        Ok((cx.db().tx().delete(&stored), ()))
    })
    .await?;
    Ok(api::DeleteResourcePolicyOutput {})
}

pub async fn list_resource_policies(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::ListResourcePoliciesInput,
) -> Result<api::ListResourcePoliciesOutput, AwsError> {
    let all = cx.db().list::<Policy>(&cx.scope).await?;
    let page = paged(all, input.next_token.as_deref(), |p| p.name.clone())?;
    Ok(api::ListResourcePoliciesOutput {
        resource_policies: Some(page.items.iter().map(|p| shown(p)).collect()),
        next_token: page.next_token,
    })
}
