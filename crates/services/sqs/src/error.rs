//! SQS's errors, one constructor each, by the names of the JSON protocol; the model knows what the query protocol
//! calls them (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>).

use crate::engine::EngineError;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::{Constraint, Invalid};

/// `InvalidParameterValue` in a sentence of its own.
pub fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValueException", message)
}

/// `Value X for parameter Y is invalid. Reason: Z`
pub fn invalid_parameter(value: &str, parameter: &str, reason: &str) -> AwsError {
    invalid_value(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

pub fn missing(parameter: &str) -> AwsError {
    AwsError::client(
        "MissingRequiredParameterException",
        format!("The request must contain the parameter {parameter}."),
    )
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    let Some(first) = invalid.violations.first() else {
        return invalid_value("One or more parameters are invalid.");
    };
    let mut name = first.path.clone();
    if let Some(letter) = name.get_mut(..1) {
        letter.make_ascii_uppercase();
    }
    match first.constraint {
        Constraint::NotNull => missing(&name),
        _ => invalid_value(invalid.to_string()),
    }
}

pub fn no_queue() -> AwsError {
    AwsError::client("QueueDoesNotExist", "The specified queue does not exist.")
}

pub fn bad_address(url: &str) -> AwsError {
    AwsError::client(
        "InvalidAddress",
        format!("The address {url} is not valid for this endpoint."),
    )
}

pub fn queue_name() -> AwsError {
    invalid_value(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    )
}

pub fn queue_exists(attribute: &str) -> AwsError {
    AwsError::client(
        "QueueNameExists",
        format!(
            "A queue already exists with the same name and a different value for attribute {attribute}"
        ),
    )
}

pub fn deleted_recently() -> AwsError {
    AwsError::client(
        "QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )
}

pub fn purge_in_progress(name: &str) -> AwsError {
    AwsError::client(
        "PurgeQueueInProgress",
        format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
    )
    .status(403)
}

pub fn unknown_attribute(name: &str) -> AwsError {
    AwsError::client("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub fn only_fifo(name: &str) -> AwsError {
    AwsError::client(
        "InvalidAttributeName",
        format!("You can specify the {name} only when FifoQueue is set to true."),
    )
}

pub fn attribute_value(name: &str) -> AwsError {
    AwsError::client(
        "InvalidAttributeValue",
        format!("Invalid value for the parameter {name}."),
    )
}

pub fn attribute_reason(name: &str, reason: &str) -> AwsError {
    AwsError::client(
        "InvalidAttributeValue",
        format!("Invalid value for the parameter {name}. Reason: {reason}"),
    )
}

/// Characters that XML cannot hold.
pub fn contents() -> AwsError {
    AwsError::client(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
         #xFFFD | #x10000 to #x10FFFF",
    )
}

pub fn too_long(most: u64) -> AwsError {
    invalid_value(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
    ))
}

pub fn batch_too_long(most: u64, sent: u64) -> AwsError {
    AwsError::client(
        "BatchRequestTooLong",
        format!("Batch requests cannot be longer than {most} bytes. You have sent {sent} bytes."),
    )
}

pub fn empty_batch(entry: &str) -> AwsError {
    AwsError::client(
        "EmptyBatchRequest",
        format!("There should be at least one {entry} in the request."),
    )
}

pub fn too_many_entries(sent: usize) -> AwsError {
    AwsError::client(
        "TooManyEntriesInBatchRequest",
        format!("Maximum number of entries per request are 10. You have sent {sent}."),
    )
}

pub fn entry_id() -> AwsError {
    AwsError::client(
        "InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
         letters long.",
    )
}

pub fn not_distinct(id: &str) -> AwsError {
    AwsError::client("BatchEntryIdsNotDistinct", format!("Id {id} repeated."))
}

pub fn receipt_handle(handle: &str) -> AwsError {
    AwsError::client(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
    )
}

pub fn handle_expired(handle: &str) -> AwsError {
    invalid_parameter(handle, "ReceiptHandle", "The receipt handle has expired.")
}

/// As `ChangeMessageVisibility` says of a message that is deleted.
pub fn message_gone(handle: &str) -> AwsError {
    invalid_parameter(
        handle,
        "ReceiptHandle",
        "Message does not exist or is not available for visibility timeout change.",
    )
}

pub fn not_in_flight(handle: &str) -> AwsError {
    AwsError::client(
        "MessageNotInflight",
        format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
             for visibility timeout change."
        ),
    )
}

pub fn no_resource(parameter: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("The resource that you specified for the {parameter} parameter doesn't exist."),
    )
    .status(404)
}

pub fn unsupported(message: impl Into<String>) -> AwsError {
    AwsError::client("UnsupportedOperation", message)
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => invalid_value("Too many tags added for queue. Maximum is 50."),
        other => invalid_value(other.to_string()),
    }
}

impl From<EngineError> for AwsError {
    fn from(error: EngineError) -> AwsError {
        match error {
            EngineError::NoQueue => no_queue(),
            EngineError::OverLimit => AwsError::client(
                "OverLimit",
                "The number of in flight messages of the queue exceeds the limit of 120000.",
            )
            .status(403),
            EngineError::Full => AwsError::server(
                "ServiceUnavailable",
                "The disk that messages are kept on is full: nothing was sent.",
            )
            .status(503),
            other => AwsError::server("InternalError", "The message could not be kept or read.")
                .caused_by(other),
        }
    }
}

/// What KMS refused of a key, in SQS's words.
pub fn of_kms(source: AwsError) -> AwsError {
    let code = match source.code.trim_end_matches("Exception") {
        "AccessDenied" => "KmsAccessDenied",
        "Disabled" => "KmsDisabled",
        "NotFound" => "KmsNotFound",
        "InvalidKeyUsage" => "KmsInvalidKeyUsage",
        "KMSInvalidState" => "KmsInvalidState",
        "Throttling" => "KmsThrottled",
        _ => return source,
    };
    AwsError::client(code, source.message)
}
