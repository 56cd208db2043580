//! Route tables, routes and gateways.

use super::invalid_parameter;
use neargate_domain::Cidr;
use neargate_service::AwsError;

/// Two resources that a call joins are of different VPCs.
pub fn different_networks(a: (&str, &str), b: (&str, &str)) -> AwsError {
    invalid_parameter(format!(
        "{} {} and {} {} belong to different networks",
        a.0, a.1, b.0, b.1
    ))
}

pub fn already_associated(table: &str) -> AwsError {
    AwsError::client(
        "Resource.AlreadyAssociated",
        format!(
            "the specified association for route table {table} conflicts with an existing association"
        ),
    )
}

pub fn main_association(id: &str) -> AwsError {
    invalid_parameter(format!(
        "cannot disassociate the main route table association {id}"
    ))
}

pub fn route_exists(to: Cidr) -> AwsError {
    AwsError::client(
        "RouteAlreadyExists",
        format!("The route identified by {to} already exists."),
    )
}

pub fn route_not_found(table: &str, to: Cidr) -> AwsError {
    AwsError::client(
        "InvalidRoute.NotFound",
        format!("no route with destination-cidr-block {to} in route table {table}"),
    )
}

/// What `ReplaceRoute` says of a destination that has no route.
pub fn nothing_to_replace(to: Cidr) -> AwsError {
    invalid_parameter(format!(
        "There is no route defined for '{to}' in the route table. Use CreateRoute instead."
    ))
}

pub fn local_route(table: &str, to: Cidr) -> AwsError {
    invalid_parameter(format!(
        "cannot remove local route {to} in route table {table}"
    ))
}

pub fn within_the_vpc(to: Cidr) -> AwsError {
    invalid_parameter(format!(
        "Destination CIDR block {to} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
    ))
}

pub fn one_of(what: &str, parameters: &str) -> AwsError {
    AwsError::client(
        "InvalidParameterCombination",
        format!("The request must contain exactly one {what}: {parameters}"),
    )
}

pub fn gateway_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidGatewayID.NotFound",
        format!("The gateway ID '{id}' does not exist"),
    )
}

pub fn nat_gateway_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidNatGatewayID.NotFound",
        format!("The natGateway ID '{id}' does not exist"),
    )
}

pub fn already_attached(gateway: &str, vpc_id: &str) -> AwsError {
    AwsError::client(
        "Resource.AlreadyAssociated",
        format!("resource {gateway} is already attached to network {vpc_id}"),
    )
}

pub fn has_a_gateway(vpc_id: &str) -> AwsError {
    invalid_parameter(format!(
        "Network {vpc_id} already has an internet gateway attached"
    ))
}

pub fn not_attached(gateway: &str, vpc_id: &str) -> AwsError {
    AwsError::client(
        "Gateway.NotAttached",
        format!("resource {gateway} is not attached to network {vpc_id}"),
    )
}

pub fn mapped_addresses(vpc_id: &str) -> AwsError {
    super::dependency(format!(
        "Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
    ))
}
