//! SSM's errors, one constructor each
//! (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

/// AWS says no more.
pub(crate) fn not_found() -> AwsError {
    AwsError::client("ParameterNotFound", "")
}

pub(crate) fn not_found_named(name: &str) -> AwsError {
    AwsError::client("ParameterNotFound", format!("Parameter {name} not found."))
}

pub(crate) fn secret_not_found(name: &str) -> AwsError {
    AwsError::client(
        "ParameterNotFound",
        format!(
            "An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {name} not \
             found."
        ),
    )
}

pub(crate) fn version_not_found(name: &str, version: &str) -> AwsError {
    AwsError::client(
        "ParameterVersionNotFound",
        format!(
            "Systems Manager could not find version {version} of {name}. Verify the version and \
             try again."
        ),
    )
}

pub(crate) fn label_not_found(name: &str, label: &str) -> AwsError {
    AwsError::client(
        "ParameterVersionNotFound",
        format!(
            "Systems Manager could not find label {label} for parameter {name}. Verify the label \
             and try again."
        ),
    )
}

pub(crate) fn exists() -> AwsError {
    AwsError::client(
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the \
         request to true.",
    )
}

pub(crate) fn reserved(name: &str) -> AwsError {
    AwsError::client(
        "AccessDeniedException",
        format!("No access to reserved parameter name: {name}."),
    )
}

pub(crate) fn too_deep() -> AwsError {
    AwsError::client(
        "HierarchyLevelLimitExceededException",
        "A hierarchy can have a maximum of 15 levels.",
    )
}

pub(crate) fn oldest_has_label(name: &str, oldest: i64) -> AwsError {
    AwsError::client(
        "ParameterMaxVersionLimitExceeded",
        format!(
            "You attempted to create a new version of {name} by calling the PutParameter API with \
             the overwrite flag. Version {oldest}, the oldest version, can't be deleted because it \
             has a label associated with it. Move the label to another version of the parameter, \
             and try again."
        ),
    )
}

pub(crate) fn too_many_labels() -> AwsError {
    AwsError::client(
        "ParameterVersionLabelLimitExceeded",
        "A parameter version can have maximum 10 labels.\
         Move one or more labels to another version and try again.",
    )
}

pub(crate) fn pattern_mismatch(pattern: &str) -> AwsError {
    AwsError::client(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
    )
}

pub(crate) fn invalid_pattern(pattern: &str) -> AwsError {
    AwsError::client(
        "InvalidAllowedPatternException",
        format!("The regular expression {pattern} is not valid."),
    )
}

pub(crate) fn invalid_policy_type(kind: &str) -> AwsError {
    AwsError::client(
        "InvalidPolicyTypeException",
        format!("Neargate does not support parameter policies of type {kind} yet."),
    )
}

pub(crate) fn invalid_policy(why: &str) -> AwsError {
    AwsError::client("InvalidPolicyAttributeException", why)
}

pub(crate) fn unsupported_data_type(named: &str) -> AwsError {
    validation(format!(
        "The following data type is not supported: {named} (Data type names are all lowercase.)"
    ))
}

/// What KMS refused, as SSM hands it on.
pub(crate) fn of_kms(source: AwsError, request_id: &str) -> AwsError {
    if source.status >= 500 {
        return source;
    }
    let AwsError { code, message, .. } = &source;
    let text = format!(
        "{message} (Service: AWSKMS; Status Code: 400; Error Code: {code}; Request ID: {request_id})"
    );
    AwsError::client("InvalidKeyId", text)
}

pub(crate) fn filter_key(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidFilterKey", message)
}

pub(crate) fn filter_option(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidFilterOption", message)
}

pub(crate) fn filter_value(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidFilterValue", message)
}

pub(crate) fn invalid_token() -> AwsError {
    AwsError::client("InvalidNextToken", "The specified token is not valid.")
}

pub(crate) fn resource_id() -> AwsError {
    AwsError::client("InvalidResourceId", "Invalid Resource Id")
}

/// The tags of other resources than parameters.
pub(crate) fn resource_type(kind: &str) -> AwsError {
    AwsError::client(
        "InvalidResourceType",
        format!("Neargate does not support the resource type {kind} yet."),
    )
}

pub(crate) fn tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => {
            AwsError::client("TooManyTagsError", "A parameter can have at most 50 tags.")
        }
        other => validation(other.to_string()),
    }
}

/// The words of the agent's side are AWS's.
pub(crate) fn not_connected(target: &str) -> AwsError {
    AwsError::client("TargetNotConnected", format!("{target} is not connected."))
}

pub(crate) fn out_of_reach(why: String) -> AwsError {
    AwsError::client("TargetNotConnected", why)
}

pub(crate) fn no_such_document(name: &str) -> AwsError {
    AwsError::client(
        "InvalidDocument",
        format!("Document with name {name} does not exist."),
    )
}

pub(crate) fn missing_parameter(name: &str) -> AwsError {
    AwsError::client(
        "InvalidParameters",
        format!("Parameter {name} is required, but no value was provided."),
    )
}

pub(crate) fn invalid_session_parameter(name: &str) -> AwsError {
    AwsError::client(
        "InvalidParameters",
        format!("The value of parameter {name} is not valid."),
    )
}

pub(crate) fn no_such_session(id: &str) -> AwsError {
    AwsError::client(
        "DoesNotExistException",
        format!("Session {id} does not exist."),
    )
}

pub(crate) fn too_many_sessions() -> AwsError {
    AwsError::client(
        "ThrottlingException",
        "There are as many sessions as there may be at once: end some of them.",
    )
}

pub(crate) fn invalid_session_token() -> AwsError {
    AwsError::client("InvalidNextToken", "")
}

pub(crate) fn invalid_filter_value(value: &str) -> AwsError {
    AwsError::client("ValidationException", format!("{value} is no time."))
}
