//! EventBridge's errors, one constructor each
//! (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::event_pattern::Invalid;
use neargate_service::tags::InvalidTags;

pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

/// `Parameter ScheduleExpression is not valid.`, or with a reason behind it.
pub fn parameter(name: &str, reason: &str) -> AwsError {
    match reason {
        "" => validation(format!("Parameter {name} is not valid.")),
        reason => validation(format!("Parameter {name} is not valid. Reason: {reason}")),
    }
}

pub fn invalid_pattern(why: &Invalid) -> AwsError {
    let message = format!("Event pattern is not valid. Reason: {why}");
    AwsError::client("InvalidEventPatternException", message)
}

pub fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::client("ResourceNotFoundException", message)
}

pub fn bus_not_found(name: &str) -> AwsError {
    not_found(format!("Event bus {name} does not exist."))
}

pub fn rule_not_found(name: &str, bus: &str) -> AwsError {
    not_found(format!("Rule {name} does not exist on EventBus {bus}."))
}

pub fn exists(what: &str, name: &str) -> AwsError {
    let message = format!("{what} {name} already exists.");
    AwsError::client("ResourceAlreadyExistsException", message)
}

pub fn limit(message: &str) -> AwsError {
    AwsError::client("LimitExceededException", message)
}

pub fn illegal_status(message: impl Into<String>) -> AwsError {
    AwsError::client("IllegalStatusException", message)
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    AwsError::not_implemented("events", what)
}

pub fn invalid_token() -> AwsError {
    parameter("NextToken", "")
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => limit("The number of tags on this resource exceeds the limit."),
        other => validation(other.to_string()),
    }
}
