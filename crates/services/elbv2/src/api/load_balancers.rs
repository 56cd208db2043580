//! Load balancers: made, described, deleted
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>).

use super::nodes::{self, Asked, Common};
use super::{paged, references, tags_of, text};
use crate::attributes::load_balancer::{self as attributes, DELETION_PROTECTION};
use crate::change::{self, settle};
use crate::error::{self, load_balancer as say};
use crate::model::{LoadBalancer, LoadBalancerName, Node, State, Target};
use crate::{Elbv2, names};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::{Attributes, LoadBalancerType};
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::vpc::Vpc;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const MAX_NAME: usize = 32;
/// Of each type in a region
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_LOAD_BALANCERS: usize = 50;

/// What a call asks for.
#[derive(Debug)]
struct New {
    name: String,
    kind: LoadBalancerType,
    internet_facing: bool,
    subnets: Vec<Asked>,
    groups: Vec<String>,
    tags: Tags,
}

pub async fn create_load_balancer(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::CreateLoadBalancerInput,
) -> Result<api::CreateLoadBalancerOutput, AwsError> {
    let new = asked(input)?;
    let id = cx.house.rng.hex(16);
    let digits = 100_000_000 + cx.house.rng.below(1_900_000_000);
    let made = settle(|| created(&cx, &new, &id, digits)).await?;
    Ok(api::CreateLoadBalancerOutput {
        load_balancers: Some(vec![made]),
    })
}

fn asked(input: api::CreateLoadBalancerInput) -> Result<New, AwsError> {
    check_name(&input.name)?;
    for (what, given) in [
        (
            "CustomerOwnedIpv4Pool",
            input.customer_owned_ipv4_pool.is_some(),
        ),
        ("IpamPools", input.ipam_pools.is_some()),
        (
            "EnablePrefixForIpv6SourceNat",
            input.enable_prefix_for_ipv6_source_nat.as_deref() == Some("on"),
        ),
    ] {
        if given {
            return Err(error::unsupported(what));
        }
    }
    let kind = match input.r#type.as_deref() {
        None | Some("application") => LoadBalancerType::Application,
        Some("network") => LoadBalancerType::Network,
        Some(other) => {
            return Err(error::unsupported(&format!(
                "load balancers of type '{other}'"
            )));
        }
    };
    check_address_type(input.ip_address_type.as_deref())?;
    let internet_facing = input.scheme.as_deref() != Some("internal");
    Ok(New {
        kind,
        internet_facing,
        subnets: nodes::asked(kind, internet_facing, input.subnets, input.subnet_mappings)?,
        groups: input.security_groups.unwrap_or_default(),
        tags: tags_of(input.tags)?,
        name: input.name,
    })
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match () {
        () if name.is_empty() => Err(say::name_empty()),
        () if name.chars().count() > MAX_NAME => Err(say::name_too_long(name)),
        () if !name.chars().all(allowed) => Err(say::name_characters(name)),
        () if name.starts_with('-') || name.ends_with('-') => Err(say::name_ends(name)),
        () if name.starts_with("internal-") => Err(say::name_internal(name)),
        () => Ok(()),
    }
}

pub(super) fn check_address_type(kind: Option<&str>) -> Result<(), AwsError> {
    match kind {
        None | Some("ipv4") => Ok(()),
        Some(other) => Err(say::address_type(other)),
    }
}

/// A call with the name and the settings of one that is there means that one.
async fn created(
    cx: &Ctx,
    new: &New,
    id: &str,
    digits: u64,
) -> Result<(Tx, api::LoadBalancer), AwsError> {
    let subnets = nodes::subnets(cx, &new.subnets).await?;
    let is_application = new.kind == LoadBalancerType::Application;
    if is_application && subnets.len() < 2 {
        return Err(say::too_few_zones());
    }
    let vpc_id = subnets[0].vpc_id.clone();
    nodes::check_groups(cx, &vpc_id, &new.groups).await?;
    let groups = match new.groups.as_slice() {
        [] if is_application => {
            let vpc = cx.db().get::<Vpc>(&cx.scope, &vpc_id).await?;
            vec![
                vpc.ok_or_else(|| say::subnet_not_found(subnets[0].id()))?
                    .value
                    .default_group_id,
            ]
        }
        given => given.to_vec(),
    };
    let named = cx
        .db()
        .get::<LoadBalancerName>(&cx.scope, &new.name)
        .await?;
    if let Some(named) = named {
        let there = cx.db().get::<LoadBalancer>(&cx.scope, &named.id).await?;
        let there = there.filter(|there| is_same(there, new, &groups));
        let there = there.ok_or_else(|| say::duplicate(&new.name))?;
        return Ok((cx.db().tx().unchanged(&there), shown(cx, &there)));
    }
    let all = cx.db().list::<LoadBalancer>(&cx.scope).await?;
    if all
        .iter()
        .filter(|l| l.load_balancer_type == new.kind)
        .count()
        >= MAX_LOAD_BALANCERS
    {
        return Err(say::too_many());
    }
    if new.internet_facing {
        nodes::check_gateway(cx, &vpc_id).await?;
    }
    let owner = names::interface_owner(new.kind, &new.name, id);
    let common = Common {
        owner: &owner,
        internet_facing: new.internet_facing,
        groups: &groups,
        ungrouped: groups.is_empty(),
    };
    let (tx, nodes) = nodes::reserve(cx, cx.db().tx(), common, &new.subnets).await?;
    let dns_name = names::dns_name(
        &cx.scope,
        new.kind,
        new.internet_facing,
        &new.name,
        id,
        digits,
    );
    let made = LoadBalancer {
        name: new.name.clone(),
        load_balancer_type: new.kind,
        internet_facing: new.internet_facing,
        vpc_id,
        dns_name,
        nodes,
        enforce_private_link_rules: (!is_application && !groups.is_empty()).then(|| "on".into()),
        security_groups: groups,
        attributes: Attributes::new(),
        tags: new.tags.clone(),
        state: State::Provisioning,
        problem: None,
        created_at: cx.now(),
    };
    let name = LoadBalancerName { id: id.to_owned() };
    let tx = tx
        .create(change::key::<LoadBalancer>(cx, id), &made)
        .create(change::key::<LoadBalancerName>(cx, &new.name), &name);
    let stored = Stored {
        key: change::key::<LoadBalancer>(cx, id),
        revision: 0,
        value: made,
    };
    Ok((tx, shown(cx, &stored)))
}

fn is_same(there: &LoadBalancer, new: &New, groups: &[String]) -> bool {
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let node = |n: &Node| {
        (
            n.subnet_id.clone(),
            n.allocation_id.clone(),
            n.chosen_address.then_some(n.private_ipv4),
        )
    };
    let asked = |a: &Asked| (a.subnet_id.clone(), a.allocation_id.clone(), a.address);
    let mut nodes: Vec<_> = there.nodes.iter().map(node).collect();
    let mut subnets: Vec<_> = new.subnets.iter().map(asked).collect();
    nodes.sort_unstable();
    subnets.sort_unstable();
    there.load_balancer_type == new.kind
        && there.internet_facing == new.internet_facing
        && nodes == subnets
        && sorted(&there.security_groups) == sorted(groups)
}

pub async fn delete_load_balancer(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeleteLoadBalancerInput,
) -> Result<api::DeleteLoadBalancerOutput, AwsError> {
    settle(|| deleted(&cx, &input.load_balancer_arn)).await?;
    Ok(api::DeleteLoadBalancerOutput {})
}

/// One that is not there is deleted already.
async fn deleted(cx: &Ctx, arn: &str) -> Result<(Tx, ()), AwsError> {
    let tx = cx.db().tx();
    let Some(stored) = change::find_load_balancer(cx, arn).await? else {
        return Ok((tx, ()));
    };
    let all = attributes::owner(&stored).complete(&stored.attributes);
    if all.get(DELETION_PROTECTION).is_some_and(|v| v == "true") {
        return Err(say::protected(arn));
    }
    if stored.load_balancer_type == LoadBalancerType::Application {
        let targets = cx.db().list::<Target>(&cx.scope).await?;
        if targets.iter().any(|t| t.id == arn) {
            return Err(say::is_a_target(arn));
        }
    }
    let tx = nodes::release(cx, tx, &stored.nodes).await?;
    let mut tx = tx
        .delete(&stored)
        .delete_key(change::key::<LoadBalancerName>(cx, &stored.name));
    let listeners = change::listeners_of(cx, stored.id()).await?;
    for listener in &listeners {
        tx = tx.delete(listener);
    }
    let certificates = listeners.iter().flat_map(|l| l.certificates());
    let tx = references::give_up(cx, tx, certificates.map(str::to_owned).collect(), arn).await?;
    Ok((tx, ()))
}

pub async fn describe_load_balancers(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeLoadBalancersInput,
) -> Result<api::DescribeLoadBalancersOutput, AwsError> {
    let arns = input.load_balancer_arns.unwrap_or_default();
    let names = input.names.unwrap_or_default();
    if !arns.is_empty() && !names.is_empty() {
        return Err(say::names_and_arns());
    }
    let mut found = Vec::new();
    for arn in &arns {
        found.push(change::load_balancer(&cx, arn).await?);
    }
    if arns.is_empty() {
        found = cx.db().list::<LoadBalancer>(&cx.scope).await?;
    }
    if !names.is_empty() {
        let missing = names
            .iter()
            .filter(|n| !found.iter().any(|l| l.name == **n));
        let missing: Vec<_> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(say::names_not_found(&missing));
        }
        found.retain(|l| names.contains(&l.name));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.key == b.key);
    let page = paged(found, input.marker.as_deref(), input.page_size, |l| {
        l.name.clone()
    })?;
    Ok(api::DescribeLoadBalancersOutput {
        load_balancers: Some(page.items.iter().map(|l| shown(&cx, l)).collect()),
        next_marker: page.next_token,
    })
}

fn shown(cx: &Ctx, stored: &Stored<LoadBalancer>) -> api::LoadBalancer {
    let is_network = stored.load_balancer_type == LoadBalancerType::Network;
    let region = cx.scope.region.as_str();
    api::LoadBalancer {
        load_balancer_arn: text(change::arn(cx, stored)),
        dns_name: text(&stored.dns_name),
        canonical_hosted_zone_id: text(names::hosted_zone(region, stored.load_balancer_type)),
        created_time: Some(stored.created_at),
        load_balancer_name: text(&stored.name),
        scheme: text(match stored.internet_facing {
            true => "internet-facing",
            false => "internal",
        }),
        vpc_id: text(&stored.vpc_id),
        state: Some(api::LoadBalancerState {
            code: text(stored.state.code()),
            reason: stored.problem.clone(),
        }),
        r#type: text(names::long(stored.load_balancer_type)),
        availability_zones: Some(stored.nodes.iter().map(zone).collect()),
        security_groups: Some(stored.security_groups.clone())
            .filter(|groups| !is_network || !groups.is_empty()),
        ip_address_type: text("ipv4"),
        enforce_security_group_inbound_rules_on_private_link_traffic: stored
            .enforce_private_link_rules
            .clone(),
        enable_prefix_for_ipv6_source_nat: is_network.then(|| "off".to_owned()),
        ..Default::default()
    }
}

/// With its static addresses: those that somebody chose.
pub(super) fn zone(node: &Node) -> api::AvailabilityZone {
    let address = api::LoadBalancerAddress {
        ip_address: node.public_ipv4.map(|ip| ip.to_string()),
        allocation_id: node.allocation_id.clone(),
        private_ipv4_address: node.chosen_address.then(|| node.private_ipv4.to_string()),
        ipv6_address: None,
    };
    let is_static = node.allocation_id.is_some() || node.chosen_address;
    api::AvailabilityZone {
        zone_name: text(&node.availability_zone),
        subnet_id: text(&node.subnet_id),
        load_balancer_addresses: Some(is_static.then_some(address).into_iter().collect()),
        ..Default::default()
    }
}
