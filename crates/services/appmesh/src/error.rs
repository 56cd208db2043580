//! App Mesh's errors, one constructor each
//! (<https://docs.aws.amazon.com/app-mesh/latest/APIReference/CommonErrors.html>). Sentences that were seen of
//! AWS itself name where; the others are written in their manner.

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

fn shown(code: &str, message: impl Into<String>, status: u16) -> AwsError {
    AwsError::client(code, message).status(status)
}

pub fn bad_request(message: impl Into<String>) -> AwsError {
    shown("BadRequestException", message, 400)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    bad_request(invalid.to_string())
}

pub fn mesh_not_found(mesh: &str, account: &str) -> AwsError {
    shown(
        "NotFoundException",
        format!("Mesh with name {mesh} is not present for account {account}"),
        404,
    )
}

/// AWS's sentence, of a virtual node that was described (aws-app-mesh-roadmap issue 173).
pub fn not_present(noun: &str, name: &str, mesh: &str, account: &str) -> AwsError {
    shown(
        "NotFoundException",
        format!("{noun} with name {name} is not present under mesh {mesh} for account {account}"),
        404,
    )
}

/// What a specification names is not there. AWS's sentence, of a route's target (janakiramm/app-mesh-tutorial
/// issue 1).
pub fn missing(noun: &str, name: &str) -> AwsError {
    shown(
        "NotFoundException",
        format!("{noun} with name {name} is missing"),
        404,
    )
}

pub fn resource_not_found(arn: &str) -> AwsError {
    shown(
        "NotFoundException",
        format!("Resource with ARN {arn} is not present"),
        404,
    )
}

pub fn exists(noun: &str, name: &str) -> AwsError {
    shown(
        "ConflictException",
        format!("{noun} with name {name} already exists"),
        409,
    )
}

/// The words of the error in AWS's model.
pub fn token_of_another() -> AwsError {
    shown(
        "ConflictException",
        "The request contains a client token that was used for a previous update resource call with \
         different specifications. Try the request again with a new client token.",
        409,
    )
}

fn in_use(message: String) -> AwsError {
    shown("ResourceInUseException", message, 409)
}

/// AWS's sentence (terraform-provider-aws pull request 11249).
pub fn mesh_has(mesh: &str, account: &str, plural: &str) -> AwsError {
    in_use(format!(
        "Mesh {mesh} for account {account} has active {plural}, please delete {plural} before deleting the Mesh"
    ))
}

/// A router's routes, a gateway's gateway routes.
pub fn has_children(noun: &str, name: &str, plural: &str) -> AwsError {
    in_use(format!(
        "{noun} {name} has active {plural}, please delete {plural} before deleting the {noun}"
    ))
}

/// AWS's sentence (aws-app-mesh-controller-for-k8s issue 25).
pub fn is_provider(noun: &str, name: &str) -> AwsError {
    in_use(format!(
        "{noun} with name {name} cannot be deleted because it is a VirtualService provider"
    ))
}

/// AWS's sentence (terraform-provider-aws issue 38444).
pub fn is_target(name: &str) -> AwsError {
    in_use(format!(
        "VirtualNode with name {name} cannot be deleted because it is the target of one or more routes."
    ))
}

/// AWS's sentence (aws-nuke issue 913).
pub fn is_referenced(service: &str, gateway_routes: &[String]) -> AwsError {
    in_use(format!(
        "VirtualService {service} is being referenced in the following: GATEWAY_ROUTE: [{}]",
        gateway_routes.join(", ")
    ))
}

pub fn limit(what: &str, most: usize) -> AwsError {
    shown(
        "LimitExceededException",
        format!("You have exceeded the limit of {most} {what}."),
        400,
    )
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => shown("TooManyTagsException", why.to_string(), 400),
        other => bad_request(other.to_string()),
    }
}

/// Meshes are not shared between accounts here.
pub fn shared_mesh(owner: &str) -> AwsError {
    AwsError::not_implemented(
        "appmesh",
        &format!("meshes that another account ({owner}) shares"),
    )
}
