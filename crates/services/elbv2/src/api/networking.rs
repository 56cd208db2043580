//! A load balancer's subnets, security groups and kind of addresses
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_SetSubnets.html>).

use super::load_balancers::{check_address_type, zone};
use super::nodes::{self, Asked, Common};
use super::text;
use crate::change::{self, settle};
use crate::error::load_balancer as say;
use crate::model::{LoadBalancer, Node};
use crate::{Elbv2, error, names};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::LoadBalancerType;
use neargate_service::db::{Stored, Tx};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn set_subnets(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::SetSubnetsInput,
) -> Result<api::SetSubnetsOutput, AwsError> {
    if input.enable_prefix_for_ipv6_source_nat.as_deref() == Some("on") {
        return Err(error::unsupported("EnablePrefixForIpv6SourceNat"));
    }
    check_address_type(input.ip_address_type.as_deref())?;
    let (kind, nodes) = settle(|| moved(&cx, &input)).await?;
    Ok(api::SetSubnetsOutput {
        availability_zones: Some(nodes.iter().map(zone).collect()),
        ip_address_type: text("ipv4"),
        enable_prefix_for_ipv6_source_nat: (kind == LoadBalancerType::Network)
            .then(|| "off".to_owned()),
    })
}

/// Nodes of subnets that stay keep their interfaces.
async fn moved(
    cx: &Ctx,
    input: &api::SetSubnetsInput,
) -> Result<(Tx, (LoadBalancerType, Vec<Node>)), AwsError> {
    let stored = change::load_balancer(cx, &input.load_balancer_arn).await?;
    let kind = stored.load_balancer_type;
    let asked = nodes::asked(
        kind,
        stored.internet_facing,
        input.subnets.clone(),
        input.subnet_mappings.clone(),
    )?;
    let subnets = nodes::subnets(cx, &asked).await?;
    if subnets.iter().any(|s| s.vpc_id != stored.vpc_id) {
        return Err(say::subnets_of_vpcs());
    }
    match kind {
        LoadBalancerType::Application if subnets.len() < 2 => return Err(say::too_few_zones()),
        LoadBalancerType::Network => check_kept(&stored, &asked)?,
        LoadBalancerType::Application => {}
    }
    let is_kept = |n: &Node| asked.iter().any(|a| a.subnet_id == n.subnet_id);
    let (kept, gone): (Vec<_>, Vec<_>) = stored.nodes.iter().cloned().partition(is_kept);
    let is_new = |a: &&Asked| !kept.iter().any(|n| n.subnet_id == a.subnet_id);
    let new: Vec<_> = asked.iter().filter(is_new).cloned().collect();
    let owner = names::interface_owner(kind, &stored.name, stored.id());
    let common = Common {
        owner: &owner,
        internet_facing: stored.internet_facing,
        groups: &stored.security_groups,
        ungrouped: stored.security_groups.is_empty(),
    };
    let tx = nodes::release(cx, cx.db().tx(), &gone).await?;
    let (tx, added) = nodes::reserve(cx, tx, common, &new).await?;
    let value = LoadBalancer {
        nodes: kept.into_iter().chain(added).collect(),
        ..stored.value.clone()
    };
    Ok((tx.update(&stored, &value), (kind, value.nodes)))
}

/// A network load balancer leaves no subnet, and keeps its addresses.
fn check_kept(stored: &Stored<LoadBalancer>, asked: &[Asked]) -> Result<(), AwsError> {
    let is_as_it_was = |node: &Node| {
        asked.iter().any(|a| {
            a.subnet_id == node.subnet_id
                && a.allocation_id == node.allocation_id
                && a.address.is_none_or(|address| address == node.private_ipv4)
        })
    };
    match stored.nodes.iter().all(is_as_it_was) {
        true => Ok(()),
        false => Err(say::subnet_left_out()),
    }
}

pub async fn set_security_groups(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::SetSecurityGroupsInput,
) -> Result<api::SetSecurityGroupsOutput, AwsError> {
    let enforced = settle(|| regrouped(&cx, &input)).await?;
    Ok(api::SetSecurityGroupsOutput {
        security_group_ids: Some(input.security_groups),
        enforce_security_group_inbound_rules_on_private_link_traffic: enforced,
    })
}

async fn regrouped(
    cx: &Ctx,
    input: &api::SetSecurityGroupsInput,
) -> Result<(Tx, Option<String>), AwsError> {
    let stored = change::load_balancer(cx, &input.load_balancer_arn).await?;
    if stored.security_groups.is_empty() {
        return Err(say::made_without_groups());
    }
    if input.security_groups.is_empty() {
        return Err(say::no_groups());
    }
    nodes::check_groups(cx, &stored.vpc_id, &input.security_groups).await?;
    let asked = &input.enforce_security_group_inbound_rules_on_private_link_traffic;
    let value = LoadBalancer {
        security_groups: input.security_groups.clone(),
        enforce_private_link_rules: match stored.load_balancer_type {
            LoadBalancerType::Network => asked
                .clone()
                .or_else(|| stored.enforce_private_link_rules.clone()),
            LoadBalancerType::Application => None,
        },
        ..stored.value.clone()
    };
    let tx = cx.db().tx().update(&stored, &value);
    let tx = nodes::regroup(cx, tx, &stored.nodes, &input.security_groups).await?;
    Ok((tx, value.enforce_private_link_rules))
}

pub async fn set_ip_address_type(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::SetIpAddressTypeInput,
) -> Result<api::SetIpAddressTypeOutput, AwsError> {
    change::load_balancer(&cx, &input.load_balancer_arn).await?;
    check_address_type(Some(&input.ip_address_type))?;
    Ok(api::SetIpAddressTypeOutput {
        ip_address_type: Some(input.ip_address_type),
    })
}
