//! Route tables and the subnets they are for
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html>).

use super::{endpoints, tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::routing as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::routes::{State, Targets};
use crate::query::{Describe, Query, dry_run, each, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::vpc::{Endpoint, RouteTable, RouteTarget, StoredRoute, Subnet, Vpc};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Route tables of a VPC
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_TABLES: usize = 200;

pub async fn create_route_table(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateRouteTableInput,
) -> Result<api::CreateRouteTableOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::ROUTE_TABLE)?;
    let table_id = fresh(&cx, "rtb");
    let add = async || -> Result<(Tx, (RouteTable, Vpc)), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        let tables = all::<RouteTable>(&cx).await?;
        if tables.iter().filter(|t| t.vpc_id == input.vpc_id).count() >= MAX_TABLES {
            return Err(error::limit_exceeded(
                "RouteTableLimitExceeded",
                "route tables",
            ));
        }
        let new = RouteTable {
            vpc_id: input.vpc_id.clone(),
            main_association_id: None,
            subnets: BTreeMap::new(),
            routes: Vec::new(),
            created_at: cx.now(),
        };
        let tx = change::create(within(&cx, &vpc), &cx, &table_id, &new, &tags);
        Ok((tx, (new, vpc.value)))
    };
    let (new, vpc) = settle(add).await?;
    let place = Place::of_new(&cx, &table_id, &tags);
    Ok(api::CreateRouteTableOutput {
        route_table: Some(table(&place, &table_id, &new, &vpc, &Targets::default())),
        client_token: input.client_token,
    })
}

pub async fn delete_route_table(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteRouteTableInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let table = find::<RouteTable>(&cx, &input.route_table_id).await?;
        if table.main_association_id.is_some() || !table.subnets.is_empty() {
            return Err(error::has_dependencies("routeTable", &input.route_table_id));
        }
        let vpc = find::<Vpc>(&cx, &table.vpc_id).await?;
        let mut tx = change::delete(within(&cx, &vpc), &cx, &table);
        for endpoint in all::<Endpoint>(&cx).await? {
            let mut new = endpoint.value.clone();
            new.route_table_ids.retain(|t| *t != input.route_table_id);
            if new != endpoint.value {
                tx = tx.update(&endpoint, &new);
            }
        }
        Ok((tx, ()))
    };
    settle(delete).await?;
    Ok(Unit)
}

pub async fn associate_route_table(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AssociateRouteTableInput,
) -> Result<api::AssociateRouteTableOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[
        ("GatewayId", input.gateway_id.is_some()),
        ("PublicIpv4Pool", input.public_ipv4_pool.is_some()),
    ])?;
    let subnet_id = input.subnet_id.as_deref();
    let subnet_id = subnet_id.ok_or_else(|| error::missing_parameter("subnetId"))?;
    let association_id = fresh(&cx, "rtbassoc");
    let associate = async || -> Result<(Tx, ()), AwsError> {
        let table = find::<RouteTable>(&cx, &input.route_table_id).await?;
        let subnet = find::<Subnet>(&cx, subnet_id).await?;
        same_network(&table, &subnet)?;
        let tables = all::<RouteTable>(&cx).await?;
        if tables
            .iter()
            .any(|t| t.subnets.values().any(|s| s == subnet_id))
        {
            return Err(say::already_associated(&input.route_table_id));
        }
        let vpc = find::<Vpc>(&cx, &table.vpc_id).await?;
        let mut new = table.value.clone();
        new.subnets
            .insert(association_id.clone(), subnet_id.to_owned());
        let tx = within(&cx, &vpc).update(&table, &new).unchanged(&subnet);
        Ok((tx, ()))
    };
    settle(associate).await?;
    Ok(api::AssociateRouteTableOutput {
        association_id: Some(association_id),
        association_state: state("associated"),
    })
}

fn same_network(table: &Stored<RouteTable>, subnet: &Stored<Subnet>) -> Result<(), AwsError> {
    match table.vpc_id == subnet.vpc_id {
        true => Ok(()),
        false => Err(say::different_networks(
            ("route table", table.id()),
            ("subnet", subnet.id()),
        )),
    }
}

pub async fn disassociate_route_table(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DisassociateRouteTableInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let association_id = &input.association_id;
    let disassociate = async || -> Result<(Tx, ()), AwsError> {
        let (table, _) = associated(&cx, association_id).await?;
        if table.main_association_id.as_ref() == Some(association_id) {
            return Err(say::main_association(association_id));
        }
        let vpc = find::<Vpc>(&cx, &table.vpc_id).await?;
        let mut new = table.value.clone();
        new.subnets.remove(association_id);
        Ok((within(&cx, &vpc).update(&table, &new), ()))
    };
    settle(disassociate).await?;
    Ok(Unit)
}

/// The table of an association, and the subnet, if it is one of a subnet.
async fn associated(
    cx: &Ctx,
    association_id: &str,
) -> Result<(Stored<RouteTable>, Option<String>), AwsError> {
    let is = |t: &Stored<RouteTable>| {
        t.main_association_id.as_deref() == Some(association_id)
            || t.subnets.contains_key(association_id)
    };
    let table = all::<RouteTable>(cx).await?.into_iter().find(is);
    let table = table.ok_or_else(|| error::association_not_found(association_id))?;
    let subnet = table.subnets.get(association_id).cloned();
    Ok((table, subnet))
}

/// Moves a subnet to another table, or makes another table the main one of its VPC.
pub async fn replace_route_table_association(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ReplaceRouteTableAssociationInput,
) -> Result<api::ReplaceRouteTableAssociationOutput, AwsError> {
    dry_run(input.dry_run)?;
    let new_id = fresh(&cx, "rtbassoc");
    settle(|| replaced(&cx, &input, &new_id)).await?;
    Ok(api::ReplaceRouteTableAssociationOutput {
        new_association_id: Some(new_id),
        association_state: state("associated"),
    })
}

async fn replaced(
    cx: &Ctx,
    input: &api::ReplaceRouteTableAssociationInput,
    new_id: &str,
) -> Result<(Tx, ()), AwsError> {
    let (old, subnet) = associated(cx, &input.association_id).await?;
    let table = find::<RouteTable>(cx, &input.route_table_id).await?;
    if old.vpc_id != table.vpc_id {
        let of = ("route table", table.id());
        return Err(say::different_networks(of, ("network", &old.vpc_id)));
    }
    let vpc = find::<Vpc>(cx, &table.vpc_id).await?;
    // The same table twice: one record, one write.
    let (mut from, mut to) = (old.value.clone(), table.value.clone());
    let same = old.key == table.key;
    let target = if same { &mut from } else { &mut to };
    let mut new_vpc = vpc.value.clone();
    match subnet {
        Some(subnet) => {
            target.subnets.insert(new_id.to_owned(), subnet);
            from.subnets.remove(&input.association_id);
        }
        None => {
            from.main_association_id = None;
            let target = if same { &mut from } else { &mut to };
            target.main_association_id = Some(new_id.to_owned());
            new_vpc.main_route_table_id = table.id().to_owned();
        }
    }
    let tx = cx.db().tx().update(&vpc, &new_vpc).update(&old, &from);
    Ok(match same {
        true => (tx, ()),
        false => (tx.update(&table, &to), ()),
    })
}

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
    let place = Place::read(&cx).await?;
    let vpcs = all::<Vpc>(&cx).await?;
    let targets = Targets::read(&cx).await?;
    let by_endpoint = endpoints::routes(&cx).await?;
    let tables = all::<RouteTable>(&cx).await?;
    let shown = tables.iter().filter_map(|t| {
        let vpc = vpcs.iter().find(|v| v.id() == t.vpc_id)?;
        let mut shown = table(&place, t.id(), t, vpc, &targets);
        let led = by_endpoint.iter().filter(|(table, _)| table == t.id());
        let routes = shown.routes.get_or_insert_default();
        routes.extend(led.map(|(_, route)| route.clone()));
        Some(shown)
    });
    let found = query.run(shown.collect())?;
    Ok(api::DescribeRouteTablesOutput {
        route_tables: Some(found.items),
        next_token: found.next_token,
    })
}

fn state(state: &str) -> Option<api::RouteTableAssociationState> {
    Some(api::RouteTableAssociationState {
        state: text(state),
        ..Default::default()
    })
}

fn table(
    place: &Place,
    id: &str,
    table: &RouteTable,
    vpc: &Vpc,
    targets: &Targets,
) -> api::RouteTable {
    let association = |association_id: &String| api::RouteTableAssociation {
        main: Some(false),
        route_table_association_id: text(association_id),
        route_table_id: text(id),
        association_state: state("associated"),
        ..Default::default()
    };
    let main = table
        .main_association_id
        .iter()
        .map(|a| api::RouteTableAssociation {
            main: Some(true),
            ..association(a)
        });
    let subnets = table
        .subnets
        .iter()
        .map(|(a, subnet)| api::RouteTableAssociation {
            subnet_id: text(subnet),
            ..association(a)
        });
    let local = vpc.ranges().map(|range| api::Route {
        destination_cidr_block: Some(range.to_string()),
        gateway_id: text("local"),
        origin: text("CreateRouteTable"),
        state: text("active"),
        ..Default::default()
    });
    let made = table
        .routes
        .iter()
        .map(|r| route(r, targets.state(&table.vpc_id, &r.by)));
    api::RouteTable {
        route_table_id: text(id),
        vpc_id: text(&table.vpc_id),
        owner_id: place.account(),
        associations: Some(main.chain(subnets).collect()),
        propagating_vgws: Some(vec![]),
        routes: Some(local.chain(made).collect()),
        tags: place.tags_of(id),
    }
}

fn route(route: &StoredRoute, state: State) -> api::Route {
    let mut shown = api::Route {
        destination_cidr_block: Some(route.to.to_string()),
        origin: text("CreateRoute"),
        state: text(match state {
            State::Active => "active",
            State::Blackhole => "blackhole",
        }),
        ..Default::default()
    };
    match &route.by {
        RouteTarget::InternetGateway(id) => shown.gateway_id = text(id),
        RouteTarget::NatGateway(id) => shown.nat_gateway_id = text(id),
        RouteTarget::PeeringConnection(id) => shown.vpc_peering_connection_id = text(id),
    }
    shown
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
            "route.destination-prefix-list-id" => {
                each(routes, |r| r.destination_prefix_list_id.clone())
            }
            "route.gateway-id" => each(routes, |r| r.gateway_id.clone()),
            "route.nat-gateway-id" => each(routes, |r| r.nat_gateway_id.clone()),
            "route.origin" => each(routes, |r| r.origin.clone()),
            "route.state" => each(routes, |r| r.state.clone()),
            "route.vpc-peering-connection-id" => {
                each(routes, |r| r.vpc_peering_connection_id.clone())
            }
            "route.destination-ipv6-cidr-block"
            | "route.egress-only-internet-gateway-id"
            | "route.instance-id"
            | "route.transit-gateway-id" => none(),
            _ => None,
        }
    }
}
