//! The queries of `GetMetricData`, which alarms are made of too: metrics and expressions that name each other.

use crate::engine::{MetricKey, State};
use crate::error;
use crate::math::{self, Expression, MathError, Names};
use crate::search::Search;
use crate::series::{About, TimeSeries, Window, of_metric};
use crate::statistic::Statistic;
use neargate_api_cloudwatch as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Scope};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A query that was found good.
#[derive(Debug, Clone)]
pub struct Query {
    pub id: String,
    pub label: Option<String>,
    pub return_data: bool,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Metric(Metric),
    Expression {
        expression: Expression,
        period: Option<i64>,
    },
}

/// A statistic of a metric.
#[derive(Debug, Clone)]
pub struct Metric {
    pub key: Arc<MetricKey>,
    /// As the caller wrote it.
    pub stat: String,
    pub statistic: Statistic,
    pub period: i64,
    pub unit: Option<String>,
}

/// Queries of a request.
pub const MOST: usize = 500;
/// Time series that one search may find.
const FOUND: usize = 100;
/// What nothing was put to for this long is not found
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-search-expressions.html>).
pub const ACTIVE: Duration = Duration::from_secs(14 * 86_400);

/// 1, 5, 10, 20, 30 or a multiple of 60 seconds.
pub fn is_period(seconds: i64) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || (seconds > 0 && seconds % 60 == 0)
}

/// The key of a metric; dimensions are put in order.
pub fn key(
    scope: &Scope,
    namespace: &str,
    name: &str,
    dimensions: &[api::Dimension],
) -> Arc<MetricKey> {
    let pairs = dimensions.iter().map(|d| (d.name.clone(), d.value.clone()));
    let mut dimensions: Vec<(String, String)> = pairs.collect();
    dimensions.sort();
    Arc::new(MetricKey {
        scope: scope.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions,
    })
}

/// Checks the queries of a request; `list` is what AWS calls them.
///
/// # Errors
/// AWS's.
pub fn check(
    scope: &Scope,
    list: &str,
    given: &[api::MetricDataQuery],
) -> Result<Vec<Query>, AwsError> {
    if given.len() > MOST {
        return Err(error::validation(format!(
            "The collection {list} must not have a size greater than {MOST}."
        )));
    }
    let mut ids = BTreeSet::new();
    let mut queries = Vec::new();
    for (n, one) in given.iter().enumerate() {
        let parameter = format!("{list}.member.{}", n + 1);
        if !ids.insert(&one.id) {
            return Err(error::validation(format!(
                "The id of each query must be unique: '{}' is there twice.",
                one.id
            )));
        }
        queries.push(check_one(scope, &parameter, one)?);
    }
    for query in &queries {
        let Kind::Expression { expression, .. } = &query.kind else {
            continue;
        };
        let mut names = Vec::new();
        expression.names(&mut names);
        let words = [
            "REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM",
        ];
        let unknown = names
            .iter()
            .find(|n| !words.contains(n) && !ids.contains(&(**n).to_owned()));
        if let Some(name) = unknown {
            let why = MathError::Wrong(format!("Unknown identifier '{name}'"));
            return Err(error::expression(&query.id, &why));
        }
    }
    Ok(queries)
}

fn check_one(
    scope: &Scope,
    parameter: &str,
    one: &api::MetricDataQuery,
) -> Result<Query, AwsError> {
    let mut letters = one.id.chars();
    let good = letters.next().is_some_and(|c| c.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !good {
        return Err(error::validation(format!(
            "The value {} for parameter {parameter}.Id is not matching the expected pattern \
             ^[a-z][a-zA-Z0-9_]*$.",
            one.id
        )));
    }
    if one
        .account_id
        .as_ref()
        .is_some_and(|id| id != scope.account.as_str())
    {
        return Err(AwsError::not_implemented(
            "cloudwatch",
            "queries of other accounts' metrics",
        ));
    }
    let bad_period = |name: &str| {
        error::validation(format!(
            "The parameter {parameter}.{name} must be 1, 5, 10, 20, 30, or a multiple of 60."
        ))
    };
    let kind = match (&one.metric_stat, &one.expression) {
        (Some(_), Some(_)) => {
            return Err(error::validation(format!(
                "The parameters {parameter}.Expression and {parameter}.MetricStat are mutually exclusive and \
                 you have specified both."
            )));
        }
        (None, None) => {
            return Err(error::validation(format!(
                "The parameter {parameter}.MetricStat is required.\n"
            )));
        }
        (None, Some(text)) => {
            let period = one.period.map(i64::from);
            if period.is_some_and(|p| !is_period(p)) {
                return Err(bad_period("Period"));
            }
            let expression = math::parse(text).map_err(|why| error::expression(&one.id, &why))?;
            Kind::Expression { expression, period }
        }
        (Some(stat), None) => {
            let period = i64::from(stat.period);
            if !is_period(period) {
                return Err(bad_period("MetricStat.Period"));
            }
            let statistic = stat.stat.parse().map_err(|_| {
                let value = &stat.stat;
                error::validation(format!(
                    "The value {value} for parameter {parameter}.MetricStat.Stat is not supported."
                ))
            })?;
            let missing = |name: &str| {
                error::validation(format!(
                    "The parameter {parameter}.MetricStat.Metric.{name} is required."
                ))
            };
            let metric = &stat.metric;
            let namespace = metric
                .namespace
                .as_deref()
                .ok_or_else(|| missing("Namespace"))?;
            let name = metric
                .metric_name
                .as_deref()
                .ok_or_else(|| missing("MetricName"))?;
            Kind::Metric(Metric {
                key: key(
                    scope,
                    namespace,
                    name,
                    metric.dimensions.as_deref().unwrap_or_default(),
                ),
                stat: stat.stat.clone(),
                statistic,
                period,
                unit: stat.unit.clone(),
            })
        }
    };
    Ok(Query {
        id: one.id.clone(),
        label: one.label.clone(),
        return_data: one.return_data.unwrap_or(true),
        kind,
    })
}

impl Query {
    /// In seconds; of an expression only what it says itself.
    pub fn period(&self) -> Option<i64> {
        match &self.kind {
            Kind::Metric(metric) => Some(metric.period),
            Kind::Expression { period, .. } => *period,
        }
    }
}

/// The longest period of the metrics.
pub fn longest_period(queries: &[Query]) -> Option<i64> {
    queries.iter().filter_map(Query::period).max()
}

/// What a query gives: its time series, and whether they are an array.
pub type Found = (Vec<TimeSeries>, bool);

/// Computes one query and what it needs.
#[derive(Debug)]
pub struct Run<'a> {
    state: &'a State,
    scope: &'a Scope,
    queries: &'a [Query],
    window: Window,
    now: Timestamp,
    done: HashMap<usize, Found>,
    /// Those under way, of which none may need itself.
    under_way: Vec<usize>,
    /// The period of the expression under way, where it has one.
    asked_period: Option<i64>,
    /// Datapoints of all that is done.
    points: usize,
}

impl<'a> Run<'a> {
    pub fn new(
        state: &'a State,
        scope: &'a Scope,
        queries: &'a [Query],
        window: Window,
        now: Timestamp,
    ) -> Run<'a> {
        Run {
            state,
            scope,
            queries,
            window,
            now,
            done: HashMap::new(),
            under_way: Vec::new(),
            asked_period: None,
            points: 0,
        }
    }

    /// What the query at this place gives.
    ///
    /// # Errors
    /// What is wrong with an expression.
    pub fn query(&mut self, at: usize) -> Result<Found, MathError> {
        if let Some(found) = self.done.get(&at) {
            return Ok(found.clone());
        }
        if self.under_way.contains(&at) {
            return Err(MathError::Wrong("Circular reference".into()));
        }
        let queries = self.queries;
        let found = match &queries[at].kind {
            Kind::Metric(metric) => (vec![self.metric(metric, queries)], false),
            Kind::Expression { expression, period } => {
                let before = std::mem::replace(&mut self.asked_period, *period);
                self.under_way.push(at);
                let found = math::evaluate(expression, self)?;
                self.under_way.pop();
                self.asked_period = before;
                found
            }
        };
        self.points += found
            .0
            .iter()
            .map(|series| series.values.len())
            .sum::<usize>();
        if self.points > math::MOST {
            return Err(MathError::Wrong(
                "The request has too many datapoints".into(),
            ));
        }
        self.done.insert(at, found.clone());
        Ok(found)
    }

    fn metric(&self, metric: &Metric, queries: &[Query]) -> TimeSeries {
        let Metric {
            key,
            stat,
            statistic,
            period,
            unit,
        } = metric;
        let found = of_metric(
            self.state,
            key,
            *statistic,
            unit.as_deref(),
            self.window,
            *period,
        );
        TimeSeries {
            label: label(metric, queries),
            about: About {
                metric: Some(key.clone()),
                stat: stat.clone(),
            },
            ..found
        }
    }
}

/// The metric's name, with what tells it from the other metrics of the request.
fn label(metric: &Metric, queries: &[Query]) -> String {
    let others = queries.iter().filter_map(|query| match &query.kind {
        Kind::Metric(other) => Some(other),
        Kind::Expression { .. } => None,
    });
    let (mut dimensions, mut stat, mut period) = (false, false, false);
    for other in others.filter(|o| o.key.name == metric.key.name) {
        dimensions |= other.key.dimensions != metric.key.dimensions;
        stat |= other.stat != metric.stat;
        period |= other.period != metric.period;
    }
    let values = metric.key.dimensions.iter().map(|(_, value)| value.clone());
    let mut words: Vec<String> = values.filter(|_| dimensions).collect();
    words.push(metric.key.name.clone());
    words.extend(stat.then(|| metric.stat.clone()));
    words.extend(period.then(|| metric.period.to_string()));
    words.join(" ")
}

impl Names for Run<'_> {
    fn of_id(&mut self, id: &str) -> Result<Vec<TimeSeries>, MathError> {
        let at = self.queries.iter().position(|query| query.id == id);
        let at = at.ok_or_else(|| MathError::Wrong(format!("Unknown identifier '{id}'")))?;
        Ok(self.query(at)?.0)
    }

    fn is_array(&mut self, id: &str) -> bool {
        let at = self.queries.iter().position(|query| query.id == id);
        at.and_then(|at| self.done.get(&at))
            .is_some_and(|(_, array)| *array)
    }

    fn metrics(&mut self, part: &str) -> Result<Vec<TimeSeries>, MathError> {
        let queries = self.queries;
        let metric = |query: &Query| match &query.kind {
            Kind::Metric(metric) if query.id.contains(part) => Some(self.metric(metric, queries)),
            _ => None,
        };
        Ok(queries.iter().filter_map(metric).collect())
    }

    fn search(
        &mut self,
        query: &str,
        stat: &str,
        period: Option<i64>,
    ) -> Result<Vec<TimeSeries>, MathError> {
        let search = Search::parse(query).map_err(MathError::Wrong)?;
        let unknown = |_| MathError::Wrong(format!("Unknown statistic '{stat}'"));
        let statistic: Statistic = stat.parse().map_err(unknown)?;
        let period = period.unwrap_or_else(|| self.period());
        if !is_period(period) {
            return Err(MathError::Wrong(format!(
                "The period {period} is not valid"
            )));
        }
        let all = self.state.of_scope(self.scope, search.namespace());
        let active = all.filter(|(_, series)| self.now.since(series.written_at) <= ACTIVE);
        let found = active.filter(|(key, _)| search.finds(key)).take(FOUND);
        let keys: Vec<Arc<MetricKey>> = found.map(|(key, _)| key.clone()).collect();
        let one = |key: &Arc<MetricKey>| TimeSeries {
            label: told_apart(key, &keys),
            about: About {
                metric: Some(key.clone()),
                stat: stat.to_owned(),
            },
            ..of_metric(self.state, key, statistic, None, self.window, period)
        };
        Ok(keys.iter().map(one).collect())
    }

    fn window(&self) -> Window {
        self.window
    }

    fn period(&self) -> i64 {
        let asked = self.asked_period.or_else(|| longest_period(self.queries));
        asked.unwrap_or(60)
    }
}

/// What tells the metrics that a search found from each other, else the metric's name.
fn told_apart(key: &MetricKey, all: &[Arc<MetricKey>]) -> String {
    let differs =
        |f: &dyn Fn(&MetricKey) -> Option<String>| all.iter().any(|other| f(other) != f(key));
    let mut words = Vec::new();
    if differs(&|k| Some(k.namespace.clone())) {
        words.push(key.namespace.clone());
    }
    for (name, value) in &key.dimensions {
        if differs(&|k| k.dimension(name).map(str::to_owned)) {
            words.push(value.clone());
        }
    }
    if words.is_empty() || differs(&|k| Some(k.name.clone())) {
        words.push(key.name.clone());
    }
    words.join(" ")
}

/// The start of a request's window in whole minutes, or coarser where it is long ago, or finer where a period
/// is; and its end in seconds
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).
pub fn window(start: Timestamp, end: Timestamp, period: i64, now: Timestamp) -> Window {
    let start = start.as_millis().div_euclid(1_000);
    // The end is not in it: a part of a second is.
    let end = (end.as_millis() + 999).div_euclid(1_000);
    let age = now.as_millis().div_euclid(1_000) - start;
    let step = match age / 86_400 {
        0..15 => period.clamp(1, 60),
        15..63 => 300,
        63.. => 3_600,
        _ => period.clamp(1, 60),
    };
    Window {
        start: start.div_euclid(step) * step,
        end,
    }
}
