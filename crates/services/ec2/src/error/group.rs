//! Security groups and their rules.

use super::invalid_parameter;
use neargate_service::AwsError;

/// What EC2 allows in the descriptions of groups and rules.
const CHARACTERS: &str = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";

pub fn name(name: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({name}) for parameter GroupName is invalid. Valid names are strings of 1 to 255 characters from the following set: {CHARACTERS}, which do not start with sg-"
    ))
}

pub fn reserved_name() -> AwsError {
    invalid_parameter("Cannot use reserved security group name: default")
}

pub fn description() -> AwsError {
    invalid_parameter(format!(
        "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  {CHARACTERS}"
    ))
}

pub fn rule_description() -> AwsError {
    invalid_parameter(format!(
        "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: {CHARACTERS}"
    ))
}

pub fn no_default_vpc() -> AwsError {
    AwsError::client("VPCIdNotSpecified", "No default VPC for this user")
}

pub fn duplicate_name(name: &str, vpc_id: &str) -> AwsError {
    AwsError::client(
        "InvalidGroup.Duplicate",
        format!("The security group '{name}' already exists for VPC '{vpc_id}'"),
    )
}

pub fn name_not_found(name: &str, vpc_id: &str) -> AwsError {
    AwsError::client(
        "InvalidGroup.NotFound",
        format!("The security group '{name}' does not exist in default VPC '{vpc_id}'"),
    )
}

/// A group of another network, to which no peering connection leads.
pub fn other_network() -> AwsError {
    AwsError::client(
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
    )
}

pub fn cannot_delete(id: &str, name: &str) -> AwsError {
    AwsError::client(
        "CannotDelete",
        format!("the specified group: \"{id}\" name: \"{name}\" cannot be deleted by a user"),
    )
}

pub fn in_use(id: &str) -> AwsError {
    super::dependency(format!("resource {id} has a dependent object"))
}

pub fn too_many_rules() -> AwsError {
    super::limit_exceeded(
        "RulesPerSecurityGroupLimitExceeded",
        "rules per security group",
    )
}

pub fn duplicate_rule(rule: &str) -> AwsError {
    AwsError::client(
        "InvalidPermission.Duplicate",
        format!("the specified rule \"{rule}\" already exists"),
    )
}

pub fn said_twice() -> AwsError {
    invalid_parameter("The same permission must not appear multiple times")
}

pub fn rule_not_found() -> AwsError {
    AwsError::client(
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
}

pub fn malformed_range(cidr: &str) -> AwsError {
    invalid_parameter(format!("CIDR block {cidr} is malformed"))
}

pub fn protocol(protocol: &str) -> AwsError {
    invalid_parameter(format!(
        "Invalid value '{protocol}' for IP protocol. Unknown protocol."
    ))
}

pub fn ports_missing() -> AwsError {
    ports("Must specify both from and to ports with TCP/UDP.")
}

pub fn ports(why: &str) -> AwsError {
    invalid_parameter(format!("Invalid value for portRange. {why}"))
}

/// A permission without anybody it is about.
pub fn no_peer() -> AwsError {
    invalid_parameter(
        "A permission must have at least one of IpRanges, Ipv6Ranges, PrefixListIds and UserIdGroupPairs.",
    )
}

/// A rule is about one peer only.
pub fn one_peer() -> AwsError {
    invalid_parameter(
        "A security group rule must have exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId.",
    )
}

pub fn other_kind_of_peer(rule_id: &str) -> AwsError {
    invalid_parameter(format!(
        "Invalid rule type for security group rule '{rule_id}'. You may not specify a different rule type for an existing security group rule."
    ))
}

/// A prefix list takes no more entries.
pub fn list_is_full(most: i32) -> AwsError {
    AwsError::client(
        "PrefixListMaxEntriesExceeded",
        format!("You've reached the maximum number of entries for the prefix list: {most}."),
    )
}

/// Somebody changed the list after the caller looked at it.
pub fn list_version() -> AwsError {
    AwsError::client(
        "PrefixListVersionMismatch",
        "The prefix list has the incorrect version number.",
    )
}
