//! SNS's errors, one constructor each
//! (<https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::outbound::Forbidden;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

/// `Invalid parameter: Topic Name`, or with a reason behind it.
pub fn invalid_parameter(what: &str) -> AwsError {
    let message = format!("Invalid parameter: {what}");
    AwsError::client("InvalidParameterException", message)
}

/// Input that breaks the model: SNS names the first parameter that does.
pub fn invalid(invalid: &Invalid) -> AwsError {
    match invalid.violations.first() {
        Some(first) => invalid_parameter(&first.path),
        None => invalid_parameter("The request is not valid."),
    }
}

pub fn topic_not_found() -> AwsError {
    AwsError::client("NotFoundException", "Topic does not exist").status(404)
}

/// As the operations on tags say it.
pub fn resource_not_found() -> AwsError {
    AwsError::client("ResourceNotFoundException", "Resource does not exist").status(404)
}

pub fn not_authorized(caller: &str, action: &str, arn: &str) -> AwsError {
    let message = format!(
        "User: {caller} is not authorized to perform: SNS:{action} on resource: {arn} because no \
         resource-based policy allows the SNS:{action} action"
    );
    AwsError::client("AuthorizationErrorException", message).status(403)
}

pub fn invalid_tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => AwsError::client(
            "TagLimitExceededException",
            "Could not complete request: tag quota of per resource exceeded",
        ),
        InvalidTags::Duplicate => invalid_parameter("Duplicated keys are not allowed."),
        other => invalid_parameter(&other.to_string()),
    }
}

pub fn subscription_not_found() -> AwsError {
    AwsError::client("NotFoundException", "Subscription does not exist").status(404)
}

pub fn invalid_token() -> AwsError {
    AwsError::client("InvalidParameterException", "Invalid token")
}

pub fn too_many_subscriptions() -> AwsError {
    let message = "The topic has as many subscriptions as it may have";
    AwsError::client("SubscriptionLimitExceededException", message).status(403)
}

/// The words are ours: AWS reaches other hosts than we do.
pub fn unreachable_endpoint(why: &Forbidden) -> AwsError {
    let message = format!("Unreachable Endpoint: {why}");
    AwsError::client(
        "InvalidParameterException",
        format!("Invalid parameter: {message}"),
    )
}

/// More is to be delivered than is kept.
pub fn throttled() -> AwsError {
    AwsError::client("ThrottledException", "Rate exceeded").status(429)
}

pub fn not_kept(error: std::io::Error) -> AwsError {
    let message = "The service is temporarily unavailable.";
    AwsError::server("InternalErrorException", message).caused_by(error)
}

pub fn invalid_attribute(why: String) -> AwsError {
    AwsError::client("InvalidParameterValueException", why)
}

/// An attribute of a message without its type; `entry` is its message's place in a batch, from 1 on.
pub fn missing_data_type(name: &str, entry: Option<usize>) -> AwsError {
    let within = entry.map(|at| format!("publishBatchRequestEntries.{at}.member."));
    let within = within.unwrap_or_default();
    let message = format!(
        "1 validation error detected: Value null at \
         '{within}messageAttributes.{name}.member.dataType' failed to satisfy constraint: Member must \
         not be null"
    );
    AwsError::client("ValidationError", message)
}

pub fn empty_batch() -> AwsError {
    let message = "The batch request doesn't contain any entries.";
    AwsError::client("EmptyBatchRequestException", message)
}

pub fn too_many_entries() -> AwsError {
    let message = "The batch request contains more entries than permissible.";
    AwsError::client("TooManyEntriesInBatchRequestException", message)
}

pub fn ids_not_distinct() -> AwsError {
    let message = "Two or more batch entries in the request have the same Id.";
    AwsError::client("BatchEntryIdsNotDistinctException", message)
}

pub fn batch_id(wrong: &str, id: &str) -> AwsError {
    let message = format!("The Id of a batch entry in the batch request {wrong}: {id}");
    AwsError::client("InvalidBatchEntryIdException", message)
}

pub fn batch_too_long() -> AwsError {
    let message = "The length of all the messages put together is more than the limit.";
    AwsError::client("BatchRequestTooLongException", message)
}

/// What KMS refused of a key, in SNS's words.
pub fn of_kms(source: AwsError) -> AwsError {
    let code = match source.code.trim_end_matches("Exception") {
        "AccessDenied" => "KMSAccessDeniedException",
        "Disabled" => "KMSDisabledException",
        "NotFound" => "KMSNotFoundException",
        "InvalidKeyUsage" | "KMSInvalidState" => "KMSInvalidStateException",
        "Throttling" => "KMSThrottlingException",
        _ => return source,
    };
    AwsError::client(code, source.message)
}
