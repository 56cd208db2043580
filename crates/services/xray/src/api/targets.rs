//! What SDKs report of their sampling, and what each may take from the reservoirs.

use super::{paged, rules};
use crate::XRay;
use crate::error;
use crate::sampling::INTERVAL_SECONDS;
use neargate_api_xray as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;
use std::time::Duration;

/// How long a quota is good: until the report after next, so that one may be lost.
const GOOD: Duration = Duration::from_secs(2 * INTERVAL_SECONDS as u64);

pub async fn get_sampling_targets(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::GetSamplingTargetsInput,
) -> Result<api::GetSamplingTargetsOutput, AwsError> {
    let boosts = input.sampling_boost_statistics_documents;
    if boosts.is_some_and(|boosts| !boosts.is_empty()) {
        return Err(error::not_built("sampling rate boost"));
    }
    let (rules, now) = (rules::all(&cx).await?, cx.now());
    let (mut targets, mut unprocessed) = (Vec::new(), Vec::new());
    for report in &input.sampling_statistics_documents {
        let Some(rule) = rules.iter().find(|rule| rule.name() == report.rule_name) else {
            unprocessed.push(api::UnprocessedStatistics {
                rule_name: Some(report.rule_name.clone()),
                error_code: Some("400".into()),
                message: Some("Unknown rule".into()),
            });
            continue;
        };
        let rule = &rule.rule.0;
        let quota = xray
            .clients
            .report(&cx.scope, report, rule.reservoir_size, now);
        targets.push(api::SamplingTargetDocument {
            rule_name: Some(report.rule_name.clone()),
            fixed_rate: Some(rule.fixed_rate),
            reservoir_quota: Some(quota),
            reservoir_quota_ttl: Some(now + GOOD),
            interval: Some(INTERVAL_SECONDS),
            sampling_boost: None,
        });
    }
    let modified = rules.iter().map(|rule| rule.modified_at).max();
    Ok(api::GetSamplingTargetsOutput {
        sampling_target_documents: Some(targets),
        last_rule_modification: modified,
        unprocessed_statistics: Some(unprocessed),
        unprocessed_boost_statistics: Some(Vec::new()),
    })
}

pub async fn get_sampling_statistic_summaries(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::GetSamplingStatisticSummariesInput,
) -> Result<api::GetSamplingStatisticSummariesOutput, AwsError> {
    let all = xray.clients.summaries(&cx.scope);
    let name = |s: &api::SamplingStatisticSummary| s.rule_name.clone().unwrap_or_default();
    let page = paged(all, input.next_token.as_deref(), name)?;
    Ok(api::GetSamplingStatisticSummariesOutput {
        sampling_statistic_summaries: Some(page.items),
        next_token: page.next_token,
    })
}
