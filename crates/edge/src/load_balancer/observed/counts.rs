//! Counters, as AWS names its metrics
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).
//!
//! They only grow, from the start of this process; whoever wants what happened in a minute subtracts.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is counted. The order is of no meaning outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    RequestCount,
    GrpcRequestCount,
    NewConnectionCount,
    ProcessedBytes,
    RejectedConnectionCount,
    RuleEvaluations,
    Redirect,
    FixedResponse,
    NonCompliantRequest,
    ClientTlsNegotiationError,
    TargetConnectionError,
    TargetTlsNegotiationError,
    Elb3xx,
    Elb4xx,
    Elb460,
    Elb463,
    Elb464,
    Elb5xx,
    Elb500,
    Elb502,
    Elb503,
    Elb504,
    Target2xx,
    Target3xx,
    Target4xx,
    Target5xx,
    NewFlowCount,
    RejectedFlowCount,
    TargetReset,
    ElbReset,
}

const METRICS: [(Metric, &str); 30] = {
    use Metric::*;
    [
        (RequestCount, "RequestCount"),
        (GrpcRequestCount, "GrpcRequestCount"),
        (NewConnectionCount, "NewConnectionCount"),
        (ProcessedBytes, "ProcessedBytes"),
        (RejectedConnectionCount, "RejectedConnectionCount"),
        (RuleEvaluations, "RuleEvaluations"),
        (Redirect, "HTTP_Redirect_Count"),
        (FixedResponse, "HTTP_Fixed_Response_Count"),
        (
            NonCompliantRequest,
            "DesyncMitigationMode_NonCompliant_Request_Count",
        ),
        (ClientTlsNegotiationError, "ClientTLSNegotiationErrorCount"),
        (TargetConnectionError, "TargetConnectionErrorCount"),
        (TargetTlsNegotiationError, "TargetTLSNegotiationErrorCount"),
        (Elb3xx, "HTTPCode_ELB_3XX_Count"),
        (Elb4xx, "HTTPCode_ELB_4XX_Count"),
        (Elb460, "HTTPCode_ELB_460_Count"),
        (Elb463, "HTTPCode_ELB_463_Count"),
        (Elb464, "HTTPCode_ELB_464_Count"),
        (Elb5xx, "HTTPCode_ELB_5XX_Count"),
        (Elb500, "HTTPCode_ELB_500_Count"),
        (Elb502, "HTTPCode_ELB_502_Count"),
        (Elb503, "HTTPCode_ELB_503_Count"),
        (Elb504, "HTTPCode_ELB_504_Count"),
        (Target2xx, "HTTPCode_Target_2XX_Count"),
        (Target3xx, "HTTPCode_Target_3XX_Count"),
        (Target4xx, "HTTPCode_Target_4XX_Count"),
        (Target5xx, "HTTPCode_Target_5XX_Count"),
        (NewFlowCount, "NewFlowCount"),
        (RejectedFlowCount, "RejectedFlowCount"),
        (TargetReset, "TCP_Target_Reset_Count"),
        (ElbReset, "TCP_ELB_Reset_Count"),
    ]
};

/// Two for each doubling of microseconds: the last one holds everything above an hour.
const BUCKETS: usize = 64;

/// Counters of one thing: a node's zone, or a target group in one.
#[derive(Debug)]
pub struct Counts {
    values: [AtomicU64; METRICS.len()],
    /// Now, not ever.
    active_connections: AtomicU64,
    response_micros: AtomicU64,
    response_buckets: [AtomicU64; BUCKETS],
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            values: std::array::from_fn(|_| AtomicU64::new(0)),
            active_connections: AtomicU64::new(0),
            response_micros: AtomicU64::new(0),
            response_buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counts {
    pub fn add(&self, metric: Metric, more: u64) {
        self.values[metric as usize].fetch_add(more, Ordering::Relaxed);
    }

    pub fn count(&self, metric: Metric) {
        self.add(metric, 1);
    }

    /// `TargetResponseTime`.
    pub fn responded_after(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.response_micros.fetch_add(micros, Ordering::Relaxed);
        self.response_buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    pub fn connected(&self) {
        self.count(Metric::NewConnectionCount);
        self.active_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub fn disconnected(&self) {
        self.active_connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// What the load balancer answered by itself.
    pub fn answered(&self, status: u16) {
        let exact = match status {
            460 => Some(Metric::Elb460),
            463 => Some(Metric::Elb463),
            464 => Some(Metric::Elb464),
            500 => Some(Metric::Elb500),
            502 => Some(Metric::Elb502),
            503 => Some(Metric::Elb503),
            504 => Some(Metric::Elb504),
            _ => None,
        };
        let class = match status {
            300..400 => Some(Metric::Elb3xx),
            400..500 => Some(Metric::Elb4xx),
            500..600 => Some(Metric::Elb5xx),
            _ => None,
        };
        for metric in exact.into_iter().chain(class) {
            self.count(metric);
        }
    }

    /// What a target answered.
    pub fn target_answered(&self, status: u16) {
        match status {
            200..300 => self.count(Metric::Target2xx),
            300..400 => self.count(Metric::Target3xx),
            400..500 => self.count(Metric::Target4xx),
            500..600 => self.count(Metric::Target5xx),
            _ => {}
        }
    }

    /// As it is now, without what is zero.
    pub fn now(&self) -> Totals {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let values = METRICS.iter().map(|(metric, name)| {
            let value = read(&self.values[*metric as usize]);
            ((*name).to_owned(), value)
        });
        let buckets = self.response_buckets.iter().enumerate();
        let buckets = buckets.map(|(bucket, count)| (upper_micros(bucket), read(count)));
        Totals {
            values: values.filter(|(_, value)| *value > 0).collect(),
            active_connections: read(&self.active_connections),
            response_micros: read(&self.response_micros),
            response_times: buckets.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Half of a doubling each.
fn bucket(micros: u64) -> usize {
    let whole = micros.max(1).ilog2();
    let half = match whole {
        0 => 0,
        whole => (micros >> (whole - 1)) & 1,
    };
    (2 * whole as usize + half as usize).min(BUCKETS - 1)
}

/// What is in a bucket is below this.
fn upper_micros(bucket: usize) -> u64 {
    let (whole, half) = (bucket / 2, bucket % 2);
    let from = 1_u64 << whole;
    match half {
        0 => from + (from >> 1).max(1),
        _ => from << 1,
    }
}

/// What counters stand at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// By AWS's name of the metric.
    pub values: BTreeMap<String, u64>,
    pub active_connections: u64,
    /// The sum of all `TargetResponseTime`s.
    pub response_micros: u64,
    /// How many of them were below so many microseconds, and not below the one before.
    pub response_times: BTreeMap<u64, u64>,
}

/// Totals with AWS's dimensions of them. Those of a whole load balancer are the sum of its zones'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub load_balancer_arn: String,
    pub availability_zone: String,
    /// `None`: of the load balancer itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group_arn: Option<String>,
    pub totals: Totals,
}

impl Counted {
    /// Does it stand for the same, at another time?
    pub fn is_of_same(&self, other: &Counted) -> bool {
        self.load_balancer_arn == other.load_balancer_arn
            && self.target_group_arn == other.target_group_arn
            && self.availability_zone == other.availability_zone
    }
}

/// Of which load balancer, which of its target groups, and in which zone.
type Of = (String, Option<String>, String);

/// Counters of everything that is carried.
#[derive(Debug, Clone, Default)]
pub struct Table(Arc<Mutex<BTreeMap<Of, Arc<Counts>>>>);

impl Table {
    /// Those of a node's zone, or of a target group in one. They are the same for as long as the
    /// load balancer is there.
    pub fn of(&self, load_balancer: &str, group: Option<&str>, zone: &str) -> Arc<Counts> {
        let of = (load_balancer.into(), group.map(str::to_owned), zone.into());
        Arc::clone(self.0.lock().entry(of).or_default())
    }

    /// Forgets those of load balancers that are gone.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.0.lock().retain(|(arn, ..), _| is_there(arn));
    }

    pub fn now(&self) -> Vec<Counted> {
        let table = self.0.lock();
        let counted = table.iter().map(|((arn, group, zone), counts)| Counted {
            load_balancer_arn: arn.clone(),
            availability_zone: zone.clone(),
            target_group_arn: group.clone(),
            totals: counts.now(),
        });
        counted.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_own_place() {
        for (place, (metric, _)) in METRICS.iter().enumerate() {
            assert_eq!(*metric as usize, place);
        }
    }

    #[test]
    fn times_are_in_the_bucket_that_is_named_by_its_end() {
        let mut last = 0;
        for micros in [0, 1, 2, 3, 4, 5, 6, 7, 1000, 1_000_000, u64::MAX] {
            let bucket = bucket(micros);
            assert!(bucket >= last);
            last = bucket;
            if bucket + 1 < BUCKETS {
                assert!(micros < upper_micros(bucket), "{micros}");
                assert!(
                    bucket == 0 || micros >= upper_micros(bucket - 1),
                    "{micros}"
                );
            }
        }
        let counts = Counts::default();
        counts.responded_after(Duration::from_micros(1500));
        counts.answered(503);
        let totals = counts.now();
        assert_eq!(totals.response_times, [(1536, 1)].into());
        let names: Vec<_> = totals.values.keys().map(String::as_str).collect();
        assert_eq!(names, ["HTTPCode_ELB_503_Count", "HTTPCode_ELB_5XX_Count"]);
    }
}
