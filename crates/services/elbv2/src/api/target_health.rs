//! How targets are
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html>).

use super::targets::{port_of, targets_of};
use super::text;
use crate::change;
use crate::model::{LoadBalancer, Target, TargetGroup, TargetType};
use crate::plan::health::{self, Shown, Surroundings};
use crate::{Elbv2, registration};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::TargetKey;
use neargate_service::db::Stored;
use neargate_service::instance::Instance;
use neargate_service::target_health;
use neargate_service::{AwsError, Ctx};
use std::net::Ipv4Addr;
use std::sync::Arc;

pub async fn describe_target_health(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTargetHealthInput,
) -> Result<api::DescribeTargetHealthOutput, AwsError> {
    let group = change::target_group(&cx, &input.target_group_arn).await?;
    let there = live_targets(&cx, &group).await?;
    let observed = target_health::of_group(&cx.house, &cx.scope, &input.target_group_arn).await?;
    let seen = Seen::read(&cx, &group, &input.target_group_arn).await?;
    let include = input.include.unwrap_or_default();
    let anomalies = include
        .iter()
        .any(|i| i == "AnomalyDetection" || i == "All");
    let mut shown = Vec::new();
    match input.targets.as_deref().unwrap_or_default() {
        [] => {
            for target in &there {
                let key = key(target);
                let health = seen.health(&cx, &group, target, observed.of(&key)).await?;
                shown.push(description(&group, target, health, anomalies));
            }
        }
        asked => {
            for one in asked {
                let port = port_of(&group, one);
                let target = there.iter().find(|t| t.id == one.id && t.port == port);
                let Some(target) = target else {
                    let unknown = Target {
                        id: one.id.clone(),
                        port,
                        address: None,
                        availability_zone: None,
                        registered_at: cx.now(),
                        draining_until: None,
                    };
                    let health = Shown::not_registered();
                    shown.push(description(&group, &unknown, health, false));
                    continue;
                };
                let key = key(target);
                let health = seen.health(&cx, &group, target, observed.of(&key)).await?;
                shown.push(description(&group, target, health, anomalies));
            }
        }
    }
    Ok(api::DescribeTargetHealthOutput {
        target_health_descriptions: Some(shown),
    })
}

fn key(target: &Target) -> TargetKey {
    TargetKey {
        id: target.id.clone(),
        port: target.port,
    }
}

/// Without those whose draining is over, which go.
async fn live_targets(
    cx: &Ctx,
    group: &Stored<TargetGroup>,
) -> Result<Vec<Stored<Target>>, AwsError> {
    let mut live = Vec::new();
    for target in targets_of(cx, group.id()).await? {
        match target.draining_until.is_some_and(|until| until <= cx.now()) {
            true => registration::end(&cx.house, &target.key).await?,
            false => live.push(target),
        }
    }
    Ok(live)
}

/// What is around a group's targets.
struct Seen {
    /// The zones of the load balancer that uses the group.
    zones: Option<Vec<String>>,
    /// The addresses of load balancers in its VPC.
    reserved: Vec<Ipv4Addr>,
}

impl Seen {
    async fn read(cx: &Ctx, group: &TargetGroup, arn: &str) -> Result<Seen, AwsError> {
        let user = change::users(cx).await?.remove(arn);
        let all = cx.db().list::<LoadBalancer>(&cx.scope).await?;
        let zones = |l: &Stored<LoadBalancer>| {
            let nodes = l.nodes.iter();
            nodes.map(|n| n.availability_zone.clone()).collect()
        };
        let user = all.iter().find(|l| user.as_deref() == Some(l.id()));
        let of_vpc = all.iter().filter(|l| l.vpc_id == group.vpc_id);
        Ok(Seen {
            zones: user.map(zones),
            reserved: of_vpc
                .flat_map(|l| &l.nodes)
                .map(|n| n.private_ipv4)
                .collect(),
        })
    }

    async fn health(
        &self,
        cx: &Ctx,
        group: &TargetGroup,
        target: &Target,
        observed: Option<&neargate_domain::load_balancer::TargetHealth>,
    ) -> Result<Shown, AwsError> {
        let instance = match group.target_type {
            TargetType::Instance => cx.db().get::<Instance>(&cx.scope, &target.id).await?,
            TargetType::Ip | TargetType::Alb => None,
        };
        let zones = self.zones.as_ref();
        let zones: Option<Vec<_>> = zones.map(|z| z.iter().map(String::as_str).collect());
        let around = Surroundings {
            zones: zones.as_deref(),
            instance: instance.as_deref(),
            reserved: target.address.is_some_and(|a| self.reserved.contains(&a)),
        };
        Ok(health::shown(group.target_type, target, around, observed))
    }
}

fn description(
    group: &TargetGroup,
    target: &Target,
    health: Shown,
    anomalies: bool,
) -> api::TargetHealthDescription {
    let is_registered = health.reason != Some("Target.NotRegistered");
    let by_address = group.target_type == TargetType::Ip && is_registered;
    let zone = || {
        target
            .availability_zone
            .clone()
            .unwrap_or_else(|| "all".into())
    };
    let port = group.health_check.port.unwrap_or(target.port);
    api::TargetHealthDescription {
        target: Some(api::TargetDescription {
            id: target.id.clone(),
            port: Some(i32::from(target.port)),
            availability_zone: by_address.then(zone),
            quic_server_id: None,
        }),
        health_check_port: text(port.to_string()),
        target_health: Some(api::TargetHealth {
            state: text(health.state),
            reason: health.reason.map(str::to_owned),
            description: health.description,
        }),
        anomaly_detection: anomalies.then(|| api::AnomalyDetection {
            result: text("normal"),
            mitigation_in_effect: text("no"),
        }),
        administrative_override: is_registered.then(|| api::AdministrativeOverride {
            state: text("no_override"),
            reason: text("AdministrativeOverride.NoOverride"),
            description: text("No override is currently active on target"),
        }),
    }
}
