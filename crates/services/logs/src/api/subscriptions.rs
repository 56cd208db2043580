//! Subscription filters and destinations. All that they may lead to on AWS (Kinesis, Firehose,
//! Lambda, OpenSearch) is not served here: none is made, and what asks for one is told why.

use crate::pattern::Pattern;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn put_subscription_filter(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::PutSubscriptionFilterInput,
) -> Result<api::PutSubscriptionFilterOutput, AwsError> {
    reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    Pattern::parse(&input.filter_pattern).map_err(error::invalid_pattern)?;
    Err(unserved(&input.destination_arn))
}

/// Why nothing is delivered to what the ARN names.
fn unserved(arn: &str) -> AwsError {
    let Ok(parsed) = arn.parse::<Arn>() else {
        return error::invalid_arn(arn);
    };
    let service = match parsed.service.as_str() {
        "kinesis" => "Amazon Kinesis Data Streams",
        "firehose" => "Amazon Data Firehose",
        "lambda" => "AWS Lambda",
        "es" | "aoss" => "Amazon OpenSearch Service",
        "logs" => return error::destination_not_found(),
        _ => return error::no_destination(arn),
    };
    error::not_supported(&format!("the delivery of log events to {service}"))
}

pub async fn describe_subscription_filters(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeSubscriptionFiltersInput,
) -> Result<api::DescribeSubscriptionFiltersOutput, AwsError> {
    reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    Ok(api::DescribeSubscriptionFiltersOutput {
        subscription_filters: Some(Vec::new()),
        next_token: None,
    })
}

pub async fn delete_subscription_filter(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteSubscriptionFilterInput,
) -> Result<api::DeleteSubscriptionFilterOutput, AwsError> {
    reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    Err(error::subscription_filter_not_found())
}

pub async fn put_destination(
    _: Arc<Logs>,
    _: Ctx,
    input: api::PutDestinationInput,
) -> Result<api::PutDestinationOutput, AwsError> {
    Err(unserved(&input.target_arn))
}

pub async fn describe_destinations(
    _: Arc<Logs>,
    _: Ctx,
    _: api::DescribeDestinationsInput,
) -> Result<api::DescribeDestinationsOutput, AwsError> {
    Ok(api::DescribeDestinationsOutput {
        destinations: Some(Vec::new()),
        next_token: None,
    })
}

pub async fn put_destination_policy(
    _: Arc<Logs>,
    _: Ctx,
    _: api::PutDestinationPolicyInput,
) -> Result<api::PutDestinationPolicyOutput, AwsError> {
    Err(error::destination_not_found())
}

pub async fn delete_destination(
    _: Arc<Logs>,
    _: Ctx,
    _: api::DeleteDestinationInput,
) -> Result<api::DeleteDestinationOutput, AwsError> {
    Err(error::destination_not_found())
}
