//! VPC endpoints
//! (<https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html>): gateway
//! endpoints are routes of tables, interface endpoints have an interface in each of their subnets.

use super::{prefix_lists, tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::link as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::endpoint_services::{self as services, EndpointService};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::eni::{self, Chosen, Interface, Wanted};
use neargate_service::vpc::{Endpoint, EndpointKind, RouteTable, SecurityGroup, Subnet, Vpc};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What an endpoint without a policy of its own has: everything is allowed.
const DEFAULT_POLICY: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

pub async fn create_vpc_endpoint(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateVpcEndpointInput,
) -> Result<api::CreateVpcEndpointOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[
        (
            "SubnetConfigurations",
            input.subnet_configurations.is_some(),
        ),
        ("ServiceNetworkArn", input.service_network_arn.is_some()),
        (
            "ResourceConfigurationArn",
            input.resource_configuration_arn.is_some(),
        ),
        (
            "IpAddressType",
            input
                .ip_address_type
                .as_deref()
                .is_some_and(|t| t != "ipv4"),
        ),
        (
            "ServiceRegion",
            input
                .service_region
                .as_deref()
                .is_some_and(|r| r != cx.scope.region.as_str()),
        ),
    ])?;
    let tags = tags::specified(input.tag_specifications.clone(), &kind::ENDPOINT)?;
    let token = input.client_token.clone();
    let asked = Asked::of(&cx, input)?;
    let endpoints = all::<Endpoint>(&cx).await?;
    let same = |e: &&Stored<Endpoint>| token.is_some() && e.client_token == token;
    let endpoint_id = match endpoints.iter().find(same) {
        Some(made) => made.id().to_owned(),
        None => {
            let endpoint_id = fresh(&cx, "vpce");
            let add = async || -> Result<(Tx, ()), AwsError> {
                let (tx, new) = created(&cx, &endpoint_id, &asked, token.clone()).await?;
                Ok((change::create(tx, &cx, &endpoint_id, &new, &tags), ()))
            };
            settle(add).await?;
            endpoint_id
        }
    };
    let made = find::<Endpoint>(&cx, &endpoint_id).await?;
    let seen = Seen::read(&cx).await?;
    Ok(api::CreateVpcEndpointOutput {
        vpc_endpoint: Some(api::VpcEndpoint {
            state: match made.kind {
                EndpointKind::Interface => text("pending"),
                EndpointKind::Gateway => text("available"),
            },
            ..endpoint(&seen, &made)
        }),
        client_token: token,
    })
}

/// What a call asks for.
#[derive(Debug)]
struct Asked {
    vpc_id: String,
    service: EndpointService,
    policy: String,
    route_tables: Vec<String>,
    subnets: Vec<String>,
    groups: Vec<String>,
    private_dns: bool,
    dns: api::DnsOptionsSpecification,
}

impl Asked {
    fn of(cx: &Ctx, input: api::CreateVpcEndpointInput) -> Result<Asked, AwsError> {
        let kind = input.vpc_endpoint_type.unwrap_or_else(|| "Gateway".into());
        let name = input.service_name;
        let name = name.ok_or_else(|| error::missing_parameter("ServiceName"))?;
        let mut named = services::all(&cx.scope.region);
        named.retain(|s| s.name == name);
        if named.is_empty() {
            return Err(say::no_such_service(&name));
        }
        let has: Vec<_> = named.iter().map(|s| s.kind.as_str()).collect();
        let other = say::other_type(&kind, &has);
        let service = named.into_iter().find(|s| s.kind.as_str() == kind);
        let service = service.ok_or(other)?;
        let asked = Asked {
            vpc_id: input.vpc_id,
            policy: policy(input.policy_document)?,
            route_tables: input.route_table_ids.unwrap_or_default(),
            subnets: input.subnet_ids.unwrap_or_default(),
            groups: input.security_group_ids.unwrap_or_default(),
            private_dns: match service.kind {
                EndpointKind::Interface => input.private_dns_enabled.unwrap_or(true),
                EndpointKind::Gateway => input.private_dns_enabled == Some(true),
            },
            dns: checked_dns(input.dns_options.unwrap_or_default())?,
            service,
        };
        asked.check()?;
        Ok(asked)
    }

    /// Each type has parameters of its own.
    fn check(&self) -> Result<(), AwsError> {
        let wrong = match self.service.kind {
            EndpointKind::Gateway => [
                ("SubnetIds", !self.subnets.is_empty()),
                ("SecurityGroupIds", !self.groups.is_empty()),
                ("PrivateDnsEnabled", self.private_dns),
            ]
            .to_vec(),
            EndpointKind::Interface => vec![("RouteTableIds", !self.route_tables.is_empty())],
        };
        match wrong.iter().find(|(_, given)| *given) {
            Some((parameter, _)) => {
                let kind = self.service.kind.as_str();
                Err(say::not_of_this_type(parameter, kind))
            }
            None => Ok(()),
        }
    }
}

/// Only IPv4 addresses are told of a name.
fn checked_dns(
    given: api::DnsOptionsSpecification,
) -> Result<api::DnsOptionsSpecification, AwsError> {
    super::refuse(&[
        (
            "PrivateDnsPreference",
            given.private_dns_preference.is_some(),
        ),
        (
            "PrivateDnsSpecifiedDomains",
            given.private_dns_specified_domains.is_some(),
        ),
        (
            "DnsRecordIpType",
            given
                .dns_record_ip_type
                .as_deref()
                .is_some_and(|t| !matches!(t, "ipv4" | "service-defined")),
        ),
    ])?;
    Ok(given)
}

/// A policy is a document of IAM's language; what it grants is not looked at here.
fn policy(given: Option<String>) -> Result<String, AwsError> {
    let given = given.filter(|p| !p.is_empty());
    let Some(given) = given else {
        return Ok(DEFAULT_POLICY.to_owned());
    };
    match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(&given) {
        Ok(document) if document.contains_key("Statement") => Ok(given),
        _ => Err(say::policy()),
    }
}

async fn created(
    cx: &Ctx,
    endpoint_id: &str,
    asked: &Asked,
    client_token: Option<String>,
) -> Result<(Tx, Endpoint), AwsError> {
    let vpc = find::<Vpc>(cx, &asked.vpc_id).await?;
    if asked.private_dns {
        private_dns(cx, &vpc, &asked.service.name, endpoint_id).await?;
    }
    let groups = match asked.groups.as_slice() {
        [] if asked.service.kind == EndpointKind::Interface => vec![vpc.default_group_id.clone()],
        given => given.to_vec(),
    };
    let mut new = Endpoint {
        vpc_id: asked.vpc_id.clone(),
        service_name: asked.service.name.clone(),
        kind: asked.service.kind,
        policy: asked.policy.clone(),
        route_table_ids: Vec::new(),
        interfaces: BTreeMap::new(),
        security_groups: groups,
        private_dns: asked.private_dns,
        dns_record_ip_type: asked.dns.dns_record_ip_type.clone(),
        private_dns_only_inbound: asked.dns.private_dns_only_for_inbound_resolver_endpoint,
        client_token,
        created_at: cx.now(),
    };
    of_this_vpc(cx, &new).await?;
    routed(cx, &mut new, endpoint_id, &asked.route_tables).await?;
    let tx = within(cx, &vpc);
    let tx = interfaces_added(cx, tx, &mut new, endpoint_id, &asked.subnets).await?;
    Ok((tx, new))
}

/// # Errors
/// A group is of another VPC.
async fn of_this_vpc(cx: &Ctx, endpoint: &Endpoint) -> Result<(), AwsError> {
    for group in &endpoint.security_groups {
        if find::<SecurityGroup>(cx, group).await?.vpc_id != endpoint.vpc_id {
            return Err(error::group::other_network());
        }
    }
    Ok(())
}

async fn private_dns(
    cx: &Ctx,
    vpc: &Stored<Vpc>,
    service: &str,
    endpoint_id: &str,
) -> Result<(), AwsError> {
    if !(vpc.enable_dns_support && vpc.enable_dns_hostnames) {
        return Err(say::private_dns_needs(vpc.id()));
    }
    let endpoints = all::<Endpoint>(cx).await?;
    let same = |e: &&Stored<Endpoint>| {
        e.vpc_id == vpc.id() && e.service_name == service && e.id() != endpoint_id
    };
    match endpoints.iter().filter(same).any(|e| e.private_dns) {
        true => Err(say::private_dns_conflict(service, vpc.id())),
        false => Ok(()),
    }
}

/// The tables begin to lead to the endpoint.
async fn routed(
    cx: &Ctx,
    endpoint: &mut Endpoint,
    endpoint_id: &str,
    tables: &[String],
) -> Result<(), AwsError> {
    let others = all::<Endpoint>(cx).await?;
    for table_id in tables {
        let table = find::<RouteTable>(cx, table_id).await?;
        if table.vpc_id != endpoint.vpc_id {
            let network = ("network", endpoint.vpc_id.as_str());
            return Err(error::routing::different_networks(
                ("route table", table_id),
                network,
            ));
        }
        let leads = |e: &Endpoint| {
            e.service_name == endpoint.service_name && e.route_table_ids.contains(table_id)
        };
        let elsewhere = others.iter().filter(|e| e.id() != endpoint_id);
        if leads(endpoint) || elsewhere.into_iter().any(|e| leads(e)) {
            let list = prefix_list(cx, &endpoint.service_name).unwrap_or_default();
            return Err(say::has_prefix_list_route(table_id, &list));
        }
        endpoint.route_table_ids.push(table_id.clone());
    }
    Ok(())
}

fn prefix_list(cx: &Ctx, service_name: &str) -> Option<String> {
    let service = services::short_name(&cx.scope.region, service_name)?;
    Some(prefix_lists::of_service(cx, service)?.0)
}

/// An interface in each of these subnets, which must be of different zones.
async fn interfaces_added(
    cx: &Ctx,
    mut tx: Tx,
    endpoint: &mut Endpoint,
    endpoint_id: &str,
    subnets: &[String],
) -> Result<Tx, AwsError> {
    let mut zones = Vec::new();
    for subnet in endpoint.interfaces.keys() {
        zones.push(find::<Subnet>(cx, subnet).await?.value.availability_zone);
    }
    let mut held: Vec<Ipv4Addr> = Vec::new();
    for subnet_id in subnets {
        let subnet = find::<Subnet>(cx, subnet_id).await?;
        if subnet.vpc_id != endpoint.vpc_id {
            let network = ("network", endpoint.vpc_id.as_str());
            return Err(error::routing::different_networks(
                ("subnet", subnet_id),
                network,
            ));
        }
        if zones.contains(&subnet.availability_zone) {
            return Err(say::same_zone(subnet_id));
        }
        zones.push(subnet.availability_zone.clone());
        let wanted = Wanted {
            subnet_id,
            security_groups: &endpoint.security_groups,
            public: false,
            owner: endpoint_id,
            held: &held,
        };
        let chosen = Chosen {
            description: format!("VPC Endpoint Interface {endpoint_id}"),
            ..Chosen::default()
        };
        let made = eni::reserve_as(&cx.house, &cx.scope, wanted, chosen).await?;
        held.push(made.interface.private_ipv4);
        endpoint
            .interfaces
            .insert(subnet_id.clone(), made.interface.id);
        tx = tx.with(made.compares, made.ops);
    }
    Ok(tx)
}

pub async fn modify_vpc_endpoint(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyVpcEndpointInput,
) -> Result<api::ModifyVpcEndpointOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[
        (
            "SubnetConfigurations",
            input.subnet_configurations.is_some(),
        ),
        (
            "IpAddressType",
            input
                .ip_address_type
                .as_deref()
                .is_some_and(|t| t != "ipv4"),
        ),
    ])?;
    settle(|| modified(&cx, &input)).await?;
    Ok(api::ModifyVpcEndpointOutput {
        r#return: Some(true),
    })
}

async fn modified(cx: &Ctx, input: &api::ModifyVpcEndpointInput) -> Result<(Tx, ()), AwsError> {
    let given = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let read = find::<Endpoint>(cx, &input.vpc_endpoint_id).await?;
    let vpc = find::<Vpc>(cx, &read.vpc_id).await?;
    let mut new = read.value.clone();
    if input.reset_policy == Some(true) {
        new.policy = DEFAULT_POLICY.to_owned();
    } else if input.policy_document.is_some() {
        new.policy = policy(input.policy_document.clone())?;
    }
    let gone = given(&input.remove_route_table_ids);
    new.route_table_ids.retain(|t| !gone.contains(t));
    let added = given(&input.add_route_table_ids);
    routed(cx, &mut new, read.id(), &added).await?;
    let gone = given(&input.remove_security_group_ids);
    new.security_groups.retain(|g| !gone.contains(g));
    new.security_groups
        .extend(given(&input.add_security_group_ids));
    of_this_vpc(cx, &new).await?;
    if let Some(given) = &input.dns_options {
        let given = checked_dns(given.clone())?;
        new.dns_record_ip_type = given.dns_record_ip_type.or(new.dns_record_ip_type);
        let only = given.private_dns_only_for_inbound_resolver_endpoint;
        new.private_dns_only_inbound = only.or(new.private_dns_only_inbound);
    }
    if let Some(private_dns) = input.private_dns_enabled {
        if private_dns {
            self::private_dns(cx, &vpc, &new.service_name, read.id()).await?;
        }
        new.private_dns = private_dns;
    }
    let mut tx = within(cx, &vpc);
    for subnet in given(&input.remove_subnet_ids) {
        let interface = new.interfaces.remove(&subnet);
        let interface = interface.ok_or_else(|| error::not_found(&kind::SUBNET, &subnet))?;
        tx = released(cx, tx, &interface).await?;
    }
    if new.security_groups != read.security_groups {
        tx = regrouped(cx, tx, &new).await?;
    }
    let added = given(&input.add_subnet_ids);
    let tx = interfaces_added(cx, tx, &mut new, read.id(), &added).await?;
    Ok((tx.update(&read, &new), ()))
}

async fn released(cx: &Ctx, tx: Tx, interface: &str) -> Result<Tx, AwsError> {
    let found = cx.db().get::<Interface>(&cx.scope, interface).await?;
    Ok(match found {
        Some(found) => {
            let ops = eni::release_interface(&cx.scope, &found.interface);
            tx.unchanged(&found).with(vec![], ops)
        }
        None => tx,
    })
}

/// The interfaces of an endpoint have its groups.
async fn regrouped(cx: &Ctx, mut tx: Tx, endpoint: &Endpoint) -> Result<Tx, AwsError> {
    for interface in endpoint.interfaces.values() {
        if let Some(read) = cx.db().get::<Interface>(&cx.scope, interface).await? {
            let mut new = read.value.clone();
            new.interface
                .security_groups
                .clone_from(&endpoint.security_groups);
            tx = tx.update(&read, &new);
        }
    }
    for group in &endpoint.security_groups {
        let group = find::<SecurityGroup>(cx, group).await?;
        tx = tx.update(
            &group,
            &SecurityGroup {
                deleting: false,
                ..group.value.clone()
            },
        );
    }
    Ok(tx)
}

/// Those that there are go, and the answer names the others.
pub async fn delete_vpc_endpoints(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteVpcEndpointsInput,
) -> Result<api::DeleteVpcEndpointsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let mut unsuccessful = Vec::new();
    for endpoint_id in &input.vpc_endpoint_ids {
        match settle(|| deleted(&cx, endpoint_id)).await {
            Ok(()) => {}
            Err(refused) if refused.status == 400 => unsuccessful.push(api::UnsuccessfulItem {
                resource_id: text(endpoint_id),
                error: Some(api::UnsuccessfulItemError {
                    code: Some(refused.code),
                    message: Some(refused.message),
                }),
            }),
            Err(failed) => return Err(failed),
        }
    }
    Ok(api::DeleteVpcEndpointsOutput {
        unsuccessful: Some(unsuccessful),
    })
}

async fn deleted(cx: &Ctx, endpoint_id: &str) -> Result<(Tx, ()), AwsError> {
    let read = find::<Endpoint>(cx, endpoint_id).await?;
    let vpc = find::<Vpc>(cx, &read.vpc_id).await?;
    let mut tx = change::delete(within(cx, &vpc), cx, &read);
    for interface in read.interfaces.values() {
        tx = released(cx, tx, interface).await?;
    }
    Ok((tx, ()))
}

/// The routes that gateway endpoints make, each with the id of its table.
pub(super) async fn routes(cx: &Ctx) -> Result<Vec<(String, api::Route)>, AwsError> {
    let endpoints = all::<Endpoint>(cx).await?;
    let route = |endpoint: &Stored<Endpoint>| api::Route {
        destination_prefix_list_id: prefix_list(cx, &endpoint.service_name),
        gateway_id: text(endpoint.id()),
        origin: text("CreateRoute"),
        state: text("active"),
        ..Default::default()
    };
    let routes = endpoints.iter().flat_map(|e| {
        let tables = e.route_table_ids.iter();
        tables.map(move |table| (table.clone(), route(e)))
    });
    Ok(routes.collect())
}

pub async fn describe_vpc_endpoints(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeVpcEndpointsInput,
) -> Result<api::DescribeVpcEndpointsOutput, AwsError> {
    let ids = input.vpc_endpoint_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let seen = Seen::read(&cx).await?;
    let endpoints = all::<Endpoint>(&cx).await?;
    let found = query.run(endpoints.iter().map(|e| endpoint(&seen, e)).collect())?;
    Ok(api::DescribeVpcEndpointsOutput {
        vpc_endpoints: Some(found.items),
        next_token: found.next_token,
    })
}

/// What an endpoint is shown with.
#[derive(Debug)]
struct Seen {
    place: Place,
    groups: Vec<Stored<SecurityGroup>>,
}

impl Seen {
    async fn read(cx: &Ctx) -> Result<Seen, AwsError> {
        Ok(Seen {
            place: Place::read(cx).await?,
            groups: all(cx).await?,
        })
    }
}

fn endpoint(seen: &Seen, stored: &Stored<Endpoint>) -> api::VpcEndpoint {
    let group = |id: &String| api::SecurityGroupIdentifier {
        group_id: text(id),
        group_name: seen
            .groups
            .iter()
            .find(|g| g.id() == id)
            .map(|g| g.name.clone()),
    };
    let is_interface = stored.kind == EndpointKind::Interface;
    api::VpcEndpoint {
        vpc_endpoint_id: text(stored.id()),
        vpc_endpoint_type: text(stored.kind.as_str()),
        vpc_id: text(&stored.vpc_id),
        service_name: text(&stored.service_name),
        service_region: text(seen.place.scope.region.as_str()),
        state: text("available"),
        policy_document: text(&stored.policy),
        route_table_ids: Some(stored.route_table_ids.clone()),
        subnet_ids: Some(stored.interfaces.keys().cloned().collect()),
        network_interface_ids: Some(stored.interfaces.values().cloned().collect()),
        groups: Some(stored.security_groups.iter().map(group).collect()),
        ip_address_type: is_interface.then(|| "ipv4".to_owned()),
        private_dns_enabled: Some(stored.private_dns),
        dns_options: Some(api::DnsOptions {
            dns_record_ip_type: stored.dns_record_ip_type.clone().or_else(|| {
                text(match stored.kind {
                    EndpointKind::Interface => "ipv4",
                    EndpointKind::Gateway => "service-defined",
                })
            }),
            private_dns_only_for_inbound_resolver_endpoint: stored.private_dns_only_inbound,
            ..Default::default()
        }),
        requester_managed: Some(false),
        dns_entries: Some(vec![]),
        creation_timestamp: Some(stored.created_at),
        owner_id: seen.place.account(),
        tags: seen.place.tags_of(stored.id()),
        ..Default::default()
    }
}

impl Describe for api::VpcEndpoint {
    const KIND: Kind = kind::ENDPOINT;

    fn id(&self) -> &str {
        self.vpc_endpoint_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "ip-address-type" => one(&self.ip_address_type),
            "service-name" => one(&self.service_name),
            "service-region" => one(&self.service_region),
            "vpc-id" => one(&self.vpc_id),
            "vpc-endpoint-id" => one(&self.vpc_endpoint_id),
            "vpc-endpoint-state" => one(&self.state),
            "vpc-endpoint-type" => one(&self.vpc_endpoint_type),
            _ => None,
        }
    }
}
