//! Trying a filter pattern.

use crate::pattern::Pattern;
use crate::{Logs, error};
use neargate_api_logs as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Events are numbered from 1.
pub async fn test_metric_filter(
    _: Arc<Logs>,
    _: Ctx,
    input: api::TestMetricFilterInput,
) -> Result<api::TestMetricFilterOutput, AwsError> {
    let pattern = Pattern::parse(&input.filter_pattern).map_err(error::invalid_pattern)?;
    let record = |(number, message): (i64, String)| {
        let extracted_values = Some(pattern.extract(&message)?);
        Some(api::MetricFilterMatchRecord {
            event_number: Some(number),
            event_message: Some(message),
            extracted_values,
        })
    };
    let matches = (1..)
        .zip(input.log_event_messages)
        .filter_map(record)
        .collect();
    Ok(api::TestMetricFilterOutput {
        matches: Some(matches),
    })
}
