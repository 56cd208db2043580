//! Default values: what a metric filter reports of a minute in which events came and none matched.
//!
//! A minute is judged once it is over, both on the clock and for the events in it, with some
//! time for the last ones to arrive. What comes later is a minute of its own.

use super::{MetricFilter, Series, minute};
use crate::engine::Event;
use neargate_base::Timestamp;
use neargate_service::Scope;
use neargate_service::metrics::{Datum, Observed, Resolution};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Agents send what they gathered for some seconds.
const ARRIVAL: Duration = Duration::from_secs(15);
/// Minutes that wait to be judged; the earliest is judged before there are more.
const MAX_WAITING: usize = 50_000;

/// What a batch told of one filter.
#[derive(Debug)]
pub(super) struct Heard {
    /// The group's key and the filter's name.
    filter: (String, String),
    metric: Datum,
    /// Minutes with events, and whether one matched.
    minutes: BTreeMap<i64, bool>,
}

impl Heard {
    pub(super) fn new(
        group: &str,
        filter: &MetricFilter,
        events: &[Event],
        series: &Series<'_>,
    ) -> Heard {
        let minutes: BTreeSet<i64> = events.iter().map(|e| minute(e.timestamp)).collect();
        let judged = |m: i64| (m, series.has(&filter.name, m));
        Heard {
            filter: (group.to_owned(), filter.name.clone()),
            metric: Datum {
                namespace: filter.namespace.clone(),
                name: filter.metric.clone(),
                dimensions: Vec::new(),
                unit: filter.unit.clone(),
                value: Observed::One(filter.default.unwrap_or_default()),
                at: Timestamp::from_millis(0),
                resolution: Resolution::Minute,
            },
            minutes: minutes.into_iter().map(judged).collect(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Silence {
    /// By group and filter, then by minute.
    waiting: BTreeMap<(String, String), BTreeMap<i64, Minute>>,
    /// When each is judged.
    due: BTreeSet<(Timestamp, (String, String), i64)>,
}

#[derive(Debug)]
struct Minute {
    scope: Scope,
    metric: Datum,
    matched: bool,
}

impl Silence {
    /// Take in what batches told; answers the default values of minutes there is no room for.
    pub(super) fn hear(
        &mut self,
        scope: &Scope,
        heard: Vec<Heard>,
        now: Timestamp,
    ) -> Vec<(Scope, Datum)> {
        for Heard {
            filter,
            metric,
            minutes,
        } in heard
        {
            let waiting = self.waiting.entry(filter.clone()).or_default();
            for (number, matched) in minutes {
                let end = |m: i64| Timestamp::from_millis((m + 1) * 60_000);
                let due = end(number).max(end(minute(now))) + ARRIVAL;
                let known = waiting.entry(number).or_insert_with(|| {
                    self.due.insert((due, filter.clone(), number));
                    Minute {
                        scope: scope.clone(),
                        metric: Datum {
                            at: Timestamp::from_millis(number * 60_000),
                            ..metric.clone()
                        },
                        matched,
                    }
                });
                known.matched |= matched;
            }
        }
        let mut overdue = Vec::new();
        while self.due.len() > MAX_WAITING
            && let Some((_, filter, number)) = self.due.pop_first()
        {
            overdue.extend(self.judge(&filter, number));
        }
        overdue
    }

    /// The default values of minutes that are over.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<(Scope, Datum)> {
        let mut data = Vec::new();
        while self.due.first().is_some_and(|(due, ..)| *due <= now)
            && let Some((_, filter, number)) = self.due.pop_first()
        {
            data.extend(self.judge(&filter, number));
        }
        data
    }

    fn judge(&mut self, filter: &(String, String), number: i64) -> Option<(Scope, Datum)> {
        let minutes = self.waiting.get_mut(filter)?;
        let judged = minutes.remove(&number);
        if minutes.is_empty() {
            self.waiting.remove(filter);
        }
        let Minute {
            scope,
            metric,
            matched,
            ..
        } = judged?;
        (!matched).then_some((scope, metric))
    }
}
