//! Targets: registered and deregistered
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html>).

use crate::attributes::target_group::{self as attributes, DEREGISTRATION_DELAY};
use crate::change::{self, settle};
use crate::error::target_group as say;
use crate::model::{Target, TargetGroup, TargetType};
use crate::{Elbv2, registration};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::{LoadBalancerType, Protocol, TargetKey};
use neargate_service::db::{self, Stored, Tx};
use neargate_service::instance::{Instance, State};
use neargate_service::vpc::{Subnet, Vpc};
use neargate_service::{AwsError, Ctx};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// Of a group
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_TARGETS: usize = 1_000;
/// Targets that one transaction writes.
const BATCH: usize = 100;

pub async fn register_targets(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::RegisterTargetsInput,
) -> Result<api::RegisterTargetsOutput, AwsError> {
    let group = change::target_group(&cx, &input.target_group_arn).await?;
    let mut resolved = Vec::new();
    for asked in &input.targets {
        let target = resolve(&cx, &group, asked).await?;
        let key = |t: &Target| (t.id.clone(), t.port);
        if !resolved.iter().any(|t| key(t) == key(&target)) {
            resolved.push(target);
        }
    }
    if resolved.is_empty() {
        return Err(say::targets_empty());
    }
    for batch in resolved.chunks(BATCH) {
        settle(|| registered(&cx, &input.target_group_arn, batch)).await?;
    }
    Ok(api::RegisterTargetsOutput {})
}

/// A target that is draining is registered again; one that is there stays as it is.
async fn registered(cx: &Ctx, arn: &str, new: &[Target]) -> Result<(Tx, ()), AwsError> {
    let group = change::target_group(cx, arn).await?;
    let there = targets_of(cx, group.id()).await?;
    let mut tx = cx.db().tx().unchanged(&group);
    let mut count = there.len();
    for target in new {
        let is_it = |t: &&Stored<Target>| t.id == target.id && t.port == target.port;
        match there.iter().find(is_it) {
            Some(read) if read.draining_until.is_none() => {}
            Some(read) => tx = tx.update(read, target),
            None => {
                count += 1;
                let id = Target::record_id(group.id(), &target.id, target.port);
                tx = tx.create(change::key::<Target>(cx, &id), target);
            }
        }
    }
    let most = match group.target_type {
        TargetType::Alb => 1,
        TargetType::Instance | TargetType::Ip => MAX_TARGETS,
    };
    match count > most {
        true => Err(say::too_many_targets()),
        false => Ok((tx, ())),
    }
}

pub(super) async fn targets_of(cx: &Ctx, group: &str) -> Result<Vec<Stored<Target>>, AwsError> {
    let prefix = format!("{}{group}/", db::prefix::<Target>(&cx.scope));
    cx.db().list_prefix::<Target>(&prefix).await
}

/// The port at which a call means a target: its own, or its group's.
pub(super) fn port_of(group: &TargetGroup, asked: &api::TargetDescription) -> u16 {
    let own = asked.port.and_then(|p| u16::try_from(p).ok());
    own.unwrap_or(group.port)
}

async fn resolve(
    cx: &Ctx,
    group: &TargetGroup,
    asked: &api::TargetDescription,
) -> Result<Target, AwsError> {
    if asked.quic_server_id.is_some() {
        return Err(crate::error::unsupported("QuicServerId"));
    }
    let zone = asked.availability_zone.as_deref();
    if zone.is_some() && group.target_type != TargetType::Ip {
        return Err(say::zone_of(group.target_type.as_str()));
    }
    let target = Target {
        id: asked.id.clone(),
        port: port_of(group, asked),
        address: None,
        availability_zone: None,
        registered_at: cx.now(),
        draining_until: None,
    };
    match group.target_type {
        TargetType::Instance => instance(cx, group, target).await,
        TargetType::Ip => address(cx, group, target, zone).await,
        TargetType::Alb => load_balancer(cx, group, target).await,
    }
}

/// An instance is reached by its primary address, which never changes.
async fn instance(cx: &Ctx, group: &TargetGroup, target: Target) -> Result<Target, AwsError> {
    let digits = target.id.strip_prefix("i-").unwrap_or_default();
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(say::invalid_instance(&target.id));
    }
    let found = cx.db().get::<Instance>(&cx.scope, &target.id).await?;
    let found = found.ok_or_else(|| say::no_such_instance(&target.id))?;
    if found.interface.vpc_id != group.vpc_id {
        return Err(say::instance_of_another_vpc(&target.id));
    }
    if found.shown_state() != State::Running {
        return Err(say::not_running(&target.id));
    }
    Ok(Target {
        address: Some(found.interface.private_ipv4),
        availability_zone: Some(found.interface.availability_zone.clone()),
        ..target
    })
}

/// An address of the VPC is in its subnet's zone; of another one the call says the zone.
async fn address(
    cx: &Ctx,
    group: &TargetGroup,
    target: Target,
    zone: Option<&str>,
) -> Result<Target, AwsError> {
    let text = &target.id;
    let address: Ipv4Addr = text.parse().map_err(|_| say::not_an_address(text))?;
    let vpc = cx.db().get::<Vpc>(&cx.scope, &group.vpc_id).await?;
    let within = vpc.is_some_and(|v| v.ranges().any(|r| r.contains(address)));
    if !within && !address.is_private() && !is_shared(address) {
        return Err(say::public_address(text));
    }
    let subnets = cx.db().list::<Subnet>(&cx.scope).await?;
    let holds = |s: &&Stored<Subnet>| s.vpc_id == group.vpc_id && s.range.contains(address);
    let own = subnets
        .iter()
        .find(holds)
        .map(|s| s.availability_zone.clone());
    let is_http = matches!(group.protocol, Protocol::Http | Protocol::Https);
    let availability_zone = match (own, zone) {
        (Some(own), Some(asked)) if asked != own => {
            return Err(say::zone_overridden(text, asked, &own));
        }
        (Some(own), _) => Some(own),
        (None, None) => return Err(say::zone_required(text)),
        (None, Some("all")) => None,
        (None, Some(_)) if is_http => return Err(say::zone_must_be_all(text)),
        (None, Some(asked)) => Some(asked.to_owned()),
    };
    Ok(Target {
        address: Some(address),
        availability_zone,
        ..target
    })
}

/// 100.64.0.0/10.
fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && (64..128).contains(&b)
}

/// An application load balancer that listens on the group's port.
async fn load_balancer(cx: &Ctx, group: &TargetGroup, target: Target) -> Result<Target, AwsError> {
    let refused = || say::no_such_load_balancer(&target.id);
    let found = change::find_load_balancer(cx, &target.id).await;
    let found = found.ok().flatten().ok_or_else(refused)?;
    let is_application = found.load_balancer_type == LoadBalancerType::Application;
    if !is_application || found.vpc_id != group.vpc_id {
        return Err(refused());
    }
    if target.port != group.port {
        return Err(say::port_of_alb(group.port));
    }
    let listeners = change::listeners_of(cx, found.id()).await?;
    match listeners.iter().any(|l| l.port == group.port) {
        true => Ok(target),
        false => Err(say::no_listener_on(&target.id, group.port)),
    }
}

pub async fn deregister_targets(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeregisterTargetsInput,
) -> Result<api::DeregisterTargetsOutput, AwsError> {
    if input.targets.is_empty() {
        return Err(say::targets_empty());
    }
    for batch in input.targets.chunks(BATCH) {
        settle(|| deregistered(&cx, &input.target_group_arn, batch)).await?;
    }
    Ok(api::DeregisterTargetsOutput {})
}

/// A target of a group that carries traffic drains first. One that is not there is deregistered
/// already.
async fn deregistered(
    cx: &Ctx,
    arn: &str,
    asked: &[api::TargetDescription],
) -> Result<(Tx, ()), AwsError> {
    let group = change::target_group(cx, arn).await?;
    let all = attributes::owner(&group).complete(&group.attributes);
    let delay = all.get(DEREGISTRATION_DELAY).and_then(|v| v.parse().ok());
    let delay = Duration::from_secs(delay.unwrap_or(0));
    let drains = !delay.is_zero() && change::users(cx).await?.contains_key(arn);
    let there = targets_of(cx, group.id()).await?;
    let mut tx = cx.db().tx().unchanged(&group);
    let mut gone = Vec::new();
    for one in asked {
        let port = port_of(&group, one);
        let is_it = |t: &&Stored<Target>| t.id == one.id && t.port == port;
        let Some(read) = there.iter().find(is_it) else {
            continue;
        };
        let key = TargetKey {
            id: read.id.clone(),
            port,
        };
        if read.draining_until.is_some() || gone.contains(&key) {
            continue;
        }
        if drains {
            let value = Target {
                draining_until: Some(cx.now() + delay),
                ..read.value.clone()
            };
            tx = tx.update(read, &value);
        } else {
            tx = tx.delete(read);
        }
        gone.push(key);
    }
    if !drains {
        tx = registration::forgotten(&cx.house, &cx.scope, tx, group.id(), &gone).await?;
    }
    Ok((tx, ()))
}
