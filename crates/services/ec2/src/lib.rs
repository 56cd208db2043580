//! Amazon EC2: VPCs and everything in them, network interfaces, elastic IPs, instances, and tags.
//!
//! What other services read too is in `neargate_service::vpc`, which says how changes find each
//! other, in `neargate_service::eni` and `neargate_service::instance`. Nothing here tells hosts of it: they are told what the
//! records mean.

mod api;
mod change;
mod error;
mod filter;
pub mod flow_logs;
mod kind;
mod model;
pub mod networks;
mod plan;
mod query;
#[cfg(test)]
mod tests;

use flow_logs::FlowLogs;
use neargate_api_ec2::{SERVICE, ops};
use neargate_service::{Background, Component, House, OperationTable, Service, instance};
use networks::Networks;
use std::sync::Arc;
use std::time::Duration;

/// EC2: its handlers share nothing but the house, and hosts are told of its networks.
#[derive(Debug, Default)]
pub struct Ec2 {
    pub networks: Arc<Networks>,
    pub flow_logs: Arc<FlowLogs>,
}

impl Component for Ec2 {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let follow = self.networks.clone().follow(background.house().clone());
        background.spawn("networks", follow);
        let (logs, networks) = (self.flow_logs.clone(), self.networks.clone());
        background.spawn("flow-logs", logs.run(networks, background.house().clone()));
        background.spawn("ended-instances", forget_ended(background.house().clone()));
    }
}

/// Between two looks for instances that ended long ago.
const FORGET: Duration = Duration::from_secs(300);

async fn forget_ended(house: Arc<House>) {
    loop {
        tokio::time::sleep(FORGET).await;
        if let Err(error) = instance::forget_ended(&house).await {
            tracing::warn!(%error, "instances that have ended are kept for longer");
        }
    }
}

/// What instances lack.
const OF_INSTANCES: &str = "an instance is a slice of its host: user data configures the ECS agent \
    and is not run; volumes, monitoring, credits and metadata options are taken and mean nothing; \
    no spot";

/// Which operations are served, and how completely.
fn table(ec2: Arc<Ec2>) -> OperationTable<Ec2> {
    use api::{
        account, acls, addresses, dhcp_options, egress_only, endpoint_services, endpoints,
        flow_logs, group_rules, images, instance_types, instances, interfaces, internet_gateways,
        key_pairs, launch_templates, nat_gateways, peering, places, prefix_lists, route_tables,
        routes, security_groups, subnets, tags, vpcs, vpn,
    };
    OperationTable::new(&SERVICE, ec2)
        .wording(error::invalid)
        .on(
            ops::AcceptVpcPeeringConnection,
            peering::accept_vpc_peering_connection,
        )
        .partly(
            ops::AllocateAddress,
            addresses::allocate_address,
            "from Amazon's pool only",
        )
        .on(ops::AssociateAddress, addresses::associate_address)
        .partly(
            ops::AssociateDhcpOptions,
            dhcp_options::associate_dhcp_options,
            "kept and shown; tasks are given AmazonProvidedDNS and its domain",
        )
        .partly(
            ops::AssociateRouteTable,
            route_tables::associate_route_table,
            "with subnets only",
        )
        .partly(
            ops::AssociateVpcCidrBlock,
            vpcs::associate_vpc_cidr_block,
            "without IPv6 and IPAM",
        )
        .on(
            ops::AttachInternetGateway,
            internet_gateways::attach_internet_gateway,
        )
        .on(
            ops::AuthorizeSecurityGroupEgress,
            group_rules::authorize_security_group_egress,
        )
        .on(
            ops::AuthorizeSecurityGroupIngress,
            group_rules::authorize_security_group_ingress,
        )
        .on(ops::CreateDefaultSubnet, subnets::create_default_subnet)
        .on(ops::CreateDefaultVpc, vpcs::create_default_vpc)
        .on(ops::CreateDhcpOptions, dhcp_options::create_dhcp_options)
        .partly(
            ops::CreateEgressOnlyInternetGateway,
            egress_only::create_egress_only_internet_gateway,
            "kept and shown; there is no IPv6",
        )
        .partly(
            ops::CreateFlowLogs,
            flow_logs::create_flow_logs,
            "to CloudWatch Logs, and as text to S3, of IPv4; not to Firehose, and of ECS's fields \
             without those of services, task definitions, instances and containers",
        )
        .on(
            ops::CreateInternetGateway,
            internet_gateways::create_internet_gateway,
        )
        .partly(
            ops::CreateKeyPair,
            key_pairs::create_key_pair,
            "keys of type ed25519 in PEM form only",
        )
        .on(
            ops::CreateLaunchTemplate,
            launch_templates::create_launch_template,
        )
        .on(
            ops::CreateLaunchTemplateVersion,
            launch_templates::create_launch_template_version,
        )
        .partly(
            ops::CreateNatGateway,
            nat_gateways::create_nat_gateway,
            "zonal, with one address",
        )
        .on(
            ops::CreateManagedPrefixList,
            prefix_lists::create_managed_prefix_list,
        )
        .on(ops::CreateNetworkAcl, acls::create_network_acl)
        .on(ops::CreateNetworkAclEntry, acls::create_network_acl_entry)
        .partly(
            ops::CreateNetworkInterface,
            interfaces::create_network_interface,
            "one private IPv4 address each",
        )
        .partly(
            ops::CreateRoute,
            routes::create_route,
            "to internet gateways, public NAT gateways and peering connections, for IPv4",
        )
        .on(ops::CreateRouteTable, route_tables::create_route_table)
        .on(
            ops::CreateSecurityGroup,
            security_groups::create_security_group,
        )
        .partly(
            ops::CreateSubnet,
            subnets::create_subnet,
            "without IPv6, IPAM and Outposts",
        )
        .on(ops::CreateTags, tags::create_tags)
        .partly(ops::CreateVpc, vpcs::create_vpc, "without IPv6 and IPAM")
        .partly(
            ops::CreateVpcEndpoint,
            endpoints::create_vpc_endpoint,
            "kept and shown; nothing goes through it yet",
        )
        .partly(
            ops::CreateVpcPeeringConnection,
            peering::create_vpc_peering_connection,
            "without options of the connection",
        )
        .on(ops::DeleteDhcpOptions, dhcp_options::delete_dhcp_options)
        .on(
            ops::DeleteEgressOnlyInternetGateway,
            egress_only::delete_egress_only_internet_gateway,
        )
        .on(ops::DeleteFlowLogs, flow_logs::delete_flow_logs)
        .on(
            ops::DeleteInternetGateway,
            internet_gateways::delete_internet_gateway,
        )
        .on(ops::DeleteKeyPair, key_pairs::delete_key_pair)
        .on(
            ops::DeleteLaunchTemplate,
            launch_templates::delete_launch_template,
        )
        .on(
            ops::DeleteLaunchTemplateVersions,
            launch_templates::delete_launch_template_versions,
        )
        .on(ops::DeleteNatGateway, nat_gateways::delete_nat_gateway)
        .on(
            ops::DeleteManagedPrefixList,
            prefix_lists::delete_managed_prefix_list,
        )
        .on(
            ops::ModifyManagedPrefixList,
            prefix_lists::modify_managed_prefix_list,
        )
        .on(ops::DeleteNetworkAcl, acls::delete_network_acl)
        .on(ops::DeleteNetworkAclEntry, acls::delete_network_acl_entry)
        .on(
            ops::DeleteNetworkInterface,
            interfaces::delete_network_interface,
        )
        .on(ops::DeleteRoute, routes::delete_route)
        .on(ops::DeleteRouteTable, route_tables::delete_route_table)
        .on(
            ops::DeleteSecurityGroup,
            security_groups::delete_security_group,
        )
        .on(ops::DeleteSubnet, subnets::delete_subnet)
        .on(ops::DeleteTags, tags::delete_tags)
        .on(ops::DeleteVpc, vpcs::delete_vpc)
        .on(ops::DeleteVpcEndpoints, endpoints::delete_vpc_endpoints)
        .on(
            ops::DeleteVpcPeeringConnection,
            peering::delete_vpc_peering_connection,
        )
        .on(
            ops::DescribeAccountAttributes,
            account::describe_account_attributes,
        )
        .on(ops::DescribeAddresses, addresses::describe_addresses)
        .on(
            ops::DescribeAddressesAttribute,
            addresses::describe_addresses_attribute,
        )
        .on(
            ops::DescribeAvailabilityZones,
            places::describe_availability_zones,
        )
        .on(
            ops::DescribeCustomerGateways,
            vpn::describe_customer_gateways,
        )
        .on(
            ops::DescribeDhcpOptions,
            dhcp_options::describe_dhcp_options,
        )
        .on(
            ops::DescribeEgressOnlyInternetGateways,
            egress_only::describe_egress_only_internet_gateways,
        )
        .on(ops::DescribeFlowLogs, flow_logs::describe_flow_logs)
        .on(ops::DescribeImages, images::describe_images)
        .on(
            ops::DescribeInstanceAttribute,
            instances::describe_instance_attribute,
        )
        .on(
            ops::DescribeInstanceStatus,
            instances::describe_instance_status,
        )
        .on(
            ops::DescribeInstanceTypeOfferings,
            instance_types::describe_instance_type_offerings,
        )
        .on(
            ops::DescribeInstanceTypes,
            instance_types::describe_instance_types,
        )
        .on(ops::DescribeInstances, instances::describe_instances)
        .on(
            ops::DescribeInternetGateways,
            internet_gateways::describe_internet_gateways,
        )
        .on(ops::DescribeKeyPairs, key_pairs::describe_key_pairs)
        .on(
            ops::DescribeLaunchTemplateVersions,
            launch_templates::describe_launch_template_versions,
        )
        .on(
            ops::DescribeLaunchTemplates,
            launch_templates::describe_launch_templates,
        )
        .on(
            ops::DescribeManagedPrefixLists,
            prefix_lists::describe_managed_prefix_lists,
        )
        .on(
            ops::DescribeNatGateways,
            nat_gateways::describe_nat_gateways,
        )
        .on(ops::DescribeNetworkAcls, acls::describe_network_acls)
        .on(
            ops::DescribeNetworkInterfaceAttribute,
            interfaces::describe_network_interface_attribute,
        )
        .on(
            ops::DescribeNetworkInterfaces,
            interfaces::describe_network_interfaces,
        )
        .on(
            ops::DescribePrefixLists,
            prefix_lists::describe_prefix_lists,
        )
        .on(ops::DescribeRegions, places::describe_regions)
        .on(
            ops::DescribeRouteTables,
            route_tables::describe_route_tables,
        )
        .on(
            ops::DescribeSecurityGroupReferences,
            security_groups::describe_security_group_references,
        )
        .on(
            ops::DescribeSecurityGroupRules,
            group_rules::describe_security_group_rules,
        )
        .on(
            ops::DescribeSecurityGroups,
            security_groups::describe_security_groups,
        )
        .on(
            ops::DescribeStaleSecurityGroups,
            security_groups::describe_stale_security_groups,
        )
        .on(ops::DescribeSubnets, subnets::describe_subnets)
        .on(ops::DescribeTags, tags::describe_tags)
        .on(ops::DescribeVpcAttribute, vpcs::describe_vpc_attribute)
        .on(
            ops::DescribeVpcEndpointServices,
            endpoint_services::describe_vpc_endpoint_services,
        )
        .on(ops::DescribeVpcEndpoints, endpoints::describe_vpc_endpoints)
        .on(
            ops::DescribeVpcPeeringConnections,
            peering::describe_vpc_peering_connections,
        )
        .on(ops::DescribeVpcs, vpcs::describe_vpcs)
        .on(ops::DescribeVpnConnections, vpn::describe_vpn_connections)
        .on(ops::DescribeVpnGateways, vpn::describe_vpn_gateways)
        .on(
            ops::DetachInternetGateway,
            internet_gateways::detach_internet_gateway,
        )
        .on(ops::DisassociateAddress, addresses::disassociate_address)
        .on(
            ops::DisassociateRouteTable,
            route_tables::disassociate_route_table,
        )
        .on(
            ops::DisassociateVpcCidrBlock,
            vpcs::disassociate_vpc_cidr_block,
        )
        .on(
            ops::GetManagedPrefixListEntries,
            prefix_lists::get_managed_prefix_list_entries,
        )
        .on(
            ops::GetSecurityGroupsForVpc,
            security_groups::get_security_groups_for_vpc,
        )
        .on(ops::ImportKeyPair, key_pairs::import_key_pair)
        .on(
            ops::ModifyInstanceAttribute,
            instances::modify_instance_attribute,
        )
        .on(
            ops::ModifyLaunchTemplate,
            launch_templates::modify_launch_template,
        )
        .partly(
            ops::ModifyNetworkInterfaceAttribute,
            interfaces::modify_network_interface_attribute,
            "groups and description; sourceDestCheck is kept and shown, and packets of others are dropped all the same",
        )
        .on(
            ops::ModifySecurityGroupRules,
            group_rules::modify_security_group_rules,
        )
        .partly(
            ops::ModifySubnetAttribute,
            subnets::modify_subnet_attribute,
            "what needs IPv6 or an Outpost is refused",
        )
        .on(ops::ModifyVpcAttribute, vpcs::modify_vpc_attribute)
        .on(ops::ModifyVpcEndpoint, endpoints::modify_vpc_endpoint)
        .partly(
            ops::ModifyVpcPeeringConnectionOptions,
            peering::modify_vpc_peering_connection_options,
            "kept and shown; names of the other VPC mean their public addresses all the same",
        )
        .on(ops::ModifyVpcTenancy, vpcs::modify_vpc_tenancy)
        .on(ops::RebootInstances, instances::reboot_instances)
        .on(
            ops::RejectVpcPeeringConnection,
            peering::reject_vpc_peering_connection,
        )
        .on(ops::ReleaseAddress, addresses::release_address)
        .on(
            ops::ReplaceNetworkAclAssociation,
            acls::replace_network_acl_association,
        )
        .on(ops::ReplaceNetworkAclEntry, acls::replace_network_acl_entry)
        .partly(
            ops::ReplaceRoute,
            routes::replace_route,
            "to internet gateways, public NAT gateways and peering connections, for IPv4",
        )
        .on(
            ops::ReplaceRouteTableAssociation,
            route_tables::replace_route_table_association,
        )
        .on(
            ops::ResetNetworkInterfaceAttribute,
            interfaces::reset_network_interface_attribute,
        )
        .on(
            ops::RevokeSecurityGroupEgress,
            group_rules::revoke_security_group_egress,
        )
        .on(
            ops::RevokeSecurityGroupIngress,
            group_rules::revoke_security_group_ingress,
        )
        .partly(ops::RunInstances, instances::run_instances, OF_INSTANCES)
        .on(ops::StartInstances, instances::start_instances)
        .on(ops::StopInstances, instances::stop_instances)
        .on(ops::TerminateInstances, instances::terminate_instances)
        .on(
            ops::UpdateSecurityGroupRuleDescriptionsEgress,
            group_rules::update_security_group_rule_descriptions_egress,
        )
        .on(
            ops::UpdateSecurityGroupRuleDescriptionsIngress,
            group_rules::update_security_group_rule_descriptions_ingress,
        )
}
