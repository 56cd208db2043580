//! Cloud Map's errors, one constructor each
//! (<https://docs.aws.amazon.com/cloud-map/latest/api/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

pub fn invalid_input(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidInput", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    invalid_input(invalid.to_string())
}

pub fn invalid_token() -> AwsError {
    invalid_input("The token provided is not valid.")
}

pub fn namespace_not_found(id: &str) -> AwsError {
    AwsError::client("NamespaceNotFound", format!("No such namespace: {id}"))
}

pub fn namespace_already_exists(id: &str, creator_request_id: Option<&str>) -> AwsError {
    let error = AwsError::client("NamespaceAlreadyExists", "Namespace already exists.")
        .field("NamespaceId", id);
    match creator_request_id {
        Some(creator) => error.field("CreatorRequestId", creator),
        None => error,
    }
}

pub fn namespace_in_use() -> AwsError {
    AwsError::client(
        "ResourceInUse",
        "Namespace has associated services; delete the services before deleting the namespace",
    )
}

pub fn service_not_found(id: &str) -> AwsError {
    AwsError::client("ServiceNotFound", format!("No such service: {id}"))
}

pub fn service_already_exists(id: &str, arn: &str, creator_request_id: Option<&str>) -> AwsError {
    let error = AwsError::client("ServiceAlreadyExists", "Service already exists.")
        .field("ServiceId", id)
        .field("ServiceArn", arn);
    match creator_request_id {
        Some(creator) => error.field("CreatorRequestId", creator),
        None => error,
    }
}

/// Seen in `DeleteService`'s answers, such as in terraform-provider-aws's issues.
pub fn service_in_use() -> AwsError {
    AwsError::client(
        "ResourceInUse",
        "Service contains registered instances; delete the instances before deleting the service",
    )
}

pub fn instance_not_found(id: &str) -> AwsError {
    AwsError::client("InstanceNotFound", format!("No such instance: {id}"))
}

pub fn custom_health_not_found() -> AwsError {
    AwsError::client(
        "CustomHealthNotFound",
        "The service doesn't have a custom health check configured.",
    )
}

pub fn operation_not_found(id: &str) -> AwsError {
    AwsError::client("OperationNotFound", format!("No such operation: {id}"))
}

pub fn too_many_attributes() -> AwsError {
    AwsError::client(
        "ServiceAttributesLimitExceededException",
        "The attribute can't be added to the service because you've exceeded the quota for the number \
         of attributes you can add to a service.",
    )
}

pub fn too_many_instances() -> AwsError {
    AwsError::client(
        "ResourceLimitExceeded",
        "The resource can't be created because you've reached the quota on the number of resources.",
    )
}

pub fn resource_not_found(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("The operation can't be completed because the resource was not found: {arn}"),
    )
}

pub fn invalid_tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => AwsError::client(
            "TooManyTagsException",
            "The list of tags on the resource is over the quota. The maximum number of tags that can \
             be applied to a resource is 50.",
        ),
        other => invalid_input(other.to_string()),
    }
}
