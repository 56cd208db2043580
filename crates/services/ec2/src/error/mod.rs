//! EC2's errors
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>).

pub(super) mod acl;
pub(super) mod address;
pub(super) mod flow_log;
pub(super) mod group;
pub(super) mod instance;
pub(super) mod key;
pub(super) mod link;
pub(super) mod network;
pub(super) mod routing;

use super::kind::{self, Kind};
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

pub(super) fn invalid_parameter(message: impl Into<String>) -> AwsError {
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
    if *kind == kind::NAT_GATEWAY {
        return address::nat_not_found(id);
    }
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

/// A parameter that Neargate does not know how to honour yet.
pub(super) fn unsupported(parameter: &str) -> AwsError {
    let message = format!("Neargate does not support the parameter {parameter} yet.");
    AwsError::client("UnsupportedOperation", message)
}

/// A value that is none of those a parameter has.
pub(super) fn invalid_value(parameter: &str, value: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({value}) for parameter {parameter} is invalid."
    ))
}

/// A call that changes attributes takes one at a time.
pub(super) fn attributes(given: &[&str]) -> AwsError {
    let message = match given {
        [] => "No attributes specified.".to_owned(),
        given => format!(
            "Fields for multiple attribute types specified: {}",
            given.join(", ")
        ),
    };
    AwsError::client("InvalidParameterCombination", message)
}

pub(super) fn limit_exceeded(code: &str, what: &str) -> AwsError {
    AwsError::client(
        code,
        format!("The maximum number of {what} has been reached."),
    )
}

/// Something cannot be deleted while others need it.
pub(super) fn dependency(message: impl Into<String>) -> AwsError {
    AwsError::client("DependencyViolation", message)
}

/// The usual sentence of [`dependency`].
pub(super) fn has_dependencies(noun: &str, id: &str) -> AwsError {
    dependency(format!(
        "The {noun} '{id}' has dependencies and cannot be deleted."
    ))
}

/// An association of any kind that does not exist.
pub(super) fn association_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidAssociationID.NotFound",
        format!("The association ID '{id}' does not exist"),
    )
}

pub(super) fn not_taggable(resource_type: &str) -> AwsError {
    invalid_parameter(format!(
        "'{resource_type}' is not a valid taggable resource type for this operation."
    ))
}

pub(super) fn no_tags_specified() -> AwsError {
    invalid_parameter("Tag specification must have at least one tag")
}

/// The text is no range of addresses.
pub(super) fn not_a_cidr(parameter: &str, text: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."
    ))
}

pub(super) fn operation_not_permitted(message: impl Into<String>) -> AwsError {
    AwsError::client("OperationNotPermitted", message)
}
