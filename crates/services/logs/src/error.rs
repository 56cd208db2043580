//! CloudWatch Logs' errors
//! (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html>).

use super::engine::EngineError;
use super::pattern::InvalidPattern;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

pub fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
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
    let limit = super::model::MAX_BATCH_BYTES;
    invalid_parameter(format!(
        "Upload too large: {bytes} bytes exceeds limit of {limit}"
    ))
}
