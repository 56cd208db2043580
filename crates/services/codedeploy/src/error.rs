//! CodeDeploy's errors, one constructor each
//! (<https://docs.aws.amazon.com/codedeploy/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

/// An error of the model, by its name without `Exception`.
pub fn named(name: &str, message: impl Into<String>) -> AwsError {
    AwsError::client(format!("{name}Exception"), message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    AwsError::client("ValidationException", invalid.to_string())
}

pub fn no_application(name: &str) -> AwsError {
    named(
        "ApplicationDoesNotExist",
        format!("No application found for name: {name}"),
    )
}

pub fn application_exists(name: &str) -> AwsError {
    named(
        "ApplicationAlreadyExists",
        format!("Application already exists with name: {name}"),
    )
}

pub fn no_group(name: &str) -> AwsError {
    named(
        "DeploymentGroupDoesNotExist",
        format!("No Deployment Group found for name: {name}"),
    )
}

pub fn group_exists(name: &str) -> AwsError {
    named(
        "DeploymentGroupAlreadyExists",
        format!("Deployment Group already exists with name: {name}"),
    )
}

pub fn no_config(name: &str) -> AwsError {
    named(
        "DeploymentConfigDoesNotExist",
        format!("No Deployment Configuration found for name: {name}"),
    )
}

pub fn no_deployment(id: &str) -> AwsError {
    named(
        "DeploymentDoesNotExist",
        format!("The deployment {id} could not be found"),
    )
}

pub fn no_id() -> AwsError {
    named("DeploymentIdRequired", "Deployment ID must be specified")
}

pub fn in_the_way(group: &str, deployment: &str) -> AwsError {
    named(
        "DeploymentLimitExceeded",
        format!("The Deployment Group '{group}' already has an active Deployment '{deployment}'"),
    )
}

pub fn completed(id: &str) -> AwsError {
    named(
        "DeploymentAlreadyCompleted",
        format!("The deployment {id} is already completed"),
    )
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => named("TagLimitExceeded", why.to_string()),
        _ => named("InvalidTagsToAdd", why.to_string()),
    }
}

pub fn next_token() -> AwsError {
    named("InvalidNextToken", "The next token is not valid")
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    AwsError::not_implemented("codedeploy", what)
}
