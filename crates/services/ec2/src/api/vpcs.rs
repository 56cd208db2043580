//! VPCs and their attributes.

use super::{tags, text};
use crate::change::{self, all, find, fresh, key, settle};
use crate::error::network as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::ranges;
use crate::query::{Describe, Query, dry_run, each, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_domain::vpc::DefaultVpc;
use neargate_domain::vpc_network::vni;
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::vpc::{
    self, DhcpOptions, EgressOnlyGateway, Endpoint, InternetGateway, NatGateway, NetworkAcl,
    PeeringConnection, RouteTable, SecurityGroup, Subnet, Vpc, companion,
};
use neargate_service::{AwsError, Ctx, Resource};
use neargate_wire::structure::Unit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// VPCs of an account in a region
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_VPCS: usize = 5;

pub async fn create_vpc(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateVpcInput,
) -> Result<api::CreateVpcOutput, AwsError> {
    dry_run(input.dry_run)?;
    refuse_ipv6_and_ipam(&input)?;
    let range = input.cidr_block.as_deref();
    let range = ranges::of_vpc(range.ok_or_else(|| error::missing_parameter("cidrBlock"))?)?;
    let tenancy = match input.instance_tenancy.as_deref() {
        None => "default",
        Some(tenancy @ ("default" | "dedicated")) => tenancy,
        Some(other) => return Err(say::unsupported_tenancy(other)),
    };
    let tags = tags::specified(input.tag_specifications, &kind::VPC)?;
    let new = Vpc {
        range,
        secondary: BTreeMap::new(),
        is_default: false,
        instance_tenancy: tenancy.to_owned(),
        enable_dns_support: true,
        enable_dns_hostnames: false,
        network_address_usage_metrics: false,
        dhcp_options_id: String::new(),
        default_group_id: fresh(&cx, "sg"),
        main_route_table_id: fresh(&cx, "rtb"),
        default_acl_id: fresh(&cx, "acl"),
        created_at: cx.now(),
    };
    let vpc_id = fresh_vpc(&cx).await?;
    let new = settle(|| created(&cx, &vpc_id, &new, &tags)).await?;
    Ok(api::CreateVpcOutput {
        vpc: Some(vpc(
            &Place::of_new(&cx, &vpc_id, &tags),
            &vpc_id,
            &new,
            "pending",
        )),
    })
}

/// An id whose number between hosts no other VPC of the installation has.
async fn fresh_vpc(cx: &Ctx) -> Result<String, AwsError> {
    let prefix = format!("{}/", Vpc::KIND);
    let others = cx.db().list_prefix::<Vpc>(&prefix).await?;
    let taken: BTreeSet<u32> = others.iter().map(|vpc| vni(vpc.id())).collect();
    loop {
        let id = fresh(cx, "vpc");
        if !taken.contains(&vni(&id)) {
            return Ok(id);
        }
    }
}

fn refuse_ipv6_and_ipam(input: &api::CreateVpcInput) -> Result<(), AwsError> {
    let given = [
        (
            "AmazonProvidedIpv6CidrBlock",
            input.amazon_provided_ipv6_cidr_block == Some(true),
        ),
        ("Ipv6Pool", input.ipv6_pool.is_some()),
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        (
            "Ipv6CidrBlockNetworkBorderGroup",
            input.ipv6_cidr_block_network_border_group.is_some(),
        ),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
        ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv4NetmaskLength", input.ipv4_netmask_length.is_some()),
        (
            "VpcEncryptionControl",
            input.vpc_encryption_control.is_some(),
        ),
    ];
    super::refuse(&given)
}

/// A VPC begins with a group, a route table and an ACL
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/create-vpc.html>).
async fn created(cx: &Ctx, vpc_id: &str, new: &Vpc, tags: &Tags) -> Result<(Tx, Vpc), AwsError> {
    let vpcs = all::<Vpc>(cx).await?;
    if vpcs.len() >= MAX_VPCS {
        return Err(error::limit_exceeded("VpcLimitExceeded", "VPCs"));
    }
    let vpc = Vpc {
        dhcp_options_id: usual_options(cx).await?,
        ..new.clone()
    };
    let now = vpc.created_at;
    let group = vpc::default_group(&cx.scope, vpc_id, &vpc.default_group_id, now);
    let table = RouteTable {
        vpc_id: vpc_id.to_owned(),
        main_association_id: Some(companion("rtbassoc", &vpc.main_route_table_id)),
        subnets: BTreeMap::new(),
        routes: Vec::new(),
        created_at: now,
    };
    let tx = change::create(cx.db().tx(), cx, vpc_id, &vpc, tags)
        .create(key::<SecurityGroup>(cx, &vpc.default_group_id), &group)
        .create(key::<RouteTable>(cx, &vpc.main_route_table_id), &table)
        .create(
            key::<NetworkAcl>(cx, &vpc.default_acl_id),
            &vpc::default_acl(vpc_id, now),
        );
    Ok((tx, vpc))
}

/// The set of DHCP options that a new VPC has: Amazon's, unless somebody deleted it.
pub(super) async fn usual_options(cx: &Ctx) -> Result<String, AwsError> {
    let range = cx.house.settings.vpc;
    let id = DefaultVpc::within(range, &cx.scope.account, &cx.scope.region).dhcp_options_id;
    let there = cx.db().get::<DhcpOptions>(&cx.scope, &id).await?;
    Ok(there.map_or_else(|| "default".to_owned(), |_| id))
}

pub async fn delete_vpc(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteVpcInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    settle(|| deleted(&cx, &input.vpc_id)).await?;
    Ok(Unit)
}

async fn deleted(cx: &Ctx, vpc_id: &str) -> Result<(Tx, ()), AwsError> {
    let vpc = find::<Vpc>(cx, vpc_id).await?;
    if has_dependents(cx, vpc_id, &vpc).await? {
        return Err(error::has_dependencies("vpc", vpc_id));
    }
    let mut tx = change::delete(cx.db().tx(), cx, &vpc);
    let group = cx
        .db()
        .get::<SecurityGroup>(&cx.scope, &vpc.default_group_id);
    if let Some(group) = group.await? {
        tx = change::delete(tx, cx, &group);
        tx = group
            .rules
            .keys()
            .fold(tx, |tx, rule| change::untag(tx, cx, rule));
    }
    let table = cx
        .db()
        .get::<RouteTable>(&cx.scope, &vpc.main_route_table_id);
    if let Some(table) = table.await? {
        tx = change::delete(tx, cx, &table);
    }
    let acl = cx.db().get::<NetworkAcl>(&cx.scope, &vpc.default_acl_id);
    if let Some(acl) = acl.await? {
        tx = change::delete(tx, cx, &acl);
    }
    Ok((tx, ()))
}

/// Is there more in a VPC than it began with?
async fn has_dependents(cx: &Ctx, vpc_id: &str, vpc: &Vpc) -> Result<bool, AwsError> {
    let (subnets, groups) = (all::<Subnet>(cx).await?, all::<SecurityGroup>(cx).await?);
    let (tables, acls) = (all::<RouteTable>(cx).await?, all::<NetworkAcl>(cx).await?);
    let (gateways, nats) = (
        all::<InternetGateway>(cx).await?,
        all::<NatGateway>(cx).await?,
    );
    let endpoints = all::<Endpoint>(cx).await?;
    let egress_only = all::<EgressOnlyGateway>(cx).await?;
    let peerings = PeeringConnection::all(cx.db(), &cx.scope).await?;
    let peered = |p: &PeeringConnection| p.is_active() && p.side_of(vpc_id).is_some();
    if endpoints.iter().any(|e| e.vpc_id == vpc_id)
        || egress_only.iter().any(|g| g.vpc_id == vpc_id)
        || peerings.iter().any(|p| peered(p))
    {
        return Ok(true);
    }
    Ok(subnets.iter().any(|s| s.vpc_id == vpc_id)
        || groups
            .iter()
            .any(|g| g.vpc_id == vpc_id && g.id() != vpc.default_group_id)
        || tables
            .iter()
            .any(|t| t.vpc_id == vpc_id && t.id() != vpc.main_route_table_id)
        || acls
            .iter()
            .any(|a| a.vpc_id == vpc_id && a.id() != vpc.default_acl_id)
        || gateways.iter().any(|g| g.vpc_id.as_deref() == Some(vpc_id))
        || nats
            .iter()
            .any(|n| n.vpc_id == vpc_id && n.deleted_at.is_none()))
}

pub async fn create_default_vpc(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateDefaultVpcInput,
) -> Result<api::CreateDefaultVpcOutput, AwsError> {
    dry_run(input.dry_run)?;
    let derived = DefaultVpc::within(cx.house.settings.vpc, &cx.scope.account, &cx.scope.region);
    let new = DefaultVpc {
        vpc_id: fresh_vpc(&cx).await?,
        security_group_id: fresh(&cx, "sg"),
        route_table_id: fresh(&cx, "rtb"),
        internet_gateway_id: fresh(&cx, "igw"),
        network_acl_id: fresh(&cx, "acl"),
        dhcp_options_id: usual_options(&cx).await?,
        subnets: derived.subnets.map(|subnet| neargate_domain::vpc::Subnet {
            id: fresh(&cx, "subnet"),
            ..subnet
        }),
    };
    settle(|| default_created(&cx, &new)).await?;
    let made = find::<Vpc>(&cx, &new.vpc_id).await?;
    let place = Place::of_new(&cx, &new.vpc_id, &Tags::new());
    Ok(api::CreateDefaultVpcOutput {
        vpc: Some(vpc(&place, &new.vpc_id, &made, "pending")),
    })
}

async fn default_created(cx: &Ctx, new: &DefaultVpc) -> Result<(Tx, ()), AwsError> {
    let vpcs = all::<Vpc>(cx).await?;
    if vpcs.iter().any(|v| v.is_default) {
        return Err(say::default_vpc_exists());
    }
    if vpcs.len() >= MAX_VPCS {
        return Err(error::limit_exceeded("VpcLimitExceeded", "VPCs"));
    }
    let tx = vpc::make_default(&cx.house, &cx.scope, new).await?;
    Ok((tx, ()))
}

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
    let place = Place::read(&cx).await?;
    let vpcs = all::<Vpc>(&cx).await?;
    let shown = vpcs.iter().map(|v| vpc(&place, v.id(), v, "available"));
    let found = query.run(shown.collect())?;
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
    let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
    let mut out = api::DescribeVpcAttributeOutput {
        vpc_id: Some(input.vpc_id),
        ..Default::default()
    };
    let value = |value: bool| Some(api::AttributeBooleanValue { value: Some(value) });
    match input.attribute.as_str() {
        "enableDnsSupport" => out.enable_dns_support = value(vpc.enable_dns_support),
        "enableDnsHostnames" => out.enable_dns_hostnames = value(vpc.enable_dns_hostnames),
        "enableNetworkAddressUsageMetrics" => {
            out.enable_network_address_usage_metrics = value(vpc.network_address_usage_metrics);
        }
        other => {
            return Err(error::unknown_attribute("attribute", other));
        }
    }
    Ok(out)
}

pub async fn modify_vpc_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyVpcAttributeInput,
) -> Result<Unit, AwsError> {
    let value = |given: &Option<api::AttributeBooleanValue>| given.as_ref().and_then(|v| v.value);
    let all = [
        ("enableDnsSupport", value(&input.enable_dns_support)),
        ("enableDnsHostnames", value(&input.enable_dns_hostnames)),
        (
            "enableNetworkAddressUsageMetrics",
            value(&input.enable_network_address_usage_metrics),
        ),
    ];
    let given: Vec<_> = all
        .into_iter()
        .filter_map(|(name, v)| Some((name, v?)))
        .collect();
    let [(attribute, value)] = given.as_slice() else {
        let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
        return Err(error::attributes(&names));
    };
    settle(|| modified(&cx, &input.vpc_id, attribute, *value)).await?;
    Ok(Unit)
}

async fn modified(
    cx: &Ctx,
    vpc_id: &str,
    attribute: &str,
    value: bool,
) -> Result<(Tx, ()), AwsError> {
    let vpc = find::<Vpc>(cx, vpc_id).await?;
    let mut new = vpc.value.clone();
    match attribute {
        "enableDnsSupport" => new.enable_dns_support = value,
        "enableDnsHostnames" if value && !vpc.enable_dns_support => {
            return Err(say::hostnames_without_support(vpc_id));
        }
        "enableDnsHostnames" => new.enable_dns_hostnames = value,
        _ => new.network_address_usage_metrics = value,
    }
    Ok((cx.db().tx().update(&vpc, &new), ()))
}

pub async fn modify_vpc_tenancy(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyVpcTenancyInput,
) -> Result<api::ModifyVpcTenancyOutput, AwsError> {
    dry_run(input.dry_run)?;
    if input.instance_tenancy != "default" {
        return Err(say::unsupported_tenancy(&input.instance_tenancy));
    }
    let tenancy = async || -> Result<(Tx, ()), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        let new = Vpc {
            instance_tenancy: "default".into(),
            ..vpc.value.clone()
        };
        Ok((cx.db().tx().update(&vpc, &new), ()))
    };
    settle(tenancy).await?;
    Ok(api::ModifyVpcTenancyOutput {
        return_value: Some(true),
    })
}

pub async fn associate_vpc_cidr_block(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AssociateVpcCidrBlockInput,
) -> Result<api::AssociateVpcCidrBlockOutput, AwsError> {
    super::refuse(&[
        (
            "AmazonProvidedIpv6CidrBlock",
            input.amazon_provided_ipv6_cidr_block == Some(true),
        ),
        ("Ipv6Pool", input.ipv6_pool.is_some()),
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        (
            "Ipv6CidrBlockNetworkBorderGroup",
            input.ipv6_cidr_block_network_border_group.is_some(),
        ),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
        ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv4NetmaskLength", input.ipv4_netmask_length.is_some()),
    ])?;
    let range = input.cidr_block.as_deref();
    let range = ranges::of_vpc(range.ok_or_else(|| error::missing_parameter("cidrBlock"))?)?;
    let association_id = fresh(&cx, "vpc-cidr-assoc");
    let add = async || -> Result<(Tx, ()), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        let tables = all::<RouteTable>(&cx).await?;
        let own = tables.iter().filter(|t| t.vpc_id == input.vpc_id);
        let routes: Vec<_> = own.flat_map(|t| t.routes.iter().map(|r| r.to)).collect();
        let ranges: Vec<_> = vpc.ranges().collect();
        ranges::further(&input.vpc_id, &ranges, &routes, range)?;
        let peers = super::peering::peers(&cx, &input.vpc_id).await?;
        ranges::beside_peers(peers.iter().flat_map(Vpc::ranges), range)?;
        let mut new = vpc.value.clone();
        new.secondary.insert(association_id.clone(), range);
        Ok((cx.db().tx().update(&vpc, &new), ()))
    };
    settle(add).await?;
    Ok(api::AssociateVpcCidrBlockOutput {
        cidr_block_association: Some(association(
            &association_id,
            range.to_string(),
            "associating",
        )),
        vpc_id: Some(input.vpc_id),
        ..Default::default()
    })
}

pub async fn disassociate_vpc_cidr_block(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DisassociateVpcCidrBlockInput,
) -> Result<api::DisassociateVpcCidrBlockOutput, AwsError> {
    let association_id = &input.association_id;
    let remove = async || -> Result<(Tx, _), AwsError> {
        let vpcs = all::<Vpc>(&cx).await?;
        let primary = |v: &&Stored<Vpc>| companion("vpc-cidr-assoc", v.id()) == *association_id;
        if vpcs.iter().any(|v| primary(&v)) {
            return Err(say::primary_range(association_id));
        }
        let vpc = vpcs
            .iter()
            .find(|v| v.secondary.contains_key(association_id));
        let vpc = vpc.ok_or_else(|| say::range_association_not_found(association_id))?;
        let mut new = vpc.value.clone();
        let range = new.secondary.remove(association_id);
        let range = range.expect("the VPC was found by it");
        let subnets = all::<Subnet>(&cx).await?;
        if subnets
            .iter()
            .any(|s| s.vpc_id == vpc.id() && range.covers(s.range))
        {
            return Err(error::has_dependencies(
                "vpc CIDR block association",
                association_id,
            ));
        }
        Ok((cx.db().tx().update(vpc, &new), (vpc.id().to_owned(), range)))
    };
    let (vpc_id, range) = settle(remove).await?;
    Ok(api::DisassociateVpcCidrBlockOutput {
        cidr_block_association: Some(association(
            association_id,
            range.to_string(),
            "disassociating",
        )),
        vpc_id: Some(vpc_id),
        ..Default::default()
    })
}

fn association(id: &str, range: String, state: &str) -> api::VpcCidrBlockAssociation {
    api::VpcCidrBlockAssociation {
        association_id: text(id),
        cidr_block: Some(range),
        cidr_block_state: Some(api::VpcCidrBlockState {
            state: text(state),
            ..Default::default()
        }),
    }
}

fn vpc(place: &Place, id: &str, vpc: &Vpc, state: &str) -> api::Vpc {
    let primary = association(
        &companion("vpc-cidr-assoc", id),
        vpc.range.to_string(),
        "associated",
    );
    let further = vpc.secondary.iter();
    let further = further.map(|(id, range)| association(id, range.to_string(), "associated"));
    api::Vpc {
        vpc_id: text(id),
        owner_id: place.account(),
        state: text(state),
        cidr_block: Some(vpc.range.to_string()),
        cidr_block_association_set: Some(std::iter::once(primary).chain(further).collect()),
        dhcp_options_id: text(&vpc.dhcp_options_id),
        instance_tenancy: text(&vpc.instance_tenancy),
        is_default: Some(vpc.is_default),
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
