//! Elastic IPs, network interfaces and NAT gateways.

use super::invalid_parameter;
use neargate_service::AwsError;
use std::fmt::Display;

pub fn address_not_found(address: &str) -> AwsError {
    AwsError::client(
        "InvalidAddress.NotFound",
        format!("Address '{address}' not found."),
    )
}

pub fn address_in_use(address: impl Display) -> AwsError {
    AwsError::client(
        "InvalidIPAddress.InUse",
        format!("Address {address} is in use."),
    )
}

/// A public address that leads nowhere.
pub fn no_way_in(vpc_id: &str) -> AwsError {
    AwsError::client(
        "Gateway.NotAttached",
        format!("Network {vpc_id} is not attached to any internet gateway"),
    )
}

pub fn already_associated(allocation: &str, association: &str) -> AwsError {
    AwsError::client(
        "Resource.AlreadyAssociated",
        format!("resource {allocation} is already associated with associate-id {association}"),
    )
}

/// What belongs to another service's resource is changed by that service only.
pub fn not_yours() -> AwsError {
    AwsError::client(
        "AuthFailure",
        "You do not have permission to access the specified resource.",
    )
}

pub fn interface_in_use(id: &str) -> AwsError {
    invalid_parameter(format!("Network interface '{id}' is currently in use."))
}

pub fn not_an_address(parameter: &str, text: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({text}) for parameter {parameter} is invalid. Invalid IPv4 address."
    ))
}

/// An address that the interface does not have.
pub fn other_address(interface: &str, address: &str) -> AwsError {
    invalid_parameter(format!(
        "The interface {interface} does not have the private address {address}."
    ))
}

/// A NAT gateway as its own calls name it.
pub fn nat_not_found(id: &str) -> AwsError {
    AwsError::client(
        "NatGatewayNotFound",
        format!("The Nat Gateway {id} was not found"),
    )
}

pub fn no_allocation() -> AwsError {
    AwsError::client(
        "MissingParameter",
        "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
    )
}

pub fn token_used() -> AwsError {
    AwsError::client(
        "IdempotentParameterMismatch",
        "The client token was used with other parameters before.",
    )
}
