//! The Scheduler's errors, one constructor each
//! (<https://docs.aws.amazon.com/scheduler/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

fn shown(code: &str, message: String, status: u16) -> AwsError {
    AwsError::client(code, message).status(status)
}

pub fn validation(message: impl Into<String>) -> AwsError {
    shown("ValidationException", message.into(), 400)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

pub fn invalid_expression(text: &str) -> AwsError {
    validation(format!("Invalid Schedule Expression {text}."))
}

pub fn schedule_not_found(name: &str) -> AwsError {
    shown(
        "ResourceNotFoundException",
        format!("Schedule {name} does not exist."),
        404,
    )
}

pub fn group_not_found(name: &str) -> AwsError {
    shown(
        "ResourceNotFoundException",
        format!("Schedule group {name} does not exist."),
        404,
    )
}

pub fn conflict(message: String) -> AwsError {
    shown("ConflictException", message, 409)
}

pub fn quota(message: &str) -> AwsError {
    shown("ServiceQuotaExceededException", message.into(), 402)
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    AwsError::not_implemented("scheduler", what)
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    validation(why.to_string())
}
