//! What a metric alarm sees: the datapoints of its evaluation range.

use super::judge::{Judgement, Missing, judge};
use super::wording::{Asked, Datapoint, reason, reason_data};
use crate::engine::State;
use crate::model::{Alarm, MetricWatch, SingleMetric, StoredQuery};
use crate::query::{self, Kind, Metric, Query, Run};
use crate::series::Window;
use crate::statistic::Statistic;
use neargate_api_cloudwatch as api;
use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmState;
use neargate_service::{AwsError, Scope};

/// "CloudWatch attempts to retrieve a higher number of data points than the number specified as Evaluation
/// Periods"; in the documentation's example, five for three.
const FURTHER: usize = 2;

/// What became of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// `None`: it stays as it is.
    pub state: Option<AlarmState>,
    pub reason: String,
    pub reason_data: String,
    /// The newest datapoint.
    pub value: Option<f64>,
}

/// A watch that was found good, ready to be looked at.
#[derive(Debug)]
pub struct Watch {
    queries: Vec<Query>,
    /// Which of them is looked at.
    at: usize,
    pub period: i64,
}

impl MetricWatch {
    pub fn datapoints_to_alarm(&self) -> i32 {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)
    }
}

impl SingleMetric {
    pub fn dimensions(&self) -> Vec<api::Dimension> {
        let dimension = |(name, value): &(String, String)| api::Dimension {
            name: name.clone(),
            value: value.clone(),
        };
        self.dimensions.iter().map(dimension).collect()
    }

    fn query(&self, scope: &Scope) -> Option<Query> {
        let statistic: Statistic = self.stat().parse().ok()?;
        Some(Query {
            id: "m".into(),
            label: None,
            return_data: true,
            kind: Kind::Metric(Metric {
                key: query::key(scope, &self.namespace, &self.name, &self.dimensions()),
                stat: self.stat().to_owned(),
                statistic,
                period: i64::from(self.period),
                unit: self.unit.clone(),
            }),
        })
    }
}

impl StoredQuery {
    pub fn as_given(&self) -> api::MetricDataQuery {
        let stat = self.metric.as_ref().map(|metric| api::MetricStat {
            metric: api::Metric {
                namespace: Some(metric.namespace.clone()),
                metric_name: Some(metric.name.clone()),
                dimensions: Some(metric.dimensions()),
            },
            period: metric.period,
            stat: metric.stat().to_owned(),
            unit: metric.unit.clone(),
        });
        api::MetricDataQuery {
            id: self.id.clone(),
            metric_stat: stat,
            expression: self.expression.clone(),
            label: self.label.clone(),
            return_data: self.return_data,
            period: self.period,
            account_id: self.account_id.clone(),
        }
    }
}

/// Reads what an alarm watches.
///
/// # Errors
/// What is wrong with its queries.
pub fn read(scope: &Scope, watch: &MetricWatch) -> Result<Option<Watch>, AwsError> {
    if let Some(metric) = &watch.metric {
        let period = i64::from(metric.period);
        let query = metric.query(scope);
        return Ok(query.map(|query| Watch {
            queries: vec![query],
            at: 0,
            period,
        }));
    }
    let given: Vec<api::MetricDataQuery> =
        watch.metrics.iter().map(StoredQuery::as_given).collect();
    let queries = query::check(scope, "Metrics", &given)?;
    let at = queries.iter().position(|query| query.return_data);
    let period = query::longest_period(&queries).unwrap_or(60);
    Ok(at.map(|at| Watch {
        queries,
        at,
        period,
    }))
}

impl Watch {
    /// Looks at the periods that end at `now`, rounded down.
    pub fn evaluate(
        &self,
        state: &State,
        scope: &Scope,
        alarm: &Alarm,
        watch: &MetricWatch,
        now: Timestamp,
    ) -> Evaluated {
        let needed = usize::try_from(watch.evaluation_periods)
            .unwrap_or(1)
            .max(1);
        let to_alarm = usize::try_from(watch.datapoints_to_alarm())
            .unwrap_or(1)
            .clamp(1, needed);
        let range = self.datapoints(state, scope, watch, needed + FURTHER, now);
        let (range, failed) = match range {
            Ok(range) => (range, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let missing =
            Missing::of(watch.treat_missing_data.as_deref()).unwrap_or(Missing::Insufficient);
        let asked = Asked {
            needed,
            to_alarm: watch.datapoints_to_alarm.map(|_| to_alarm),
            threshold: watch.threshold,
            comparison: &watch.comparison_operator,
            missing,
            statistic: watch.metric.as_ref().map(SingleMetric::stat),
            unit: watch.metric.as_ref().and_then(|m| m.unit.as_deref()),
            period: self.period,
        };
        let breaches: Vec<Option<bool>> =
            range.iter().map(|p| p.value.map(|_| p.breaches)).collect();
        let mut judged = judge(&breaches, needed, to_alarm, missing);
        if self.has_too_few(watch, &range, &judged) {
            judged.state = None;
        }
        let told = judged.state.unwrap_or(alarm.state.value);
        Evaluated {
            state: judged.state,
            reason: failed.unwrap_or_else(|| reason(told, &asked, &judged, &range)),
            reason_data: reason_data(&asked, &judged, &range, now).to_string(),
            value: range.iter().find_map(|p| p.value),
        }
    }

    /// Newest first.
    fn datapoints(
        &self,
        state: &State,
        scope: &Scope,
        watch: &MetricWatch,
        count: usize,
        now: Timestamp,
    ) -> Result<Vec<Datapoint>, String> {
        let seconds = now.as_millis().div_euclid(1_000);
        let step = if self.period < 60 {
            10.min(self.period)
        } else {
            60
        };
        let end = seconds.div_euclid(step) * step;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let window = Window {
            start: end - count * self.period,
            end,
        };
        let mut run = Run::new(state, scope, &self.queries, window, now);
        let (mut found, _) = run.query(self.at).map_err(|why| why.to_string())?;
        let series = match found.len() {
            1 => found.remove(0),
            _ => return Err("The expression gives several time series, or none.".into()),
        };
        let starts: Vec<i64> = window.starts(self.period).collect();
        let point = |at: &i64| {
            let value = series.values.get(at).copied();
            Datapoint {
                at: Timestamp::from_millis(at * 1_000),
                value,
                sample_count: series.counts.get(at).copied(),
                breaches: value
                    .is_some_and(|v| breaches(v, &watch.comparison_operator, watch.threshold)),
            }
        };
        Ok(starts.iter().rev().map(point).collect())
    }

    /// "CloudWatch needs a minimum of samples to judge a percentile": 10/(1-p), and 10/p below the middle.
    fn has_too_few(&self, watch: &MetricWatch, range: &[Datapoint], judged: &Judgement) -> bool {
        let Kind::Metric(Metric {
            statistic: Statistic::Percentile(percent),
            ..
        }) = &self.queries[self.at].kind
        else {
            return false;
        };
        if watch.evaluate_low_sample_count_percentile.as_deref() != Some("ignore") {
            return false;
        }
        let part = percent / 100.0;
        let needed = if part >= 0.5 {
            10.0 / (1.0 - part)
        } else {
            10.0 / part
        };
        let seen: f64 = judged
            .seen
            .iter()
            .filter_map(|at| range[*at].sample_count)
            .sum();
        seen < needed
    }
}

fn breaches(value: f64, comparison: &str, threshold: f64) -> bool {
    match comparison {
        "GreaterThanOrEqualToThreshold" => value >= threshold,
        "GreaterThanThreshold" => value > threshold,
        "LessThanThreshold" => value < threshold,
        "LessThanOrEqualToThreshold" => value <= threshold,
        _ => false,
    }
}
