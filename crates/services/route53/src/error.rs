//! Route 53's errors, one constructor each
//! (<https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::dns::LinkedService;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

pub fn invalid_input(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidInput", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    invalid_input(invalid.to_string())
}

pub fn no_such_hosted_zone(id: &str) -> AwsError {
    let message = format!("No hosted zone found with ID: {id}");
    AwsError::client("NoSuchHostedZone", message).status(404)
}

pub fn no_such_change(id: &str) -> AwsError {
    let message = format!("Could not find resource with ID: {id}");
    AwsError::client("NoSuchChange", message).status(404)
}

pub fn no_such_health_check(id: &str) -> AwsError {
    let message = format!("No health check exists with the specified ID: {id}");
    AwsError::client("NoSuchHealthCheck", message).status(404)
}

pub fn hosted_zone_already_exists() -> AwsError {
    let message = "A hosted zone has already been created with the specified caller reference.";
    AwsError::client("HostedZoneAlreadyExists", message).status(409)
}

pub fn hosted_zone_not_empty() -> AwsError {
    AwsError::client(
        "HostedZoneNotEmpty",
        "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
    )
}

pub fn hosted_zone_not_private() -> AwsError {
    let message = "The specified hosted zone is a public hosted zone, not a private hosted zone.";
    AwsError::client("HostedZoneNotPrivate", message)
}

pub fn invalid_domain_name(name: &str) -> AwsError {
    let message = format!("{name} is not a valid domain name");
    AwsError::client("InvalidDomainName", message)
}

pub fn too_many_hosted_zones() -> AwsError {
    let message = "Limits Exceeded: MAX_HOSTED_ZONES_BY_OWNER - Cannot create more hosted zones.";
    AwsError::client("TooManyHostedZones", message)
}

pub fn invalid_vpc_id() -> AwsError {
    AwsError::client("InvalidVPCId", "Invalid or missing VPC Id.")
}

/// As seen in users' reports, such as hashicorp/terraform-provider-aws's.
pub fn conflicting_domain(vpc_id: &str, region: &str, zone_id: &str) -> AwsError {
    let message = format!(
        "The VPC {vpc_id} in region {region} has already been associated with the hosted zone \
         {zone_id} with the same domain name."
    );
    AwsError::client("ConflictingDomainExists", message)
}

pub fn public_zone() -> AwsError {
    AwsError::client(
        "PublicZoneVPCAssociation",
        "You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't support \
         associating a VPC with a public hosted zone.",
    )
}

pub fn last_vpc() -> AwsError {
    AwsError::client(
        "LastVPCAssociation",
        "The VPC that you're trying to disassociate from the private hosted zone is the last VPC that \
         is associated with the hosted zone. Amazon Route 53 doesn't support disassociating the last \
         VPC from a hosted zone.",
    )
}

pub fn vpc_not_associated() -> AwsError {
    let message = "The specified VPC and hosted zone are not currently associated.";
    AwsError::client("VPCAssociationNotFound", message).status(404)
}

pub fn health_check_already_exists() -> AwsError {
    AwsError::client(
        "HealthCheckAlreadyExists",
        "A health check has already been created with the specified caller reference and other settings.",
    )
    .status(409)
}

pub fn too_many_health_checks() -> AwsError {
    AwsError::client(
        "TooManyHealthChecks",
        "Limits Exceeded: MAX_HEALTH_CHECKS_BY_OWNER - Cannot create more health checks.",
    )
}

pub fn health_check_version_mismatch() -> AwsError {
    AwsError::client(
        "HealthCheckVersionMismatch",
        "The value of HealthCheckVersion in the request doesn't match the value of HealthCheckVersion \
         in the health check.",
    )
    .status(409)
}

pub fn health_check_in_use() -> AwsError {
    AwsError::client(
        "HealthCheckInUse",
        "The health check is in use by another health check and can't be deleted.",
    )
}

/// What is wrong with a batch, all of it.
pub fn invalid_change_batch(problems: &[String]) -> AwsError {
    AwsError::client("InvalidChangeBatch", format!("[{}]", problems.join(", ")))
}

/// "edit the zone from Route 53" answers this (hashicorp/terraform-provider-aws's issue 8568).
pub fn linked(zone_id: &str, by: &LinkedService) -> AwsError {
    let message = format!(
        "The resource hostedzone/{zone_id} can only be managed through {} ({})",
        by.service_principal, by.description
    );
    AwsError::client("AccessDenied", message).status(403)
}

pub fn prior_request_not_complete() -> AwsError {
    AwsError::client(
        "PriorRequestNotComplete",
        "The request was rejected because Route 53 was still processing a prior request.",
    )
}

pub fn invalid_tags(why: InvalidTags) -> AwsError {
    invalid_input(why.to_string())
}

pub fn no_such_delegation_set(id: &str) -> AwsError {
    AwsError::client(
        "NoSuchDelegationSet",
        format!("No delegation set found with ID: {id}"),
    )
}

pub fn invalid_pagination_token() -> AwsError {
    let message =
        "The value that you specified to get the second or subsequent page of results is invalid.";
    AwsError::client("InvalidPaginationToken", message)
}
