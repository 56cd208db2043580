//! The kinds of resources: how their ids look, and what EC2 says of one it does not have.

use super::error;
use neargate_service::AwsError;

/// A kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Before the dash of an id.
    pub(super) prefix: &'static str,
    /// `resource-type` of tags.
    pub(super) resource_type: &'static str,
    /// As messages call it.
    pub(super) noun: &'static str,
    pub(super) not_found: &'static str,
    pub(super) malformed: &'static str,
}

macro_rules! kinds {
    ($($name:ident $prefix:literal $resource_type:literal $noun:literal $not_found:literal $malformed:literal;)*) => {
        $(pub(super) const $name: Kind = Kind {
            prefix: $prefix,
            resource_type: $resource_type,
            noun: $noun,
            not_found: $not_found,
            malformed: $malformed,
        };)*
        const ALL: &[Kind] = &[$($name),*];
    };
}

kinds! {
    VPC "vpc" "vpc" "vpc ID" "InvalidVpcID.NotFound" "InvalidVpcId.Malformed";
    SUBNET "subnet" "subnet" "subnet ID" "InvalidSubnetID.NotFound" "InvalidSubnetId.Malformed";
    SECURITY_GROUP "sg" "security-group" "security group" "InvalidGroup.NotFound" "InvalidGroupId.Malformed";
    SECURITY_GROUP_RULE "sgr" "security-group-rule" "security group rule ID" "InvalidSecurityGroupRuleId.NotFound" "InvalidSecurityGroupRuleId.Malformed";
    ROUTE_TABLE "rtb" "route-table" "routeTable ID" "InvalidRouteTableID.NotFound" "InvalidRouteTableId.Malformed";
    INTERNET_GATEWAY "igw" "internet-gateway" "internetGateway ID" "InvalidInternetGatewayID.NotFound" "InvalidInternetGatewayId.Malformed";
    NETWORK_ACL "acl" "network-acl" "networkAcl ID" "InvalidNetworkAclID.NotFound" "InvalidNetworkAclId.Malformed";
    DHCP_OPTIONS "dopt" "dhcp-options" "dhcpOption ID" "InvalidDhcpOptionID.NotFound" "InvalidDhcpOptionsId.Malformed";
    NETWORK_INTERFACE "eni" "network-interface" "networkInterface ID" "InvalidNetworkInterfaceID.NotFound" "InvalidNetworkInterfaceId.Malformed";
    INSTANCE "i" "instance" "instance ID" "InvalidInstanceID.NotFound" "InvalidInstanceID.Malformed";
}

impl Kind {
    /// Checks an id's form: the prefix, a dash, and up to 17 hexadecimal digits.
    pub(super) fn check(&self, id: &str) -> Result<(), AwsError> {
        let digits = id
            .strip_prefix(self.prefix)
            .and_then(|rest| rest.strip_prefix('-'));
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match digits {
            Some(d) if (1..=17).contains(&d.len()) && d.bytes().all(hex) => Ok(()),
            _ => Err(error::malformed(self, id)),
        }
    }

    /// The kind an id names by its prefix.
    pub(super) fn of(id: &str) -> Option<&'static Kind> {
        let prefix = id.split_once('-')?.0;
        ALL.iter().find(|k| k.prefix == prefix)
    }
}

/// An id that belongs to another one, such as a subnet's association: its digits, another prefix.
pub(super) fn companion(prefix: &str, of: &str) -> String {
    let digits = of.split_once('-').map_or(of, |(_, digits)| digits);
    format!("{prefix}-{digits}")
}
