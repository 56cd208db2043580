//! The kinds of resources: how their ids look, and what EC2 says of one it does not have.

use super::error;
use super::model::{FlowLog, KeyPair, LaunchTemplate};
use neargate_service::db::Resource;
use neargate_service::eni::Interface;
use neargate_service::instance::Instance;
use neargate_service::{AwsError, vpc};

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
    EGRESS_ONLY_GATEWAY "eigw" "egress-only-internet-gateway" "egress only internet gateway ID" "InvalidGatewayID.NotFound" "InvalidEgressOnlyInternetGatewayId.Malformed";
    NAT_GATEWAY "nat" "natgateway" "NAT gateway ID" "NatGatewayNotFound" "NatGatewayMalformed";
    NETWORK_ACL "acl" "network-acl" "networkAcl ID" "InvalidNetworkAclID.NotFound" "InvalidNetworkAclId.Malformed";
    DHCP_OPTIONS "dopt" "dhcp-options" "dhcpOption ID" "InvalidDhcpOptionID.NotFound" "InvalidDhcpOptionsId.Malformed";
    NETWORK_INTERFACE "eni" "network-interface" "networkInterface ID" "InvalidNetworkInterfaceID.NotFound" "InvalidNetworkInterfaceId.Malformed";
    ELASTIC_IP "eipalloc" "elastic-ip" "allocation ID" "InvalidAllocationID.NotFound" "InvalidAllocationID.Malformed";
    KEY_PAIR "key" "key-pair" "key pair ID" "InvalidKeyPair.NotFound" "InvalidKeyPairId.Malformed";
    ENDPOINT "vpce" "vpc-endpoint" "Vpc Endpoint Id" "InvalidVpcEndpointId.NotFound" "InvalidVpcEndpointId.Malformed";
    PEERING "pcx" "vpc-peering-connection" "vpcPeeringConnection ID" "InvalidVpcPeeringConnectionID.NotFound" "InvalidVpcPeeringConnectionId.Malformed";
    PREFIX_LIST "pl" "prefix-list" "prefix list ID" "InvalidPrefixListID.NotFound" "InvalidPrefixListId.Malformed";
    VPN_GATEWAY "vgw" "vpn-gateway" "vpnGateway ID" "InvalidVpnGatewayID.NotFound" "InvalidVpnGatewayId.Malformed";
    VPN_CONNECTION "vpn" "vpn-connection" "vpnConnection ID" "InvalidVpnConnectionID.NotFound" "InvalidVpnConnectionId.Malformed";
    CUSTOMER_GATEWAY "cgw" "customer-gateway" "customerGateway ID" "InvalidCustomerGatewayID.NotFound" "InvalidCustomerGatewayId.Malformed";
    IMAGE "ami" "image" "image ID" "InvalidAMIID.NotFound" "InvalidAMIID.Malformed";
    FLOW_LOG "fl" "vpc-flow-log" "flow log ID" "InvalidFlowLogId.NotFound" "InvalidFlowLogId.Malformed";
    LAUNCH_TEMPLATE "lt" "launch-template" "launch template ID" "InvalidLaunchTemplateId.NotFound" "InvalidLaunchTemplateId.Malformed";
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

/// A stored noun, and what EC2 says of it.
pub(super) trait Noun: Resource {
    const KIND_OF: &'static Kind;
}

macro_rules! nouns {
    ($($noun:ty: $kind:ident;)*) => {
        $(impl Noun for $noun {
            const KIND_OF: &'static Kind = &$kind;
        })*

        /// The store's name of what an id of this kind names; `None`: it has no record of its own.
        pub(super) fn stored_as(kind: &Kind) -> Option<&'static str> {
            $(if *kind == $kind {
                return Some(<$noun>::KIND);
            })*
            None
        }
    };
}

nouns! {
    vpc::Vpc: VPC;
    vpc::Subnet: SUBNET;
    vpc::SecurityGroup: SECURITY_GROUP;
    vpc::RouteTable: ROUTE_TABLE;
    vpc::InternetGateway: INTERNET_GATEWAY;
    vpc::NatGateway: NAT_GATEWAY;
    vpc::NetworkAcl: NETWORK_ACL;
    vpc::ElasticIp: ELASTIC_IP;
    vpc::DhcpOptions: DHCP_OPTIONS;
    vpc::PeeringConnection: PEERING;
    vpc::Endpoint: ENDPOINT;
    vpc::EgressOnlyGateway: EGRESS_ONLY_GATEWAY;
    vpc::ManagedPrefixList: PREFIX_LIST;
    KeyPair: KEY_PAIR;
    Interface: NETWORK_INTERFACE;
    Instance: INSTANCE;
    LaunchTemplate: LAUNCH_TEMPLATE;
    FlowLog: FLOW_LOG;
}
