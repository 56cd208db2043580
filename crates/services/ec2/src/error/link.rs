//! VPC endpoints and peering connections.

use super::invalid_parameter;
use neargate_service::AwsError;

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameter", message)
}

pub fn no_such_service(name: &str) -> AwsError {
    AwsError::client(
        "InvalidServiceName",
        format!("The Vpc Endpoint Service '{name}' does not exist"),
    )
}

pub fn other_type(asked: &str, has: &[&str]) -> AwsError {
    invalid(format!(
        "Endpoint type ({asked}) does not match available service types ([{}]).",
        has.join(", ")
    ))
}

pub fn same_zone(subnet: &str) -> AwsError {
    AwsError::client(
        "DuplicateSubnetsInSameZone",
        format!(
            "Found another VPC endpoint subnet in the availability zone of {subnet}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."
        ),
    )
}

pub fn private_dns_needs(vpc_id: &str) -> AwsError {
    invalid(format!(
        "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc_id}"
    ))
}

pub fn private_dns_conflict(service: &str, vpc_id: &str) -> AwsError {
    invalid(format!(
        "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service} in the VPC {vpc_id}"
    ))
}

pub fn has_prefix_list_route(table: &str, list: &str) -> AwsError {
    AwsError::client(
        "RouteAlreadyExists",
        format!("route table {table} already has a route with destination-prefix-list-id {list}"),
    )
}

/// What only the other type of endpoint has.
pub fn not_of_this_type(parameter: &str, kind: &str) -> AwsError {
    invalid(format!(
        "The parameter {parameter} cannot be used with endpoints of type {kind}."
    ))
}

pub fn policy() -> AwsError {
    AwsError::client("InvalidPolicyDocument", "Policy document is malformed.")
}

pub fn peering_exists(id: &str) -> AwsError {
    AwsError::client(
        "VpcPeeringConnectionAlreadyExists",
        format!("The VPC peering connection {id} already exists between these VPCs."),
    )
}

pub fn peering_state(id: &str) -> AwsError {
    AwsError::client(
        "InvalidStateTransition",
        format!("VpcPeeringConnectionID {id} is not in the correct state for the request."),
    )
}

pub fn not_the_accepter(account: &str, verb: &str, id: &str) -> AwsError {
    super::operation_not_permitted(format!("User {account} cannot {verb} peering {id}"))
}

pub fn other_region(region: &str, id: &str, verb: &str, right: &str) -> AwsError {
    super::operation_not_permitted(format!(
        "Incorrect region ({region}) specified for this request. VPC peering connection {id} must be {verb} in region {right}"
    ))
}

pub fn not_active(id: &str) -> AwsError {
    super::operation_not_permitted(format!(
        "Peering {id} is not active. Peering options can be added only to active peerings."
    ))
}

pub fn peered_with_itself(vpc_id: &str) -> AwsError {
    invalid_parameter(format!("The VPC {vpc_id} cannot be peered with itself."))
}
