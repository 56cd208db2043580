//! A load balancer's nodes: an interface in each of its subnets, reserved and given back with it.

use crate::error::load_balancer as say;
use crate::model::Node;
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::LoadBalancerType;
use neargate_service::db::{Stored, Tx};
use neargate_service::eni::{self, Chosen, Interface, PublicAddress, Unreserved, Wanted};
use neargate_service::vpc::{self, ElasticIp, InternetGateway, SecurityGroup, Subnet};
use neargate_service::{AwsError, Ctx};
use std::net::Ipv4Addr;

/// A subnet, as a call names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) subnet_id: String,
    pub(super) allocation_id: Option<String>,
    pub(super) address: Option<Ipv4Addr>,
}

/// The subnets of a call: by their ids, or with what else was chosen.
pub(super) fn asked(
    kind: LoadBalancerType,
    internet_facing: bool,
    subnets: Option<Vec<String>>,
    mappings: Option<Vec<api::SubnetMapping>>,
) -> Result<Vec<Asked>, AwsError> {
    let (subnets, mappings) = (subnets.unwrap_or_default(), mappings.unwrap_or_default());
    if !subnets.is_empty() && !mappings.is_empty() {
        return Err(say::subnets_and_mappings());
    }
    let plain = subnets.into_iter().map(|subnet_id| {
        Ok(Asked {
            subnet_id,
            allocation_id: None,
            address: None,
        })
    });
    let mapped = mappings
        .into_iter()
        .map(|m| mapped(kind, internet_facing, m));
    let mut all = Vec::new();
    for one in plain.chain(mapped) {
        let one = one?;
        // AWS takes a subnet that is named twice for one.
        if !all.contains(&one) {
            all.push(one);
        }
    }
    match all.is_empty() {
        true => Err(say::no_subnets()),
        false => Ok(all),
    }
}

fn mapped(
    kind: LoadBalancerType,
    internet_facing: bool,
    mapping: api::SubnetMapping,
) -> Result<Asked, AwsError> {
    for (name, given) in [
        ("IPv6Address", mapping.ipv6_address.is_some()),
        (
            "SourceNatIpv6Prefix",
            mapping.source_nat_ipv6_prefix.is_some(),
        ),
    ] {
        if given {
            return Err(crate::error::unsupported(name));
        }
    }
    let is_network = kind == LoadBalancerType::Network;
    if mapping.allocation_id.is_some() && !is_network {
        return Err(say::elastic_ip_of(crate::names::long(kind)));
    }
    if mapping.allocation_id.is_some() && !internet_facing {
        return Err(say::elastic_ip_of_internal());
    }
    if mapping.private_ipv4_address.is_some() && (!is_network || internet_facing) {
        return Err(say::private_address_of());
    }
    let address = mapping.private_ipv4_address.map(|text| {
        let parsed = text.parse();
        parsed.map_err(|_| say::not_an_address(&text))
    });
    Ok(Asked {
        subnet_id: mapping.subnet_id.ok_or_else(say::no_subnets)?,
        allocation_id: mapping.allocation_id,
        address: address.transpose()?,
    })
}

/// The subnets that the call names, which must be of one VPC and of different zones.
pub(super) async fn subnets(cx: &Ctx, asked: &[Asked]) -> Result<Vec<Stored<Subnet>>, AwsError> {
    vpc::ensure_default(&cx.house, &cx.scope).await?;
    let mut found: Vec<Stored<Subnet>> = Vec::new();
    for one in asked {
        let id = &one.subnet_id;
        let subnet = cx.db().get::<Subnet>(&cx.scope, id).await?;
        let subnet = subnet.ok_or_else(|| say::subnet_not_found(id))?;
        for other in &found {
            if other.vpc_id != subnet.vpc_id {
                return Err(say::subnets_of_vpcs());
            }
            if other.availability_zone == subnet.availability_zone {
                return Err(say::zone_twice());
            }
        }
        found.push(subnet);
    }
    Ok(found)
}

/// The groups exist and are of the VPC.
pub(super) async fn check_groups(
    cx: &Ctx,
    vpc_id: &str,
    groups: &[String],
) -> Result<(), AwsError> {
    /// Of one load balancer.
    const MOST: usize = 5;
    if groups.len() > MOST {
        return Err(say::too_many_groups());
    }
    for (at, id) in groups.iter().enumerate() {
        if groups[..at].contains(id) {
            return Err(say::group_twice(id));
        }
        let group = cx.db().get::<SecurityGroup>(&cx.scope, id).await?;
        match group {
            None => return Err(say::group_not_found(id)),
            Some(group) if group.vpc_id != vpc_id => return Err(say::group_of_another_vpc()),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Is there a way in from outside?
pub(super) async fn check_gateway(cx: &Ctx, vpc_id: &str) -> Result<(), AwsError> {
    let gateways = cx.db().list::<InternetGateway>(&cx.scope).await?;
    match gateways.iter().any(|g| g.vpc_id.as_deref() == Some(vpc_id)) {
        true => Ok(()),
        false => Err(say::no_internet_gateway(vpc_id)),
    }
}

/// What all nodes of a load balancer have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common<'a> {
    pub(super) owner: &'a str,
    pub(super) internet_facing: bool,
    pub(super) groups: &'a [String],
    /// A network load balancer without groups.
    pub(super) ungrouped: bool,
}

/// Adds to a transaction what makes these nodes.
///
/// # Errors
/// AWS's, when there is no address.
pub(super) async fn reserve(
    cx: &Ctx,
    mut tx: Tx,
    common: Common<'_>,
    asked: &[Asked],
) -> Result<(Tx, Vec<Node>), AwsError> {
    let (mut nodes, mut held) = (Vec::new(), Vec::new());
    for one in asked {
        let elastic = match &one.allocation_id {
            Some(id) => Some(elastic_ip(cx, id).await?),
            None => None,
        };
        let chosen = Chosen {
            address: one.address,
            description: common.owner.to_owned(),
            elastic_ip: elastic.as_ref().map(|e| PublicAddress {
                ipv4: e.public_ipv4,
                allocation_id: Some(e.id().to_owned()),
            }),
            ungrouped: common.ungrouped,
        };
        let wanted = Wanted {
            subnet_id: &one.subnet_id,
            security_groups: common.groups,
            public: common.internet_facing && elastic.is_none(),
            owner: common.owner,
            held: &held,
        };
        let made = eni::reserve_as(&cx.house, &cx.scope, wanted, chosen).await;
        let made = made.map_err(unreserved)?;
        let interface = made.interface;
        tx = tx.with(made.compares, made.ops);
        if let Some(elastic) = &elastic {
            let new = ElasticIp {
                association_id: Some(format!("eipassoc-{}", cx.house.rng.hex(17))),
                interface_id: Some(interface.id.clone()),
                ..elastic.value.clone()
            };
            tx = tx.update(elastic, &new);
        }
        held.push(interface.private_ipv4);
        held.extend(interface.public_ipv4);
        nodes.push(Node {
            subnet_id: one.subnet_id.clone(),
            availability_zone: interface.availability_zone,
            interface_id: interface.id,
            private_ipv4: interface.private_ipv4,
            public_ipv4: elastic
                .as_ref()
                .map(|e| e.public_ipv4)
                .or(interface.public_ipv4),
            allocation_id: one.allocation_id.clone(),
            chosen_address: one.address.is_some(),
        });
    }
    Ok((tx, nodes))
}

/// An elastic IP that nobody has.
async fn elastic_ip(cx: &Ctx, id: &str) -> Result<Stored<ElasticIp>, AwsError> {
    let found = cx.db().get::<ElasticIp>(&cx.scope, id).await?;
    let found = found.ok_or_else(|| say::allocation_not_found(id))?;
    if let Some(interface) = &found.interface_id
        && let Some(holder) = cx.db().get::<Interface>(&cx.scope, interface).await?
        && holder
            .public
            .as_ref()
            .is_some_and(|p| p.allocation_id.as_deref() == Some(id))
    {
        return Err(say::allocation_in_use(id));
    }
    Ok(found)
}

fn unreserved(why: Unreserved) -> AwsError {
    match why {
        Unreserved::NoFreeAddress { subnet } => say::subnet_full(&subnet),
        Unreserved::NoPublicAddress => say::no_public_address(),
        Unreserved::Refused(error) => match error.code.as_str() {
            "InvalidParameterValue" | "InvalidIPAddress.InUse" => say::address(&error.message),
            _ => error,
        },
    }
}

/// Adds to a transaction what gives nodes back.
pub(super) async fn release(cx: &Ctx, mut tx: Tx, nodes: &[Node]) -> Result<Tx, AwsError> {
    for node in nodes {
        let interface = cx
            .db()
            .get::<Interface>(&cx.scope, &node.interface_id)
            .await?;
        if let Some(interface) = interface {
            let ops = eni::release_interface(&cx.scope, &interface.interface);
            tx = tx.unchanged(&interface).with(Vec::new(), ops);
        }
        if let Some(id) = &node.allocation_id
            && let Some(elastic) = cx.db().get::<ElasticIp>(&cx.scope, id).await?
        {
            let new = ElasticIp {
                association_id: None,
                interface_id: None,
                ..elastic.value.clone()
            };
            tx = tx.update(&elastic, &new);
        }
    }
    Ok(tx)
}

/// Adds to a transaction what gives nodes other groups. The groups are written again, so that nobody
/// deletes one of them meanwhile.
pub(super) async fn regroup(
    cx: &Ctx,
    mut tx: Tx,
    nodes: &[Node],
    groups: &[String],
) -> Result<Tx, AwsError> {
    for id in groups {
        let group = cx.db().get::<SecurityGroup>(&cx.scope, id).await?;
        let group = group.ok_or_else(|| say::group_not_found(id))?;
        let kept = SecurityGroup {
            deleting: false,
            ..group.value.clone()
        };
        tx = tx.update(&group, &kept);
    }
    for node in nodes {
        let interface = cx
            .db()
            .get::<Interface>(&cx.scope, &node.interface_id)
            .await?;
        if let Some(interface) = interface {
            let mut new = interface.value.clone();
            new.interface.security_groups = groups.to_vec();
            tx = tx.update(&interface, &new);
        }
    }
    Ok(tx)
}
