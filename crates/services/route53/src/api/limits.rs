//! Quotas (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).

use super::health_checks::MOST_CHECKS;
use super::zone;
use super::zones::{MOST_ZONES, records_of};
use crate::model::HealthCheck;
use crate::{Route53, error};
use neargate_api_route53 as api;
use neargate_service::dns::{self, HostedZone};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn get_account_limit(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::GetAccountLimitInput,
) -> Result<api::GetAccountLimitOutput, AwsError> {
    let global = dns::global(&cx.scope.account);
    let zones = cx.db().list::<HostedZone>(&global);
    let (value, count) = match input.r#type.as_str() {
        "MAX_HOSTED_ZONES_BY_OWNER" => (MOST_ZONES as i64, zones.await?.len()),
        "MAX_HEALTH_CHECKS_BY_OWNER" => {
            let checks = cx.db().list::<HealthCheck>(&global).await?;
            (MOST_CHECKS as i64, checks.len())
        }
        "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER" => (5, 0),
        "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER" => (100, 0),
        _ => (50, 0),
    };
    Ok(api::GetAccountLimitOutput {
        limit: Some(api::AccountLimit {
            r#type: Some(input.r#type),
            value: Some(value),
        }),
        count: i64::try_from(count).ok(),
    })
}

pub async fn get_hosted_zone_limit(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::GetHostedZoneLimitInput,
) -> Result<api::GetHostedZoneLimitOutput, AwsError> {
    let found = zone(&cx, &input.hosted_zone_id).await?;
    let (value, count) = match (input.r#type.as_str(), &found.vpcs) {
        ("MAX_RRSETS_BY_ZONE", _) => (10_000, records_of(&cx, found.id()).await?.len()),
        (_, Some(vpcs)) => (300, vpcs.len()),
        (_, None) => return Err(error::hosted_zone_not_private()),
    };
    Ok(api::GetHostedZoneLimitOutput {
        limit: Some(api::HostedZoneLimit {
            r#type: Some(input.r#type),
            value: Some(value),
        }),
        count: i64::try_from(count).ok(),
    })
}
