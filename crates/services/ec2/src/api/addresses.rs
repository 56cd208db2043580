//! Elastic IPs
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/elastic-ip-addresses-eip.html>). The
//! interface's record says which public address it has; an address whose interface is gone, or says
//! otherwise, is not associated.

use super::interfaces::is_managed;
use super::{tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::address as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::eni::{self, Interface, PublicAddress};
use neargate_service::vpc::{ElasticIp, InternetGateway, Vpc};
use neargate_service::{AwsError, Ctx};
use neargate_store::{Compare, Op};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Elastic IPs of an account in a region
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
pub(super) const MAX_ADDRESSES: usize = 5;

pub async fn allocate_address(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AllocateAddressInput,
) -> Result<api::AllocateAddressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let other_pool = input
        .public_ipv4_pool
        .as_deref()
        .is_some_and(|p| p != "amazon");
    super::refuse(&[
        ("Address", input.address.is_some()),
        ("PublicIpv4Pool", other_pool),
        (
            "CustomerOwnedIpv4Pool",
            input.customer_owned_ipv4_pool.is_some(),
        ),
        ("IpamPoolId", input.ipam_pool_id.is_some()),
    ])?;
    let region = cx.scope.region.to_string();
    if let Some(group) = input.network_border_group.filter(|g| *g != region) {
        return Err(error::invalid_value("NetworkBorderGroup", &group));
    }
    let tags = tags::specified(input.tag_specifications, &kind::ELASTIC_IP)?;
    let allocation_id = fresh(&cx, "eipalloc");
    let allocate = async || -> Result<(Tx, _), AwsError> {
        if all::<ElasticIp>(&cx).await?.len() >= MAX_ADDRESSES {
            return Err(error::limit_exceeded("AddressLimitExceeded", "addresses"));
        }
        let address = eni::free_public(&cx.house, &[]).await?;
        let new = ElasticIp {
            public_ipv4: address,
            association_id: None,
            interface_id: None,
            allocated_at: cx.now(),
        };
        let taken = eni::public_address_key(address);
        let take = Op::Put {
            key: taken.clone(),
            value: allocation_id.clone().into(),
            lease: None,
        };
        let free = Compare::ModRevision(taken, 0);
        let tx = cx.db().tx().with(vec![free], vec![take]);
        Ok((
            change::create(tx, &cx, &allocation_id, &new, &tags),
            address,
        ))
    };
    let address = settle(allocate).await?;
    Ok(api::AllocateAddressOutput {
        allocation_id: Some(allocation_id),
        public_ip: Some(address.to_string()),
        public_ipv4_pool: text("amazon"),
        network_border_group: Some(region),
        domain: text("vpc"),
        ..Default::default()
    })
}

/// The address that a call names, by its allocation or as such.
async fn named(
    cx: &Ctx,
    allocation_id: Option<&str>,
    address: Option<&str>,
) -> Result<Stored<ElasticIp>, AwsError> {
    match (allocation_id, address) {
        (Some(allocation_id), _) => find::<ElasticIp>(cx, allocation_id).await,
        (None, Some(address)) => {
            let all = all::<ElasticIp>(cx).await?;
            let found = all
                .into_iter()
                .find(|a| a.public_ipv4.to_string() == address);
            found.ok_or_else(|| say::address_not_found(address))
        }
        (None, None) => Err(error::missing_parameter("AllocationId")),
    }
}

/// The interface that has an elastic IP.
pub(super) async fn holder(
    cx: &Ctx,
    address: &Stored<ElasticIp>,
) -> Result<Option<Stored<Interface>>, AwsError> {
    let Some(interface) = &address.interface_id else {
        return Ok(None);
    };
    let found = cx.db().get::<Interface>(&cx.scope, interface).await?;
    Ok(found.filter(|i| has(i, address)))
}

fn has(interface: &Interface, address: &Stored<ElasticIp>) -> bool {
    let public = interface.public.as_ref();
    public.is_some_and(|p| p.allocation_id.as_deref() == Some(address.id()))
}

/// The interface without its elastic IP: it has the address again that it was made with.
pub(super) fn without_elastic_ip(interface: &Interface) -> Interface {
    Interface {
        public: interface.interface.public_ipv4.map(|ipv4| PublicAddress {
            ipv4,
            allocation_id: None,
        }),
        ..interface.clone()
    }
}

/// # Errors
/// `Gateway.NotAttached`: nobody reaches the VPC from outside.
pub(super) async fn reached_from_outside(cx: &Ctx, vpc_id: &str) -> Result<(), AwsError> {
    let gateways = all::<InternetGateway>(cx).await?;
    match gateways.iter().any(|g| g.vpc_id.as_deref() == Some(vpc_id)) {
        true => Ok(()),
        false => Err(say::no_way_in(vpc_id)),
    }
}

pub async fn associate_address(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AssociateAddressInput,
) -> Result<api::AssociateAddressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let association_id = fresh(&cx, "eipassoc");
    settle(|| associated(&cx, &input, &association_id)).await?;
    Ok(api::AssociateAddressOutput {
        association_id: Some(association_id),
    })
}

/// The address goes to the interface from whichever had it; an elastic IP that the interface had is
/// associated no longer.
async fn associated(
    cx: &Ctx,
    input: &api::AssociateAddressInput,
    association_id: &str,
) -> Result<(Tx, ()), AwsError> {
    let (allocation, ip) = (input.allocation_id.as_deref(), input.public_ip.as_deref());
    let address = named(cx, allocation, ip).await?;
    let target = target(cx, input).await?;
    if is_managed(&target) {
        return Err(say::not_yours());
    }
    let vpc = find::<Vpc>(cx, &target.interface.vpc_id).await?;
    reached_from_outside(cx, vpc.id()).await?;
    let mut tx = within(cx, &vpc);
    if let Some(holder) = holder(cx, &address).await? {
        let association = address.association_id.as_deref().unwrap_or_default();
        if is_managed(&holder) {
            return Err(say::not_yours());
        }
        if input.allow_reassociation == Some(false) {
            return Err(say::already_associated(address.id(), association));
        }
        if holder.key != target.key {
            tx = tx.update(&holder, &without_elastic_ip(&holder));
        }
    }
    let public = Some(PublicAddress {
        ipv4: address.public_ipv4,
        allocation_id: Some(address.id().to_owned()),
    });
    let interface = Interface {
        public,
        ..target.value.clone()
    };
    let new = ElasticIp {
        association_id: Some(association_id.to_owned()),
        interface_id: Some(target.interface.id.clone()),
        ..address.value.clone()
    };
    Ok((tx.update(&target, &interface).update(&address, &new), ()))
}

async fn target(
    cx: &Ctx,
    input: &api::AssociateAddressInput,
) -> Result<Stored<Interface>, AwsError> {
    let interface = match (&input.network_interface_id, &input.instance_id) {
        (Some(interface), None) => find::<Interface>(cx, interface).await?,
        (None, Some(instance)) => {
            kind::INSTANCE.check(instance)?;
            let all = all::<Interface>(cx).await?;
            let own = all.into_iter().find(|i| i.task_arn == *instance);
            own.ok_or_else(|| error::not_found(&kind::INSTANCE, instance))?
        }
        (Some(_), Some(_)) => return Err(error::combination("networkInterfaceId", "instanceId")),
        (None, None) => {
            return Err(error::missing_parameter("InstanceId or NetworkInterfaceId"));
        }
    };
    let own = interface.interface.private_ipv4.to_string();
    match &input.private_ip_address {
        Some(other) if *other != own => Err(say::other_address(interface.id(), other)),
        _ => Ok(interface),
    }
}

pub async fn disassociate_address(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DisassociateAddressInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let disassociate = async || -> Result<(Tx, ()), AwsError> {
        let address = match (&input.association_id, &input.public_ip) {
            (Some(association), _) => {
                let all = all::<ElasticIp>(&cx).await?;
                let of = |a: &Stored<ElasticIp>| a.association_id.as_ref() == Some(association);
                let found = all.into_iter().find(of);
                found.ok_or_else(|| error::association_not_found(association))?
            }
            (None, ip) => named(&cx, None, ip.as_deref()).await?,
        };
        let holder = holder(&cx, &address).await?;
        let not_associated = || {
            let association = input.association_id.as_deref().unwrap_or_default();
            error::association_not_found(association)
        };
        let holder = holder.ok_or_else(not_associated)?;
        if is_managed(&holder) {
            return Err(say::not_yours());
        }
        let tx = cx.db().tx().update(&holder, &without_elastic_ip(&holder));
        Ok((tx.update(&address, &unassociated(&address)), ()))
    };
    settle(disassociate).await?;
    Ok(Unit)
}

pub(super) fn unassociated(address: &ElasticIp) -> ElasticIp {
    ElasticIp {
        association_id: None,
        interface_id: None,
        ..address.clone()
    }
}

pub async fn release_address(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ReleaseAddressInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let (allocation, ip) = (input.allocation_id.as_deref(), input.public_ip.as_deref());
    let release = async || -> Result<(Tx, ()), AwsError> {
        let address = named(&cx, allocation, ip).await?;
        if holder(&cx, &address).await?.is_some() {
            return Err(say::address_in_use(address.public_ipv4));
        }
        let tx = change::delete(cx.db().tx(), &cx, &address);
        Ok((
            tx.delete_key(eni::public_address_key(address.public_ipv4)),
            (),
        ))
    };
    settle(release).await?;
    Ok(Unit)
}

pub async fn describe_addresses(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeAddressesInput,
) -> Result<api::DescribeAddressesOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.allocation_ids,
        input.filters,
        None,
        None,
    )?;
    let place = Place::read(&cx).await?;
    let interfaces = all::<Interface>(&cx).await?;
    let mut addresses = all::<ElasticIp>(&cx).await?;
    let named = input.public_ips.unwrap_or_default();
    let is = |a: &Stored<ElasticIp>, ip: &String| a.public_ipv4.to_string() == *ip;
    if let Some(unknown) = named.iter().find(|ip| !addresses.iter().any(|a| is(a, ip))) {
        return Err(say::address_not_found(unknown));
    }
    addresses.retain(|a| named.is_empty() || named.iter().any(|ip| is(a, ip)));
    let shown = addresses.iter().map(|a| {
        let holder = interfaces.iter().find(|i| has(i, a));
        address(&place, a, holder.map(|i| &i.value))
    });
    let found = query.run(shown.collect())?;
    Ok(api::DescribeAddressesOutput {
        addresses: Some(found.items),
    })
}

/// Nobody gave an address a name of its own.
pub async fn describe_addresses_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeAddressesAttributeInput,
) -> Result<api::DescribeAddressesAttributeOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.allocation_ids,
        None,
        input.next_token,
        input.max_results,
    )?;
    match input.attribute.as_deref() {
        None | Some("domain-name") => {}
        Some(other) => return Err(error::unknown_attribute("attribute", other)),
    }
    let addresses = all::<ElasticIp>(&cx).await?;
    let shown = addresses.iter().map(|a| api::AddressAttribute {
        allocation_id: text(a.id()),
        public_ip: Some(a.public_ipv4.to_string()),
        ..Default::default()
    });
    let found = query.run(shown.collect())?;
    Ok(api::DescribeAddressesAttributeOutput {
        addresses: Some(found.items),
        next_token: found.next_token,
    })
}

fn address(place: &Place, address: &Stored<ElasticIp>, holder: Option<&Interface>) -> api::Address {
    let shown = api::Address {
        allocation_id: text(address.id()),
        public_ip: Some(address.public_ipv4.to_string()),
        public_ipv4_pool: text("amazon"),
        network_border_group: text(place.scope.region.as_str()),
        domain: text("vpc"),
        tags: place.tags_of(address.id()),
        ..Default::default()
    };
    let Some(holder) = holder else {
        return shown;
    };
    api::Address {
        association_id: address.association_id.clone(),
        network_interface_id: text(&holder.interface.id),
        network_interface_owner_id: place.account(),
        private_ip_address: Some(holder.interface.private_ipv4.to_string()),
        instance_id: Some(holder.task_arn.clone()).filter(|owner| owner.starts_with("i-")),
        ..shown
    }
}

impl Describe for api::Address {
    const KIND: Kind = kind::ELASTIC_IP;

    fn id(&self) -> &str {
        self.allocation_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "allocation-id" => one(&self.allocation_id),
            "association-id" => one(&self.association_id),
            "domain" => one(&self.domain),
            "instance-id" => one(&self.instance_id),
            "network-border-group" => one(&self.network_border_group),
            "network-interface-id" => one(&self.network_interface_id),
            "network-interface-owner-id" => one(&self.network_interface_owner_id),
            "private-ip-address" => one(&self.private_ip_address),
            "public-ip" => one(&self.public_ip),
            _ => None,
        }
    }
}

impl Describe for api::AddressAttribute {
    const KIND: Kind = kind::ELASTIC_IP;

    fn id(&self) -> &str {
        self.allocation_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        &[]
    }

    fn values(&self, _: &str) -> Option<Vec<String>> {
        none()
    }
}
