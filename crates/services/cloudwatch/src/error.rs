//! CloudWatch's errors, one constructor each
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html>).

use crate::engine::EngineError;
use crate::math::MathError;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;
use std::error::Error;

pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

pub fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", message)
}

/// The value itself is what is wrong.
pub fn not_a_value(parameter: &str, value: &str) -> AwsError {
    invalid_value(format!(
        "The value {value} for parameter {parameter} is invalid."
    ))
}

pub fn not_supported(parameter: &str, value: &str) -> AwsError {
    invalid_value(format!(
        "The value {value} for parameter {parameter} is not supported."
    ))
}

pub fn too_many(parameter: &str, most: usize) -> AwsError {
    invalid_value(format!(
        "The collection {parameter} must not have a size greater than {most}."
    ))
}

pub fn combination(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterCombination", message)
}

pub fn exclusive(a: &str, b: &str) -> AwsError {
    combination(format!(
        "The parameters {a} and {b} are mutually exclusive and you have specified both."
    ))
}

pub fn missing(message: impl Into<String>) -> AwsError {
    AwsError::client("MissingParameter", message)
}

/// As operations on alarms say it, with no sentence.
pub fn alarm_not_found() -> AwsError {
    AwsError::client("ResourceNotFound", "").status(404)
}

pub fn mute_rule_not_found(name: &str) -> AwsError {
    let message = format!("Alarm mute rule {name} does not exist");
    AwsError::client("ResourceNotFoundException", message).status(404)
}

pub fn dashboards_not_found(names: &[String]) -> AwsError {
    let message = match names {
        [one] => format!("Dashboard {one} does not exist"),
        many => format!("Dashboards {} do not exist", many.join(", ")),
    };
    AwsError::client("ResourceNotFound", message).status(404)
}

/// As the operations on tags say it.
pub fn resource_not_found() -> AwsError {
    AwsError::client("ResourceNotFoundException", "Unknown").status(404)
}

pub fn invalid_next_token() -> AwsError {
    invalid_value("Request parameter NextToken is invalid")
}

/// As `GetMetricData` and the operations on alarms say it.
pub fn unknown_token() -> AwsError {
    AwsError::client("InvalidNextToken", "The next token specified is invalid.")
}

pub fn dashboard(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterInput", message)
}

pub fn limit_exceeded(message: impl Into<String>) -> AwsError {
    AwsError::client("LimitExceeded", message)
}

pub fn invalid_tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => invalid_value("The number of tags exceeds the limit of 50 tags."),
        other => invalid_value(other.to_string()),
    }
}

/// An expression of the request.
pub fn expression(id: &str, why: &MathError) -> AwsError {
    match why {
        MathError::NotBuilt(what) => AwsError::not_implemented("cloudwatch", what),
        MathError::Wrong(why) => validation(format!("Error in expression '{id}' [{why}]")),
    }
}

pub fn engine(why: EngineError) -> AwsError {
    let full = why
        .source()
        .and_then(|s| s.downcast_ref::<std::io::Error>());
    let full = full.is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull);
    let error = AwsError::server(
        "InternalServiceError",
        "Request processing has failed due to some unknown error, exception, or failure.",
    );
    if full {
        error.status(503).caused_by(why)
    } else {
        error.caused_by(why)
    }
}
