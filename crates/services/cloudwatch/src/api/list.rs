//! `ListMetrics`.

use crate::engine::MetricKey;
use crate::query::ACTIVE;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_service::page::page;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;
use std::time::Duration;

/// AWS's own.
const PAGE: usize = 500;
const RECENT: Duration = Duration::from_secs(3 * 3_600);

pub async fn list_metrics(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::ListMetricsInput,
) -> Result<api::ListMetricsOutput, AwsError> {
    let other = input
        .owning_account
        .as_ref()
        .is_some_and(|id| id != cx.scope.account.as_str());
    if other {
        return Err(AwsError::not_implemented(
            "cloudwatch",
            "metrics of linked accounts",
        ));
    }
    let within = match input.recently_active.as_deref() {
        None => ACTIVE,
        Some(_) => RECENT,
    };
    let now = cx.now();
    let filters = input.dimensions.unwrap_or_default();
    let asked = |key: &MetricKey| {
        let named = input
            .metric_name
            .as_ref()
            .is_none_or(|name| key.name == *name);
        named
            && filters.iter().all(|filter| {
                let value = key.dimension(&filter.name);
                value.is_some_and(|v| filter.value.as_ref().is_none_or(|wanted| v == wanted))
            })
    };
    let found: Vec<Arc<MetricKey>> = {
        let state = cloudwatch.engine.state();
        let all = state.of_scope(&cx.scope, input.namespace.as_deref());
        let active = all.filter(|(_, series)| now.since(series.written_at) <= within);
        active
            .filter(|(key, _)| asked(key))
            .map(|(key, _)| key.clone())
            .collect()
    };
    let mut sorted: Vec<(String, Arc<MetricKey>)> =
        found.into_iter().map(|key| (position(&key), key)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let token = input.next_token.as_deref();
    let paged = page(sorted, token, PAGE, |(position, _)| position.clone());
    let paged = paged.map_err(|_| error::invalid_next_token())?;
    let shown = |(_, key): &(String, Arc<MetricKey>)| api::Metric {
        namespace: Some(key.namespace.clone()),
        metric_name: Some(key.name.clone()),
        dimensions: Some(dimensions(key)),
    };
    Ok(api::ListMetricsOutput {
        metrics: Some(paged.items.iter().map(shown).collect()),
        next_token: paged.next_token,
        owning_accounts: None,
    })
}

pub fn dimensions(key: &MetricKey) -> Vec<api::Dimension> {
    let dimension = |(name, value): &(String, String)| api::Dimension {
        name: name.clone(),
        value: value.clone(),
    };
    key.dimensions.iter().map(dimension).collect()
}

/// What orders metrics, and names one in a token.
fn position(key: &MetricKey) -> String {
    let mut text = format!("{}\n{}", key.namespace, key.name);
    for (name, value) in &key.dimensions {
        text.push_str(&format!("\n{name}\n{value}"));
    }
    text
}
