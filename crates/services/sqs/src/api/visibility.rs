//! Whoever received a message wants more time for it, or less.

use super::{Found, batch, find};
use crate::engine::Unfit;
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn change_message_visibility(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::ChangeMessageVisibilityInput,
) -> Result<api::ChangeMessageVisibilityOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let handle = &input.receipt_handle;
    let change = change(&cx, &found, handle, Some(input.visibility_timeout))?;
    for outcome in sqs.engine.extend(&found.handle, &[change]).await? {
        said(handle, outcome)?;
    }
    Ok(api::ChangeMessageVisibilityOutput {})
}

pub async fn change_message_visibility_batch(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::ChangeMessageVisibilityBatchInput,
) -> Result<api::ChangeMessageVisibilityBatchOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let entries = input.entries;
    batch::check(
        "ChangeMessageVisibilityBatchRequestEntry",
        entries.iter().map(|e| &e.id),
    )?;
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match change(&cx, &found, &entry.receipt_handle, entry.visibility_timeout) {
            Ok(change) => good.push((entry, change)),
            Err(error) => failed.push(batch::failed(&entry.id, &error)),
        }
    }
    let changes: Vec<_> = good.iter().map(|(_, change)| *change).collect();
    let outcome = sqs.engine.extend(&found.handle, &changes).await?;
    let mut successful = Vec::new();
    for ((entry, _), outcome) in good.into_iter().zip(outcome) {
        match said(&entry.receipt_handle, outcome) {
            Ok(()) => {
                successful.push(api::ChangeMessageVisibilityBatchResultEntry { id: Some(entry.id) })
            }
            Err(error) => failed.push(batch::failed(&entry.id, &error)),
        }
    }
    Ok(api::ChangeMessageVisibilityBatchOutput {
        successful: batch::any(successful),
        failed: batch::any(failed),
    })
}

fn change(
    cx: &Ctx,
    found: &Found,
    handle: &str,
    seconds: Option<i32>,
) -> Result<(u64, u32, i64), AwsError> {
    let seconds = seconds.ok_or_else(|| error::missing("VisibilityTimeout"))?;
    if !(0..=43_200).contains(&seconds) {
        return Err(error::invalid_parameter(
            &seconds.to_string(),
            "VisibilityTimeout",
            "VisibilityTimeout must be an integer between 0 and 43200.",
        ));
    }
    let receipt = found.receipt(cx, handle)?;
    Ok((receipt.seq, receipt.received, i64::from(seconds) * 1_000))
}

fn said(handle: &str, outcome: Result<(), Unfit>) -> Result<(), AwsError> {
    outcome.map_err(|why| match why {
        Unfit::Unknown => error::message_gone(handle),
        Unfit::NotInFlight | Unfit::Stale => error::not_in_flight(handle),
    })
}
