//! Amazon EC2, the minimum: the default VPC of every account and region, the interfaces of its
//! tasks, and tags.
//!
//! The VPC and what is in it are derived, not stored (see `neargate_domain::vpc`); interfaces
//! are the records that `neargate_service::eni` writes; only tags are EC2's own state.

mod api;
mod error;
mod filter;
mod kind;
mod model;
pub mod networks;
mod query;
#[cfg(test)]
mod tests;

use neargate_api_ec2::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use networks::Networks;
use std::sync::Arc;

/// EC2: its handlers share nothing but the house, and hosts are told of its networks.
#[derive(Debug, Default)]
pub struct Ec2 {
    pub networks: Arc<Networks>,
}

impl Component for Ec2 {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let follow = self.networks.clone().follow(background.house().clone());
        background.spawn("networks", follow);
    }
}

/// Which operations are served, and how completely.
fn table(ec2: Arc<Ec2>) -> OperationTable<Ec2> {
    use api::{account, acls, interfaces, places, routing, security_groups, subnets, tags, vpcs};
    OperationTable::new(&SERVICE, ec2)
        .wording(error::invalid)
        .on(ops::CreateTags, tags::create_tags)
        .on(ops::DeleteTags, tags::delete_tags)
        .on(
            ops::DescribeAccountAttributes,
            account::describe_account_attributes,
        )
        .on(
            ops::DescribeAvailabilityZones,
            places::describe_availability_zones,
        )
        .partly(
            ops::DescribeInstances,
            account::describe_instances,
            "there are no instances",
        )
        .on(
            ops::DescribeInternetGateways,
            routing::describe_internet_gateways,
        )
        .on(ops::DescribeNetworkAcls, acls::describe_network_acls)
        .partly(
            ops::DescribeNetworkInterfaces,
            interfaces::describe_network_interfaces,
            "interfaces of tasks only",
        )
        .on(ops::DescribeRegions, places::describe_regions)
        .on(ops::DescribeRouteTables, routing::describe_route_tables)
        .on(
            ops::DescribeSecurityGroupRules,
            security_groups::describe_security_group_rules,
        )
        .on(
            ops::DescribeSecurityGroups,
            security_groups::describe_security_groups,
        )
        .on(ops::DescribeSubnets, subnets::describe_subnets)
        .on(ops::DescribeTags, tags::describe_tags)
        .on(ops::DescribeVpcAttribute, vpcs::describe_vpc_attribute)
        .on(ops::DescribeVpcs, vpcs::describe_vpcs)
}
