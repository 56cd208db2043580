//! The default network ACL: everything passes
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html>).

use super::text;
use crate::Ec2;
use crate::kind::{self, Kind, companion};
use crate::model::Place;
use crate::query::{Describe, Query, each, none, one};
use neargate_api_ec2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The number EC2 gives the rule it writes as `*`.
const LAST_RULE: i32 = 32767;

pub async fn describe_network_acls(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeNetworkAclsInput,
) -> Result<api::DescribeNetworkAclsOutput, AwsError> {
    let ids = input.network_acl_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let found = query.run(vec![network_acl(&Place::read(&cx).await?)])?;
    Ok(api::DescribeNetworkAclsOutput {
        network_acls: Some(found.items),
        next_token: found.next_token,
    })
}

fn network_acl(place: &Place) -> api::NetworkAcl {
    let id = &place.vpc.network_acl_id;
    let entry = |egress: bool, number: i32, action: &str| api::NetworkAclEntry {
        cidr_block: text("0.0.0.0/0"),
        egress: Some(egress),
        protocol: text("-1"),
        rule_action: text(action),
        rule_number: Some(number),
        ..Default::default()
    };
    let association = |subnet: &str| api::NetworkAclAssociation {
        network_acl_association_id: Some(companion("aclassoc", subnet)),
        network_acl_id: text(id),
        subnet_id: text(subnet),
    };
    api::NetworkAcl {
        network_acl_id: text(id),
        vpc_id: text(&place.vpc.vpc_id),
        owner_id: place.account(),
        is_default: Some(true),
        associations: Some(
            place
                .vpc
                .subnets
                .iter()
                .map(|s| association(&s.id))
                .collect(),
        ),
        entries: Some(vec![
            entry(true, 100, "allow"),
            entry(true, LAST_RULE, "deny"),
            entry(false, 100, "allow"),
            entry(false, LAST_RULE, "deny"),
        ]),
        tags: place.tags_of(id),
    }
}

impl Describe for api::NetworkAcl {
    const KIND: Kind = kind::NETWORK_ACL;

    fn id(&self) -> &str {
        self.network_acl_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let (associations, entries) = (&self.associations, &self.entries);
        match filter {
            "network-acl-id" => one(&self.network_acl_id),
            "vpc-id" => one(&self.vpc_id),
            "owner-id" => one(&self.owner_id),
            "default" => one(&self.is_default),
            "association.association-id" => {
                each(associations, |a| a.network_acl_association_id.clone())
            }
            "association.network-acl-id" => each(associations, |a| a.network_acl_id.clone()),
            "association.subnet-id" => each(associations, |a| a.subnet_id.clone()),
            "entry.cidr" => each(entries, |e| e.cidr_block.clone()),
            "entry.egress" => each(entries, |e| e.egress),
            "entry.protocol" => each(entries, |e| e.protocol.clone()),
            "entry.rule-action" => each(entries, |e| e.rule_action.clone()),
            "entry.rule-number" => each(entries, |e| e.rule_number),
            "entry.icmp.code"
            | "entry.icmp.type"
            | "entry.ipv6-cidr"
            | "entry.port-range.from"
            | "entry.port-range.to" => none(),
            _ => None,
        }
    }
}
