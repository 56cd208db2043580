//! What listeners name: target groups and certificates. Whoever names them writes their records in
//! the same transaction.

use crate::change;
use crate::error::{listener as say_listener, rule as say_rule, target_group as say, trust_store};
use crate::model::{Listener, LoadBalancer, TargetGroup};
use crate::plan::protocol;
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::Protocol;
use neargate_service::certificate::{self, Certificate};
use neargate_service::db::{Stored, Tx};
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use std::collections::BTreeSet;

/// Target groups that one load balancer may lead to
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_GROUPS: usize = 100;

/// Adds to a transaction that a load balancer's listener leads to these groups.
///
/// # Errors
/// AWS's, for a group that is not there, fits no such listener or is another load balancer's.
pub(super) async fn lead_to(
    cx: &Ctx,
    mut tx: Tx,
    from: &Stored<LoadBalancer>,
    listener: Protocol,
    groups: &BTreeSet<&str>,
) -> Result<Tx, AwsError> {
    let users = change::users(cx).await?;
    for arn in groups {
        let group = change::find_target_group(cx, arn).await?;
        let group: Stored<TargetGroup> = group.ok_or_else(|| say::not_found_arn(arn))?;
        if !protocol::fit(listener, group.protocol) {
            return Err(say::incompatible(arn));
        }
        if group.vpc_id != from.vpc_id {
            return Err(say::of_another_vpc(arn));
        }
        if users.get(*arn).is_some_and(|user| user != from.id()) {
            return Err(say::associated_elsewhere(arn));
        }
        tx = tx.update(&group, &group.value);
    }
    let own = users.iter().filter(|(_, user)| *user == from.id());
    let own: BTreeSet<_> = own
        .map(|(arn, _)| arn.as_str())
        .chain(groups.iter().copied())
        .collect();
    match own.len() > MAX_GROUPS {
        true => Err(crate::error::rule::too_many_groups()),
        false => Ok(tx),
    }
}

/// Checks where keys for tokens are to be fetched: strangers' addresses, which may not lead everywhere.
///
/// # Errors
/// An endpoint is none that is called.
pub(super) fn check_endpoints(cx: &Ctx, actions: &[Json<api::Action>]) -> Result<(), AwsError> {
    let configs = actions
        .iter()
        .filter_map(|action| action.jwt_validation_config.as_ref());
    for config in configs {
        let endpoint = &config.jwks_endpoint;
        let checked = cx.house.outbound.check(endpoint);
        checked.map_err(|why| {
            say_rule::action(format!(
                "The JWKS endpoint '{endpoint}' is not called: {why}"
            ))
        })?;
    }
    Ok(())
}

/// Adds to a transaction that a listener believes this trust store, if it is to believe one.
///
/// # Errors
/// `TrustStoreNotFound`.
pub(super) async fn believe(cx: &Ctx, tx: Tx, listener: &Listener) -> Result<Tx, AwsError> {
    let Some(arn) = listener.trust_store() else {
        return Ok(tx);
    };
    let found = change::find_trust_store(cx, arn).await?;
    let found = found.ok_or_else(|| trust_store::not_found_arn(arn))?;
    Ok(tx.update(&found, &found.value))
}

/// Adds to a transaction that a load balancer uses these certificates.
///
/// # Errors
/// `CertificateNotFound`.
pub(super) async fn use_certificates(
    cx: &Ctx,
    mut tx: Tx,
    arns: &BTreeSet<&str>,
    user: &str,
) -> Result<Tx, AwsError> {
    for arn in arns {
        let found = certificate::find(&cx.house, &cx.scope, arn).await?;
        let found: Stored<Certificate> =
            found.ok_or_else(|| say_listener::certificate_not_found(arn))?;
        tx = certificate::used(tx, &found, user, true);
    }
    Ok(tx)
}

/// Adds to a transaction that a load balancer uses these certificates no longer.
pub(super) async fn give_up(
    cx: &Ctx,
    mut tx: Tx,
    arns: BTreeSet<String>,
    user: &str,
) -> Result<Tx, AwsError> {
    for arn in arns {
        if let Some(found) = certificate::find(&cx.house, &cx.scope, &arn).await? {
            tx = certificate::used(tx, &found, user, false);
        }
    }
    Ok(tx)
}

/// The certificates that a load balancer uses by other listeners than this one.
pub(super) async fn certificates_elsewhere(
    cx: &Ctx,
    listener: &Stored<Listener>,
) -> Result<BTreeSet<String>, AwsError> {
    let all = change::listeners_of(cx, change::owner(listener)).await?;
    let others = all.iter().filter(|l| l.key != listener.key);
    Ok(others
        .flat_map(|l| l.certificates())
        .map(str::to_owned)
        .collect())
}
