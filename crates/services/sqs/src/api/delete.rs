//! Messages that were dealt with go away.

use super::{Found, batch, find};
use crate::engine::Unfit;
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn delete_message(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::DeleteMessageInput,
) -> Result<api::DeleteMessageOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let receipt = found.receipt(&cx, &input.receipt_handle)?;
    let messages = [(receipt.seq, receipt.received)];
    let outcome = sqs.engine.delete(&found.handle, &messages).await?;
    for outcome in outcome {
        said(&found, &input.receipt_handle, outcome)?;
    }
    Ok(api::DeleteMessageOutput {})
}

/// A message that is gone is as good as deleted. A handle that is not the last one of its message deletes nothing,
/// which only a FIFO queue says.
fn said(found: &Found, handle: &str, outcome: Result<(), Unfit>) -> Result<(), AwsError> {
    match outcome {
        Ok(()) | Err(Unfit::Unknown) => Ok(()),
        Err(Unfit::Stale | Unfit::NotInFlight) if found.queue.is_fifo() => {
            Err(error::handle_expired(handle))
        }
        Err(Unfit::Stale | Unfit::NotInFlight) => Ok(()),
    }
}

pub async fn delete_message_batch(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::DeleteMessageBatchInput,
) -> Result<api::DeleteMessageBatchOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let entries = input.entries;
    batch::check(
        "DeleteMessageBatchRequestEntry",
        entries.iter().map(|e| &e.id),
    )?;
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match found.receipt(&cx, &entry.receipt_handle) {
            Ok(receipt) => good.push((entry, (receipt.seq, receipt.received))),
            Err(error) => failed.push(batch::failed(&entry.id, &error)),
        }
    }
    let messages: Vec<_> = good.iter().map(|(_, message)| *message).collect();
    let outcome = sqs.engine.delete(&found.handle, &messages).await?;
    let mut successful = Vec::new();
    for ((entry, _), outcome) in good.into_iter().zip(outcome) {
        match said(&found, &entry.receipt_handle, outcome) {
            Ok(()) => successful.push(api::DeleteMessageBatchResultEntry { id: Some(entry.id) }),
            Err(error) => failed.push(batch::failed(&entry.id, &error)),
        }
    }
    Ok(api::DeleteMessageBatchOutput {
        successful: batch::any(successful),
        failed: batch::any(failed),
    })
}
