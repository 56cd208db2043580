//! Lifecycle policies, and what they would do.

use super::images::find;
use super::{cut, open};
use crate::Ecr;
use crate::contents::Contents;
use crate::error;
use crate::lifecycle::Policy;
use crate::lifecycle::plan::{Candidate, Expiry, plan};
use crate::lifecycle::run::{EVALUATION, candidates};
use crate::model::{Evaluation, Preview};
use neargate_api_ecr as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use std::sync::Arc;

fn parse(text: &str) -> Result<Policy, AwsError> {
    Policy::parse(text).map_err(|why| error::invalid_lifecycle_policy(&why))
}

async fn last_evaluated_at(contents: &Contents) -> Result<Option<Timestamp>, AwsError> {
    let key = contents.key::<Evaluation>(EVALUATION);
    let last: Option<Stored<Evaluation>> = contents.house.db.get_key(&key).await?;
    Ok(last.map(|evaluation| evaluation.at))
}

pub async fn put_lifecycle_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::PutLifecyclePolicyInput,
) -> Result<api::PutLifecyclePolicyOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "PutLifecyclePolicy",
    )
    .await?;
    parse(&input.lifecycle_policy_text)?;
    contents
        .modify(|r| {
            r.lifecycle_policy = Some(input.lifecycle_policy_text.clone());
            Ok(())
        })
        .await?;
    Ok(api::PutLifecyclePolicyOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        lifecycle_policy_text: Some(input.lifecycle_policy_text),
    })
}

pub async fn get_lifecycle_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::GetLifecyclePolicyInput,
) -> Result<api::GetLifecyclePolicyOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "GetLifecyclePolicy",
    )
    .await?;
    let policy = contents.repository.lifecycle_policy.clone();
    let missing = || error::lifecycle_policy_not_found(&contents.scope, contents.name());
    let last_evaluated_at = last_evaluated_at(&contents).await?;
    Ok(api::GetLifecyclePolicyOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(contents.name().to_owned()),
        lifecycle_policy_text: Some(policy.ok_or_else(missing)?),
        last_evaluated_at,
    })
}

pub async fn delete_lifecycle_policy(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::DeleteLifecyclePolicyInput,
) -> Result<api::DeleteLifecyclePolicyOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "DeleteLifecyclePolicy",
    )
    .await?;
    let last_evaluated_at = last_evaluated_at(&contents).await?;
    let mut removed = None;
    contents
        .modify(|r| {
            removed = r.lifecycle_policy.take();
            match removed {
                Some(_) => Ok(()),
                None => Err(error::lifecycle_policy_not_found(
                    &contents.scope,
                    contents.name(),
                )),
            }
        })
        .await?;
    Ok(api::DeleteLifecyclePolicyOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        lifecycle_policy_text: removed,
        last_evaluated_at,
    })
}

/// The only [`Preview`] of a repository.
const PREVIEW: &str = "last";

pub async fn start_lifecycle_policy_preview(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::StartLifecyclePolicyPreviewInput,
) -> Result<api::StartLifecyclePolicyPreviewOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "StartLifecyclePolicyPreview",
    )
    .await?;
    let own = || contents.repository.lifecycle_policy.clone();
    let missing = || error::lifecycle_policy_not_found(&contents.scope, contents.name());
    let text = input
        .lifecycle_policy_text
        .or_else(own)
        .ok_or_else(missing)?;
    let policy = parse(&text)?;
    let expiring = plan(&policy, candidates(&contents).await?, cx.now());
    let preview = Preview {
        policy: text.clone(),
        expiring: expiring
            .iter()
            .map(|e| (e.image.digest, e.rule_priority))
            .collect(),
    };
    let key = contents.key::<Preview>(PREVIEW);
    match cx.db().tx().put(key, &preview).commit().await? {
        Committed::At(_) | Committed::Conflict => {}
    }
    Ok(api::StartLifecyclePolicyPreviewOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        lifecycle_policy_text: Some(text),
        // AWS's has this status until it has evaluated the policy, which it does later.
        status: Some("IN_PROGRESS".into()),
    })
}

pub async fn get_lifecycle_policy_preview(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::GetLifecyclePolicyPreviewInput,
) -> Result<api::GetLifecyclePolicyPreviewOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "GetLifecyclePolicyPreview",
    )
    .await?;
    let preview: Option<Stored<Preview>> =
        cx.db().get_key(&contents.key::<Preview>(PREVIEW)).await?;
    let missing = || error::lifecycle_policy_preview_not_found(&contents.scope, contents.name());
    let preview = preview.ok_or_else(missing)?.value;
    let images = candidates(&contents).await?;
    let expiring = preview
        .expiring
        .iter()
        .filter_map(|(digest, rule_priority)| {
            let image = images.iter().find(|image| image.digest == *digest)?.clone();
            Some(Expiry {
                image,
                rule_priority: *rule_priority,
            })
        });
    let mut expiring: Vec<Expiry> = expiring.collect();
    let total = i32::try_from(expiring.len()).ok();
    if let Some(ids) = input.image_ids.filter(|ids| !ids.is_empty()) {
        let mut wanted = Vec::with_capacity(ids.len());
        for id in ids {
            wanted.extend(find(&contents, &id).await?.ok().map(|image| image.digest));
        }
        expiring.retain(|expiry| wanted.contains(&expiry.image.digest));
    }
    let status = input.filter.as_ref().and_then(|f| f.tag_status.as_deref());
    expiring.retain(|expiry| match status {
        Some("TAGGED") => !expiry.image.tags.is_empty(),
        Some("UNTAGGED") => expiry.image.tags.is_empty(),
        _ => true,
    });
    expiring.sort_by_key(|expiry| expiry.image.digest);
    let page = cut(
        expiring,
        input.next_token.as_deref(),
        input.max_results,
        |expiry| expiry.image.digest.to_string(),
    )?;
    Ok(api::GetLifecyclePolicyPreviewOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        lifecycle_policy_text: Some(preview.policy),
        status: Some("COMPLETE".into()),
        next_token: page.next_token,
        preview_results: Some(page.items.into_iter().map(shown).collect()),
        summary: Some(api::LifecyclePolicyPreviewSummary {
            expiring_image_total_count: total,
            ..Default::default()
        }),
    })
}

fn shown(expiry: Expiry) -> api::LifecyclePolicyPreviewResult {
    let Candidate {
        digest,
        tags,
        pushed_at,
        ..
    } = expiry.image;
    api::LifecyclePolicyPreviewResult {
        image_tags: Some(tags),
        image_digest: Some(digest.to_string()),
        image_pushed_at: Some(pushed_at),
        action: Some(api::LifecyclePolicyRuleAction {
            r#type: Some("EXPIRE".into()),
            ..Default::default()
        }),
        applied_rule_priority: Some(expiry.rule_priority),
        storage_class: Some("STANDARD".into()),
    }
}
