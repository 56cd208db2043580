//! All metrics, in memory.

use super::codec::{Input, Malformed, put_number};
use super::journal::Record;
use super::series::{MetricKey, Series};
use super::{Limits, TIERS};
use neargate_base::{AccountId, Timestamp};
use neargate_service::Scope;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// However little memory there is, minutes are kept for as long as seconds are.
const LEAST_MINUTES: i64 = TIERS[0].1;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct State {
    metrics: BTreeMap<Arc<MetricKey>, Series>,
}

impl State {
    pub fn apply(&mut self, record: &Record) {
        let series = self.metrics.entry(record.key.clone()).or_default();
        let Record {
            unit,
            at,
            resolution,
            set,
            put_at,
            ..
        } = record;
        series.add(unit.as_deref(), *at, *resolution, set, *put_at);
    }

    pub fn get(&self, key: &MetricKey) -> Option<&Series> {
        self.metrics.get(key)
    }

    /// The metrics of a scope in order: those of one namespace, or all.
    pub fn of_scope<'a>(
        &'a self,
        scope: &'a Scope,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Arc<MetricKey>, &'a Series)> {
        let first = Arc::new(MetricKey {
            scope: scope.clone(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
            dimensions: Vec::new(),
        });
        let all = self
            .metrics
            .range((Bound::Included(first), Bound::Unbounded));
        all.take_while(move |(key, _)| {
            key.scope == *scope && namespace.is_none_or(|n| key.namespace == n)
        })
    }

    /// The metrics of an account, in all regions.
    pub fn of_account<'a>(
        &'a self,
        account: &'a AccountId,
    ) -> impl Iterator<Item = (&'a Arc<MetricKey>, &'a Series)> {
        self.metrics
            .iter()
            .filter(move |(key, _)| key.scope.account == *account)
    }

    pub fn clear(&mut self) {
        self.metrics.clear();
    }

    /// How many metrics there are.
    pub fn count(&self) -> usize {
        self.metrics.len()
    }

    pub fn bytes(&self) -> usize {
        let one = |(key, series): (&Arc<MetricKey>, &Series)| key.bytes() + series.bytes();
        self.metrics.iter().map(one).sum()
    }

    /// Forgets what AWS forgets, and what there is no room for: first minutes are folded into five minutes
    /// earlier than AWS does, down to three hours; then the metrics that nothing was put to for the longest
    /// time go.
    pub fn sweep(&mut self, now: Timestamp, limits: Limits) {
        let mut minutes_kept = TIERS[1].1;
        loop {
            self.metrics
                .values_mut()
                .for_each(|series| series.age(now, minutes_kept));
            self.metrics.retain(|_, series| !series.is_empty());
            if minutes_kept == LEAST_MINUTES || self.bytes() <= limits.bytes {
                break;
            }
            minutes_kept = (minutes_kept / 2).max(LEAST_MINUTES);
        }
        let over_metrics = self.metrics.len().saturating_sub(limits.metrics);
        let mut over_bytes = self.bytes().saturating_sub(limits.bytes);
        if over_metrics == 0 && over_bytes == 0 {
            return;
        }
        let all = self.metrics.iter();
        let mut by_age: Vec<(Timestamp, usize, Arc<MetricKey>)> = all
            .map(|(key, series)| (series.written_at, key.bytes() + series.bytes(), key.clone()))
            .collect();
        by_age.sort_unstable_by_key(|(at, ..)| *at);
        for (n, (_, bytes, key)) in by_age.into_iter().enumerate() {
            if n >= over_metrics && over_bytes == 0 {
                break;
            }
            over_bytes = over_bytes.saturating_sub(bytes);
            self.metrics.remove(&key);
        }
    }

    pub fn put(&self, out: &mut Vec<u8>) {
        put_number(out, self.metrics.len() as u64);
        for (key, series) in &self.metrics {
            key.put(out);
            series.put(out);
        }
    }

    pub fn read(input: &mut Input<'_>) -> Result<State, Malformed> {
        let mut state = State::default();
        for _ in 0..input.count()? {
            let key = Arc::new(MetricKey::read(input)?);
            state.metrics.insert(key, Series::read(input)?);
        }
        Ok(state)
    }
}
