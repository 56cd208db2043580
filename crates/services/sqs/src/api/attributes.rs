//! Attributes of queues.

use super::{find, key_of};
use crate::attributes::{self, Observed, REDRIVE, REDRIVE_ALLOW};
use crate::model::Queue;
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::{AwsError, Ctx, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn get_queue_attributes(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::GetQueueAttributesInput,
) -> Result<api::GetQueueAttributesOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let counts = sqs.engine.counts(&found.handle);
    let observed = Observed {
        arn: found.arn(),
        visible: counts.visible,
        in_flight: counts.in_flight,
        delayed: counts.delayed,
    };
    let names = input.attribute_names.unwrap_or_default();
    let attributes = attributes::described(&found.queue, &observed, &names)?;
    Ok(api::GetQueueAttributesOutput {
        attributes: (!attributes.is_empty()).then_some(attributes),
    })
}

pub async fn set_queue_attributes(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::SetQueueAttributesInput,
) -> Result<api::SetQueueAttributesOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    check_redrive(&cx, &found.scope, &found.queue.name, &input.attributes).await?;
    let key = key_of(&cx, &input.queue_url)?;
    let changed = cx.db().modify::<Queue, _>(&key, |queue| {
        attributes::change(queue, &input.attributes)?;
        queue.modified_at = cx.now();
        Ok(true)
    });
    changed.await?.ok_or_else(error::no_queue)?;
    Ok(api::SetQueueAttributesOutput {})
}

/// A dead-letter queue is there, of the same kind, in the same account and region, and lets itself be one.
pub async fn check_redrive(
    cx: &Ctx,
    scope: &Scope,
    name: &str,
    given: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let Some(text) = given.get(REDRIVE).filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    let redrive = attributes::redrive(text)?;
    let bad = |reason: &str| error::invalid_parameter(text, REDRIVE, reason);
    let arn: Option<neargate_base::Arn> = redrive.target.parse().ok();
    let arn = arn.filter(|arn| arn.service == "sqs");
    let arn = arn.ok_or_else(|| bad("Invalid value for deadLetterTargetArn."))?;
    if arn.account != scope.account.as_str() || arn.region != scope.region.as_str() {
        return Err(bad(
            "Dead-letter queue must be in the same account and region as the source.",
        ));
    }
    if arn.resource.ends_with(".fifo") != name.ends_with(".fifo") {
        return Err(bad(
            "Dead-letter queue must be same type of queue as the source.",
        ));
    }
    let target = cx.db().get::<Queue>(scope, &arn.resource).await?;
    let target = target.ok_or_else(|| bad("Dead letter target does not exist."))?;
    let allowing = target.attributes.get(REDRIVE_ALLOW);
    if !attributes::allows_redrive(allowing, &scope.arn("sqs", name)) {
        return Err(bad(
            "Dead letter target's RedriveAllowPolicy does not permit redrive from this source queue.",
        ));
    }
    Ok(())
}
