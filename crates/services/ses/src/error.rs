//! SES's errors, one constructor each
//! (<https://docs.aws.amazon.com/ses/latest/APIReference/CommonErrors.html>).

use crate::template;
use neargate_blob::BlobError;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

/// `InvalidParameterValue`, with SES's reason.
pub fn invalid_parameter(why: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", why)
}

/// The outbox is full of mails that wait for the relay.
pub fn outbox_full() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "The outbox is full of mails that wait for the relay.",
    )
}

pub fn blob(error: BlobError) -> AwsError {
    match error {
        BlobError::NoSpace { .. } => {
            AwsError::server("ServiceUnavailable", "There is no room for the mail.")
                .status(503)
                .caused_by(error)
        }
        error => AwsError::internal(error),
    }
}

/// <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>
pub fn too_long(bytes: usize) -> AwsError {
    invalid_parameter(format!(
        "Message length is more than {} bytes long: '{bytes}'.",
        neargate_service::mail::MOST_BYTES
    ))
}

/// An id was drawn twice, which does not happen.
pub fn taken_twice() -> AwsError {
    AwsError::server(
        "InternalFailure",
        "The mail could not be kept; send it again.",
    )
}

/// A mail that SES does not take
/// (<https://docs.aws.amazon.com/ses/latest/APIReference/API_SendEmail.html>).
pub fn message_rejected(why: impl Into<String>) -> AwsError {
    AwsError::client("MessageRejected", why)
}

/// These may not send, or not be sent to.
pub fn not_verified(region: &str, failed: &[String]) -> AwsError {
    let (region, failed) = (region.to_uppercase(), failed.join(", "));
    message_rejected(format!(
        "Email address is not verified. The following identities failed the check in region {region}: {failed}"
    ))
}

pub fn account_paused() -> AwsError {
    AwsError::client(
        "AccountSendingPausedException",
        "Sending paused for this account.",
    )
}

pub fn configuration_set_paused(name: &str) -> AwsError {
    let message = format!("Sending paused for configuration set <{name}>.");
    AwsError::client("ConfigurationSetSendingPausedException", message)
}

pub fn configuration_set_missing(name: &str) -> AwsError {
    let message = format!("Configuration set <{name}> does not exist.");
    AwsError::client("ConfigurationSetDoesNotExist", message)
}

pub fn configuration_set_exists(name: &str) -> AwsError {
    let message = format!("Configuration set <{name}> already exists.");
    AwsError::client("ConfigurationSetAlreadyExists", message)
}

pub fn configuration_set_invalid(why: impl Into<String>) -> AwsError {
    AwsError::client("InvalidConfigurationSet", why)
}

pub fn destination_missing(set: &str) -> AwsError {
    let message = format!("No EventDestination found for {set}");
    AwsError::client("EventDestinationDoesNotExist", message)
}

pub fn destination_exists(name: &str) -> AwsError {
    let message = format!("An event destination with name <{name}> already exists.");
    AwsError::client("EventDestinationAlreadyExists", message)
}

pub fn topic_missing(arn: &str) -> AwsError {
    AwsError::client(
        "InvalidSNSDestination",
        format!("SNS topic <{arn}> not found."),
    )
}

pub fn template_missing(name: &str) -> AwsError {
    AwsError::client(
        "TemplateDoesNotExist",
        format!("Template {name} does not exist"),
    )
}

pub fn template_exists(name: &str) -> AwsError {
    AwsError::client("AlreadyExists", format!("Template {name} already exists"))
}

pub fn template_invalid(why: impl Into<String>) -> AwsError {
    AwsError::client("InvalidTemplate", why)
}

pub fn rendering(failure: &template::Failure) -> AwsError {
    let code = match failure {
        template::Failure::Missing(_) => "MissingRenderingAttribute",
        template::Failure::Malformed(_) => "InvalidTemplate",
        template::Failure::TooLarge => "InvalidRenderingParameter",
    };
    AwsError::client(code, failure.to_string())
}

pub fn rendering_data() -> AwsError {
    AwsError::client(
        "InvalidRenderingParameter",
        "Template rendering data is invalid",
    )
}

pub fn identity_missing(name: &str) -> AwsError {
    message_rejected(format!(
        "Identity {name} is not verified or does not exist."
    ))
}

pub fn invalid_address(given: &str) -> AwsError {
    invalid_parameter(format!("Invalid email address<{given}>."))
}

pub fn invalid_domain(given: &str) -> AwsError {
    invalid_parameter(format!("Invalid domain name {given}."))
}

pub fn policy_invalid(why: impl Into<String>) -> AwsError {
    AwsError::client("InvalidPolicy", why)
}

pub fn limit(why: impl Into<String>) -> AwsError {
    AwsError::client("LimitExceeded", why)
}

pub fn invalid_token(token: &str) -> AwsError {
    invalid_parameter(format!("Invalid NextToken: {token}"))
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    AwsError::client("ValidationError", invalid.to_string())
}

/// The same failure in the words of version 2
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>).
pub fn in_version_2(error: AwsError) -> AwsError {
    let (code, status) = match error.code.as_str() {
        "ConfigurationSetDoesNotExist"
        | "TemplateDoesNotExist"
        | "EventDestinationDoesNotExist" => ("NotFoundException", 404),
        "AlreadyExists" | "ConfigurationSetAlreadyExists" | "EventDestinationAlreadyExists" => {
            ("AlreadyExistsException", 400)
        }
        "AccountSendingPausedException" | "ConfigurationSetSendingPausedException" => {
            ("SendingPausedException", 400)
        }
        "InvalidParameterValue"
        | "InvalidTemplate"
        | "MissingRenderingAttribute"
        | "InvalidRenderingParameter"
        | "InvalidSNSDestination"
        | "InvalidPolicy"
        | "InvalidConfigurationSet" => ("BadRequestException", 400),
        "LimitExceeded" => ("LimitExceededException", 400),
        _ => return error,
    };
    AwsError {
        code: code.to_owned(),
        status,
        ..error
    }
}

/// Input that breaks the model of version 2.
pub fn invalid_in_version_2(invalid: &Invalid) -> AwsError {
    AwsError::client("BadRequestException", invalid.to_string())
}

fn not_found(why: String) -> AwsError {
    AwsError::client("NotFoundException", why).status(404)
}

pub fn email_identity_missing(name: &str) -> AwsError {
    not_found(format!("Email identity {name} does not exist."))
}

pub fn email_identity_exists(name: &str) -> AwsError {
    let message = format!("Email identity {name} already exist.");
    AwsError::client("AlreadyExistsException", message)
}

pub fn policy_exists(name: &str) -> AwsError {
    AwsError::client(
        "AlreadyExistsException",
        format!("Policy {name} already exists."),
    )
}

pub fn policy_missing(name: &str) -> AwsError {
    not_found(format!("Policy {name} does not exist."))
}

pub fn not_suppressed(address: &str) -> AwsError {
    not_found(format!(
        "Email address {address} does not exist on your suppression list."
    ))
}

pub fn resource_missing(arn: &str) -> AwsError {
    not_found(format!("Resource {arn} does not exist."))
}

pub fn next_token_invalid() -> AwsError {
    AwsError::client(
        "InvalidNextTokenException",
        "The specified request includes an invalid or expired token.",
    )
}

pub fn tags(why: InvalidTags) -> AwsError {
    AwsError::client("BadRequestException", why.to_string())
}
