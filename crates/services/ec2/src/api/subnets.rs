//! Subnets and their attributes.

use super::{places, tags, text};
use crate::change::{self, all, find, fresh, key, settle, within};
use crate::error::network as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::ranges;
use crate::query::{Describe, Query, dry_run, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_domain::Cidr;
use neargate_service::db::{Committed, Stored, Tx};
use neargate_service::eni::{self, Interface};
use neargate_service::tags::Tags;
use neargate_service::vpc::{Association, RouteTable, Subnet, Vpc};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Subnets of a VPC
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_SUBNETS: usize = 200;

pub async fn create_subnet(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateSubnetInput,
) -> Result<api::CreateSubnetOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        ("Ipv6Native", input.ipv6_native == Some(true)),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
        ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv4NetmaskLength", input.ipv4_netmask_length.is_some()),
        ("OutpostArn", input.outpost_arn.is_some()),
    ])?;
    let range = input.cidr_block.as_deref();
    let range = range.ok_or_else(|| error::missing_parameter("cidrBlock"))?;
    let (name, zone_id) = (
        input.availability_zone.as_deref(),
        input.availability_zone_id.as_deref(),
    );
    let zone = zone(&cx, name, zone_id)?.unwrap_or_else(|| cx.scope.region.zones()[0].clone());
    let tags = tags::specified(input.tag_specifications, &kind::SUBNET)?;
    let subnet_id = fresh(&cx, "subnet");
    let association_id = fresh(&cx, "aclassoc");
    let add = async || -> Result<(Tx, Subnet), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        let taken = taken(&cx, &input.vpc_id).await?;
        if taken.len() >= MAX_SUBNETS {
            return Err(error::limit_exceeded("SubnetLimitExceeded", "subnets"));
        }
        let ranges: Vec<_> = vpc.ranges().collect();
        let new = Subnet {
            vpc_id: input.vpc_id.clone(),
            range: ranges::of_subnet(range, &ranges, &taken)?,
            availability_zone: zone.clone(),
            map_public_ip_on_launch: false,
            default_for_az: false,
            acl: Association {
                association_id: association_id.clone(),
                acl_id: vpc.default_acl_id.clone(),
            },
            hostname_type: "ip-name".into(),
            resource_name_dns_a_record: false,
            deleting: false,
            created_at: cx.now(),
        };
        let tx = change::create(within(&cx, &vpc), &cx, &subnet_id, &new, &tags);
        Ok((tx, new))
    };
    let new = settle(add).await?;
    Ok(api::CreateSubnetOutput {
        subnet: Some(subnet(
            &Place::of_new(&cx, &subnet_id, &tags),
            &subnet_id,
            &new,
            0,
        )),
    })
}

/// The ranges of a VPC's subnets.
async fn taken(cx: &Ctx, vpc_id: &str) -> Result<Vec<Cidr>, AwsError> {
    let subnets = all::<Subnet>(cx).await?;
    let own = subnets.iter().filter(|s| s.vpc_id == vpc_id);
    Ok(own.map(|s| s.range).collect())
}

/// The zone that a call names, by its name or its id.
fn zone(cx: &Ctx, name: Option<&str>, zone_id: Option<&str>) -> Result<Option<String>, AwsError> {
    let zones = cx.scope.region.zones();
    let (parameter, named, found) = match (name, zone_id) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(error::combination("availabilityZone", "availabilityZoneId"));
        }
        (Some(name), None) => ("availabilityZone", name, zones.iter().find(|z| *z == name)),
        (None, Some(zone_id)) => {
            let mut ids = (0..zones.len()).map(|n| places::zone_id(&cx.scope.region, n));
            let n = ids.position(|id| id == zone_id);
            ("availabilityZoneId", zone_id, n.map(|n| &zones[n]))
        }
    };
    let found = found.ok_or_else(|| say::subnet_zone(parameter, named, &zones))?;
    Ok(Some(found.clone()))
}

/// The subnet is marked before interfaces are looked for: see [`neargate_service::vpc`].
pub async fn delete_subnet(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteSubnetInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let subnet_id = &input.subnet_id;
    loop {
        let subnet = find::<Subnet>(&cx, subnet_id).await?;
        let Some(subnet) = marked(&cx, subnet).await? else {
            continue;
        };
        let interfaces = all::<Interface>(&cx).await?;
        if interfaces
            .iter()
            .any(|i| i.interface.subnet_id == *subnet_id)
        {
            return Err(error::has_dependencies("subnet", subnet_id));
        }
        if let Committed::At(_) = gone(&cx, subnet_id, &subnet).await?.commit().await? {
            return Ok(Unit);
        }
    }
}

/// The subnet with the mark that it is about to go; `None`: somebody changed it.
async fn marked(cx: &Ctx, subnet: Stored<Subnet>) -> Result<Option<Stored<Subnet>>, AwsError> {
    let value = Subnet {
        deleting: true,
        ..subnet.value.clone()
    };
    let committed = cx.db().tx().update(&subnet, &value).commit().await?;
    Ok(match committed {
        Committed::At(revision) => Some(Stored {
            revision,
            value,
            ..subnet
        }),
        Committed::Conflict => None,
    })
}

/// The subnet goes with its tags and its association with a route table.
async fn gone(cx: &Ctx, subnet_id: &str, subnet: &Stored<Subnet>) -> Result<Tx, AwsError> {
    let vpc = find::<Vpc>(cx, &subnet.vpc_id).await?;
    let mut tx = change::delete(within(cx, &vpc), cx, subnet);
    for table in all::<RouteTable>(cx).await? {
        let mut new = table.value.clone();
        new.subnets.retain(|_, of| of != subnet_id);
        if new != table.value {
            tx = tx.update(&table, &new);
        }
    }
    Ok(tx)
}

pub async fn create_default_subnet(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateDefaultSubnetInput,
) -> Result<api::CreateDefaultSubnetOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[("Ipv6Native", input.ipv6_native == Some(true))])?;
    let (name, zone_id) = (
        input.availability_zone.as_deref(),
        input.availability_zone_id.as_deref(),
    );
    let zone = zone(&cx, name, zone_id)?;
    let zone = zone.ok_or_else(|| error::missing_parameter("AvailabilityZone"))?;
    let subnet_id = fresh(&cx, "subnet");
    let association_id = fresh(&cx, "aclassoc");
    let add = async || -> Result<(Tx, Subnet), AwsError> {
        let vpcs = all::<Vpc>(&cx).await?;
        let vpc = vpcs
            .iter()
            .find(|v| v.is_default)
            .ok_or_else(say::no_default_vpc)?;
        let subnets = all::<Subnet>(&cx).await?;
        let own = |s: &&Stored<Subnet>| s.vpc_id == vpc.id();
        let same = |s: &&Stored<Subnet>| s.default_for_az && s.availability_zone == zone;
        if let Some(there) = subnets.iter().filter(own).find(same) {
            return Err(say::default_subnet_exists(there.id(), &zone));
        }
        let taken: Vec<_> = subnets.iter().filter(own).map(|s| s.range).collect();
        let range = ranges::free_default(vpc.range, &taken);
        let new = Subnet {
            vpc_id: vpc.id().to_owned(),
            range: range.ok_or_else(|| say::no_room_for_default_subnet(vpc.id()))?,
            availability_zone: zone.clone(),
            map_public_ip_on_launch: true,
            default_for_az: true,
            acl: Association {
                association_id: association_id.clone(),
                acl_id: vpc.default_acl_id.clone(),
            },
            hostname_type: "ip-name".into(),
            resource_name_dns_a_record: false,
            deleting: false,
            created_at: cx.now(),
        };
        Ok((
            within(&cx, vpc).create(key::<Subnet>(&cx, &subnet_id), &new),
            new,
        ))
    };
    let new = settle(add).await?;
    let place = Place::of_new(&cx, &subnet_id, &Tags::new());
    Ok(api::CreateDefaultSubnetOutput {
        subnet: Some(subnet(&place, &subnet_id, &new, 0)),
    })
}

pub async fn modify_subnet_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifySubnetAttributeInput,
) -> Result<Unit, AwsError> {
    let value = |given: &Option<api::AttributeBooleanValue>| given.as_ref().and_then(|v| v.value);
    let hostname_type = input.private_dns_hostname_type_on_launch.clone();
    let given = [
        ("mapPublicIpOnLaunch", value(&input.map_public_ip_on_launch)),
        (
            "privateDnsHostnameTypeOnLaunch",
            hostname_type.as_ref().map(|_| false),
        ),
        (
            "enableResourceNameDnsARecordOnLaunch",
            value(&input.enable_resource_name_dns_a_record_on_launch),
        ),
        (
            "enableResourceNameDnsAAAARecordOnLaunch",
            value(&input.enable_resource_name_dns_aaaa_record_on_launch),
        ),
        (
            "assignIpv6AddressOnCreation",
            value(&input.assign_ipv6_address_on_creation),
        ),
        (
            "mapCustomerOwnedIpOnLaunch",
            value(&input.map_customer_owned_ip_on_launch),
        ),
        (
            "customerOwnedIpv4Pool",
            input.customer_owned_ipv4_pool.as_ref().map(|_| true),
        ),
        ("enableDns64", value(&input.enable_dns64)),
        (
            "enableLniAtDeviceIndex",
            input.enable_lni_at_device_index.map(|_| true),
        ),
        (
            "disableLniAtDeviceIndex",
            value(&input.disable_lni_at_device_index),
        ),
    ];
    let given: Vec<_> = given
        .into_iter()
        .filter_map(|(name, v)| Some((name, v?)))
        .collect();
    let [(attribute, value)] = *given.as_slice() else {
        let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
        return Err(error::attributes(&names));
    };
    let hostname_type = hostname_type.unwrap_or_default();
    let modify = async || -> Result<(Tx, ()), AwsError> {
        let subnet = find::<Subnet>(&cx, &input.subnet_id).await?;
        let mut new = subnet.value.clone();
        match attribute {
            "mapPublicIpOnLaunch" => new.map_public_ip_on_launch = value,
            "enableResourceNameDnsARecordOnLaunch" => new.resource_name_dns_a_record = value,
            "privateDnsHostnameTypeOnLaunch" => match hostname_type.as_str() {
                "ip-name" | "resource-name" => new.hostname_type.clone_from(&hostname_type),
                other => return Err(error::invalid_value(attribute, other)),
            },
            // What needs IPv6 or an Outpost is off and stays so.
            other if value => return Err(error::unsupported(other)),
            _ => {}
        }
        let tx = cx.db().tx();
        let tx = match new == subnet.value {
            true => tx.unchanged(&subnet),
            false => tx.update(&subnet, &new),
        };
        Ok((tx, ()))
    };
    settle(modify).await?;
    Ok(Unit)
}

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
    let interfaces = all::<Interface>(&cx).await?;
    let used = |subnet: &str| {
        let within = interfaces
            .iter()
            .filter(|i| i.interface.subnet_id == subnet);
        within.count()
    };
    let subnets = all::<Subnet>(&cx).await?;
    let shown = subnets
        .iter()
        .map(|s| subnet(&place, s.id(), s, used(s.id())));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeSubnetsOutput {
        subnets: Some(found.items),
        next_token: found.next_token,
    })
}

fn subnet(place: &Place, id: &str, s: &Subnet, used: usize) -> api::Subnet {
    let used = u32::try_from(used).unwrap_or(u32::MAX);
    let free = eni::usable(s.range).saturating_sub(used);
    api::Subnet {
        subnet_id: text(id),
        subnet_arn: Some(place.scope.arn("ec2", format!("subnet/{id}"))),
        vpc_id: text(&s.vpc_id),
        owner_id: place.account(),
        state: text("available"),
        cidr_block: Some(s.range.to_string()),
        availability_zone: text(&s.availability_zone),
        availability_zone_id: places::id_of_zone(&place.scope.region, &s.availability_zone),
        available_ip_address_count: i32::try_from(free).ok(),
        default_for_az: Some(s.default_for_az),
        map_public_ip_on_launch: Some(s.map_public_ip_on_launch),
        map_customer_owned_ip_on_launch: Some(false),
        assign_ipv6_address_on_creation: Some(false),
        ipv6_cidr_block_association_set: Some(vec![]),
        ipv6_native: Some(false),
        enable_dns64: Some(false),
        private_dns_name_options_on_launch: Some(api::PrivateDnsNameOptionsOnLaunch {
            hostname_type: text(&s.hostname_type),
            enable_resource_name_dns_a_record: Some(s.resource_name_dns_a_record),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        tags: place.tags_of(id),
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
