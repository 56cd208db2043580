//! The graph of services that traces make together: who was called, by whom, how often, how it went and how long it
//! took. Pure.

use crate::trace::{Digest, Flags, Node, ServiceName};
use neargate_api_xray as api;
use neargate_base::Timestamp;
use std::collections::BTreeMap;

/// What calls added up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    ok: i64,
    throttle: i64,
    error: i64,
    fault: i64,
    total: i64,
    seconds: f64,
    /// By the time they took, in milliseconds as [`bucket`] rounds them.
    histogram: BTreeMap<u64, i32>,
}

impl Tally {
    pub fn add(&mut self, flags: Flags, seconds: f64) {
        self.total += 1;
        self.seconds += seconds;
        self.ok += i64::from(flags.is_ok());
        self.fault += i64::from(flags.fault);
        // What failed for two reasons is a fault.
        let is_error = flags.error && !flags.fault;
        self.throttle += i64::from(is_error && flags.throttle);
        self.error += i64::from(is_error);
        *self.histogram.entry(bucket(seconds)).or_default() += 1;
    }

    fn errors(&self) -> api::ErrorStatistics {
        api::ErrorStatistics {
            throttle_count: Some(self.throttle),
            other_count: Some(self.error - self.throttle),
            total_count: Some(self.error),
        }
    }

    fn faults(&self) -> api::FaultStatistics {
        api::FaultStatistics {
            other_count: Some(self.fault),
            total_count: Some(self.fault),
        }
    }

    pub fn of_service(&self) -> api::ServiceStatistics {
        api::ServiceStatistics {
            ok_count: Some(self.ok),
            error_statistics: Some(self.errors()),
            fault_statistics: Some(self.faults()),
            total_count: Some(self.total),
            total_response_time: Some(round(self.seconds)),
        }
    }

    pub fn of_edge(&self) -> api::EdgeStatistics {
        api::EdgeStatistics {
            ok_count: Some(self.ok),
            error_statistics: Some(self.errors()),
            fault_statistics: Some(self.faults()),
            total_count: Some(self.total),
            total_response_time: Some(round(self.seconds)),
        }
    }

    pub fn histogram(&self) -> Vec<api::HistogramEntry> {
        let entries = self.histogram.iter();
        entries
            .map(|(millis, count)| api::HistogramEntry {
                value: Some(*millis as f64 / 1000.0),
                count: Some(*count),
            })
            .collect()
    }
}

/// Milliseconds with three digits that count, so that no histogram grows without end.
fn bucket(seconds: f64) -> u64 {
    let millis = (seconds * 1000.0).round().clamp(0.0, 1e15) as u64;
    let digits = millis.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(2));
    millis / unit * unit
}

fn round(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// From when until when, in seconds.
#[derive(Debug, Clone, Copy)]
struct Span(f64, f64);

impl Span {
    fn widen(&mut self, start: f64, end: f64) {
        (self.0, self.1) = (self.0.min(start), self.1.max(end));
    }
}

impl Default for Span {
    fn default() -> Self {
        Span(f64::INFINITY, 0.0)
    }
}

#[derive(Debug, Default)]
struct Vertex {
    tally: Tally,
    span: Span,
    root: bool,
    /// Nobody sent segments of it.
    inferred_only: Option<bool>,
}

#[derive(Debug, Default)]
struct Arc {
    tally: Tally,
    span: Span,
}

/// A graph that grows trace by trace.
#[derive(Debug)]
pub struct Graph {
    account: String,
    vertices: BTreeMap<ServiceName, Vertex>,
    arcs: BTreeMap<(ServiceName, ServiceName), Arc>,
}

/// The most services of a graph; those that come later are not in it.
const MOST_VERTICES: usize = 10_000;

impl Graph {
    /// `account` is that of services that say none.
    pub fn new(account: &str) -> Graph {
        Graph {
            account: account.to_owned(),
            vertices: BTreeMap::new(),
            arcs: BTreeMap::new(),
        }
    }

    /// Adds what of a trace ended within `window`, or all of it.
    pub fn add(&mut self, trace: &Digest, window: Option<(Timestamp, Timestamp)>) {
        let is_in = |end: f64| {
            let at = Timestamp::from_millis((end * 1000.0) as i64);
            window.is_none_or(|(from, until)| at >= from && at < until)
        };
        for (at, node) in trace.nodes.iter().enumerate() {
            if !is_in(node.end) || self.is_full(&node.service) {
                continue;
            }
            let vertex = self.vertices.entry(node.service.clone()).or_default();
            vertex.add(node);
            if trace.root == Some(at) {
                vertex.root = true;
                let client = client(&node.service);
                let from = self.vertices.entry(client.clone()).or_default();
                from.span.widen(node.start, node.end);
                from.inferred_only = Some(true);
                let arc = self.arcs.entry((client, node.service.clone())).or_default();
                arc.span.widen(node.start, node.end);
                if !node.in_progress {
                    arc.tally.add(node.flags, node.seconds());
                }
            }
        }
        for edge in &trace.edges {
            let (Some(from), Some(to)) = (trace.nodes.get(edge.from), trace.nodes.get(edge.to))
            else {
                continue;
            };
            let is_known = |node: &Node| self.vertices.contains_key(&node.service);
            if !is_in(edge.end) || !is_known(from) || !is_known(to) {
                continue;
            }
            let key = (from.service.clone(), to.service.clone());
            let arc = self.arcs.entry(key).or_default();
            arc.span.widen(edge.start, edge.end);
            arc.tally.add(edge.flags, edge.seconds());
        }
    }

    fn is_full(&self, service: &ServiceName) -> bool {
        self.vertices.len() >= MOST_VERTICES && !self.vertices.contains_key(service)
    }

    /// As AWS shows it: services, each with the calls it makes.
    pub fn shown(&self) -> Vec<api::Service> {
        let number: BTreeMap<&ServiceName, i32> = self.vertices.keys().zip(0..).collect();
        let mut edges = BTreeMap::<&ServiceName, Vec<api::Edge>>::new();
        for ((from, to), arc) in &self.arcs {
            let edge = api::Edge {
                reference_id: number.get(to).copied(),
                start_time: Some(moment(arc.span.0)),
                end_time: Some(moment(arc.span.1)),
                summary_statistics: Some(arc.tally.of_edge()),
                response_time_histogram: Some(arc.tally.histogram()),
                aliases: Some(Vec::new()),
                ..Default::default()
            };
            edges.entry(from).or_default().push(edge);
        }
        let shown = |(service, vertex): (&ServiceName, &Vertex)| {
            let is_client = service.kind.as_deref() == Some(CLIENT);
            let statistics = (!is_client).then(|| vertex.tally.of_service());
            let histogram = (!is_client).then(|| vertex.tally.histogram());
            let is_inferred = vertex.inferred_only == Some(true);
            api::Service {
                reference_id: number.get(service).copied(),
                name: Some(service.name.clone()),
                names: Some(vec![service.name.clone()]),
                root: vertex.root.then_some(true),
                account_id: (!is_client).then(|| {
                    let own = service.account.as_ref();
                    own.unwrap_or(&self.account).clone()
                }),
                r#type: service.kind.clone(),
                state: Some(if is_inferred { "unknown" } else { "active" }.to_owned()),
                start_time: Some(moment(vertex.span.0)),
                end_time: Some(moment(vertex.span.1)),
                edges: Some(edges.remove(service).unwrap_or_default()),
                summary_statistics: statistics,
                duration_histogram: histogram.clone(),
                response_time_histogram: histogram,
            }
        };
        self.vertices.iter().map(shown).collect()
    }
}

const CLIENT: &str = "client";

/// Who calls the first service of a trace has its name.
fn client(service: &ServiceName) -> ServiceName {
    ServiceName {
        name: service.name.clone(),
        kind: Some(CLIENT.into()),
        account: None,
    }
}

fn moment(seconds: f64) -> Timestamp {
    match seconds.is_finite() {
        true => Timestamp::from_millis((seconds * 1000.0) as i64),
        false => Timestamp::default(),
    }
}

impl Vertex {
    fn add(&mut self, node: &Node) {
        self.span.widen(node.start, node.end);
        if !node.in_progress {
            self.tally.add(node.flags, node.seconds());
        }
        let before = self.inferred_only.unwrap_or(true);
        self.inferred_only = Some(before && node.inferred);
    }
}
