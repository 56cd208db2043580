//! The rules of PutLogEvents
//! (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>).
//! Pure.

use crate::engine::{EVENT_OVERHEAD_BYTES, Event};
use crate::error;
use crate::model::{MAX_BATCH_BYTES, MAX_EVENTS};
use neargate_api_logs as api;
use neargate_base::Timestamp;
use neargate_service::AwsError;
use std::time::Duration;

const TOO_OLD: Duration = Duration::from_secs(14 * 86_400);
const TOO_NEW: Duration = Duration::from_secs(2 * 3_600);
const SPAN: Duration = Duration::from_secs(86_400);

/// The events of a batch that may be stored, and which may not.
#[derive(Debug, PartialEq)]
pub(super) struct Sorted {
    pub accepted: Vec<Event>,
    pub rejected: Option<api::RejectedLogEventsInfo>,
}

/// Check the batch as a whole, then drop what is too old, expired or too new. Events before
/// `expired_before` are beyond the group's retention.
pub(super) fn sort_out(
    events: Vec<api::InputLogEvent>,
    expired_before: Timestamp,
    now: Timestamp,
) -> Result<Sorted, AwsError> {
    if events.len() > MAX_EVENTS {
        return Err(error::too_many_events(events.len()));
    }
    let bytes: usize = events
        .iter()
        .map(|e| e.message.len() + EVENT_OVERHEAD_BYTES)
        .sum();
    if bytes > MAX_BATCH_BYTES {
        return Err(error::too_large(bytes));
    }
    if !events.is_sorted_by_key(|e| e.timestamp) {
        return Err(error::not_chronological());
    }
    let at = |e: &api::InputLogEvent| Timestamp::from_millis(e.timestamp);
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && at(last).since(at(first)) > SPAN
    {
        return Err(error::spans_too_long());
    }
    let too_old = events.partition_point(|e| at(e) < now - TOO_OLD);
    let expired = events.partition_point(|e| at(e) < expired_before);
    let too_new = events.partition_point(|e| at(e) <= now + TOO_NEW);
    let count = events.len();
    // "End" indexes are exclusive, the start index is inclusive.
    let index = |n: usize, there: bool| there.then(|| i32::try_from(n).unwrap_or(i32::MAX));
    let info = api::RejectedLogEventsInfo {
        too_new_log_event_start_index: index(too_new, too_new < count),
        too_old_log_event_end_index: index(too_old, too_old > 0),
        expired_log_event_end_index: index(expired, expired > 0),
    };
    let any = info != api::RejectedLogEventsInfo::default();
    let first = too_old.max(expired);
    let accepted = events.into_iter().take(too_new).skip(first);
    let event = |e: api::InputLogEvent| Event {
        timestamp: at(&e),
        message: e.message,
    };
    Ok(Sorted {
        accepted: accepted.map(event).collect(),
        rejected: any.then_some(info),
    })
}
