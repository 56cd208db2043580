//! VPCs and subnets.

use super::invalid_parameter;
use neargate_domain::Cidr;
use neargate_service::AwsError;

pub fn vpc_range(cidr: &str) -> AwsError {
    AwsError::client("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid."))
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions>
pub fn restricted_range(cidr: Cidr) -> AwsError {
    AwsError::client(
        "InvalidVpc.Range",
        format!(
            "The CIDR '{cidr}' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR. For additional restrictions, see https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Subnets.html#VPC_Sizing"
        ),
    )
}

pub fn range_conflict(cidr: Cidr) -> AwsError {
    AwsError::client(
        "CidrConflict",
        format!("The CIDR '{cidr}' conflicts with another CIDR or a route of this network"),
    )
}

pub fn too_many_ranges(vpc_id: &str, most: usize) -> AwsError {
    AwsError::client(
        "CidrLimitExceeded",
        format!("This network '{vpc_id}' has met its maximum number of allowed CIDRs: {most}"),
    )
}

pub fn range_association_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidVpcCidrBlockAssociationID.NotFound",
        format!("The vpc CIDR block association ID '{id}' does not exist"),
    )
}

pub fn primary_range(id: &str) -> AwsError {
    super::operation_not_permitted(format!(
        "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
    ))
}

pub fn unsupported_tenancy(tenancy: &str) -> AwsError {
    AwsError::client(
        "UnsupportedTenancy",
        format!("The tenancy value {tenancy} is not supported."),
    )
}

pub fn hostnames_without_support(vpc_id: &str) -> AwsError {
    invalid_parameter(format!(
        "DNS hostnames need DNS support, which is disabled in the VPC {vpc_id}."
    ))
}

pub fn subnet_range(cidr: &str) -> AwsError {
    AwsError::client(
        "InvalidSubnet.Range",
        format!("The CIDR '{cidr}' is invalid."),
    )
}

pub fn subnet_conflict(cidr: Cidr) -> AwsError {
    AwsError::client(
        "InvalidSubnet.Conflict",
        format!("The CIDR '{cidr}' conflicts with another subnet"),
    )
}

pub fn subnet_zone(parameter: &str, zone: &str, zones: &[String]) -> AwsError {
    let zones = zones.join(", ");
    invalid_parameter(format!(
        "Value ({zone}) for parameter {parameter} is invalid. Subnets can currently only be created in the following availability zones: {zones}."
    ))
}

pub fn default_vpc_exists() -> AwsError {
    AwsError::client(
        "DefaultVpcAlreadyExists",
        "A Default VPC already exists for this account in this region.",
    )
}

pub fn no_default_vpc() -> AwsError {
    AwsError::client(
        "DefaultVpcDoesNotExist",
        "No default VPC exists for this account in this region.",
    )
}

pub fn default_subnet_exists(id: &str, zone: &str) -> AwsError {
    AwsError::client(
        "DefaultSubnetAlreadyExistsInAvailabilityZone",
        format!("'{id}' is already the default subnet in {zone}."),
    )
}

/// No range of a default subnet's size is free in the default VPC.
pub fn no_room_for_default_subnet(vpc_id: &str) -> AwsError {
    AwsError::client(
        "InsufficientFreeAddressesInVpc",
        format!("The default VPC '{vpc_id}' has no free range for a default subnet."),
    )
}
