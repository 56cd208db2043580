//! EC2's errors
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>).

use super::kind::Kind;
use neargate_service::AwsError;
use neargate_service::page::Size;
use neargate_service::tags::{MAX_KEY_CHARS, MAX_VALUE_CHARS};
use neargate_wire::validate::{Constraint, Invalid, Shown};

/// Input that breaks the model, in EC2's words: it names the first fault only.
pub(super) fn invalid(invalid: &Invalid) -> AwsError {
    let Some(first) = invalid.violations.first() else {
        return AwsError::client("InvalidRequest", "The request is not valid.");
    };
    let value = match &first.value {
        Shown::Text(text) => text.as_str(),
        Shown::Null | Shown::Hidden => "",
    };
    let parameter = &first.path;
    let because = match &first.constraint {
        Constraint::NotNull => return missing_parameter(parameter),
        Constraint::MinValue(n) => {
            format!(" Expecting a value greater than or equal to {}.", n.value)
        }
        Constraint::MaxValue(n) => format!(" Expecting a value less than or equal to {}.", n.value),
        _ => String::new(),
    };
    AwsError::client(
        "InvalidParameterValue",
        format!("Value ( {value} ) for parameter {parameter} is invalid.{because}"),
    )
}

pub(super) fn missing_parameter(name: &str) -> AwsError {
    let message = format!("The request must contain the parameter {name}");
    AwsError::client("MissingParameter", message)
}

fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", message)
}

pub(super) fn unknown_region(name: &str) -> AwsError {
    invalid_parameter(format!("Invalid region provided: '{name}'"))
}

pub(super) fn unknown_zone(named: &str) -> AwsError {
    invalid_parameter(format!("Invalid availability zone: [{named}]"))
}

/// An attribute of a resource or of the account that EC2 does not have.
pub(super) fn unknown_attribute(parameter: &str, value: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ( {value} ) for parameter {parameter} is invalid. Unknown attribute."
    ))
}

pub(super) fn invalid_max_results(size: Size) -> AwsError {
    invalid_parameter(format!(
        "MaxResults must be between {} and {}",
        size.least, size.most
    ))
}

pub(super) fn invalid_filter(name: &str) -> AwsError {
    invalid_parameter(format!("The filter '{name}' is invalid"))
}

pub(super) fn too_many_filter_values() -> AwsError {
    let message = "The maximum number of filter values specified on a single call is 200";
    AwsError::client("FilterLimitExceeded", message)
}

pub(super) fn combination(a: &str, b: &str) -> AwsError {
    let message = format!("The parameter {a} cannot be used with the parameter {b}");
    AwsError::client("InvalidParameterCombination", message)
}

pub(super) fn invalid_next_token() -> AwsError {
    AwsError::client("InvalidNextToken", "The token is invalid or has expired.")
}

pub(super) fn not_found(kind: &Kind, id: &str) -> AwsError {
    AwsError::client(
        kind.not_found,
        format!("The {} '{id}' does not exist", kind.noun),
    )
}

pub(super) fn malformed(kind: &Kind, id: &str) -> AwsError {
    let message = format!("Invalid id: \"{id}\" (expecting \"{}-...\")", kind.prefix);
    AwsError::client(kind.malformed, message)
}

/// The id names no kind of resource at all.
pub(super) fn invalid_id(id: &str) -> AwsError {
    AwsError::client("InvalidID", format!("The ID '{id}' is not valid"))
}

pub(super) fn group_name_not_found(name: &str, vpc: &str) -> AwsError {
    let message = format!("The security group '{name}' does not exist in default VPC '{vpc}'");
    AwsError::client("InvalidGroup.NotFound", message)
}

pub(super) fn reserved_tag_key() -> AwsError {
    invalid_parameter("Tag keys starting with 'aws:' are reserved for internal use")
}

pub(super) fn tag_key_length() -> AwsError {
    invalid_parameter(format!(
        "Tag key must be between 1 and {MAX_KEY_CHARS} characters long"
    ))
}

pub(super) fn tag_value_length() -> AwsError {
    invalid_parameter(format!(
        "Tag value exceeds the maximum length of {MAX_VALUE_CHARS} characters"
    ))
}

pub(super) fn duplicate_tag_key(key: &str) -> AwsError {
    invalid_parameter(format!("Duplicate tag key '{key}' specified."))
}

pub(super) fn tag_limit_exceeded() -> AwsError {
    let message = "The maximum number of Tags for a resource has been reached.";
    AwsError::client("TagLimitExceeded", message)
}

/// What a call with `DryRun` answers when it is allowed.
pub(super) fn dry_run() -> AwsError {
    let message = "Request would have succeeded, but DryRun flag is set.";
    AwsError::client("DryRunOperation", message).status(412)
}
