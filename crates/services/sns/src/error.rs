//! SNS's errors, one constructor each
//! (<https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html>).

use neargate_service::AwsError;
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
