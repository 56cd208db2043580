//! CloudFormation's errors, one constructor each
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_wire::validate::Invalid;

pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    validation(format!("Neargate does not support {what} yet."))
}

pub fn no_stack(name: &str) -> AwsError {
    validation(format!("Stack with id {name} does not exist"))
}

/// As the calls that name a stack to change it say it.
pub fn stack_does_not_exist(name: &str) -> AwsError {
    validation(format!("Stack [{name}] does not exist"))
}

pub fn exists(name: &str) -> AwsError {
    AwsError::client(
        "AlreadyExistsException",
        format!("Stack [{name}] already exists"),
    )
}

pub fn change_set_exists(name: &str, stack: &str) -> AwsError {
    AwsError::client(
        "AlreadyExistsException",
        format!(
            "ChangeSet {name} cannot be created due to a mismatch with existing attribute ChangeSet in the stack {stack}"
        ),
    )
}

pub fn no_change_set(name: &str) -> AwsError {
    AwsError::client(
        "ChangeSetNotFound",
        format!("ChangeSet [{name}] does not exist"),
    )
    .status(404)
}

pub fn change_set_status(id: &str, status: &str) -> AwsError {
    AwsError::client(
        "InvalidChangeSetStatus",
        format!("ChangeSet [{id}] cannot be executed in its current status of [{status}]"),
    )
}

pub fn capabilities(needed: &str) -> AwsError {
    AwsError::client(
        "InsufficientCapabilitiesException",
        format!("Requires capabilities : [{needed}]"),
    )
}

pub fn no_type(name: &str) -> AwsError {
    AwsError::client(
        "TypeNotFoundException",
        format!("The type '{name}' cannot be found."),
    )
    .status(404)
}

pub fn state(stack_id: &str, status: &str, verb: &str) -> AwsError {
    validation(format!(
        "Stack:{stack_id} is in {status} state and can not be {verb}."
    ))
}
