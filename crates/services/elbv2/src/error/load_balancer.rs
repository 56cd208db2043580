//! About load balancers, their subnets and groups.

use super::{configuration, validation};
use neargate_service::AwsError;

pub(crate) fn not_found() -> AwsError {
    AwsError::client(
        "LoadBalancerNotFound",
        "One or more load balancers not found",
    )
}

pub(crate) fn name_too_long(name: &str) -> AwsError {
    validation(format!(
        "The load balancer name '{name}' cannot be longer than '32' characters"
    ))
}

pub(crate) fn name_characters(name: &str) -> AwsError {
    validation(format!(
        "The load balancer name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)"
    ))
}

pub(crate) fn name_ends(name: &str) -> AwsError {
    validation(format!(
        "The load balancer name '{name}' cannot begin or end with '-'"
    ))
}

pub(crate) fn name_internal(name: &str) -> AwsError {
    validation(format!(
        "The load balancer name '{name}' cannot begin with 'internal-'"
    ))
}

pub(crate) fn name_empty() -> AwsError {
    validation("The load balancer name cannot be empty")
}

pub(crate) fn duplicate(name: &str) -> AwsError {
    AwsError::client(
        "DuplicateLoadBalancerName",
        format!("A load balancer with the same name '{name}' exists, but with different settings"),
    )
}

pub(crate) fn too_many() -> AwsError {
    AwsError::client(
        "TooManyLoadBalancers",
        "You've reached the limit on the number of load balancers for your AWS account.",
    )
}

pub(crate) fn names_and_arns() -> AwsError {
    validation("Load balancer names and load balancer ARNs cannot be specified at the same time")
}

pub(crate) fn subnets_and_mappings() -> AwsError {
    validation("Subnets and subnet mappings cannot be specified at the same time")
}

pub(crate) fn no_subnets() -> AwsError {
    validation("At least one subnet must be specified")
}

pub(crate) fn too_few_zones() -> AwsError {
    validation("At least two subnets in two different Availability Zones must be specified")
}

pub(crate) fn zone_twice() -> AwsError {
    configuration(
        "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
    )
}

pub(crate) fn subnet_not_found(id: &str) -> AwsError {
    AwsError::client(
        "SubnetNotFound",
        format!("The subnet ID '{id}' does not exist"),
    )
}

pub(crate) fn subnets_of_vpcs() -> AwsError {
    configuration("All subnets must belong to the same VPC")
}

pub(crate) fn no_internet_gateway(vpc: &str) -> AwsError {
    AwsError::client(
        "InvalidSubnet",
        format!("VPC {vpc} has no internet gateway"),
    )
}

pub(crate) fn subnet_full(id: &str) -> AwsError {
    AwsError::client(
        "InvalidSubnet",
        format!(
            "Not enough IP space available in {id}. ELB requires at least 8 free IP addresses in each subnet."
        ),
    )
}

pub(crate) fn no_public_address() -> AwsError {
    AwsError::client(
        "InvalidSubnet",
        "There are no public addresses left for an internet-facing load balancer",
    )
}

pub(crate) fn group_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidSecurityGroup",
        format!("The security group '{id}' does not exist"),
    )
}

pub(crate) fn group_of_another_vpc() -> AwsError {
    configuration("One or more security groups are invalid")
}

pub(crate) fn too_many_groups() -> AwsError {
    configuration("A load balancer can have at most '5' security groups")
}

pub(crate) fn group_twice(id: &str) -> AwsError {
    validation(format!(
        "The security group '{id}' was specified more than once"
    ))
}

/// A network load balancer that was made without groups.
pub(crate) fn made_without_groups() -> AwsError {
    configuration(
        "You cannot set security groups on a Network Load Balancer that was created without security groups",
    )
}

/// A network load balancer with groups keeps at least one.
pub(crate) fn no_groups() -> AwsError {
    configuration("At least one security group must be specified")
}

pub(crate) fn elastic_ip_of(kind: &str) -> AwsError {
    configuration(format!(
        "Elastic IPs are not supported for load balancers with type '{kind}'"
    ))
}

pub(crate) fn elastic_ip_of_internal() -> AwsError {
    configuration("Elastic IPs are not supported for load balancers with scheme 'internal'")
}

pub(crate) fn private_address_of() -> AwsError {
    configuration(
        "You can only specify private IPv4 addresses for Network Load Balancers with scheme 'internal'.",
    )
}

pub(crate) fn not_an_address(text: &str) -> AwsError {
    validation(format!("'{text}' is not a valid IPv4 address"))
}

/// EC2's reason why an address cannot be had.
pub(crate) fn address(why: &str) -> AwsError {
    configuration(why)
}

pub(crate) fn allocation_not_found(id: &str) -> AwsError {
    AwsError::client(
        "AllocationIdNotFound",
        format!("The allocation ID '{id}' does not exist"),
    )
}

pub(crate) fn allocation_in_use(id: &str) -> AwsError {
    AwsError::client(
        "ResourceInUse",
        format!("The allocation ID '{id}' is already associated"),
    )
}

/// `SetSubnets` of a network load balancer.
pub(crate) fn subnet_left_out() -> AwsError {
    configuration(
        "You must include all subnets that were enabled previously, with their existing configurations",
    )
}

pub(crate) fn protected(arn: &str) -> AwsError {
    AwsError::client(
        "OperationNotPermitted",
        format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled"),
    )
}

/// It is a target of another one.
pub(crate) fn is_a_target(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceInUse",
        format!("Load balancer '{arn}' is currently registered as a target of a target group"),
    )
}

pub(crate) fn address_type(kind: &str) -> AwsError {
    super::unsupported(&format!("the IP address type '{kind}'"))
}

pub(crate) fn names_not_found(names: &[&str]) -> AwsError {
    AwsError::client(
        "LoadBalancerNotFound",
        format!("Load balancers '[{}]' not found", names.join(", ")),
    )
}
