//! The routes of route tables. Every table has the routes of its VPC's own ranges, which are not
//! stored.

use crate::change::{find, settle, within};
use crate::error::routing as say;
use crate::plan::ranges;
use crate::query::dry_run;
use crate::{Ec2, error, kind};
use neargate_api_ec2 as api;
use neargate_domain::Cidr;
use neargate_service::db::{Stored, Tx};
use neargate_service::vpc::{
    InternetGateway, NatGateway, PeeringConnection, RouteTable, RouteTarget, StoredRoute, Vpc,
};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Routes of a table
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_ROUTES: usize = 50;

/// A target as a call names it.
#[derive(Debug)]
enum Asked {
    Gateway(String),
    Nat(String),
    Peering(String),
}

/// The one target that a call gives; those that Neargate does not route to are refused by name.
macro_rules! target {
    ($input:expr) => {{
        let input = &$input;
        super::refuse(&[
            ("VpcEndpointId", input.vpc_endpoint_id.is_some()),
            ("TransitGatewayId", input.transit_gateway_id.is_some()),
            ("LocalGatewayId", input.local_gateway_id.is_some()),
            ("CarrierGatewayId", input.carrier_gateway_id.is_some()),
            ("CoreNetworkArn", input.core_network_arn.is_some()),
            ("OdbNetworkArn", input.odb_network_arn.is_some()),
            (
                "EgressOnlyInternetGatewayId",
                input.egress_only_internet_gateway_id.is_some(),
            ),
            ("InstanceId", input.instance_id.is_some()),
            ("NetworkInterfaceId", input.network_interface_id.is_some()),
        ])?;
        let given = [
            input.gateway_id.clone().map(Asked::Gateway),
            input.nat_gateway_id.clone().map(Asked::Nat),
            input.vpc_peering_connection_id.clone().map(Asked::Peering),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(target), None) => Ok(target),
            _ => Err(say::one_of(
                "target",
                "gatewayId, natGatewayId, vpcPeeringConnectionId",
            )),
        }
    }};
}

fn destination(
    cidr: Option<&String>,
    ipv6: Option<&String>,
    prefix_list: Option<&String>,
) -> Result<Cidr, AwsError> {
    super::refuse(&[
        ("DestinationIpv6CidrBlock", ipv6.is_some()),
        ("DestinationPrefixListId", prefix_list.is_some()),
    ])?;
    let cidr = cidr.ok_or_else(|| error::missing_parameter("destinationCidrBlock"))?;
    ranges::parse("destinationCidrBlock", cidr)
}

pub async fn create_route(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateRouteInput,
) -> Result<api::CreateRouteOutput, AwsError> {
    dry_run(input.dry_run)?;
    let to = destination(
        input.destination_cidr_block.as_ref(),
        input.destination_ipv6_cidr_block.as_ref(),
        input.destination_prefix_list_id.as_ref(),
    )?;
    let asked = target!(input)?;
    let add = async || -> Result<(Tx, ()), AwsError> {
        let (table, vpc) = table_and_vpc(&cx, &input.route_table_id).await?;
        let by = target(&cx, &table, &asked).await?;
        if vpc.ranges().any(|r| r == to) || table.routes.iter().any(|r| r.to == to) {
            return Err(say::route_exists(to));
        }
        if vpc.ranges().any(|r| r.covers(to)) {
            return Err(say::within_the_vpc(to));
        }
        if table.routes.len() >= MAX_ROUTES {
            return Err(error::limit_exceeded("RouteLimitExceeded", "routes"));
        }
        let mut new = table.value.clone();
        new.routes.push(StoredRoute { to, by });
        Ok((within(&cx, &vpc).update(&table, &new), ()))
    };
    settle(add).await?;
    Ok(api::CreateRouteOutput {
        r#return: Some(true),
    })
}

pub async fn replace_route(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ReplaceRouteInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[("LocalTarget", input.local_target == Some(true))])?;
    let to = destination(
        input.destination_cidr_block.as_ref(),
        input.destination_ipv6_cidr_block.as_ref(),
        input.destination_prefix_list_id.as_ref(),
    )?;
    let asked = target!(input)?;
    let replace = async || -> Result<(Tx, ()), AwsError> {
        let (table, vpc) = table_and_vpc(&cx, &input.route_table_id).await?;
        let by = target(&cx, &table, &asked).await?;
        if vpc.ranges().any(|r| r.covers(to)) {
            return Err(say::within_the_vpc(to));
        }
        let mut new = table.value.clone();
        let route = new.routes.iter_mut().find(|r| r.to == to);
        route.ok_or_else(|| say::nothing_to_replace(to))?.by = by;
        Ok((within(&cx, &vpc).update(&table, &new), ()))
    };
    settle(replace).await?;
    Ok(Unit)
}

pub async fn delete_route(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteRouteInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let to = destination(
        input.destination_cidr_block.as_ref(),
        input.destination_ipv6_cidr_block.as_ref(),
        input.destination_prefix_list_id.as_ref(),
    )?;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let (table, vpc) = table_and_vpc(&cx, &input.route_table_id).await?;
        if vpc.ranges().any(|r| r == to) {
            return Err(say::local_route(&input.route_table_id, to));
        }
        let mut new = table.value.clone();
        new.routes.retain(|r| r.to != to);
        if new.routes.len() == table.routes.len() {
            return Err(say::route_not_found(&input.route_table_id, to));
        }
        Ok((within(&cx, &vpc).update(&table, &new), ()))
    };
    settle(delete).await?;
    Ok(Unit)
}

async fn table_and_vpc(
    cx: &Ctx,
    table_id: &str,
) -> Result<(Stored<RouteTable>, Stored<Vpc>), AwsError> {
    let table = find::<RouteTable>(cx, table_id).await?;
    let vpc = find::<Vpc>(cx, &table.vpc_id).await?;
    Ok((table, vpc))
}

/// The target of a route of this table, which must be of its VPC.
async fn target(
    cx: &Ctx,
    table: &Stored<RouteTable>,
    asked: &Asked,
) -> Result<RouteTarget, AwsError> {
    let of = ("route table", table.id());
    match asked {
        Asked::Gateway(gateway) if kind::INTERNET_GATEWAY.check(gateway).is_ok() => {
            let found = cx.db().get::<InternetGateway>(&cx.scope, gateway).await?;
            let found = found.ok_or_else(|| say::gateway_not_found(gateway))?;
            match found.vpc_id.as_ref() == Some(&table.vpc_id) {
                true => Ok(RouteTarget::InternetGateway(gateway.clone())),
                false => Err(say::different_networks(of, ("network gateway", gateway))),
            }
        }
        Asked::Gateway(gateway) => Err(say::gateway_not_found(gateway)),
        Asked::Nat(gateway) => {
            let found = cx.db().get::<NatGateway>(&cx.scope, gateway).await?;
            let found = found.filter(|g| g.deleted_at.is_none());
            let found = found.ok_or_else(|| say::nat_gateway_not_found(gateway))?;
            match found.vpc_id == table.vpc_id {
                true => Ok(RouteTarget::NatGateway(gateway.clone())),
                false => Err(say::different_networks(of, ("NAT gateway", gateway))),
            }
        }
        Asked::Peering(peering) => {
            kind::PEERING.check(peering)?;
            let found = PeeringConnection::all(cx.db(), &cx.scope).await?;
            let found = found.into_iter().find(|p| p.id() == peering);
            let found = found.ok_or_else(|| error::not_found(&kind::PEERING, peering))?;
            match found.side_of(&table.vpc_id) {
                Some(_) => Ok(RouteTarget::PeeringConnection(peering.clone())),
                None => Err(say::different_networks(of, ("peering connection", peering))),
            }
        }
    }
}
