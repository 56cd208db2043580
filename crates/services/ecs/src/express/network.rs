//! Where an Express service runs: subnets, their VPC, whether they reach the internet; security groups.

use super::{Asking, gone};
use crate::error;
use crate::plan::express::MANAGED_TAG;
use neargate_api_ec2::{self as api, ops};
use neargate_service::{AwsError, House, Scope};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Subnets of one VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) vpc_id: String,
    /// In order.
    pub(crate) subnets: Vec<String>,
    /// All of them have a route to an internet gateway.
    pub(crate) public: bool,
}

fn filter(name: &str, value: &str) -> api::Filter {
    api::Filter {
        name: Some(name.into()),
        values: Some(vec![value.into()]),
    }
}

/// Where these subnets are; without any, where the default subnets are.
///
/// # Errors
/// `InvalidParameterException` for subnets that are not there or do not go together; EC2's.
pub(crate) async fn place(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    subnets: &[String],
) -> Result<Place, AwsError> {
    let asking = Asking { house, scope, role };
    let input = match subnets.is_empty() {
        true => api::DescribeSubnetsInput {
            filters: Some(vec![filter("default-for-az", "true")]),
            ..Default::default()
        },
        false => api::DescribeSubnetsInput {
            subnet_ids: Some(subnets.to_vec()),
            ..Default::default()
        },
    };
    let found = asking.call::<ops::DescribeSubnets>(&input).await;
    let found = found.map_err(|e| match e.code.starts_with("InvalidSubnet") {
        true => error::invalid_parameter(e.message),
        false => e,
    })?;
    let found = found.subnets.unwrap_or_default();
    let vpcs: BTreeSet<&String> = found.iter().filter_map(|s| s.vpc_id.as_ref()).collect();
    let zones: BTreeSet<&String> = found
        .iter()
        .filter_map(|s| s.availability_zone.as_ref())
        .collect();
    let vpc_id = match vpcs.into_iter().collect::<Vec<_>>().as_slice() {
        [] => {
            return Err(error::invalid_parameter(
                "No default subnets were found. Specify subnets in networkConfiguration.",
            ));
        }
        [one] => (*one).clone(),
        _ => {
            return Err(error::invalid_parameter(
                "All subnets of an Express service must be in the same VPC.",
            ));
        }
    };
    if zones.len() < 2 {
        return Err(error::invalid_parameter(
            "At least two subnets in two different Availability Zones must be specified",
        ));
    }
    let input = api::DescribeRouteTablesInput {
        filters: Some(vec![filter("vpc-id", &vpc_id)]),
        ..Default::default()
    };
    let tables = asking.call::<ops::DescribeRouteTables>(&input).await?;
    let tables = tables.route_tables.unwrap_or_default();
    let mut subnets: Vec<String> = found.into_iter().filter_map(|s| s.subnet_id).collect();
    subnets.sort();
    let public = subnets.iter().all(|subnet| is_public(&tables, subnet));
    Ok(Place {
        vpc_id,
        subnets,
        public,
    })
}

/// By the route table of its own, or else by the VPC's main one.
fn is_public(tables: &[api::RouteTable], subnet: &str) -> bool {
    let has = |table: &&api::RouteTable, of: &dyn Fn(&api::RouteTableAssociation) -> bool| {
        table.associations.iter().flatten().any(of)
    };
    let own = tables
        .iter()
        .find(|t| has(t, &|a| a.subnet_id.as_deref() == Some(subnet)));
    let table = own.or_else(|| tables.iter().find(|t| has(t, &|a| a.main == Some(true))));
    let routes = table.into_iter().flat_map(|t| t.routes.iter().flatten());
    let mut gateways = routes.filter_map(|r| r.gateway_id.as_deref());
    gateways.any(|gateway| gateway.starts_with("igw-"))
}

/// Are these security groups of the VPC?
///
/// # Errors
/// `InvalidParameterException` for those that are not; EC2's.
pub(crate) async fn check_groups(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    vpc_id: &str,
    groups: &[String],
) -> Result<(), AwsError> {
    if groups.is_empty() {
        return Ok(());
    }
    let input = api::DescribeSecurityGroupsInput {
        group_ids: Some(groups.to_vec()),
        ..Default::default()
    };
    let asking = Asking { house, scope, role };
    let found = asking.call::<ops::DescribeSecurityGroups>(&input).await;
    let found = found.map_err(|e| match e.code.starts_with("InvalidGroup") {
        true => error::invalid_parameter(e.message),
        false => e,
    })?;
    let found = found.security_groups.unwrap_or_default();
    match found.iter().find(|g| g.vpc_id.as_deref() != Some(vpc_id)) {
        Some(_) => Err(error::invalid_parameter(
            "The security groups must be in the same VPC as the subnets.",
        )),
        None => Ok(()),
    }
}

impl Asking<'_> {
    /// The security group of this name, made unless it is there.
    pub(super) async fn security_group(
        &self,
        vpc_id: &str,
        name: &str,
    ) -> Result<String, AwsError> {
        if let Some(there) = self.find_group(vpc_id, name).await? {
            return Ok(there);
        }
        let input = api::CreateSecurityGroupInput {
            group_name: name.to_owned(),
            description: "Managed by Amazon ECS for Express services".into(),
            vpc_id: Some(vpc_id.to_owned()),
            tag_specifications: Some(vec![tagged("security-group")]),
            ..Default::default()
        };
        let made = self.call::<ops::CreateSecurityGroup>(&input).await?;
        Ok(made.group_id.unwrap_or_default())
    }

    pub(super) async fn find_group(
        &self,
        vpc_id: &str,
        name: &str,
    ) -> Result<Option<String>, AwsError> {
        let input = api::DescribeSecurityGroupsInput {
            filters: Some(vec![filter("group-name", name), filter("vpc-id", vpc_id)]),
            ..Default::default()
        };
        let found = self.call::<ops::DescribeSecurityGroups>(&input).await?;
        let found = found.security_groups.into_iter().flatten().next();
        Ok(found.and_then(|g| g.group_id))
    }

    /// Lets somebody to a port of the group's.
    pub(super) async fn open(&self, group: &str, port: u16, to: Open<'_>) -> Result<(), AwsError> {
        let (pairs, ranges) = match to {
            Open::Group(id) => (
                Some(vec![api::UserIdGroupPair {
                    group_id: Some(id.to_owned()),
                    ..Default::default()
                }]),
                None,
            ),
            Open::Everybody => (
                None,
                Some(vec![api::IpRange {
                    cidr_ip: Some("0.0.0.0/0".into()),
                    ..Default::default()
                }]),
            ),
        };
        let input = api::AuthorizeSecurityGroupIngressInput {
            group_id: Some(group.to_owned()),
            ip_permissions: Some(vec![api::IpPermission {
                ip_protocol: Some("tcp".into()),
                from_port: Some(port.into()),
                to_port: Some(port.into()),
                user_id_group_pairs: pairs,
                ip_ranges: ranges,
                ..Default::default()
            }]),
            tag_specifications: Some(vec![tagged("security-group-rule")]),
            ..Default::default()
        };
        let opened = self
            .call::<ops::AuthorizeSecurityGroupIngress>(&input)
            .await;
        gone(opened, &["InvalidPermission.Duplicate"])
    }

    /// Deletes the security group of this name, if there is one.
    pub(super) async fn delete_group(&self, vpc_id: &str, name: &str) -> Result<(), AwsError> {
        let Some(group) = self.find_group(vpc_id, name).await? else {
            return Ok(());
        };
        let input = api::DeleteSecurityGroupInput {
            group_id: Some(group),
            ..Default::default()
        };
        let deleted = self.call::<ops::DeleteSecurityGroup>(&input).await;
        gone(deleted, &["InvalidGroup.NotFound"])
    }
}

pub(super) enum Open<'a> {
    Group(&'a str),
    Everybody,
}

fn tagged(kind: &str) -> api::TagSpecification {
    let (key, value) = MANAGED_TAG;
    api::TagSpecification {
        resource_type: Some(kind.into()),
        tags: Some(vec![api::Tag {
            key: Some(key.into()),
            value: Some(value.into()),
        }]),
    }
}
