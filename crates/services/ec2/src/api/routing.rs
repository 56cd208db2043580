//! The main route table and the internet gateway.

use super::text;
use crate::Ec2;
use crate::kind::{self, Kind, companion};
use crate::model::Place;
use crate::query::{Describe, Query, each, none, one};
use neargate_api_ec2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_route_tables(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeRouteTablesInput,
) -> Result<api::DescribeRouteTablesOutput, AwsError> {
    let ids = input.route_table_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let found = query.run(vec![route_table(&Place::read(&cx).await?)])?;
    Ok(api::DescribeRouteTablesOutput {
        route_tables: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn describe_internet_gateways(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeInternetGatewaysInput,
) -> Result<api::DescribeInternetGatewaysOutput, AwsError> {
    let ids = input.internet_gateway_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let found = query.run(vec![internet_gateway(&Place::read(&cx).await?)])?;
    Ok(api::DescribeInternetGatewaysOutput {
        internet_gateways: Some(found.items),
        next_token: found.next_token,
    })
}

fn route_table(place: &Place) -> api::RouteTable {
    let id = &place.vpc.route_table_id;
    let route = |destination: &str, gateway: &str, origin: &str| api::Route {
        destination_cidr_block: text(destination),
        gateway_id: text(gateway),
        origin: text(origin),
        state: text("active"),
        ..Default::default()
    };
    let main = api::RouteTableAssociation {
        main: Some(true),
        route_table_association_id: Some(companion("rtbassoc", id)),
        route_table_id: text(id),
        association_state: Some(api::RouteTableAssociationState {
            state: text("associated"),
            ..Default::default()
        }),
        ..Default::default()
    };
    api::RouteTable {
        route_table_id: text(id),
        vpc_id: text(&place.vpc.vpc_id),
        owner_id: place.account(),
        associations: Some(vec![main]),
        propagating_vgws: Some(vec![]),
        routes: Some(vec![
            route(&place.range.to_string(), "local", "CreateRouteTable"),
            route("0.0.0.0/0", &place.vpc.internet_gateway_id, "CreateRoute"),
        ]),
        tags: place.tags_of(id),
    }
}

fn internet_gateway(place: &Place) -> api::InternetGateway {
    let id = &place.vpc.internet_gateway_id;
    let attachment = api::InternetGatewayAttachment {
        state: text("available"),
        vpc_id: text(&place.vpc.vpc_id),
    };
    api::InternetGateway {
        internet_gateway_id: text(id),
        owner_id: place.account(),
        attachments: Some(vec![attachment]),
        tags: place.tags_of(id),
    }
}

impl Describe for api::RouteTable {
    const KIND: Kind = kind::ROUTE_TABLE;

    fn id(&self) -> &str {
        self.route_table_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let (associations, routes) = (&self.associations, &self.routes);
        match filter {
            "route-table-id" => one(&self.route_table_id),
            "vpc-id" => one(&self.vpc_id),
            "owner-id" => one(&self.owner_id),
            "association.main" => each(associations, |a| a.main),
            "association.route-table-association-id" => {
                each(associations, |a| a.route_table_association_id.clone())
            }
            "association.route-table-id" => each(associations, |a| a.route_table_id.clone()),
            "association.subnet-id" => each(associations, |a| a.subnet_id.clone()),
            "association.gateway-id" => each(associations, |a| a.gateway_id.clone()),
            "route.destination-cidr-block" => each(routes, |r| r.destination_cidr_block.clone()),
            "route.gateway-id" => each(routes, |r| r.gateway_id.clone()),
            "route.origin" => each(routes, |r| r.origin.clone()),
            "route.state" => each(routes, |r| r.state.clone()),
            "route.destination-ipv6-cidr-block"
            | "route.destination-prefix-list-id"
            | "route.egress-only-internet-gateway-id"
            | "route.instance-id"
            | "route.nat-gateway-id"
            | "route.transit-gateway-id"
            | "route.vpc-peering-connection-id" => none(),
            _ => None,
        }
    }
}

impl Describe for api::InternetGateway {
    const KIND: Kind = kind::INTERNET_GATEWAY;

    fn id(&self) -> &str {
        self.internet_gateway_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "internet-gateway-id" => one(&self.internet_gateway_id),
            "owner-id" => one(&self.owner_id),
            "attachment.state" => each(&self.attachments, |a| a.state.clone()),
            "attachment.vpc-id" => each(&self.attachments, |a| a.vpc_id.clone()),
            _ => None,
        }
    }
}
