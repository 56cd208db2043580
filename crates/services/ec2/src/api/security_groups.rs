//! The default security group: everything from its own members in, everything out
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html>).

use super::text;
use crate::kind::{self, Kind, companion};
use crate::model::Place;
use crate::query::{Describe, Query, each, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The name of every VPC's default group.
const NAME: &str = "default";
const ANYWHERE: &str = "0.0.0.0/0";

pub async fn describe_security_groups(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeSecurityGroupsInput,
) -> Result<api::DescribeSecurityGroupsOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.group_ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let names = input.group_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|n| *n != NAME) {
        return Err(error::group_name_not_found(unknown, &place.vpc.vpc_id));
    }
    let found = query.run(vec![group(&place)])?;
    Ok(api::DescribeSecurityGroupsOutput {
        security_groups: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn describe_security_group_rules(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeSecurityGroupRulesInput,
) -> Result<api::DescribeSecurityGroupRulesOutput, AwsError> {
    let ids = input.security_group_rule_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let found = query.run(rules(&Place::read(&cx).await?))?;
    Ok(api::DescribeSecurityGroupRulesOutput {
        security_group_rules: Some(found.items),
        next_token: found.next_token,
    })
}

fn group(place: &Place) -> api::SecurityGroup {
    let id = &place.vpc.security_group_id;
    let all = || api::IpPermission {
        ip_protocol: text("-1"),
        ip_ranges: Some(vec![]),
        ipv6_ranges: Some(vec![]),
        prefix_list_ids: Some(vec![]),
        user_id_group_pairs: Some(vec![]),
        ..Default::default()
    };
    let itself = api::UserIdGroupPair {
        group_id: text(id),
        user_id: place.account(),
        ..Default::default()
    };
    let anywhere = api::IpRange {
        cidr_ip: text(ANYWHERE),
        ..Default::default()
    };
    api::SecurityGroup {
        group_id: text(id),
        group_name: text(NAME),
        description: text("default VPC security group"),
        owner_id: place.account(),
        vpc_id: text(&place.vpc.vpc_id),
        security_group_arn: Some(place.scope.arn("ec2", format!("security-group/{id}"))),
        ip_permissions: Some(vec![api::IpPermission {
            user_id_group_pairs: Some(vec![itself]),
            ..all()
        }]),
        ip_permissions_egress: Some(vec![api::IpPermission {
            ip_ranges: Some(vec![anywhere]),
            ..all()
        }]),
        tags: place.tags_of(id),
    }
}

/// The same two permissions as rules with ids of their own.
pub(crate) fn rules(place: &Place) -> Vec<api::SecurityGroupRule> {
    let group = &place.vpc.security_group_id;
    let rule = |id: String| api::SecurityGroupRule {
        security_group_rule_arn: Some(place.scope.arn("ec2", format!("security-group-rule/{id}"))),
        tags: place.tags_of(&id),
        security_group_rule_id: Some(id),
        group_id: text(group),
        group_owner_id: place.account(),
        ip_protocol: text("-1"),
        from_port: Some(-1),
        to_port: Some(-1),
        ..Default::default()
    };
    let itself = api::ReferencedSecurityGroup {
        group_id: text(group),
        user_id: place.account(),
        ..Default::default()
    };
    vec![
        api::SecurityGroupRule {
            is_egress: Some(false),
            referenced_group_info: Some(itself),
            ..rule(companion("sgr", group))
        },
        api::SecurityGroupRule {
            is_egress: Some(true),
            cidr_ipv4: text(ANYWHERE),
            ..rule(companion("sgr", &place.vpc.vpc_id))
        },
    ]
}

impl Describe for api::SecurityGroup {
    const KIND: Kind = kind::SECURITY_GROUP;

    fn id(&self) -> &str {
        self.group_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "group-id" => one(&self.group_id),
            "group-name" => one(&self.group_name),
            "description" => one(&self.description),
            "owner-id" => one(&self.owner_id),
            "vpc-id" => one(&self.vpc_id),
            _ => match filter.strip_prefix("egress.") {
                Some(filter) => permission(&self.ip_permissions_egress, filter),
                None => permission(&self.ip_permissions, filter),
            },
        }
    }
}

fn permission(list: &Option<Vec<api::IpPermission>>, filter: &str) -> Option<Vec<String>> {
    let pairs = |member: fn(&api::UserIdGroupPair) -> Option<String>| {
        let all = list
            .iter()
            .flatten()
            .flat_map(|p| p.user_id_group_pairs.iter().flatten());
        Some(all.filter_map(member).collect())
    };
    match filter.strip_prefix("ip-permission.")? {
        "protocol" => each(list, |p| p.ip_protocol.clone()),
        "from-port" => each(list, |p| p.from_port),
        "to-port" => each(list, |p| p.to_port),
        "cidr" => {
            let all = list
                .iter()
                .flatten()
                .flat_map(|p| p.ip_ranges.iter().flatten());
            Some(all.filter_map(|r| r.cidr_ip.clone()).collect())
        }
        "group-id" => pairs(|p| p.group_id.clone()),
        "group-name" => pairs(|p| p.group_name.clone()),
        "user-id" => pairs(|p| p.user_id.clone()),
        "ipv6-cidr" | "prefix-list-id" => none(),
        _ => None,
    }
}

impl Describe for api::SecurityGroupRule {
    const KIND: Kind = kind::SECURITY_GROUP_RULE;

    fn id(&self) -> &str {
        self.security_group_rule_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "group-id" => one(&self.group_id),
            "security-group-rule-id" => one(&self.security_group_rule_id),
            _ => None,
        }
    }
}
