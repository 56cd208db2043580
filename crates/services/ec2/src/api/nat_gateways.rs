//! NAT gateways
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html>). One works as soon as it
//! is made; a deleted one is shown for an hour.

use super::addresses::{self, reached_from_outside, unassociated};
use super::{tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::address as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_base::Timestamp;
use neargate_service::db::{Stored, Tx};
use neargate_service::eni::{self, Chosen, Interface, PublicAddress, Wanted};
use neargate_service::vpc::{ElasticIp, NatGateway, Subnet, Vpc};
use neargate_service::{AwsError, Ctx};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// NAT gateways of a zone
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_GATEWAYS: usize = 5;
/// How long a deleted one is shown.
const SHOWN: Duration = Duration::from_secs(3600);

/// What a call asks for.
#[derive(Debug)]
struct Asked {
    subnet_id: String,
    /// The elastic IP of a public one.
    allocation_id: Option<String>,
    address: Option<Ipv4Addr>,
    client_token: Option<String>,
}

pub async fn create_nat_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateNatGatewayInput,
) -> Result<api::CreateNatGatewayOutput, AwsError> {
    dry_run(input.dry_run)?;
    let token = input.client_token.clone();
    let tags = tags::specified(input.tag_specifications.clone(), &kind::NAT_GATEWAY)?;
    let asked = asked(input)?;
    let gateway_id = fresh(&cx, "nat");
    if let Some(made) = made_before(&cx, &asked).await? {
        let shown = gateway(&Place::read(&cx).await?, &made, None);
        return Ok(api::CreateNatGatewayOutput {
            client_token: token,
            nat_gateway: Some(shown),
        });
    }
    let made = async || -> Result<(Tx, NatGateway), AwsError> {
        let (tx, new) = created(&cx, &gateway_id, &asked).await?;
        let tx = change::create(tx, &cx, &gateway_id, &new, &tags);
        Ok((forgotten(&cx, tx).await?, new))
    };
    settle(made).await?;
    let made = find::<NatGateway>(&cx, &gateway_id).await?;
    let shown = gateway(&Place::of_new(&cx, &gateway_id, &tags), &made, None);
    Ok(api::CreateNatGatewayOutput {
        client_token: token,
        nat_gateway: Some(api::NatGateway {
            state: text("pending"),
            ..shown
        }),
    })
}

fn asked(input: api::CreateNatGatewayInput) -> Result<Asked, AwsError> {
    let some = |n: Option<i32>| n.is_some_and(|n| n > 0);
    let regional = input
        .availability_mode
        .as_deref()
        .is_some_and(|m| m != "zonal");
    super::refuse(&[
        ("AvailabilityMode", regional),
        ("VpcId", input.vpc_id.is_some()),
        (
            "AvailabilityZoneAddresses",
            input.availability_zone_addresses.is_some(),
        ),
        (
            "SecondaryAllocationIds",
            input.secondary_allocation_ids.is_some(),
        ),
        (
            "SecondaryPrivateIpAddresses",
            input.secondary_private_ip_addresses.is_some(),
        ),
        (
            "SecondaryPrivateIpAddressCount",
            some(input.secondary_private_ip_address_count),
        ),
    ])?;
    match (input.connectivity_type.as_deref(), &input.allocation_id) {
        (None | Some("public"), None) => return Err(say::no_allocation()),
        (Some("private"), Some(_)) => {
            return Err(error::combination(
                "AllocationId",
                "ConnectivityType=private",
            ));
        }
        (None | Some("public" | "private"), _) => {}
        (Some(other), _) => return Err(error::invalid_value("ConnectivityType", other)),
    }
    let address = input.private_ip_address.map(|text| {
        let parsed = text.parse();
        parsed.map_err(|_| say::not_an_address("privateIpAddress", &text))
    });
    Ok(Asked {
        subnet_id: input
            .subnet_id
            .ok_or_else(|| error::missing_parameter("SubnetId"))?,
        allocation_id: input.allocation_id,
        address: address.transpose()?,
        client_token: input.client_token,
    })
}

/// The gateway that a call with the same token made.
async fn made_before(cx: &Ctx, asked: &Asked) -> Result<Option<Stored<NatGateway>>, AwsError> {
    if asked.client_token.is_none() {
        return Ok(None);
    }
    let gateways = all::<NatGateway>(cx).await?;
    let made = gateways
        .into_iter()
        .find(|g| g.client_token == asked.client_token);
    match made {
        Some(made)
            if made.subnet_id != asked.subnet_id || made.allocation_id != asked.allocation_id =>
        {
            Err(say::token_used())
        }
        made => Ok(made),
    }
}

async fn created(cx: &Ctx, gateway_id: &str, asked: &Asked) -> Result<(Tx, NatGateway), AwsError> {
    let subnet = find::<Subnet>(cx, &asked.subnet_id).await?;
    let vpc = find::<Vpc>(cx, &subnet.vpc_id).await?;
    let subnets = all::<Subnet>(cx).await?;
    let here = |g: &&Stored<NatGateway>| {
        let of = |s: &Stored<Subnet>| {
            s.id() == g.subnet_id && s.availability_zone == subnet.availability_zone
        };
        g.deleted_at.is_none() && subnets.iter().any(of)
    };
    if all::<NatGateway>(cx).await?.iter().filter(here).count() >= MAX_GATEWAYS {
        return Err(error::limit_exceeded(
            "NatGatewayLimitExceeded",
            "NAT gateways",
        ));
    }
    let address = match &asked.allocation_id {
        Some(allocation) => Some(find::<ElasticIp>(cx, allocation).await?),
        None => None,
    };
    if let Some(address) = &address {
        reached_from_outside(cx, vpc.id()).await?;
        if addresses::holder(cx, address).await?.is_some() {
            let association = address.association_id.as_deref().unwrap_or_default();
            return Err(say::already_associated(address.id(), association));
        }
    }
    let chosen = Chosen {
        address: asked.address,
        description: format!("Interface for NAT Gateway {gateway_id}"),
        elastic_ip: address.as_ref().map(|a| PublicAddress {
            ipv4: a.public_ipv4,
            allocation_id: Some(a.id().to_owned()),
        }),
        ungrouped: true,
    };
    let wanted = Wanted {
        subnet_id: &asked.subnet_id,
        security_groups: &[],
        public: false,
        owner: gateway_id,
        held: &[],
    };
    let made = eni::reserve_as(&cx.house, &cx.scope, wanted, chosen).await?;
    let mut tx = within(cx, &vpc).with(made.compares, made.ops);
    if let Some(address) = &address {
        let new = ElasticIp {
            association_id: Some(fresh(cx, "eipassoc")),
            interface_id: Some(made.interface.id.clone()),
            ..address.value.clone()
        };
        tx = tx.update(address, &new);
    }
    let new = NatGateway {
        vpc_id: subnet.vpc_id.clone(),
        subnet_id: asked.subnet_id.clone(),
        connectivity: match address {
            Some(_) => "public".into(),
            None => "private".into(),
        },
        allocation_id: asked.allocation_id.clone(),
        public_ipv4: address.map(|a| a.public_ipv4),
        interface_id: made.interface.id,
        private_ipv4: made.interface.private_ipv4,
        client_token: asked.client_token.clone(),
        created_at: cx.now(),
        deleted_at: None,
    };
    Ok((tx, new))
}

/// Deleted gateways that are not shown any more go with the next one that is made.
async fn forgotten(cx: &Ctx, tx: Tx) -> Result<Tx, AwsError> {
    let gateways = all::<NatGateway>(cx).await?;
    let gone = gateways.iter().filter(|g| !is_shown(g, cx.now())).take(20);
    Ok(gone.fold(tx, |tx, gateway| change::delete(tx, cx, gateway)))
}

fn is_shown(gateway: &NatGateway, now: Timestamp) -> bool {
    gateway.deleted_at.is_none_or(|at| now < at + SHOWN)
}

pub async fn delete_nat_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteNatGatewayInput,
) -> Result<api::DeleteNatGatewayOutput, AwsError> {
    dry_run(input.dry_run)?;
    settle(|| deleted(&cx, &input.nat_gateway_id)).await?;
    Ok(api::DeleteNatGatewayOutput {
        nat_gateway_id: Some(input.nat_gateway_id),
    })
}

async fn deleted(cx: &Ctx, gateway_id: &str) -> Result<(Tx, ()), AwsError> {
    let gateway = find::<NatGateway>(cx, gateway_id).await?;
    if gateway.deleted_at.is_some() {
        return Ok((cx.db().tx().unchanged(&gateway), ()));
    }
    let vpc = find::<Vpc>(cx, &gateway.vpc_id).await?;
    let new = NatGateway {
        deleted_at: Some(cx.now()),
        ..gateway.value.clone()
    };
    let mut tx = within(cx, &vpc).update(&gateway, &new);
    let interface = cx
        .db()
        .get::<Interface>(&cx.scope, &gateway.interface_id)
        .await?;
    if let Some(interface) = interface {
        tx = tx.unchanged(&interface);
        tx = tx.with(
            vec![],
            eni::release_interface(&cx.scope, &interface.interface),
        );
    }
    if let Some(allocation) = &gateway.allocation_id
        && let Some(address) = cx.db().get::<ElasticIp>(&cx.scope, allocation).await?
    {
        tx = tx.update(&address, &unassociated(&address));
    }
    Ok((tx, ()))
}

pub async fn describe_nat_gateways(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeNatGatewaysInput,
) -> Result<api::DescribeNatGatewaysOutput, AwsError> {
    let ids = input.nat_gateway_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filter,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let addresses = all::<ElasticIp>(&cx).await?;
    let mut gateways = all::<NatGateway>(&cx).await?;
    gateways.retain(|g| is_shown(g, cx.now()));
    let shown = gateways.iter().map(|g| {
        let address = addresses
            .iter()
            .find(|a| g.allocation_id.as_deref() == Some(a.id()));
        gateway(&place, g, address.and_then(|a| a.association_id.clone()))
    });
    let found = query.run(shown.collect())?;
    Ok(api::DescribeNatGatewaysOutput {
        nat_gateways: Some(found.items),
        next_token: found.next_token,
    })
}

fn gateway(
    place: &Place,
    stored: &Stored<NatGateway>,
    association_id: Option<String>,
) -> api::NatGateway {
    let is_there = stored.deleted_at.is_none();
    let address = api::NatGatewayAddress {
        allocation_id: stored.allocation_id.clone(),
        association_id: association_id.filter(|_| is_there),
        network_interface_id: text(&stored.interface_id),
        private_ip: Some(stored.private_ipv4.to_string()),
        public_ip: stored.public_ipv4.map(|ip| ip.to_string()),
        is_primary: Some(true),
        status: text(if is_there {
            "succeeded"
        } else {
            "disassociating"
        }),
        ..Default::default()
    };
    api::NatGateway {
        nat_gateway_id: text(stored.id()),
        vpc_id: text(&stored.vpc_id),
        subnet_id: text(&stored.subnet_id),
        connectivity_type: text(&stored.connectivity),
        availability_mode: text("zonal"),
        state: text(if is_there { "available" } else { "deleted" }),
        create_time: Some(stored.created_at),
        delete_time: stored.deleted_at,
        nat_gateway_addresses: Some(vec![address]),
        tags: place.tags_of(stored.id()),
        ..Default::default()
    }
}

impl Describe for api::NatGateway {
    const KIND: Kind = kind::NAT_GATEWAY;

    fn id(&self) -> &str {
        self.nat_gateway_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "nat-gateway-id" => one(&self.nat_gateway_id),
            "state" => one(&self.state),
            "subnet-id" => one(&self.subnet_id),
            "vpc-id" => one(&self.vpc_id),
            _ => None,
        }
    }
}
