//! Where whoever observes something puts it as a metric: CloudWatch takes the seat in the house.
//!
//! What is put here is kept as a reading of the platform, not as acknowledged data: it goes to memory at
//! once and to the disk with the next write. Nobody who puts waits or fails.

use crate::Scope;
use neargate_base::Timestamp;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What was observed of one metric
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>).
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// `AWS/ECS`.
    pub namespace: String,
    pub name: String,
    /// Names and values, in any order.
    pub dimensions: Vec<(String, String)>,
    /// AWS's word, `None` where it has none.
    pub unit: Option<String>,
    pub value: Observed,
    /// When it was observed; it counts for the period that this is in.
    pub at: Timestamp,
    pub resolution: Resolution,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    One(f64),
    /// Values, and how often each came.
    Values(Vec<(f64, f64)>),
    /// A statistic set: of many values only this is known.
    Many {
        sample_count: f64,
        sum: f64,
        minimum: f64,
        maximum: f64,
    },
}

/// How finely a metric is kept: `StorageResolution`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resolution {
    Second,
    #[default]
    Minute,
}

impl Datum {
    /// One value of a metric of one-minute resolution.
    pub fn new(
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        unit: &str,
        value: f64,
        at: Timestamp,
    ) -> Datum {
        let dimension = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Datum {
            namespace: namespace.into(),
            name: name.into(),
            dimensions: dimensions.iter().map(dimension).collect(),
            unit: Some(unit.into()),
            value: Observed::One(value),
            at,
            resolution: Resolution::Minute,
        }
    }
}

/// Keeps metrics. It answers from memory, in microseconds.
pub trait Metrics: fmt::Debug + Send + Sync {
    /// Takes an observation of the platform. What it cannot keep, it drops.
    fn put(&self, scope: &Scope, datum: Datum);
}

/// Where CloudWatch takes its place in the house.
#[derive(Debug, Default)]
pub struct Seat(OnceLock<Arc<dyn Metrics>>);

impl Seat {
    /// # Panics
    /// When somebody has taken it.
    pub fn take(&self, metrics: Arc<dyn Metrics>) {
        self.0.set(metrics).expect("one service keeps metrics");
    }

    /// Data are dropped while it is empty.
    pub fn put(&self, scope: &Scope, datum: Datum) {
        if let Some(metrics) = self.0.get() {
            metrics.put(scope, datum);
        }
    }
}
