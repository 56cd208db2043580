//! Alarms are shown.

use super::super::shown;
use super::depends_on;
use crate::alarm::rule::Rule;
use crate::model::{Alarm, SingleMetric};
use crate::{CloudWatch, error, query};
use neargate_api_cloudwatch as api;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeSet;
use std::sync::Arc;

pub async fn describe_alarms(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DescribeAlarmsInput,
) -> Result<api::DescribeAlarmsOutput, AwsError> {
    if input.alarm_names.is_some() && input.alarm_name_prefix.is_some() {
        return Err(error::exclusive("AlarmNames", "AlarmNamePrefix"));
    }
    if input.children_of_alarm_name.is_some() && input.parents_of_alarm_name.is_some() {
        return Err(error::exclusive(
            "ChildrenOfAlarmName",
            "ParentsOfAlarmName",
        ));
    }
    let related = input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some();
    // "If you omit this parameter, only metric alarms are returned, even if composite alarms exist."
    let types = input.alarm_types.as_ref();
    let wanted = |alarm: &Alarm| match types {
        Some(types) => types.iter().any(|t| t == alarm.kind()),
        None => related || alarm.metric().is_some(),
    };
    let mut all = cx.db().list::<Alarm>(&cx.scope).await?;
    if let Some(parent) = &input.children_of_alarm_name {
        let parent = all
            .iter()
            .find(|a| a.name == *parent)
            .ok_or_else(error::alarm_not_found)?;
        let rule = parent
            .composite()
            .and_then(|watch| Rule::parse(&watch.rule).ok());
        let names: BTreeSet<String> = rule
            .iter()
            .flat_map(Rule::names)
            .map(str::to_owned)
            .collect();
        all.retain(|alarm| names.contains(&alarm.name));
    }
    if let Some(child) = &input.parents_of_alarm_name {
        if !all.iter().any(|a| a.name == *child) {
            return Err(error::alarm_not_found());
        }
        all.retain(|alarm| depends_on(alarm, child));
    }
    let action = |alarm: &Alarm, prefix: &str| {
        let actions = [
            &alarm.ok_actions,
            &alarm.alarm_actions,
            &alarm.insufficient_data_actions,
        ];
        actions
            .into_iter()
            .flatten()
            .any(|action| action.starts_with(prefix))
    };
    all.retain(|alarm| {
        let named = input
            .alarm_names
            .as_ref()
            .is_none_or(|names| names.contains(&alarm.name));
        let prefixed = input
            .alarm_name_prefix
            .as_ref()
            .is_none_or(|p| alarm.name.starts_with(p));
        let state = input
            .state_value
            .as_ref()
            .is_none_or(|s| s == alarm.state.value.as_str());
        let acts = input
            .action_prefix
            .as_ref()
            .is_none_or(|p| action(alarm, p));
        wanted(alarm) && named && prefixed && state && acts
    });
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let (page, next_token) =
        shown::page(all, input.next_token.as_deref(), input.max_records, |a| {
            a.name.clone()
        })?;
    let metric = page
        .iter()
        .filter_map(|alarm| shown::metric_alarm(&cx.scope, alarm));
    let composite = page
        .iter()
        .filter_map(|alarm| shown::composite_alarm(&cx.scope, alarm));
    Ok(api::DescribeAlarmsOutput {
        composite_alarms: Some(composite.collect()),
        metric_alarms: Some(metric.collect()),
        log_alarms: None,
        next_token,
    })
}

pub async fn describe_alarms_for_metric(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DescribeAlarmsForMetricInput,
) -> Result<api::DescribeAlarmsForMetricOutput, AwsError> {
    let dimensions = input.dimensions.unwrap_or_default();
    let wanted = query::key(&cx.scope, &input.namespace, &input.metric_name, &dimensions);
    let is = |metric: &SingleMetric| {
        let key = query::key(
            &cx.scope,
            &metric.namespace,
            &metric.name,
            &metric.dimensions(),
        );
        let same = key == wanted
            || (dimensions.is_empty()
                && key.name == wanted.name
                && key.namespace == wanted.namespace
                && metric.dimensions.is_empty());
        same && input
            .statistic
            .as_deref()
            .is_none_or(|s| metric.stat() == s)
            && input
                .extended_statistic
                .as_deref()
                .is_none_or(|s| metric.stat() == s)
            && input.period.is_none_or(|p| metric.period == p)
            && input
                .unit
                .as_ref()
                .is_none_or(|u| metric.unit.as_ref() == Some(u))
    };
    let all = cx.db().list::<Alarm>(&cx.scope).await?;
    let watching = all.iter().filter(|alarm| {
        let watch = alarm.metric();
        watch.is_some_and(|w| {
            let queries = w.metrics.iter().filter_map(|q| q.metric.as_ref());
            w.metric.iter().chain(queries).any(is)
        })
    });
    let alarms = watching.filter_map(|alarm| shown::metric_alarm(&cx.scope, alarm));
    Ok(api::DescribeAlarmsForMetricOutput {
        metric_alarms: Some(alarms.collect()),
    })
}
