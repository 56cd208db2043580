//! How handlers find what calls name.

use crate::error::{
    self, listener as say_listener, load_balancer as say, rule, target_group, trust_store,
};
use crate::model::{Listener, LoadBalancer, TargetGroup, TrustStore};
use crate::names::{self, Named};
use neargate_service::db::{self, Stored};
use neargate_service::{AwsError, Ctx, Resource};
use std::collections::BTreeMap;

pub(crate) use neargate_service::db::settle;

pub(crate) fn key<T: Resource>(cx: &Ctx, id: &str) -> String {
    db::key::<T>(&cx.scope, id)
}

/// The ARN of a stored load balancer of the caller's.
pub(crate) fn arn(cx: &Ctx, stored: &Stored<LoadBalancer>) -> String {
    names::load_balancer_arn(
        &cx.scope,
        stored.load_balancer_type,
        &stored.name,
        stored.id(),
    )
}

pub(crate) fn group_arn(cx: &Ctx, stored: &Stored<TargetGroup>) -> String {
    names::target_group_arn(&cx.scope, &stored.name, stored.id())
}

/// A text that is to be an ARN of a noun: AWS says of other texts that they are not valid.
fn check_form(text: &str, resource: &str, noun: &str) -> Result<(), AwsError> {
    let is_one = text.starts_with("arn:")
        && text.contains(":elasticloadbalancing:")
        && text.contains(&format!(":{resource}/"));
    match is_one {
        true => Ok(()),
        false => Err(error::not_an_arn(noun, text)),
    }
}

/// The load balancer, if there is one.
///
/// # Errors
/// AWS's for a text that is no such ARN.
pub(crate) async fn find_load_balancer(
    cx: &Ctx,
    text: &str,
) -> Result<Option<Stored<LoadBalancer>>, AwsError> {
    check_form(text, "loadbalancer", "load balancer")?;
    let Some(Named::LoadBalancer(id)) = Named::parse(&cx.scope, text) else {
        return Ok(None);
    };
    let found = cx.db().get::<LoadBalancer>(&cx.scope, &id).await?;
    Ok(found.filter(|stored| arn(cx, stored) == text))
}

/// # Errors
/// `LoadBalancerNotFound`.
pub(crate) async fn load_balancer(cx: &Ctx, text: &str) -> Result<Stored<LoadBalancer>, AwsError> {
    find_load_balancer(cx, text)
        .await?
        .ok_or_else(say::not_found)
}

/// # Errors
/// `TargetGroupNotFound`.
pub(crate) async fn target_group(cx: &Ctx, text: &str) -> Result<Stored<TargetGroup>, AwsError> {
    let found = find_target_group(cx, text).await?;
    found.ok_or_else(target_group::not_found)
}

pub(crate) async fn find_target_group(
    cx: &Ctx,
    text: &str,
) -> Result<Option<Stored<TargetGroup>>, AwsError> {
    check_form(text, "targetgroup", "target group")?;
    let Some(Named::TargetGroup(id)) = Named::parse(&cx.scope, text) else {
        return Ok(None);
    };
    let found = cx.db().get::<TargetGroup>(&cx.scope, &id).await?;
    Ok(found.filter(|stored| group_arn(cx, stored) == text))
}

/// The trust store, if there is one.
///
/// # Errors
/// AWS's for a text that is no such ARN.
pub(crate) async fn find_trust_store(
    cx: &Ctx,
    text: &str,
) -> Result<Option<Stored<TrustStore>>, AwsError> {
    check_form(text, "truststore", "trust store")?;
    let Some(Named::TrustStore(id)) = Named::parse(&cx.scope, text) else {
        return Ok(None);
    };
    let found = cx.db().get::<TrustStore>(&cx.scope, &id).await?;
    let is_it = |stored: &Stored<TrustStore>| {
        names::trust_store_arn(&cx.scope, &stored.name, stored.id()) == text
    };
    Ok(found.filter(is_it))
}

/// # Errors
/// `TrustStoreNotFound`.
pub(crate) async fn trust_store(cx: &Ctx, text: &str) -> Result<Stored<TrustStore>, AwsError> {
    let found = find_trust_store(cx, text).await?;
    found.ok_or_else(trust_store::not_found)
}

/// # Errors
/// `ListenerNotFound`.
pub(crate) async fn listener(cx: &Ctx, text: &str) -> Result<Stored<Listener>, AwsError> {
    check_form(text, "listener", "listener")?;
    let found = match Named::parse(&cx.scope, text) {
        Some(Named::Listener(of, id)) => {
            let id = format!("{of}/{id}");
            cx.db().get::<Listener>(&cx.scope, &id).await?
        }
        _ => None,
    };
    let found = found.filter(|stored| stored.arn == text);
    found.ok_or_else(say_listener::not_found)
}

/// A rule's listener, and the rule's id in it: that of the default rule, too.
///
/// # Errors
/// `RuleNotFound`.
pub(crate) async fn rule(cx: &Ctx, text: &str) -> Result<(Stored<Listener>, String), AwsError> {
    check_form(text, "listener-rule", "listener rule")?;
    let Some(Named::Rule(of, listener, id)) = Named::parse(&cx.scope, text) else {
        return Err(rule::not_found());
    };
    let found = cx
        .db()
        .get::<Listener>(&cx.scope, &format!("{of}/{listener}"))
        .await?;
    let has = |l: &Stored<Listener>| {
        let known = l.default_rule == id || l.rules.iter().any(|r| r.id == id);
        known && names::rule_arn(&l.arn, &id) == text
    };
    let found = found.filter(has).ok_or_else(rule::not_found)?;
    Ok((found, id))
}

/// The listeners of a load balancer.
pub(crate) async fn listeners_of(cx: &Ctx, id: &str) -> Result<Vec<Stored<Listener>>, AwsError> {
    let prefix = format!("{}{id}/", db::prefix::<Listener>(&cx.scope));
    cx.db().list_prefix::<Listener>(&prefix).await
}

/// The id of the load balancer that a listener is of.
pub(crate) fn owner(stored: &Stored<Listener>) -> &str {
    stored.key.rsplit('/').nth(1).unwrap_or_default()
}

/// The load balancer that a listener is of.
///
/// # Errors
/// `LoadBalancerNotFound`: it has just been deleted.
pub(crate) async fn load_balancer_of(
    cx: &Ctx,
    listener: &Stored<Listener>,
) -> Result<Stored<LoadBalancer>, AwsError> {
    let found = cx.db().get::<LoadBalancer>(&cx.scope, owner(listener));
    found.await?.ok_or_else(say::not_found)
}

/// Which load balancer (by its id) uses which target group (by its ARN).
pub(crate) async fn users(cx: &Ctx) -> Result<BTreeMap<String, String>, AwsError> {
    let mut users = BTreeMap::new();
    for listener in cx.db().list::<Listener>(&cx.scope).await? {
        for group in listener.target_groups() {
            users.insert(group.to_owned(), owner(&listener).to_owned());
        }
    }
    Ok(users)
}
