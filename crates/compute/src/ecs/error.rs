//! ECS's errors, one constructor each
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

/// Something the caller did wrong that has no error of its own.
pub fn client(message: impl Into<String>) -> AwsError {
    AwsError::client("ClientException", message)
}

pub fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

pub fn cluster_not_found() -> AwsError {
    AwsError::client("ClusterNotFoundException", "Cluster not found.")
}

pub fn cluster_contains_tasks() -> AwsError {
    AwsError::client(
        "ClusterContainsTasksException",
        "The Cluster cannot be deleted while Tasks are active.",
    )
}

pub fn task_definition_not_found() -> AwsError {
    client("TaskDefinition not found.")
}

/// `DescribeTaskDefinition`'s own wording.
pub fn unable_to_describe() -> AwsError {
    client("Unable to describe task definition.")
}

pub fn task_definition_inactive() -> AwsError {
    client("TaskDefinition is inactive")
}

pub fn task_not_found() -> AwsError {
    invalid_parameter("The referenced task was not found.")
}

pub fn resource_not_found() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified resource was not found.",
    )
}

pub fn invalid_next_token() -> AwsError {
    invalid_parameter("Invalid token")
}

/// A parameter whose part of AWS's behaviour is not built yet.
pub fn unsupported(what: &str) -> AwsError {
    AwsError::client(
        "UnsupportedFeatureException",
        format!("Neargate does not implement {what} yet."),
    )
}

/// The client token belongs to another `RunTask`, which started these tasks.
pub fn token_in_use(arns: Vec<String>) -> AwsError {
    AwsError::client(
        "ConflictException",
        "The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request.",
    )
    .field("resourceIds", arns)
}

/// No node has room or none is connected.
pub fn no_capacity() -> AwsError {
    client(
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
    )
}

/// A tag rule of the request is broken.
pub fn invalid_tags(e: InvalidTags) -> AwsError {
    invalid_parameter(e.to_string())
}
