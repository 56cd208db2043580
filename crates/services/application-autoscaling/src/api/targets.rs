//! Scalable targets.

use super::{PAGE, change, check_filter, find, listed, named, paged, size};
use crate::model::{DIMENSION, NAMESPACE, Suspended, Target};
use crate::{ApplicationAutoscaling, alarms, ecs, error};
use neargate_api_application_autoscaling as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, tags};
use std::collections::BTreeMap;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-limits.html>).
const MAX_TARGETS: usize = 3_000;

pub async fn register_scalable_target(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::RegisterScalableTargetInput,
) -> Result<api::RegisterScalableTargetOutput, AwsError> {
    let named = named(
        &input.service_namespace,
        &input.resource_id,
        &input.scalable_dimension,
    )?;
    // The service-linked role is taken, whichever is given.
    let service = ecs::see(&cx.house, &cx.scope, &named).await?;
    if service.is_none() {
        return Err(error::no_such_service(&input.resource_id));
    }
    let key = named.key(&cx.scope);
    loop {
        let read = cx.db().get_key::<Target>(&key).await?;
        let registered = read.as_ref().filter(|t| !t.deregistered);
        let mut target = match registered {
            Some(target) if input.tags.is_some() => {
                return Err(error::validation(format!(
                    "The scalable target that you tried to tag already exists: {}. To update tags on \
                     an existing scalable target, use the TagResource API.",
                    target.arn(&cx.scope)
                )));
            }
            Some(target) => target.value.clone(),
            None => {
                if cx.db().list::<Target>(&cx.scope).await?.len() >= MAX_TARGETS {
                    return Err(error::limit_exceeded(format!(
                        "There can be {MAX_TARGETS} scalable targets of {NAMESPACE} at most"
                    )));
                }
                let cut_short = read.as_ref().map(|t| t.unwanted_alarms.clone());
                Target {
                    // AWS's have the service's name in them, too.
                    id: format!("0ec5{}", cx.house.rng.hex(32)),
                    unwanted_alarms: cut_short.unwrap_or_default(),
                    ..new(&cx, &named, &input)?
                }
            }
        };
        set(&mut target, &input)?;
        let arn = target.arn(&cx.scope);
        let tx = match &read {
            Some(read) if read.value == target => {
                return Ok(api::RegisterScalableTargetOutput {
                    scalable_target_arn: Some(arn),
                });
            }
            Some(read) => cx.db().tx().update(read, &target),
            None => cx.db().tx().create(key.clone(), &target),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::RegisterScalableTargetOutput {
                scalable_target_arn: Some(arn),
            });
        }
    }
}

fn new(
    cx: &Ctx,
    named: &crate::model::Named,
    input: &api::RegisterScalableTargetInput,
) -> Result<Target, AwsError> {
    for (what, given) in [
        ("Minimum", input.min_capacity),
        ("Maximum", input.max_capacity),
    ] {
        if given.is_none() {
            return Err(error::validation(format!(
                "{what} capacity must be specified"
            )));
        }
    }
    let given = input.tags.clone().unwrap_or_default();
    Ok(Target {
        id: String::new(),
        cluster: named.cluster.clone(),
        service: named.service.clone(),
        created_at: cx.now(),
        min: 0,
        max: 0,
        suspended: Suspended::default(),
        tags: tags::parse(given).map_err(|why| error::tags("", why))?,
        policies: BTreeMap::new(),
        scheduled: BTreeMap::new(),
        deregistered: false,
        bounds_set: false,
        acting: None,
        grew: None,
        shrank: None,
        heard: BTreeMap::new(),
        not_scaled: None,
        unwanted_alarms: Default::default(),
    })
}

/// What is given is set, and nothing else.
fn set(target: &mut Target, input: &api::RegisterScalableTargetInput) -> Result<(), AwsError> {
    let count = |what: &str, given: i32| {
        u32::try_from(given)
            .map_err(|_| error::validation(format!("{what} capacity cannot be less than 0")))
    };
    if let Some(min) = input.min_capacity {
        target.min = count("Minimum", min)?;
    }
    if let Some(max) = input.max_capacity {
        target.max = count("Maximum", max)?;
    }
    if target.max < target.min {
        return Err(error::validation(
            "Maximum capacity cannot be less than minimum capacity",
        ));
    }
    if input.min_capacity.is_some() || input.max_capacity.is_some() {
        target.bounds_set = true;
        target.not_scaled = None;
    }
    if let Some(given) = &input.suspended_state {
        let suspended = &mut target.suspended;
        for (slot, given) in [
            (&mut suspended.scale_in, given.dynamic_scaling_in_suspended),
            (
                &mut suspended.scale_out,
                given.dynamic_scaling_out_suspended,
            ),
            (&mut suspended.scheduled, given.scheduled_scaling_suspended),
        ] {
            *slot = given.unwrap_or(*slot);
        }
    }
    Ok(())
}

pub async fn deregister_scalable_target(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DeregisterScalableTargetInput,
) -> Result<api::DeregisterScalableTargetOutput, AwsError> {
    let named = named(
        &input.service_namespace,
        &input.resource_id,
        &input.scalable_dimension,
    )?;
    if find(&cx, &named).await?.is_none() {
        return Err(error::no_such_target(&named));
    }
    change(&cx, &named, |target| {
        let mut policies = std::mem::take(&mut target.policies);
        let own = policies.values_mut().flat_map(|p| p.abandon_alarms());
        target.unwanted_alarms.extend(own);
        target.scheduled.clear();
        target.deregistered = true;
        Ok(())
    })
    .await?;
    // The controller goes on with it where this fails.
    if let Err(error) = alarms::settle(&cx.house, &named.key(&cx.scope)).await {
        tracing::warn!(%error, "alarms of a deregistered target are there for longer");
    }
    Ok(api::DeregisterScalableTargetOutput {})
}

pub async fn describe_scalable_targets(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DescribeScalableTargetsInput,
) -> Result<api::DescribeScalableTargetsOutput, AwsError> {
    let limit = size(PAGE, input.max_results)?;
    let ids = input.resource_ids.unwrap_or_default();
    let dimension = input.scalable_dimension.as_ref();
    check_filter("ResourceIds", !ids.is_empty(), dimension)?;
    let found = listed(&cx, &input.service_namespace, &ids, dimension).await?;
    let found = paged(found, input.next_token.as_ref(), limit, |t| t.key.clone())?;
    Ok(api::DescribeScalableTargetsOutput {
        scalable_targets: Some(found.items.iter().map(|t| shown(&cx, t)).collect()),
        next_token: found.next_token,
    })
}

fn shown(cx: &Ctx, target: &Stored<Target>) -> api::ScalableTarget {
    let suspended = target.suspended;
    api::ScalableTarget {
        service_namespace: Some(NAMESPACE.into()),
        resource_id: Some(target.named().resource_id()),
        scalable_dimension: Some(DIMENSION.into()),
        min_capacity: i32::try_from(target.min).ok(),
        max_capacity: i32::try_from(target.max).ok(),
        predicted_capacity: None,
        role_arn: Some(ecs::role(&cx.scope)),
        creation_time: Some(target.created_at),
        suspended_state: Some(api::SuspendedState {
            dynamic_scaling_in_suspended: Some(suspended.scale_in),
            dynamic_scaling_out_suspended: Some(suspended.scale_out),
            scheduled_scaling_suspended: Some(suspended.scheduled),
        }),
        scalable_target_arn: Some(target.arn(&cx.scope)),
    }
}
