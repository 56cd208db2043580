//! CodeStar Notifications' errors, one constructor each
//! (<https://docs.aws.amazon.com/codestar-notifications/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

pub fn exists(name: &str) -> AwsError {
    AwsError::client(
        "ResourceAlreadyExistsException",
        format!("A notification rule with the name {name} already exists"),
    )
    .status(409)
}

pub fn not_found(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("The notification rule {arn} does not exist"),
    )
    .status(404)
}

pub fn configuration(message: impl Into<String>) -> AwsError {
    AwsError::client("ConfigurationException", message)
}

pub fn limit(message: impl Into<String>) -> AwsError {
    AwsError::client("LimitExceededException", message)
}

pub fn next_token() -> AwsError {
    AwsError::client("InvalidNextTokenException", "The next token is not valid")
}

pub fn tags(why: &InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => limit(why.to_string()),
        _ => validation(why.to_string()),
    }
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    AwsError::not_implemented("codestar-notifications", what)
}
