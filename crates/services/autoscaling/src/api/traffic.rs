//! Load balancers and target groups of a group
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-load-balancer.html>), under the
//! older names of the operations and the newer one.

use super::{PAGE, change, find, paged, size, text};
use crate::model::{Group, TrafficSource};
use crate::{Autoscaling, elbv2, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
const MAX_SOURCES: usize = 50;

pub(super) async fn of_new(
    cx: &Ctx,
    balancers: Option<&[String]>,
    groups: Option<&[String]>,
    sources: Option<&[api::TrafficSourceIdentifier]>,
) -> Result<BTreeMap<String, TrafficSource>, AwsError> {
    let mut all = BTreeMap::new();
    let named = |ids: Option<&[String]>, kind: &str| -> Vec<(String, String)> {
        let ids = ids.unwrap_or_default().iter();
        ids.map(|id| (id.clone(), kind.to_owned())).collect()
    };
    let given: Vec<(String, String)> = named(balancers, "elb")
        .into_iter()
        .chain(named(groups, "elbv2"))
        .chain(typed(sources.unwrap_or_default())?)
        .collect();
    check(cx, &given).await?;
    for (id, kind) in given {
        all.insert(id, source(kind));
    }
    Ok(all)
}

/// All must be target groups that exist: there is nothing of the other kinds.
async fn check(cx: &Ctx, sources: &[(String, String)]) -> Result<(), AwsError> {
    for (id, kind) in sources {
        match kind.as_str() {
            "elbv2" if elbv2::exists(&cx.house, &cx.scope, id).await? => {}
            "elbv2" => return Err(error::no_such_source("Target Groups")),
            "elb" => return Err(error::no_such_source("Load Balancers")),
            _ => return Err(error::unsupported("VPC Lattice target groups")),
        }
    }
    Ok(())
}

fn source(kind: String) -> TrafficSource {
    TrafficSource {
        kind,
        leaving: false,
        registered: BTreeSet::new(),
    }
}

/// The kind is seen from the identifier where it is not given.
fn typed(sources: &[api::TrafficSourceIdentifier]) -> Result<Vec<(String, String)>, AwsError> {
    let kind = |s: &api::TrafficSourceIdentifier| {
        let kind = match s.r#type.as_deref() {
            Some(kind) => kind,
            None if s.identifier.contains(":vpc-lattice:") => "vpc-lattice",
            None if s.identifier.starts_with("arn:") => "elbv2",
            None => "elb",
        };
        match ["elb", "elbv2", "vpc-lattice"].contains(&kind) {
            true => Ok((s.identifier.clone(), kind.to_owned())),
            false => Err(error::validation(format!(
                "{kind} is not a valid traffic source type"
            ))),
        }
    };
    sources.iter().map(kind).collect()
}

async fn attach(cx: &Ctx, name: &str, sources: Vec<(String, String)>) -> Result<(), AwsError> {
    find(cx, name).await?;
    check(cx, &sources).await?;
    change(cx, name, |group| {
        for (id, kind) in &sources {
            let known = group.traffic_sources.entry(id.clone());
            known.or_insert_with(|| source(kind.clone())).leaving = false;
        }
        match group.traffic_sources.len() > MAX_SOURCES {
            true => Err(error::limit_exceeded(
                "Traffic sources per AutoScalingGroup",
                MAX_SOURCES,
            )),
            false => Ok(()),
        }
    })
    .await
}

/// Those with registered instances go once these are taken out.
async fn detach(cx: &Ctx, name: &str, ids: Vec<String>) -> Result<(), AwsError> {
    change(cx, name, |group| {
        for id in &ids {
            let Some(source) = group.traffic_sources.get_mut(id) else {
                return Err(error::validation(format!(
                    "Trying to remove Target Groups that are not part of the group: {id}"
                )));
            };
            source.leaving = true;
            if source.registered.is_empty() {
                group.traffic_sources.remove(id);
            }
        }
        Ok(())
    })
    .await
}

/// `Adding` until all that are in service are registered.
fn state(group: &Group, source: &TrafficSource) -> &'static str {
    let in_service =
        |(_, m): &(&String, &crate::model::Member)| m.state == crate::model::Lifecycle::InService;
    let mut members = group.instances.iter().filter(in_service);
    match source.leaving {
        true => "Removing",
        false if members.all(|(id, _)| source.registered.contains(id)) => "Added",
        false => "Adding",
    }
}

pub async fn attach_load_balancer_target_groups(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::AttachLoadBalancerTargetGroupsInput,
) -> Result<api::AttachLoadBalancerTargetGroupsOutput, AwsError> {
    let arns = input.target_group_arns.into_iter();
    let sources = arns.map(|arn| (arn, "elbv2".to_owned())).collect();
    attach(&cx, &input.auto_scaling_group_name, sources).await?;
    Ok(api::AttachLoadBalancerTargetGroupsOutput {})
}

pub async fn detach_load_balancer_target_groups(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DetachLoadBalancerTargetGroupsInput,
) -> Result<api::DetachLoadBalancerTargetGroupsOutput, AwsError> {
    detach(&cx, &input.auto_scaling_group_name, input.target_group_arns).await?;
    Ok(api::DetachLoadBalancerTargetGroupsOutput {})
}

pub async fn describe_load_balancer_target_groups(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeLoadBalancerTargetGroupsInput,
) -> Result<api::DescribeLoadBalancerTargetGroupsOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let group = find(&cx, &input.auto_scaling_group_name).await?;
    let sources = group
        .traffic_sources
        .iter()
        .filter(|(_, s)| s.kind == "elbv2");
    let shown = sources.map(|(id, s)| api::LoadBalancerTargetGroupState {
        load_balancer_target_group_arn: text(id),
        state: text(state(&group, s)),
    });
    let found = paged(shown, input.next_token.as_deref(), limit, |s| {
        s.load_balancer_target_group_arn.clone().unwrap_or_default()
    })?;
    Ok(api::DescribeLoadBalancerTargetGroupsOutput {
        load_balancer_target_groups: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn attach_load_balancers(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::AttachLoadBalancersInput,
) -> Result<api::AttachLoadBalancersOutput, AwsError> {
    let names = input.load_balancer_names.into_iter();
    let sources = names.map(|name| (name, "elb".to_owned())).collect();
    attach(&cx, &input.auto_scaling_group_name, sources).await?;
    Ok(api::AttachLoadBalancersOutput {})
}

pub async fn detach_load_balancers(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DetachLoadBalancersInput,
) -> Result<api::DetachLoadBalancersOutput, AwsError> {
    detach(
        &cx,
        &input.auto_scaling_group_name,
        input.load_balancer_names,
    )
    .await?;
    Ok(api::DetachLoadBalancersOutput {})
}

pub async fn describe_load_balancers(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeLoadBalancersInput,
) -> Result<api::DescribeLoadBalancersOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let group = find(&cx, &input.auto_scaling_group_name).await?;
    let sources = group
        .traffic_sources
        .iter()
        .filter(|(_, s)| s.kind == "elb");
    let shown = sources.map(|(id, s)| api::LoadBalancerState {
        load_balancer_name: text(id),
        state: text(state(&group, s)),
    });
    let found = paged(shown, input.next_token.as_deref(), limit, |s| {
        s.load_balancer_name.clone().unwrap_or_default()
    })?;
    Ok(api::DescribeLoadBalancersOutput {
        load_balancers: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn attach_traffic_sources(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::AttachTrafficSourcesInput,
) -> Result<api::AttachTrafficSourcesOutput, AwsError> {
    let sources = typed(&input.traffic_sources)?;
    attach(&cx, &input.auto_scaling_group_name, sources).await?;
    Ok(api::AttachTrafficSourcesOutput {})
}

pub async fn detach_traffic_sources(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DetachTrafficSourcesInput,
) -> Result<api::DetachTrafficSourcesOutput, AwsError> {
    let ids = input.traffic_sources.into_iter().map(|s| s.identifier);
    detach(&cx, &input.auto_scaling_group_name, ids.collect()).await?;
    Ok(api::DetachTrafficSourcesOutput {})
}

pub async fn describe_traffic_sources(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeTrafficSourcesInput,
) -> Result<api::DescribeTrafficSourcesOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let group = find(&cx, &input.auto_scaling_group_name).await?;
    let kind = input.traffic_source_type.as_ref();
    let sources = group.traffic_sources.iter();
    let sources = sources.filter(|(_, s)| kind.is_none_or(|k| *k == s.kind));
    let shown = sources.map(|(id, s)| api::TrafficSourceState {
        traffic_source: text(id),
        state: text(state(&group, s)),
        identifier: text(id),
        r#type: text(&s.kind),
    });
    let found = paged(shown, input.next_token.as_deref(), limit, |s| {
        s.identifier.clone().unwrap_or_default()
    })?;
    Ok(api::DescribeTrafficSourcesOutput {
        traffic_sources: Some(found.items),
        next_token: found.next_token,
    })
}

/// There are no warm pools: a group has none.
pub async fn describe_warm_pool(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeWarmPoolInput,
) -> Result<api::DescribeWarmPoolOutput, AwsError> {
    find(&cx, &input.auto_scaling_group_name).await?;
    Ok(api::DescribeWarmPoolOutput {
        instances: Some(vec![]),
        ..Default::default()
    })
}
