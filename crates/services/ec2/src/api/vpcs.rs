//! The default VPC.

use super::text;
use crate::kind::{self, Kind, companion};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, each, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_vpcs(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeVpcsInput,
) -> Result<api::DescribeVpcsOutput, AwsError> {
    let api::DescribeVpcsInput {
        dry_run,
        vpc_ids,
        filters,
        next_token,
        max_results,
    } = input;
    let query = Query::new(dry_run, vpc_ids, filters, next_token, max_results)?;
    let found = query.run(vec![vpc(&Place::read(&cx).await?)])?;
    Ok(api::DescribeVpcsOutput {
        vpcs: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn describe_vpc_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeVpcAttributeInput,
) -> Result<api::DescribeVpcAttributeOutput, AwsError> {
    dry_run(input.dry_run)?;
    kind::VPC.check(&input.vpc_id)?;
    if Place::read(&cx).await?.vpc.vpc_id != input.vpc_id {
        return Err(error::not_found(&kind::VPC, &input.vpc_id));
    }
    let mut out = api::DescribeVpcAttributeOutput {
        vpc_id: Some(input.vpc_id),
        ..Default::default()
    };
    let value = |value: bool| Some(api::AttributeBooleanValue { value: Some(value) });
    // A default VPC has both DNS attributes on.
    match input.attribute.as_str() {
        "enableDnsSupport" => out.enable_dns_support = value(true),
        "enableDnsHostnames" => out.enable_dns_hostnames = value(true),
        "enableNetworkAddressUsageMetrics" => {
            out.enable_network_address_usage_metrics = value(false);
        }
        other => {
            return Err(error::unknown_attribute("attribute", other));
        }
    }
    Ok(out)
}

fn vpc(place: &Place) -> api::Vpc {
    let id = &place.vpc.vpc_id;
    let range = api::VpcCidrBlockAssociation {
        association_id: Some(companion("vpc-cidr-assoc", id)),
        cidr_block: Some(place.range.to_string()),
        cidr_block_state: Some(api::VpcCidrBlockState {
            state: text("associated"),
            ..Default::default()
        }),
    };
    api::Vpc {
        vpc_id: text(id),
        owner_id: place.account(),
        state: text("available"),
        cidr_block: Some(place.range.to_string()),
        cidr_block_association_set: Some(vec![range]),
        dhcp_options_id: text(&place.vpc.dhcp_options_id),
        instance_tenancy: text("default"),
        is_default: Some(true),
        tags: place.tags_of(id),
        ..Default::default()
    }
}

impl Describe for api::Vpc {
    const KIND: Kind = kind::VPC;

    fn id(&self) -> &str {
        self.vpc_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let ranges = &self.cidr_block_association_set;
        match filter {
            "vpc-id" => one(&self.vpc_id),
            "owner-id" => one(&self.owner_id),
            "state" => one(&self.state),
            "cidr" | "cidr-block" | "cidrBlock" => one(&self.cidr_block),
            "cidr-block-association.cidr-block" => each(ranges, |r| r.cidr_block.clone()),
            "cidr-block-association.association-id" => each(ranges, |r| r.association_id.clone()),
            "cidr-block-association.state" => each(ranges, |r| {
                r.cidr_block_state.as_ref().and_then(|s| s.state.clone())
            }),
            "dhcp-options-id" | "dhcpOptionsId" => one(&self.dhcp_options_id),
            "is-default" | "isDefault" => one(&self.is_default),
            "instance-tenancy" => one(&self.instance_tenancy),
            "ipv6-cidr-block-association.ipv6-cidr-block"
            | "ipv6-cidr-block-association.ipv6-pool"
            | "ipv6-cidr-block-association.association-id"
            | "ipv6-cidr-block-association.state" => none(),
            _ => None,
        }
    }
}
