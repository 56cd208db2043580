//! Resource policies: which services of AWS may write log events here.

use crate::model::DESCRIBED;
use crate::model::policies::{MAX_ACCOUNT_POLICIES, ResourcePolicy};
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_policy::{Document, Use};
use neargate_service::db::{self, Stored};
use neargate_service::{AwsError, Ctx, page};
use std::sync::Arc;

pub async fn put_resource_policy(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::PutResourcePolicyInput,
) -> Result<api::PutResourcePolicyOutput, AwsError> {
    let document = input
        .policy_document
        .ok_or_else(error::no_policy_document)?;
    Document::parse_as(Use::Resource, &document).map_err(|e| error::bad_policy(&e.to_string()))?;
    let id = identity(&cx, input.policy_name, input.resource_arn.as_deref()).await?;
    let policy = ResourcePolicy {
        document,
        updated: cx.now(),
        resource_arn: input.resource_arn.map(|_| id.clone()),
        revision: cx.house.rng.hex(16),
    };
    let stored = db::settle(async || {
        let key = db::key::<ResourcePolicy>(&cx.scope, &id);
        let known = cx.db().get_key::<ResourcePolicy>(&key).await?;
        expect(known.as_ref(), input.expected_revision_id.as_deref())?;
        let tx = cx.db().tx();
        let tx = match &known {
            Some(known) => tx.update(known, &policy),
            None => {
                let all = cx.db().list::<ResourcePolicy>(&cx.scope).await?;
                let of_account = all.iter().filter(|p| p.resource_arn.is_none()).count();
                if policy.resource_arn.is_none() && of_account >= MAX_ACCOUNT_POLICIES {
                    return Err(error::limit_exceeded());
                }
                tx.create(key, &policy)
            }
        };
        Ok((tx, policy.clone()))
    })
    .await?;
    Ok(api::PutResourcePolicyOutput {
        revision_id: stored
            .resource_arn
            .as_ref()
            .map(|_| stored.revision.clone()),
        resource_policy: Some(shape(&id, &stored)),
    })
}

/// What a policy is kept under: its name, or the ARN of its log group.
async fn identity(
    cx: &Ctx,
    name: Option<String>,
    resource: Option<&str>,
) -> Result<String, AwsError> {
    match (resource, name) {
        (Some(arn), _) => {
            let group = reference::of_arn(cx, arn).await?;
            Ok(group.arn(&cx.scope))
        }
        (None, Some(name)) => Ok(name),
        (None, None) => Err(error::no_policy_name()),
    }
}

/// Is the policy as the caller saw it?
fn expect(known: Option<&Stored<ResourcePolicy>>, revision: Option<&str>) -> Result<(), AwsError> {
    match (known, revision) {
        (_, None) => Ok(()),
        (Some(known), Some(revision)) if known.value.revision == revision => Ok(()),
        _ => Err(error::aborted()),
    }
}

pub async fn delete_resource_policy(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteResourcePolicyInput,
) -> Result<api::DeleteResourcePolicyOutput, AwsError> {
    let resource = input.resource_arn.as_deref();
    let id = identity(&cx, input.policy_name, resource).await?;
    db::settle(async || {
        let known = cx.db().get::<ResourcePolicy>(&cx.scope, &id).await?;
        let known = known.ok_or_else(|| error::policy_not_found(&id))?;
        expect(Some(&known), input.expected_revision_id.as_deref())?;
        Ok((cx.db().tx().delete(&known), ()))
    })
    .await?;
    Ok(api::DeleteResourcePolicyOutput::default())
}

pub async fn describe_resource_policies(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeResourcePoliciesInput,
) -> Result<api::DescribeResourcePoliciesOutput, AwsError> {
    let of_resource = match &input.resource_arn {
        Some(arn) => Some(identity(&cx, None, Some(arn)).await?),
        None => None,
    };
    let wanted =
        |policy: &Stored<ResourcePolicy>| match (&of_resource, input.policy_scope.as_deref()) {
            (Some(arn), _) => policy.resource_arn.as_ref() == Some(arn),
            (None, Some("RESOURCE")) => policy.resource_arn.is_some(),
            (None, _) => policy.resource_arn.is_none(),
        };
    let mut all = cx.db().list::<ResourcePolicy>(&cx.scope).await?;
    all.retain(wanted);
    let place = |policy: &Stored<ResourcePolicy>| id_of(&cx, policy);
    let limit = DESCRIBED.clamp(input.limit);
    let page = page::page(all, input.next_token.as_deref(), limit, place)
        .map_err(|_| error::invalid_token())?;
    Ok(api::DescribeResourcePoliciesOutput {
        resource_policies: Some(
            page.items
                .iter()
                .map(|p| shape(&id_of(&cx, p), p))
                .collect(),
        ),
        next_token: page.next_token,
    })
}

/// The policy's name, or the ARN of its log group.
fn id_of(cx: &Ctx, policy: &Stored<ResourcePolicy>) -> String {
    let prefix = db::prefix::<ResourcePolicy>(&cx.scope);
    let id = policy.key.strip_prefix(&prefix).unwrap_or(&policy.key);
    id.to_owned()
}

fn shape(id: &str, policy: &ResourcePolicy) -> api::ResourcePolicy {
    let of_resource = policy.resource_arn.is_some();
    api::ResourcePolicy {
        policy_name: (!of_resource).then(|| id.to_owned()),
        policy_document: Some(policy.document.clone()),
        last_updated_time: Some(policy.updated.as_millis()),
        policy_scope: Some(if of_resource { "RESOURCE" } else { "ACCOUNT" }.into()),
        resource_arn: of_resource.then(|| id.to_owned()),
        revision_id: of_resource.then(|| policy.revision.clone()),
    }
}
