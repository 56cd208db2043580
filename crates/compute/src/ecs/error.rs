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

// Container instances, attributes and capacity providers.

pub fn container_instance_not_found() -> AwsError {
    invalid_parameter("The specified container instance was not found.")
}

pub fn instance_has_tasks() -> AwsError {
    invalid_parameter("Found running tasks on the instance.")
}

/// A machine says that it is a container instance that it is not.
pub fn not_that_instance() -> AwsError {
    client("The specified container instance does not exist or is another machine's.")
}

pub fn invalid_attribute_name() -> AwsError {
    invalid_parameter(
        "Attribute names must be between 1 and 128 characters, and contain only letters, numbers, hyphens, underscores, forward slashes, back slashes, or periods.",
    )
}

pub fn invalid_attribute_value() -> AwsError {
    invalid_parameter(
        "Attribute values must be between 1 and 128 characters, and contain only letters, numbers, hyphens, underscores, periods, at signs (@), forward slashes, back slashes, colons, or spaces, and not start or end with a space.",
    )
}

pub fn capacity_provider_not_found() -> AwsError {
    invalid_parameter(
        "The specified capacity provider was not found. Specify a valid name or ARN and try again.",
    )
}
