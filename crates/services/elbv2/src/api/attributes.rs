//! Attributes of load balancers, target groups and listeners
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyLoadBalancerAttributes.html>).

use crate::attributes::{listener, load_balancer, target_group};
use crate::change::{self, settle};
use crate::model::{Listener, LoadBalancer, TargetGroup};
use crate::{Elbv2, error, log_delivery};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::Attributes;
use neargate_service::db::Tx;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// That one call changes.
const MAX_CHANGES: usize = 20;

pub async fn describe_load_balancer_attributes(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeLoadBalancerAttributesInput,
) -> Result<api::DescribeLoadBalancerAttributesOutput, AwsError> {
    let stored = change::load_balancer(&cx, &input.load_balancer_arn).await?;
    let all = load_balancer::owner(&stored).complete(&stored.attributes);
    Ok(api::DescribeLoadBalancerAttributesOutput {
        attributes: Some(of_load_balancer(all)),
    })
}

pub async fn modify_load_balancer_attributes(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyLoadBalancerAttributesInput,
) -> Result<api::ModifyLoadBalancerAttributesOutput, AwsError> {
    if input.attributes.len() > MAX_CHANGES {
        return Err(error::too_many_attributes(MAX_CHANGES));
    }
    let all = settle(async || -> Result<(Tx, Attributes), AwsError> {
        let stored = change::load_balancer(&cx, &input.load_balancer_arn).await?;
        let owner = load_balancer::owner(&stored);
        let asked = input
            .attributes
            .clone()
            .into_iter()
            .map(|a| (a.key, a.value));
        let mut set = stored.attributes.clone();
        set.extend(owner.check(asked)?);
        let all = owner.complete(&set);
        load_balancer::check_together(&all)?;
        let before = owner.complete(&stored.attributes);
        log_delivery::check(&cx, &input.load_balancer_arn, &before, &all).await?;
        let value = LoadBalancer {
            attributes: set,
            ..stored.value.clone()
        };
        Ok((cx.db().tx().update(&stored, &value), all))
    });
    Ok(api::ModifyLoadBalancerAttributesOutput {
        attributes: Some(of_load_balancer(all.await?)),
    })
}

fn of_load_balancer(all: Attributes) -> Vec<api::LoadBalancerAttribute> {
    let shown = |(key, value)| api::LoadBalancerAttribute {
        key: Some(key),
        value: Some(value),
    };
    all.into_iter().map(shown).collect()
}

pub async fn describe_target_group_attributes(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTargetGroupAttributesInput,
) -> Result<api::DescribeTargetGroupAttributesOutput, AwsError> {
    let stored = change::target_group(&cx, &input.target_group_arn).await?;
    let all = target_group::owner(&stored).complete(&stored.attributes);
    Ok(api::DescribeTargetGroupAttributesOutput {
        attributes: Some(of_target_group(all)),
    })
}

pub async fn modify_target_group_attributes(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyTargetGroupAttributesInput,
) -> Result<api::ModifyTargetGroupAttributesOutput, AwsError> {
    let all = settle(async || -> Result<(Tx, Attributes), AwsError> {
        let stored = change::target_group(&cx, &input.target_group_arn).await?;
        let owner = target_group::owner(&stored);
        let is_type = |a: &&api::TargetGroupAttribute| {
            a.key.as_deref() == Some(target_group::STICKINESS_TYPE)
        };
        let kind = input.attributes.iter().find(is_type);
        target_group::check_stickiness(&stored, kind.and_then(|a| a.value.as_deref()))?;
        let asked = input
            .attributes
            .clone()
            .into_iter()
            .map(|a| (a.key, a.value));
        let mut set = stored.attributes.clone();
        set.extend(owner.check(asked)?);
        let all = owner.complete(&set);
        target_group::check_together(&stored, &all)?;
        let value = TargetGroup {
            attributes: set,
            ..stored.value.clone()
        };
        Ok((cx.db().tx().update(&stored, &value), all))
    });
    Ok(api::ModifyTargetGroupAttributesOutput {
        attributes: Some(of_target_group(all.await?)),
    })
}

fn of_target_group(all: Attributes) -> Vec<api::TargetGroupAttribute> {
    let shown = |(key, value)| api::TargetGroupAttribute {
        key: Some(key),
        value: Some(value),
    };
    all.into_iter().map(shown).collect()
}

pub async fn describe_listener_attributes(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeListenerAttributesInput,
) -> Result<api::DescribeListenerAttributesOutput, AwsError> {
    let stored = change::listener(&cx, &input.listener_arn).await?;
    let all = listener::owner(stored.protocol).complete(&stored.attributes);
    Ok(api::DescribeListenerAttributesOutput {
        attributes: Some(of_listener(all)),
    })
}

pub async fn modify_listener_attributes(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyListenerAttributesInput,
) -> Result<api::ModifyListenerAttributesOutput, AwsError> {
    let all = settle(async || -> Result<(Tx, Attributes), AwsError> {
        let stored = change::listener(&cx, &input.listener_arn).await?;
        let owner = listener::owner(stored.protocol);
        let asked = input
            .attributes
            .clone()
            .into_iter()
            .map(|a| (a.key, a.value));
        let mut set = stored.attributes.clone();
        set.extend(owner.check(asked)?);
        let all = owner.complete(&set);
        let value = Listener {
            attributes: set,
            ..stored.value.clone()
        };
        Ok((cx.db().tx().update(&stored, &value), all))
    });
    Ok(api::ModifyListenerAttributesOutput {
        attributes: Some(of_listener(all.await?)),
    })
}

fn of_listener(all: Attributes) -> Vec<api::ListenerAttribute> {
    let shown = |(key, value)| api::ListenerAttribute {
        key: Some(key),
        value: Some(value),
    };
    all.into_iter().map(shown).collect()
}
