//! CodeBuild's errors.

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidInputException", message)
}

/// Input that breaks the model.
pub fn breaks_the_model(invalid: &Invalid) -> AwsError {
    self::invalid(invalid.to_string())
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    invalid(why.to_string())
}

/// What exists in AWS and is not built here.
pub fn not_built(what: &str) -> AwsError {
    invalid(format!("Neargate does not support {what} yet."))
}

pub fn no_project(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("Project cannot be found: {arn}"),
    )
}

pub fn no_build(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("The build with ARN {arn} cannot be found"),
    )
}

pub fn project_exists(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceAlreadyExistsException",
        format!("Project already exists: {arn}"),
    )
}

pub fn limit(message: impl Into<String>) -> AwsError {
    AwsError::client("AccountLimitExceededException", message)
}
