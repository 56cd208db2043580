//! CloudWatch Logs' errors
//! (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html>).

use super::engine::EngineError;
use super::extraction::Unusable;
use super::insights::Malformed;
use super::model::{MAX_BATCH_BYTES, MAX_EVENTS, RETENTION_DAYS};
use super::pattern::InvalidPattern;
use neargate_service::tags::InvalidTags;
use neargate_service::{AwsError, Ctx};
use neargate_wire::validate::Invalid;
use serde_json::json;

fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    invalid_parameter(invalid.to_string())
}

/// Two parameters of which a call takes one.
pub fn exclusive(one: &str, other: &str) -> AwsError {
    invalid_parameter(format!(
        "{one} and {other} are mutually exclusive parameters."
    ))
}

pub fn no_group_named() -> AwsError {
    invalid_parameter("Exactly one of LogGroupName or LogGroupIdentifier must be specified.")
}

pub fn invalid_arn(arn: &str) -> AwsError {
    invalid_parameter(format!("The specified ARN is invalid: {arn}"))
}

pub fn reserved_group_name() -> AwsError {
    invalid_parameter("Log groups starting with 'aws/' are reserved for AWS.")
}

pub fn ordered_by_time_with_prefix() -> AwsError {
    invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
}

pub fn invalid_retention(days: i32) -> AwsError {
    invalid_parameter(format!(
        "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: \
         Member must satisfy enum value set: {RETENTION_DAYS:?}"
    ))
}

fn not_found(message: &str) -> AwsError {
    AwsError::client("ResourceNotFoundException", message)
}

pub fn group_not_found() -> AwsError {
    not_found("The specified log group does not exist.")
}

pub fn stream_not_found() -> AwsError {
    not_found("The specified log stream does not exist.")
}

fn exists(message: &str) -> AwsError {
    AwsError::client("ResourceAlreadyExistsException", message)
}

pub fn group_exists() -> AwsError {
    exists("The specified log group already exists")
}

pub fn stream_exists() -> AwsError {
    exists("The specified log stream already exists")
}

pub fn deletion_protected() -> AwsError {
    AwsError::client(
        "ValidationException",
        "The log group cannot be deleted because deletion protection is enabled.",
    )
}

pub fn invalid_token() -> AwsError {
    invalid_parameter("The specified nextToken is invalid.")
}

pub fn invalid_pattern(e: InvalidPattern) -> AwsError {
    invalid_parameter(e.to_string())
}

/// A metric filter that says what cannot be done.
pub fn unusable_filter(e: Unusable) -> AwsError {
    invalid_parameter(e.to_string())
}

pub fn one_transformation() -> AwsError {
    invalid_parameter("A metric filter has exactly one metric transformation.")
}

pub fn metric_half_named() -> AwsError {
    invalid_parameter("metricName and metricNamespace must be specified together.")
}

pub fn metric_filter_not_found() -> AwsError {
    not_found("The specified metric filter does not exist.")
}

/// A query that is not understood: where and why.
pub fn malformed_query(e: Malformed) -> AwsError {
    let place = json!({"startCharOffset": e.start, "endCharOffset": e.end});
    let detail = json!({"location": place, "message": e.message.clone()});
    AwsError::client("MalformedQueryException", e.message).field("queryCompileError", detail)
}

pub fn ends_before_start() -> AwsError {
    AwsError::client(
        "MalformedQueryException",
        "Query's end date and time is before its start date and time.",
    )
}

pub fn which_groups() -> AwsError {
    invalid_parameter(
        "Exactly one of logGroupName, logGroupNames, or logGroupIdentifiers must be specified.",
    )
}

pub fn too_many_groups(most: usize) -> AwsError {
    invalid_parameter(format!("A query can have no more than {most} log groups."))
}

pub fn query_group_not_found(cx: &Ctx, identifier: &str) -> AwsError {
    let account = cx.scope.account.as_str();
    let name = identifier
        .rsplit_once("log-group:")
        .map_or(identifier, |(_, name)| name);
    not_found(&format!(
        "Log group '{name}' does not exist for account ID '{account}'"
    ))
}

pub fn too_many_queries() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "Account maximum query concurrency limit of 100 reached.",
    )
}

pub fn query_not_found(id: &str) -> AwsError {
    not_found(&format!("Query not found: {id}"))
}

pub fn query_not_running() -> AwsError {
    invalid_parameter("The specified query is not running.")
}

pub fn query_definition_not_found() -> AwsError {
    not_found("The specified query definition does not exist.")
}

pub fn invalid_pointer() -> AwsError {
    invalid_parameter("The specified log record pointer is invalid.")
}

pub fn record_not_found() -> AwsError {
    not_found("The specified log record does not exist.")
}

/// Somebody else changed the same at the same time.
pub fn aborted() -> AwsError {
    AwsError::client(
        "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource. Please try again.",
    )
}

pub fn subscription_filter_not_found() -> AwsError {
    not_found("The specified subscription filter does not exist.")
}

pub fn destination_not_found() -> AwsError {
    not_found("The specified destination does not exist.")
}

pub fn no_destination(arn: &str) -> AwsError {
    invalid_parameter(format!("destinationArn for vendor {arn} cannot be used"))
}

pub fn no_policy_document() -> AwsError {
    invalid_parameter("policyDocument must be specified.")
}

pub fn no_policy_name() -> AwsError {
    invalid_parameter("policyName or resourceArn must be specified.")
}

pub fn bad_policy(why: &str) -> AwsError {
    invalid_parameter(format!("Invalid Resource Policy Document: {why}"))
}

pub fn policy_not_found(name: &str) -> AwsError {
    not_found(&format!("Policy with name [{name}] does not exist"))
}

pub fn export_not_found() -> AwsError {
    not_found("The specified export task does not exist.")
}

pub fn export_over() -> AwsError {
    AwsError::client(
        "InvalidOperationException",
        "The specified export task has already finished",
    )
}

pub fn export_ends_before_start() -> AwsError {
    invalid_parameter("The 'from' time must be before the 'to' time.")
}

pub fn no_such_bucket() -> AwsError {
    invalid_parameter("The given bucket does not exist. Please make sure the bucket is valid.")
}

/// The bucket's policy does not let CloudWatch Logs make this call.
pub fn bucket_refuses(call: &str) -> AwsError {
    invalid_parameter(format!(
        "{call} call on the given bucket failed. Please check if CloudWatch Logs has been granted \
         permission to perform this operation."
    ))
}

pub fn names_and_prefixes() -> AwsError {
    invalid_parameter("Only one of logStreamNames or logStreamNamePrefixes can be provided.")
}

pub fn streams_of_several_groups() -> AwsError {
    invalid_parameter(
        "logStreamNames and logStreamNamePrefixes can only be used with a single log group.",
    )
}

/// What this installation does not do, by its name.
pub fn not_supported(what: &str) -> AwsError {
    invalid_parameter(format!("Neargate does not support {what} yet."))
}

pub fn not_for_class(class: &str) -> AwsError {
    AwsError::client(
        "InvalidOperationException",
        format!("The operation is not supported for log groups of the log class {class}."),
    )
}

pub fn limit_exceeded() -> AwsError {
    AwsError::client("LimitExceededException", "Resource limit exceeded.")
}

/// Tags of a group, through its own two operations.
pub fn invalid_tags(e: InvalidTags) -> AwsError {
    invalid_parameter(e.to_string())
}

pub fn too_many_tags(resource: &str) -> AwsError {
    AwsError::client(
        "TooManyTagsException",
        "A resource can have no more than 50 tags.",
    )
    .field("resourceName", resource)
}

/// A full disk and a failed write are AWS's `ServiceUnavailableException`: the caller may try
/// again. What is damaged stays so.
pub fn engine(e: EngineError) -> AwsError {
    match e {
        EngineError::NoStream => stream_not_found(),
        EngineError::TooBig { bytes } => too_large(bytes),
        EngineError::Io { .. } | EngineError::Stopped(_) => {
            let message = "The service cannot complete the request.";
            AwsError::server("ServiceUnavailableException", message)
                .status(503)
                .caused_by(e)
        }
        EngineError::Corrupt { .. } | EngineError::Newer { .. } | EngineError::Locked { .. } => {
            AwsError::internal(e)
        }
    }
}

pub fn too_large(bytes: usize) -> AwsError {
    invalid_parameter(format!(
        "Upload too large: {bytes} bytes exceeds limit of {MAX_BATCH_BYTES}"
    ))
}

pub fn too_many_events(count: usize) -> AwsError {
    invalid_parameter(format!(
        "Upload too large: {count} log events exceeds limit of {MAX_EVENTS}"
    ))
}

pub fn not_chronological() -> AwsError {
    invalid_parameter("Log events in a single PutLogEvents request must be in chronological order.")
}

pub fn spans_too_long() -> AwsError {
    invalid_parameter(
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
    )
}
