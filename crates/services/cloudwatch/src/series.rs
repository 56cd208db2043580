//! A time series as queries and expressions work on it.

use crate::engine::{MetricKey, Set, State};
use crate::statistic::Statistic;
use std::collections::BTreeMap;

/// Values by the second at which their period begins.
pub type Values = BTreeMap<i64, f64>;

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimeSeries {
    pub label: String,
    /// What the label may speak of.
    pub about: About,
    /// In seconds.
    pub period: i64,
    pub values: Values,
    /// Units of which values were left out, because one was chosen; empty but for metrics of many.
    pub units: Vec<String>,
    /// How many values were observed in each period, where that is known.
    pub counts: Values,
}

/// The metric behind a time series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    pub metric: Option<std::sync::Arc<MetricKey>>,
    pub stat: String,
}

/// From `start` to `end`, in seconds since the epoch; periods are counted from `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub start: i64,
    pub end: i64,
}

impl Window {
    pub fn starts(self, period: i64) -> impl Iterator<Item = i64> {
        let step = usize::try_from(period.max(1)).unwrap_or(usize::MAX);
        (self.start..self.end).step_by(step)
    }
}

/// In this order CloudWatch prefers units where a metric has several and none is asked for: as seen in
/// recordings of AWS by LocalStack.
const UNITS: [&str; 27] = [
    "Megabits",
    "Terabits",
    "Gigabits",
    "Count",
    "Bytes",
    "Gigabytes",
    "Gigabytes/Second",
    "Kilobytes",
    "Kilobits/Second",
    "Terabytes",
    "Terabits/Second",
    "Bytes/Second",
    "Percent",
    "Megabytes",
    "Megabits/Second",
    "Milliseconds",
    "Microseconds",
    "Kilobytes/Second",
    "Gigabits/Second",
    "Megabytes/Second",
    "Bits",
    "Bits/Second",
    "Count/Second",
    "Seconds",
    "Kilobits",
    "Terabytes/Second",
    "None",
];

/// The sets of a metric by unit, added up by period.
pub fn sets(
    state: &State,
    key: &MetricKey,
    unit: Option<&str>,
    window: Window,
    period: i64,
) -> Vec<(String, BTreeMap<i64, Set>)> {
    let mut by_unit: BTreeMap<usize, BTreeMap<i64, Set>> = BTreeMap::new();
    let Some(series) = state.get(key) else {
        return Vec::new();
    };
    // What a period sees is whole: it may end behind the window.
    let periods = (window.end - window.start + period - 1).div_euclid(period);
    let end = window.start + periods * period;
    series.range(unit, window.start, end, period, |unit, at, set| {
        let unit = unit.unwrap_or("None");
        let place = UNITS
            .iter()
            .position(|u| *u == unit)
            .unwrap_or(UNITS.len() - 1);
        let begin = window.start + (at - window.start).div_euclid(period) * period;
        let periods = by_unit.entry(place).or_default();
        match periods.get_mut(&begin) {
            Some(all) => all.add(set),
            None => drop(periods.insert(begin, set.clone())),
        }
    });
    let named = |(place, sets): (usize, _)| (UNITS[place].to_owned(), sets);
    by_unit.into_iter().map(named).collect()
}

/// A statistic of a metric.
pub fn of_metric(
    state: &State,
    key: &MetricKey,
    statistic: Statistic,
    unit: Option<&str>,
    window: Window,
    period: i64,
) -> TimeSeries {
    let by_unit = sets(state, key, unit, window, period);
    let units: Vec<String> = by_unit.iter().map(|(unit, _)| unit.clone()).collect();
    let chosen = by_unit
        .into_iter()
        .next()
        .map(|(_, sets)| sets)
        .unwrap_or_default();
    let value = |(at, set): (&i64, &Set)| Some((*at, statistic.of(set)?));
    TimeSeries {
        period,
        values: chosen.iter().filter_map(value).collect(),
        counts: chosen
            .iter()
            .map(|(at, set)| (*at, set.sample_count))
            .collect(),
        units: if units.len() > 1 { units } else { Vec::new() },
        ..TimeSeries::default()
    }
}
