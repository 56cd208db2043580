//! Health checks (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheck.html>).

use super::size;
use crate::health::{self, status_key};
use crate::model::HealthCheck;
use crate::{Route53, error};
use neargate_api_route53 as api;
use neargate_service::db::settle;
use neargate_service::dns::HealthStatus;
use neargate_service::{AwsError, Ctx, Stored};
use neargate_service::{dns, outbound};
use neargate_wire::json::Json;
use std::net::IpAddr;
use std::sync::Arc;

pub const MOST_CHECKS: usize = 200;
const PAGE: usize = 100;
/// What asks here, in place of AWS's checkers all over the world.
const REGION: &str = "us-east-1";
const CHECKER: &str = "127.0.0.1";

pub(super) async fn found(cx: &Ctx, id: &str) -> Result<Stored<HealthCheck>, AwsError> {
    let key = health::key(&cx.scope.account, id);
    let found = cx.db().get_key::<HealthCheck>(&key).await?;
    found.ok_or_else(|| error::no_such_health_check(id))
}

async fn all(cx: &Ctx) -> Result<Vec<Stored<HealthCheck>>, AwsError> {
    cx.db().list(&dns::global(&cx.scope.account)).await
}

pub async fn create_health_check(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::CreateHealthCheckInput,
) -> Result<api::CreateHealthCheckOutput, AwsError> {
    let id = cx.house.rng.uuid();
    let config = completed(input.health_check_config)?;
    let check = settle(async || {
        let all = all(&cx).await?;
        if let Some(there) = all
            .iter()
            .find(|c| c.caller_reference == input.caller_reference)
        {
            return match there.config.0 == config {
                true => Ok((cx.db().tx(), there.clone())),
                false => Err(error::health_check_already_exists()),
            };
        }
        if all.len() >= MOST_CHECKS {
            return Err(error::too_many_health_checks());
        }
        for child in config.child_health_checks.iter().flatten() {
            found(&cx, child).await?;
        }
        let key = health::key(&cx.scope.account, &id);
        let check = HealthCheck {
            caller_reference: input.caller_reference.clone(),
            version: 1,
            config: Json(config.clone()),
            created_at: cx.now(),
            tags: Default::default(),
        };
        let tx = cx.db().tx().create(key.clone(), &check);
        let stored = Stored {
            key,
            revision: 0,
            value: check,
        };
        Ok((tx, stored))
    })
    .await?;
    let location = format!(
        "https://route53.amazonaws.com/2013-04-01/healthcheck/{}",
        check.id()
    );
    Ok(api::CreateHealthCheckOutput {
        health_check: Some(shown(&check)),
        location: Some(location),
    })
}

/// With what was left out.
///
/// # Errors
/// What is wrong with it.
fn completed(mut config: api::HealthCheckConfig) -> Result<api::HealthCheckConfig, AwsError> {
    let kind = config.r#type.clone();
    if matches!(kind.as_str(), "CLOUDWATCH_METRIC" | "RECOVERY_CONTROL") {
        return Err(AwsError::not_implemented(
            "route53",
            &format!("HealthCheckConfig.Type {kind}"),
        ));
    }
    let refuse = |why: &str| Err(error::invalid_input(why));
    config.inverted.get_or_insert(false);
    config.disabled.get_or_insert(false);
    if kind == "CALCULATED" {
        config.child_health_checks.get_or_insert_default();
        return match config.health_threshold {
            Some(_) => Ok(config),
            None => refuse(
                "Invalid parameter : HealthThreshold is required for a health check of type CALCULATED.",
            ),
        };
    }
    if config.child_health_checks.is_some() || config.health_threshold.is_some() {
        return refuse(
            "Invalid parameter : ChildHealthChecks and HealthThreshold are for health checks of type CALCULATED.",
        );
    }
    let address = config.ip_address.as_deref().map(str::parse::<IpAddr>);
    match address {
        Some(Err(_)) => return refuse("Invalid parameter : IPAddress is not a valid IP address."),
        Some(Ok(address)) if !outbound::is_public(address) => {
            return refuse(
                "Invalid parameter : The IP address of a health check must be reachable from the internet.",
            );
        }
        None if config.fully_qualified_domain_name.is_none() => {
            return refuse(
                "Invalid parameter : Either IPAddress or FullyQualifiedDomainName must be specified.",
            );
        }
        _ => {}
    }
    if kind == "TCP" && config.port.is_none() {
        return refuse("Invalid parameter : Port is required for a health check of type TCP.");
    }
    if kind.ends_with("STR_MATCH") != config.search_string.as_ref().is_some_and(|s| !s.is_empty()) {
        return refuse(
            "Invalid parameter : SearchString is for health checks of the types HTTP_STR_MATCH and HTTPS_STR_MATCH, which need one.",
        );
    }
    if kind == "TCP" && config.resource_path.is_some() {
        return refuse("Invalid parameter : ResourcePath is not for health checks of type TCP.");
    }
    match config.request_interval.get_or_insert(30) {
        10 | 30 => {}
        _ => return refuse("Invalid parameter : RequestInterval must be 10 or 30."),
    }
    let is_tls = kind.starts_with("HTTPS");
    config.port.get_or_insert(if is_tls { 443 } else { 80 });
    config.failure_threshold.get_or_insert(3);
    config.measure_latency.get_or_insert(false);
    config.enable_sni.get_or_insert(is_tls);
    Ok(config)
}

fn shown(of: &Stored<HealthCheck>) -> api::HealthCheck {
    api::HealthCheck {
        id: Some(of.id().to_owned()),
        caller_reference: Some(of.caller_reference.clone()),
        health_check_config: Some(of.config.0.clone()),
        health_check_version: Some(of.version),
        ..Default::default()
    }
}

pub async fn get_health_check(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::GetHealthCheckInput,
) -> Result<api::GetHealthCheckOutput, AwsError> {
    let check = found(&cx, &input.health_check_id).await?;
    Ok(api::GetHealthCheckOutput {
        health_check: Some(shown(&check)),
    })
}

pub async fn get_health_check_count(
    _: Arc<Route53>,
    cx: Ctx,
    _: api::GetHealthCheckCountInput,
) -> Result<api::GetHealthCheckCountOutput, AwsError> {
    Ok(api::GetHealthCheckCountOutput {
        health_check_count: i64::try_from(all(&cx).await?.len()).ok(),
    })
}

pub async fn list_health_checks(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListHealthChecksInput,
) -> Result<api::ListHealthChecksOutput, AwsError> {
    let size = size(input.max_items.as_deref(), PAGE)?;
    let mut all = all(&cx).await?;
    if let Some(marker) = &input.marker {
        all.retain(|check| check.id() >= marker.as_str());
    }
    let next = all.get(size).map(|check| check.id().to_owned());
    all.truncate(size);
    Ok(api::ListHealthChecksOutput {
        health_checks: Some(all.iter().map(shown).collect()),
        marker: input.marker,
        is_truncated: Some(next.is_some()),
        next_marker: next,
        max_items: Some(size.to_string()),
    })
}

pub async fn update_health_check(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::UpdateHealthCheckInput,
) -> Result<api::UpdateHealthCheckOutput, AwsError> {
    let check = found(&cx, &input.health_check_id).await?;
    let reset = input.reset_elements.clone().unwrap_or_default();
    let resets = |name: &str| reset.iter().any(|of| of == name);
    let changed = cx.db().modify::<HealthCheck, _>(&check.key, |check| {
        if input
            .health_check_version
            .is_some_and(|of| of != check.version)
        {
            return Err(error::health_check_version_mismatch());
        }
        let config = &mut check.config.0;
        let set = |to: &mut Option<String>, given: &Option<String>| {
            if given.is_some() {
                to.clone_from(given);
            }
        };
        set(&mut config.ip_address, &input.ip_address);
        set(&mut config.resource_path, &input.resource_path);
        set(
            &mut config.fully_qualified_domain_name,
            &input.fully_qualified_domain_name,
        );
        set(&mut config.search_string, &input.search_string);
        config.port = input.port.or(config.port);
        config.failure_threshold = input.failure_threshold.or(config.failure_threshold);
        config.inverted = input.inverted.or(config.inverted);
        config.disabled = input.disabled.or(config.disabled);
        config.health_threshold = input.health_threshold.or(config.health_threshold);
        if input.child_health_checks.is_some() {
            config
                .child_health_checks
                .clone_from(&input.child_health_checks);
        }
        if resets("FullyQualifiedDomainName") {
            config.fully_qualified_domain_name = None;
        }
        if resets("ResourcePath") {
            config.resource_path = None;
        }
        if resets("ChildHealthChecks") {
            config.child_health_checks = None;
        }
        *config = completed(config.clone())?;
        check.version += 1;
        Ok(true)
    });
    let changed = changed.await?;
    let changed = changed.ok_or_else(|| error::no_such_health_check(check.id()))?;
    Ok(api::UpdateHealthCheckOutput {
        health_check: Some(shown(&changed)),
    })
}

pub async fn delete_health_check(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::DeleteHealthCheckInput,
) -> Result<api::DeleteHealthCheckOutput, AwsError> {
    settle(async || {
        let check = found(&cx, &input.health_check_id).await?;
        let uses = |other: &Stored<HealthCheck>| {
            let mut children = other.config.0.child_health_checks.iter().flatten();
            children.any(|child| child == check.id())
        };
        if all(&cx).await?.iter().any(uses) {
            return Err(error::health_check_in_use());
        }
        let tx = cx
            .db()
            .tx()
            .delete(&check)
            .delete_key(status_key(&check.key));
        Ok((tx, ()))
    })
    .await?;
    Ok(api::DeleteHealthCheckOutput {})
}

pub async fn get_health_check_status(
    route53: Arc<Route53>,
    cx: Ctx,
    input: api::GetHealthCheckStatusInput,
) -> Result<api::GetHealthCheckStatusOutput, AwsError> {
    let check = found(&cx, &input.health_check_id).await?;
    if check.config.0.r#type == "CALCULATED" {
        return Err(error::invalid_input(
            "GetHealthCheckStatus is not for health checks of type CALCULATED.",
        ));
    }
    let last = route53.checks.last(&check.key);
    let observations = last.iter().map(|last| observation(health::said(last)));
    Ok(api::GetHealthCheckStatusOutput {
        health_check_observations: Some(observations.collect()),
    })
}

pub async fn get_health_check_last_failure_reason(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::GetHealthCheckLastFailureReasonInput,
) -> Result<api::GetHealthCheckLastFailureReasonOutput, AwsError> {
    let check = found(&cx, &input.health_check_id).await?;
    let status = cx
        .db()
        .get_key::<HealthStatus>(&status_key(&check.key))
        .await?;
    let report = |status: Stored<HealthStatus>| {
        let (reason, at) = (status.value.last_failure, status.value.failed_at);
        (!reason.is_empty()).then_some(api::StatusReport {
            status: Some(reason),
            checked_time: at,
        })
    };
    let report = status.and_then(report);
    Ok(api::GetHealthCheckLastFailureReasonOutput {
        health_check_observations: Some(report.into_iter().map(observation).collect()),
    })
}

fn observation(report: api::StatusReport) -> api::HealthCheckObservation {
    api::HealthCheckObservation {
        region: Some(REGION.to_owned()),
        ip_address: Some(CHECKER.to_owned()),
        status_report: Some(report),
    }
}
