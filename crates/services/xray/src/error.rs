//! X-Ray's errors, one constructor each
//! (<https://docs.aws.amazon.com/xray/latest/api/CommonErrors.html>).

use crate::engine::EngineError;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;
use std::fmt::Display;

pub fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidRequestException", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    invalid_request(invalid.to_string())
}

pub fn invalid_filter(why: &dyn Display) -> AwsError {
    invalid_request(format!("Invalid filter expression: {why}."))
}

pub fn invalid_token() -> AwsError {
    invalid_request("Invalid NextToken.")
}

pub fn range_too_long(hours: i64) -> AwsError {
    invalid_request(format!("Time range cannot be longer than {hours} hours."))
}

pub fn range_reversed() -> AwsError {
    invalid_request("Start time must be before end time.")
}

pub fn group_not_found() -> AwsError {
    invalid_request("Group not found.")
}

pub fn rule_not_found() -> AwsError {
    invalid_request("Sampling rule does not exist.")
}

pub fn too_many_rules(most: usize) -> AwsError {
    AwsError::client(
        "RuleLimitExceededException",
        format!("You have reached the maximum number of sampling rules ({most})."),
    )
}

pub fn resource_not_found(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("The resource {arn} was not found."),
    )
    .status(404)
    .field("ResourceName", arn)
}

pub fn invalid_tags(why: &InvalidTags, arn: &str) -> AwsError {
    match why {
        InvalidTags::TooMany => {
            AwsError::client("TooManyTagsException", why.to_string()).field("ResourceName", arn)
        }
        _ => invalid_request(why.to_string()),
    }
}

pub fn malformed_policy(why: &dyn Display) -> AwsError {
    AwsError::client("MalformedPolicyDocumentException", why.to_string())
}

pub fn policy_too_large(most: usize) -> AwsError {
    AwsError::client(
        "PolicySizeLimitExceededException",
        format!("A resource policy has {most} bytes at the most."),
    )
}

pub fn too_many_policies(most: usize) -> AwsError {
    AwsError::client(
        "PolicyCountLimitExceededException",
        format!("An account has {most} resource policies at the most."),
    )
}

pub fn other_revision() -> AwsError {
    AwsError::client(
        "InvalidPolicyRevisionIdException",
        "The policy revision id does not match the latest policy revision.",
    )
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    AwsError::not_implemented("xray", what)
}

/// A full disk and a failed write: the caller may try again.
pub fn engine(error: EngineError) -> AwsError {
    AwsError::server(
        "ServiceUnavailable",
        "The service is temporarily unavailable.",
    )
    .status(503)
    .caused_by(error)
}
