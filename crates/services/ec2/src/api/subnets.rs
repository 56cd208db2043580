//! The subnets of the default VPC.

use super::text;
use crate::Ec2;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, none, one};
use neargate_api_ec2 as api;
use neargate_domain::vpc::Subnet;
use neargate_service::eni::Interface;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_subnets(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeSubnetsInput,
) -> Result<api::DescribeSubnetsOutput, AwsError> {
    let api::DescribeSubnetsInput {
        dry_run,
        subnet_ids,
        filters,
        next_token,
        max_results,
    } = input;
    let query = Query::new(dry_run, subnet_ids, filters, next_token, max_results)?;
    let place = Place::read(&cx).await?;
    let interfaces = cx.db().list::<Interface>(&cx.scope).await?;
    let used = |s: &Subnet| {
        interfaces
            .iter()
            .filter(|i| i.interface.subnet_id == s.id)
            .count()
    };
    let all = place.vpc.subnets.iter().enumerate();
    let found = query.run(all.map(|(n, s)| subnet(&place, n, s, used(s))).collect())?;
    Ok(api::DescribeSubnetsOutput {
        subnets: Some(found.items),
        next_token: found.next_token,
    })
}

fn subnet(place: &Place, n: usize, s: &Subnet, used: usize) -> api::Subnet {
    let used = u32::try_from(used).unwrap_or(u32::MAX);
    let free = Subnet::usable().saturating_sub(used);
    api::Subnet {
        subnet_id: text(&s.id),
        subnet_arn: Some(place.scope.arn("ec2", format!("subnet/{}", s.id))),
        vpc_id: text(&place.vpc.vpc_id),
        owner_id: place.account(),
        state: text("available"),
        cidr_block: Some(s.cidr()),
        availability_zone: text(&s.availability_zone),
        availability_zone_id: Some(super::places::zone_id(&place.scope.region, n)),
        available_ip_address_count: i32::try_from(free).ok(),
        default_for_az: Some(true),
        map_public_ip_on_launch: Some(true),
        map_customer_owned_ip_on_launch: Some(false),
        assign_ipv6_address_on_creation: Some(false),
        ipv6_cidr_block_association_set: Some(vec![]),
        ipv6_native: Some(false),
        enable_dns64: Some(false),
        private_dns_name_options_on_launch: Some(api::PrivateDnsNameOptionsOnLaunch {
            hostname_type: text("ip-name"),
            enable_resource_name_dns_a_record: Some(false),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        tags: place.tags_of(&s.id),
        ..Default::default()
    }
}

impl Describe for api::Subnet {
    const KIND: Kind = kind::SUBNET;

    fn id(&self) -> &str {
        self.subnet_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let dns = self
            .private_dns_name_options_on_launch
            .clone()
            .unwrap_or_default();
        match filter {
            "subnet-id" => one(&self.subnet_id),
            "subnet-arn" => one(&self.subnet_arn),
            "vpc-id" => one(&self.vpc_id),
            "owner-id" => one(&self.owner_id),
            "state" => one(&self.state),
            "cidr" | "cidr-block" | "cidrBlock" => one(&self.cidr_block),
            "availability-zone" | "availabilityZone" => one(&self.availability_zone),
            "availability-zone-id" | "availabilityZoneId" => one(&self.availability_zone_id),
            "available-ip-address-count" => one(&self.available_ip_address_count),
            "default-for-az" | "defaultForAz" => one(&self.default_for_az),
            "map-public-ip-on-launch" => one(&self.map_public_ip_on_launch),
            "map-customer-owned-ip-on-launch" => one(&self.map_customer_owned_ip_on_launch),
            "ipv6-native" => one(&self.ipv6_native),
            "enable-dns64" => one(&self.enable_dns64),
            "private-dns-name-options-on-launch.hostname-type" => one(&dns.hostname_type),
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record" => {
                one(&dns.enable_resource_name_dns_a_record)
            }
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record" => {
                one(&dns.enable_resource_name_dns_aaaa_record)
            }
            "customer-owned-ipv4-pool"
            | "enable-lni-at-device-index"
            | "ipv6-cidr-block-association.ipv6-cidr-block"
            | "ipv6-cidr-block-association.association-id"
            | "ipv6-cidr-block-association.state"
            | "outpost-arn" => none(),
            _ => None,
        }
    }
}
