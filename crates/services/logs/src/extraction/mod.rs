//! What log events become as metrics when they are stored: the readings of the group's metric
//! filters, of documents in the embedded metric format, and `AWS/Logs`' own.
//!
//! Events are looked at before they are stored and count once they are, so that what comes twice
//! counts once. A group without filters costs one look-up a batch, an event that is no such
//! document one comparison. Readings are not acknowledged data: what a crash takes is lost.

mod embedded;
mod metric_filter;
mod silence;

#[cfg(test)]
mod tests;

pub use metric_filter::{MetricFilter, Unusable};

use crate::engine::{EVENT_OVERHEAD_BYTES, Event};
use crate::model::Group;
use crate::model::filters::Filters;
use crate::pattern::Message;
use neargate_base::Timestamp;
use neargate_service::metrics::{Datum, Observed, Resolution};
use neargate_service::{AwsError, House, Scope, Stored, db};
use neargate_store::Revision;
use parking_lot::Mutex;
use silence::Silence;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Groups whose filters are kept ready; when there are more, all are made ready again.
const READY_GROUPS: usize = 10_000;
/// How often it is looked for minutes in which a filter matched nothing.
const SILENCE_LOOK: Duration = Duration::from_secs(5);

/// The metric filters of all groups, ready to be asked.
#[derive(Debug, Default)]
pub struct Extraction {
    /// By the key of the group's record of filters.
    ready: Mutex<HashMap<String, Ready>>,
    silence: Mutex<Silence>,
}

/// The filters of one group at a revision of their record.
#[derive(Debug, Clone)]
struct Ready {
    revision: Revision,
    filters: Arc<Vec<MetricFilter>>,
}

/// What a batch of events is worth, once it is stored.
#[derive(Debug, Default)]
pub struct Extracted {
    data: Vec<Datum>,
    /// Of filters with a default value: in which minutes there were events, and which matched.
    heard: Vec<silence::Heard>,
}

impl Extraction {
    /// Look at a batch that is about to be stored.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn of(
        &self,
        house: &House,
        scope: &Scope,
        group: &Stored<Group>,
        events: &[Event],
    ) -> Result<Extracted, AwsError> {
        let filters = self.filters(house, scope, group).await?;
        let now = house.now();
        let mut extracted = Extracted::default();
        extracted.count(&group.name, events, now);
        let mut series = Series::default();
        let mut faults = embedded::Faults::default();
        for event in events {
            let message = Message::new(&event.message);
            for filter in filters.iter() {
                if let Some(reading) = filter.read(&message, scope, event.timestamp, now) {
                    series.add(reading);
                }
            }
            if embedded::may_be(message.text()) {
                faults += embedded::read(&message, now, &mut extracted.data);
            }
        }
        extracted.fail(&group.name, faults, now);
        for filter in filters.iter().filter(|f| f.default.is_some()) {
            let heard = silence::Heard::new(&group.key, filter, events, &series);
            extracted.heard.push(heard);
        }
        extracted.data.extend(series.into_data());
        Ok(extracted)
    }

    /// Publish what a batch that is stored by now is worth.
    pub fn publish(&self, house: &House, scope: &Scope, extracted: Extracted) {
        for datum in extracted.data {
            house.metrics.put(scope, datum);
        }
        if !extracted.heard.is_empty() {
            let mut silence = self.silence.lock();
            let overdue = silence.hear(scope, extracted.heard, house.now());
            drop(silence);
            put_all(house, overdue);
        }
    }

    /// Publish default values for ever.
    pub async fn keep_silence(self: Arc<Self>, house: Arc<House>) {
        loop {
            tokio::time::sleep(SILENCE_LOOK).await;
            self.break_silence(&house);
        }
    }

    /// Publish the default values of minutes that are over.
    pub fn break_silence(&self, house: &House) {
        let due = self.silence.lock().due(house.now());
        put_all(house, due);
    }

    /// Forget everything.
    pub fn reset(&self) {
        self.ready.lock().clear();
        *self.silence.lock() = Silence::default();
    }

    async fn filters(
        &self,
        house: &House,
        scope: &Scope,
        group: &Stored<Group>,
    ) -> Result<Arc<Vec<MetricFilter>>, AwsError> {
        let key = db::key::<Filters>(scope, &group.name);
        let Some(entry) = house.db.store().get(&key).await? else {
            return Ok(Arc::default());
        };
        if let Some(ready) = self.ready.lock().get(&key)
            && ready.revision == entry.mod_revision
        {
            return Ok(ready.filters.clone());
        }
        let stored = db::decode::<Filters>(&entry)?;
        if stored.group_id != group.id {
            return Ok(Arc::default());
        }
        let usable = stored.metric.iter().filter_map(|f| {
            let filter = MetricFilter::new(f);
            filter
                .inspect_err(
                    |error| tracing::error!(filter = f.name, %error, "a stored metric filter"),
                )
                .ok()
        });
        let filters: Arc<Vec<MetricFilter>> = Arc::new(usable.collect());
        let ready = Ready {
            revision: entry.mod_revision,
            filters: filters.clone(),
        };
        let mut all = self.ready.lock();
        if all.len() >= READY_GROUPS {
            all.clear();
        }
        all.insert(key, ready);
        Ok(filters)
    }
}

fn put_all(house: &House, data: Vec<(Scope, Datum)>) {
    for (scope, datum) in data {
        house.metrics.put(&scope, datum);
    }
}

impl Extracted {
    /// `AWS/Logs`
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html>):
    /// of the group, and of all groups.
    fn count(&mut self, group: &str, events: &[Event], now: Timestamp) {
        if events.is_empty() {
            return;
        }
        let size = |e: &Event| e.message.len() + EVENT_OVERHEAD_BYTES;
        let bytes: usize = events.iter().map(size).sum();
        let of_group = [("LogGroupName", group)];
        for dimensions in [of_group.as_slice(), &[]] {
            let mut put = |name: &str, unit: &str, value: usize| {
                let datum = Datum::new("AWS/Logs", name, dimensions, unit, value as f64, now);
                self.data.push(datum);
            };
            put("IncomingLogEvents", "Count", events.len());
            put("IncomingBytes", "Bytes", bytes);
        }
    }

    fn fail(&mut self, group: &str, faults: embedded::Faults, now: Timestamp) {
        let of_group = [("LogGroupName", group)];
        let all = [
            ("EMFParsingErrors", faults.parsing),
            ("EMFValidationErrors", faults.validation),
        ];
        for (name, count) in all.into_iter().filter(|(_, count)| *count > 0) {
            let count = count as f64;
            let datum = Datum::new("AWS/Logs", name, &of_group, "Count", count, now);
            self.data.push(datum);
        }
    }
}

/// One value of a filter's metric.
#[derive(Debug)]
pub(crate) struct Reading<'f> {
    filter: &'f MetricFilter,
    dimensions: Vec<(String, String)>,
    at: Timestamp,
    value: f64,
}

/// The minute that a moment is in.
fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000)
}

/// A batch's readings of filters, gathered by metric and minute.
#[derive(Debug, Default)]
struct Series<'f> {
    gathered: BTreeMap<SeriesKey<'f>, (&'f MetricFilter, Values)>,
}

/// The filter's name, the minute, the dimensions.
type SeriesKey<'f> = (&'f str, i64, Vec<(String, String)>);
/// Values by their bits, and how often each came.
type Values = HashMap<u64, f64>;

impl<'f> Series<'f> {
    fn add(&mut self, reading: Reading<'f>) {
        let Reading {
            filter,
            dimensions,
            at,
            value,
        } = reading;
        let key = (filter.name.as_str(), minute(at), dimensions);
        let (_, values) = self
            .gathered
            .entry(key)
            .or_insert_with(|| (filter, Values::new()));
        *values.entry(value.to_bits()).or_default() += 1.0;
    }

    fn has(&self, filter: &str, minute: i64) -> bool {
        let from = (filter, minute, Vec::new());
        let next = self.gathered.range(from..).next();
        next.is_some_and(|((name, at, _), _)| (*name, *at) == (filter, minute))
    }

    fn into_data(self) -> impl Iterator<Item = Datum> {
        self.gathered
            .into_iter()
            .map(|((_, minute, dimensions), (filter, values))| Datum {
                namespace: filter.namespace.clone(),
                name: filter.metric.clone(),
                dimensions,
                unit: filter.unit.clone(),
                value: Observed::Values(
                    values
                        .into_iter()
                        .map(|(bits, count)| (f64::from_bits(bits), count))
                        .collect(),
                ),
                at: Timestamp::from_millis(minute * 60_000),
                resolution: Resolution::Minute,
            })
    }
}
