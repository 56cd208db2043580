//! Elastic Load Balancing's errors, one constructor each
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html>). Where
//! AWS's words are known from what it answered, they are AWS's.

pub(crate) mod attribute;
pub(crate) mod listener;
pub(crate) mod load_balancer;
pub(crate) mod rule;
pub(crate) mod target_group;
pub(crate) mod trust_store;

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}

pub(crate) fn configuration(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidConfigurationRequest", message)
}

/// Input that breaks the model.
pub(crate) fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

/// A parameter, or a value of one, that Neargate does not know how to honour yet.
pub(crate) fn unsupported(what: &str) -> AwsError {
    configuration(format!("Neargate does not support {what} yet."))
}

/// The text is no ARN of what the call is about.
pub(crate) fn not_an_arn(noun: &str, text: &str) -> AwsError {
    validation(format!("'{text}' is not a valid {noun} ARN"))
}

pub(crate) fn invalid_marker() -> AwsError {
    validation("The marker is not valid")
}

pub(crate) fn tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::Duplicate => AwsError::client(
            "DuplicateTagKeys",
            "A tag key was specified more than once.",
        ),
        InvalidTags::TooMany => AwsError::client(
            "TooManyTags",
            "You've reached the limit on the number of tags for this resource.",
        ),
        other => validation(other.to_string()),
    }
}

/// What has tags must be named so.
pub(crate) fn not_taggable(arn: &str) -> AwsError {
    validation(format!("'{arn}' is not a valid resource ARN"))
}

pub(crate) fn ssl_policy_not_found(name: &str) -> AwsError {
    AwsError::client(
        "SSLPolicyNotFound",
        format!("SSL policy '{name}' not found"),
    )
}

pub(crate) fn too_many_attributes(most: usize) -> AwsError {
    validation(format!(
        "At most '{most}' attributes can be modified at once"
    ))
}

pub(crate) fn too_many_resources(most: usize) -> AwsError {
    validation(format!(
        "At most '{most}' resources can be specified at once"
    ))
}
