//! Alarms are made, shown, set and deleted.

use super::shown;
use crate::alarm::change::{Next, change, history, reading};
use crate::alarm::judge::Missing;
use crate::alarm::rule::Rule;
use crate::alarm::{arn, name_of};
use crate::model::{
    Alarm, CompositeWatch, MetricWatch, SingleMetric, State, StoredQuery, Suppressor, Watches,
};
use crate::query::{self, Kind, is_period};
use crate::statistic::Statistic;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::{AwsError, Committed, Ctx, Stored, alarm, db};
use neargate_wire::structure::Unit;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Alarms of an account in a region (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>
/// has no limit of them; this one keeps a mistake in bounds).
const MOST: usize = 100_000;
/// "The number of evaluation periods multiplied by the length of each can't exceed" seven days, one day where the
/// period is shorter than an hour.
const LONGEST: i64 = 604_800;
const DAY: i64 = 86_400;
/// Metrics of an alarm's expressions.
const METRICS: usize = 10;

fn key(cx: &Ctx, name: &str) -> String {
    db::key::<Alarm>(&cx.scope, &alarm::id(name))
}

fn only_built(what: &[(bool, &str)]) -> Result<(), AwsError> {
    match what.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(AwsError::not_implemented("cloudwatch", name)),
        None => Ok(()),
    }
}

pub async fn put_metric_alarm(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutMetricAlarmInput,
) -> Result<Unit, AwsError> {
    let comparison = input.comparison_operator.as_deref();
    only_built(&[
        (
            input.evaluation_criteria.is_some(),
            "alarms on PromQL queries",
        ),
        (
            input.evaluation_interval.is_some(),
            "alarms on PromQL queries",
        ),
        (
            input.evaluation_window.is_some(),
            "evaluation windows of alarms",
        ),
        (
            input.warm_up_configuration.is_some(),
            "warm-up periods of alarms",
        ),
        (
            input.action_configuration.is_some(),
            "action configurations of alarms",
        ),
        (
            input.threshold_metric_id.is_some(),
            "alarms on anomaly detection",
        ),
        (
            comparison.is_some_and(|c| c.contains("Upper") || c.contains("Lower")),
            "alarms on anomaly detection",
        ),
    ])?;
    let watch = metric_watch(&cx, &input)?;
    let alarm = Alarm {
        name: input.alarm_name,
        description: input.alarm_description,
        actions_enabled: input.actions_enabled.unwrap_or(true),
        ok_actions: input.ok_actions.unwrap_or_default(),
        alarm_actions: input.alarm_actions.unwrap_or_default(),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_default(),
        tags: super::tags::parse(input.tags.unwrap_or_default())?,
        configured_at: cx.now(),
        watches: Watches::Metric(watch),
        state: initial(&cx),
    };
    write(&cloudwatch, &cx, alarm).await
}

fn initial(cx: &Ctx) -> State {
    let now = cx.now();
    State {
        value: AlarmState::InsufficientData,
        reason: "Unchecked: Initial alarm creation".into(),
        reason_data: None,
        updated_at: now,
        transitioned_at: now,
        set_by_hand: false,
    }
}

fn metric_watch(cx: &Ctx, input: &api::PutMetricAlarmInput) -> Result<MetricWatch, AwsError> {
    let required = |name: &str| error::validation(format!("The parameter {name} is required."));
    let evaluation_periods = input
        .evaluation_periods
        .ok_or_else(|| required("EvaluationPeriods"))?;
    let comparison = input
        .comparison_operator
        .clone()
        .ok_or_else(|| required("ComparisonOperator"))?;
    let unknown = |option: &str, name: &str, options: &str| {
        error::validation(format!(
            "Option {option} is not supported. Supported options for parameter {name} are {options}."
        ))
    };
    if let Some(low) = input.evaluate_low_sample_count_percentile.as_deref()
        && !matches!(low, "evaluate" | "ignore")
    {
        return Err(unknown(
            low,
            "EvaluateLowSampleCountPercentile",
            "evaluate and ignore",
        ));
    }
    if let Some(word) = input.treat_missing_data.as_deref()
        && Missing::of(Some(word)).is_none()
    {
        let options = "breaching, notBreaching, ignore and missing";
        return Err(unknown(word, "TreatMissingData", options));
    }
    if input
        .datapoints_to_alarm
        .is_some_and(|m| m < 1 || m > evaluation_periods)
    {
        return Err(error::validation(
            "The parameter DatapointsToAlarm must be between 1 and the parameter EvaluationPeriods.",
        ));
    }
    let (metric, metrics, period) = watched(cx, input)?;
    let longest = if period < 3_600 { DAY } else { LONGEST };
    if period * i64::from(evaluation_periods) > longest {
        return Err(error::validation(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {longest}).",
            if longest == DAY {
                "a day"
            } else {
                "seven days"
            }
        )));
    }
    Ok(MetricWatch {
        metric,
        metrics,
        evaluation_periods,
        datapoints_to_alarm: input.datapoints_to_alarm,
        threshold: input.threshold.unwrap_or_default(),
        comparison_operator: comparison,
        treat_missing_data: input.treat_missing_data.clone(),
        evaluate_low_sample_count_percentile: input.evaluate_low_sample_count_percentile.clone(),
    })
}

type Watched = (Option<SingleMetric>, Vec<StoredQuery>, i64);

fn watched(cx: &Ctx, input: &api::PutMetricAlarmInput) -> Result<Watched, AwsError> {
    let required = |name: &str| error::validation(format!("The parameter {name} is required."));
    if let Some(given) = input.metrics.as_ref().filter(|m| !m.is_empty()) {
        let single = [
            ("MetricName", input.metric_name.is_some()),
            ("Namespace", input.namespace.is_some()),
            ("Statistic", input.statistic.is_some()),
            ("ExtendedStatistic", input.extended_statistic.is_some()),
            (
                "Dimensions",
                input.dimensions.as_ref().is_some_and(|d| !d.is_empty()),
            ),
            ("Period", input.period.is_some()),
            ("Unit", input.unit.is_some()),
        ];
        if let Some((name, _)) = single.iter().find(|(_, is)| *is) {
            return Err(error::exclusive("Metrics", name));
        }
        return queries(cx, given);
    }
    let name = input
        .metric_name
        .clone()
        .ok_or_else(|| required("MetricName"))?;
    let namespace = input
        .namespace
        .clone()
        .ok_or_else(|| required("Namespace"))?;
    let period = input.period.ok_or_else(|| required("Period"))?;
    let is_standard = is_period(period.into()) && period >= 60;
    if !is_standard && !matches!(period, 10 | 20 | 30) {
        return Err(error::validation(
            "The parameter Period must be 10, 20, 30, or a multiple of 60.",
        ));
    }
    if let Some(extended) = &input.extended_statistic {
        if input.statistic.is_some() {
            return Err(error::exclusive("Statistic", "ExtendedStatistic"));
        }
        let known = extended.parse::<Statistic>().is_ok_and(|s| !s.is_simple());
        if !known {
            return Err(error::not_supported("ExtendedStatistic", extended));
        }
    } else if input.statistic.is_none() {
        return Err(error::validation(
            "The parameters Statistic and ExtendedStatistic are missing: one of them is required.",
        ));
    }
    let dimensions = input
        .dimensions
        .iter()
        .flatten()
        .map(|d| (d.name.clone(), d.value.clone()));
    let metric = SingleMetric {
        namespace,
        name,
        dimensions: dimensions.collect(),
        statistic: input.statistic.clone(),
        extended_statistic: input.extended_statistic.clone(),
        period,
        unit: input.unit.clone(),
    };
    Ok((Some(metric), Vec::new(), period.into()))
}

fn queries(cx: &Ctx, given: &[api::MetricDataQuery]) -> Result<Watched, AwsError> {
    let queries = query::check(&cx.scope, "Metrics", given)?;
    if queries.iter().filter(|q| q.return_data).count() != 1 {
        return Err(error::validation(
            "Exactly one element of the metrics list should return data.",
        ));
    }
    let metrics = queries
        .iter()
        .filter(|q| matches!(q.kind, Kind::Metric(_)))
        .count();
    if metrics > METRICS {
        return Err(error::validation(format!(
            "An alarm's expressions can be of {METRICS} metrics at the most."
        )));
    }
    let periods: BTreeSet<i64> = queries.iter().filter_map(query::Query::period).collect();
    if periods.len() > 1 {
        return Err(error::validation("Metrics list must have the same period."));
    }
    for query in &queries {
        if let Kind::Expression { expression, .. } = &query.kind
            && expression.calls("SEARCH")
        {
            return Err(error::validation("SEARCH is not allowed in an alarm."));
        }
    }
    let stored = |query: &api::MetricDataQuery| StoredQuery {
        id: query.id.clone(),
        label: query.label.clone(),
        return_data: query.return_data,
        period: query.period,
        expression: query.expression.clone(),
        metric: query.metric_stat.as_ref().map(|stat| {
            let dimensions = stat.metric.dimensions.iter().flatten();
            SingleMetric {
                namespace: stat.metric.namespace.clone().unwrap_or_default(),
                name: stat.metric.metric_name.clone().unwrap_or_default(),
                dimensions: dimensions
                    .map(|d| (d.name.clone(), d.value.clone()))
                    .collect(),
                statistic: Some(stat.stat.clone()),
                extended_statistic: None,
                period: stat.period,
                unit: stat.unit.clone(),
            }
        }),
        account_id: query.account_id.clone(),
    };
    let period = periods.first().copied().unwrap_or(60);
    Ok((None, given.iter().map(stored).collect(), period))
}

pub async fn put_composite_alarm(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutCompositeAlarmInput,
) -> Result<Unit, AwsError> {
    only_built(&[(
        input.action_configuration.is_some(),
        "action configurations of alarms",
    )])?;
    let rule = Rule::parse(&input.alarm_rule)
        .map_err(|why| error::validation(format!("AlarmRule is not valid: {why}.")))?;
    let mut missing = Vec::new();
    for name in rule.names() {
        if cx.db().get_key::<Alarm>(&key(&cx, name)).await?.is_none() {
            missing.push(name.to_owned());
        }
    }
    if !missing.is_empty() {
        return Err(error::validation(format!(
            "Could not save the composite alarm as alarms [{}] in the alarm rule do not exist",
            missing.join(", ")
        )));
    }
    let suppressor = match input.actions_suppressor {
        None => None,
        Some(named) => {
            let (Some(wait_seconds), Some(extension_seconds)) = (
                input.actions_suppressor_wait_period,
                input.actions_suppressor_extension_period,
            ) else {
                return Err(error::validation(
                    "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod are required with \
                     ActionsSuppressor.",
                ));
            };
            if cx
                .db()
                .get_key::<Alarm>(&key(&cx, name_of(&named)))
                .await?
                .is_none()
            {
                return Err(error::validation(format!(
                    "The actions suppressor {named} does not exist."
                )));
            }
            Some(Suppressor {
                alarm: named,
                wait_seconds,
                extension_seconds,
            })
        }
    };
    let watch = CompositeWatch {
        rule: input.alarm_rule,
        suppressor,
        held: None,
    };
    let alarm = Alarm {
        name: input.alarm_name,
        description: input.alarm_description,
        actions_enabled: input.actions_enabled.unwrap_or(true),
        ok_actions: input.ok_actions.unwrap_or_default(),
        alarm_actions: input.alarm_actions.unwrap_or_default(),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_default(),
        tags: super::tags::parse(input.tags.unwrap_or_default())?,
        configured_at: cx.now(),
        watches: Watches::Composite(watch),
        state: initial(&cx),
    };
    write(&cloudwatch, &cx, alarm).await
}

/// "When you update an existing alarm, its state is left unchanged, but the update completely overwrites the
/// previous configuration of the alarm"; its tags stay, too.
async fn write(cloudwatch: &CloudWatch, cx: &Ctx, alarm: Alarm) -> Result<Unit, AwsError> {
    if cloudwatch.index.all().len() >= MOST {
        return Err(error::limit_exceeded(format!(
            "There are {MOST} alarms already."
        )));
    }
    let key = key(cx, &alarm.name);
    db::settle(|| async {
        let before = cx.db().get_key::<Alarm>(&key).await?;
        let mut alarm = alarm.clone();
        let tx = cx.db().tx();
        let (tx, what) = match &before {
            None => (tx.create(key.clone(), &alarm), "created"),
            Some(before) => {
                if before.kind() != alarm.kind() {
                    return Err(error::validation(format!(
                        "An alarm of another type with the name {} exists already.",
                        alarm.name
                    )));
                }
                alarm.state = before.state.clone();
                alarm.tags = before.tags.clone();
                if let (Watches::Composite(new), Some(old)) =
                    (&mut alarm.watches, before.composite())
                {
                    new.held = old.held.clone().filter(|_| new.suppressor.is_some());
                }
                (tx.update(before, &alarm), "updated")
            }
        };
        let kind = if what == "created" {
            "Create"
        } else {
            "Update"
        };
        let data = json!({
            "version": "1.0",
            "type": kind,
            format!("{what}Alarm"): configuration(cx, &alarm),
        });
        let summary = format!("Alarm \"{}\" {what}", alarm.name);
        let tx = history(
            tx,
            &cx.house,
            &cx.scope,
            &alarm,
            "ConfigurationUpdate",
            summary,
            &data,
        );
        Ok((reading(tx, &cx.scope, &alarm, None, cx.now()), ()))
    })
    .await?;
    Ok(Unit {})
}

/// As an alarm's history has it.
fn configuration(cx: &Ctx, alarm: &Alarm) -> serde_json::Value {
    let mut told = json!({
        "alarmName": alarm.name,
        "alarmArn": arn(&cx.scope, &alarm.name),
        "alarmDescription": alarm.description,
        "actionsEnabled": alarm.actions_enabled,
        "okActions": alarm.ok_actions,
        "alarmActions": alarm.alarm_actions,
        "insufficientDataActions": alarm.insufficient_data_actions,
        "stateValue": alarm.state.value.as_str(),
    });
    if let Some(watch) = alarm.metric() {
        told["threshold"] = watch.threshold.into();
        told["comparisonOperator"] = watch.comparison_operator.clone().into();
        told["evaluationPeriods"] = watch.evaluation_periods.into();
    }
    if let Some(watch) = alarm.composite() {
        told["alarmRule"] = watch.rule.clone().into();
    }
    told
}

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

fn depends_on(alarm: &Alarm, child: &str) -> bool {
    let Some(watch) = alarm.composite() else {
        return false;
    };
    let suppressor = watch
        .suppressor
        .as_ref()
        .is_some_and(|s| name_of(&s.alarm) == child);
    suppressor || Rule::parse(&watch.rule).is_ok_and(|rule| rule.names().contains(&child))
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

pub async fn set_alarm_state(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::SetAlarmStateInput,
) -> Result<Unit, AwsError> {
    let value = match input.state_value.as_str() {
        "OK" => AlarmState::Ok,
        "ALARM" => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    };
    if let Some(data) = &input.state_reason_data
        && serde_json::from_str::<serde_json::Value>(data).is_err()
    {
        return Err(AwsError::client(
            "InvalidFormat",
            "StateReasonData is not valid JSON.",
        ));
    }
    loop {
        let stored = cx
            .db()
            .get_key::<Alarm>(&key(&cx, &input.alarm_name))
            .await?;
        let stored = stored.ok_or_else(error::alarm_not_found)?;
        let next = Next {
            value,
            reason: input.state_reason.clone(),
            reason_data: input.state_reason_data.clone(),
            seen: None,
            by_hand: true,
        };
        if let Committed::At(_) = change(&cx.house, &cx.scope, &stored, next).await? {
            return Ok(Unit {});
        }
    }
}

pub async fn enable_alarm_actions(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::EnableAlarmActionsInput,
) -> Result<Unit, AwsError> {
    enable(&cx, &input.alarm_names, true).await
}

pub async fn disable_alarm_actions(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DisableAlarmActionsInput,
) -> Result<Unit, AwsError> {
    enable(&cx, &input.alarm_names, false).await
}

/// Alarms that do not exist are passed over.
async fn enable(cx: &Ctx, names: &[String], enabled: bool) -> Result<Unit, AwsError> {
    for name in names {
        loop {
            let Some(stored) = cx.db().get_key::<Alarm>(&key(cx, name)).await? else {
                break;
            };
            if stored.actions_enabled == enabled {
                break;
            }
            let alarm = Alarm {
                actions_enabled: enabled,
                ..stored.value.clone()
            };
            let tx =
                reading(cx.db().tx(), &cx.scope, &alarm, None, cx.now()).update(&stored, &alarm);
            if let Committed::At(_) = tx.commit().await? {
                break;
            }
        }
    }
    Ok(Unit {})
}

/// "If you specify at least one alarm that can't be deleted, none is"; those that do not exist are passed over.
pub async fn delete_alarms(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DeleteAlarmsInput,
) -> Result<Unit, AwsError> {
    let names = &input.alarm_names;
    db::settle(|| async {
        let all = cx.db().list::<Alarm>(&cx.scope).await?;
        let doomed: Vec<&Stored<Alarm>> = all.iter().filter(|a| names.contains(&a.name)).collect();
        if doomed.len() > 1 && doomed.iter().any(|alarm| alarm.composite().is_some()) {
            return Err(error::validation(
                "DeleteAlarms can delete one composite alarm at a time, and no other alarm with it.",
            ));
        }
        let kept = all.iter().filter(|a| !names.contains(&a.name) || a.composite().is_some());
        let kept: Vec<&Stored<Alarm>> = kept.collect();
        for alarm in &doomed {
            let parents = kept.iter().filter(|parent| depends_on(parent, &alarm.name));
            let parents: Vec<&str> = parents.map(|parent| parent.name.as_str()).collect();
            if !parents.is_empty() {
                return Err(error::validation(format!(
                    "Cannot delete {} as there are composite alarm(s) depending on it: [{}]",
                    alarm.name,
                    parents.join(", ")
                )));
            }
        }
        let mut tx = cx.db().tx();
        for alarm in doomed {
            tx = tx.delete(alarm);
            tx = tx.delete_key(db::key::<AlarmReading>(&cx.scope, &alarm::id(&alarm.name)));
        }
        Ok((tx, ()))
    })
    .await?;
    Ok(Unit {})
}
