//! Messages to topics. Nobody can subscribe yet: a message is taken and goes to no one.

use super::topic_name;
use crate::model::Topic;
use crate::{Sns, error};
use neargate_api_sns as api;
use neargate_service::metrics::Datum;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The longest message (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
const MOST_BYTES: usize = 256 << 10;

pub async fn publish(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::PublishInput,
) -> Result<api::PublishOutput, AwsError> {
    if input.phone_number.is_some() {
        return Err(AwsError::not_implemented(
            "sns",
            "messages to phone numbers",
        ));
    }
    let Some(arn) = input.topic_arn.or(input.target_arn) else {
        return Err(error::invalid_parameter(
            "TopicArn or TargetArn Reason: no value for required parameter",
        ));
    };
    if input.message.is_empty() {
        return Err(error::invalid_parameter("Empty message"));
    }
    if input.message.len() > MOST_BYTES {
        return Err(error::invalid_parameter("Message too long"));
    }
    let name = topic_name(&cx, "TopicArn", &arn, "Publish")?;
    let topic = cx.db().get::<Topic>(&cx.scope, &name).await?;
    topic.ok_or_else(error::topic_not_found)?;
    if name.ends_with(".fifo") && input.message_group_id.is_none() {
        return Err(error::invalid_parameter(
            "The MessageGroupId parameter is required for FIFO topics",
        ));
    }
    let dimensions = [("TopicName", name.as_str())];
    let put = |metric: &str, unit: &str, value: f64| {
        let datum = Datum::new("AWS/SNS", metric, &dimensions, unit, value, cx.now());
        cx.house.metrics.put(&cx.scope, datum);
    };
    put("NumberOfMessagesPublished", "Count", 1.0);
    put("PublishSize", "Bytes", input.message.len() as f64);
    Ok(api::PublishOutput {
        message_id: Some(cx.house.rng.uuid()),
        sequence_number: None,
    })
}
