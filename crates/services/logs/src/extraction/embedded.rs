//! The embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! Pure. A document that breaks the format, or a part of one, makes no metrics; the event is
//! stored all the same, and `AWS/Logs` counts what was wrong.

use crate::pattern::Message;
use neargate_base::Timestamp;
use neargate_service::metrics::{Datum, Observed, Resolution};
use serde_json::{Map, Value};
use std::ops::AddAssign;
use std::time::Duration;

const MAX_METRICS: usize = 100;
const MAX_VALUES: usize = 100;
const MAX_DIMENSIONS: usize = 30;
const MAX_NAME: usize = 1_024;
const MAX_DIMENSION_NAME: usize = 250;
const MAX_DIMENSION_VALUE: usize = 1_024;
const PAST: Duration = Duration::from_secs(14 * 86_400);
const FUTURE: Duration = Duration::from_secs(2 * 3_600);

const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// What was wrong with documents: text that is no JSON, and members that break the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub parsing: u64,
    pub validation: u64,
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.parsing += other.parsing;
        self.validation += other.validation;
    }
}

/// Is it worth a closer look?
pub(super) fn may_be(message: &str) -> bool {
    message.trim_start().starts_with('{')
        && message.contains("\"CloudWatchMetrics\"")
        && message.contains("\"_aws\"")
}

/// Add the metrics of a document to `data`.
pub(super) fn read(message: &Message<'_>, now: Timestamp, data: &mut Vec<Datum>) -> Faults {
    let mut faults = Faults::default();
    let Some(root) = message.document().and_then(Value::as_object) else {
        faults.parsing = 1;
        return faults;
    };
    // The words may stand elsewhere in a document that has nothing to do with the format.
    let Some(meta) = root.get("_aws") else {
        return faults;
    };
    let Some(directives) = meta.get("CloudWatchMetrics") else {
        return faults;
    };
    let at = meta.get("Timestamp").and_then(Value::as_f64);
    let at = at.map(|millis| Timestamp::from_millis(millis as i64));
    let at = at.filter(|at| *at >= now - PAST && *at <= now + FUTURE);
    let (Some(directives), Some(at)) = (directives.as_array(), at) else {
        faults.validation = 1;
        return faults;
    };
    for directive in directives {
        faults += read_directive(root, directive, at, data);
    }
    faults
}

fn read_directive(
    root: &Map<String, Value>,
    directive: &Value,
    at: Timestamp,
    data: &mut Vec<Datum>,
) -> Faults {
    let wrong = Faults {
        validation: 1,
        ..Faults::default()
    };
    let namespace = directive.get("Namespace").and_then(Value::as_str);
    let list = |name: &str| directive.get(name).and_then(Value::as_array);
    let (Some(namespace), Some(sets), Some(metrics)) =
        (namespace, list("Dimensions"), list("Metrics"))
    else {
        return wrong;
    };
    if !is_name(namespace, MAX_NAME) || sets.is_empty() || metrics.len() > MAX_METRICS {
        return wrong;
    }
    let mut faults = Faults::default();
    let mut dimensions = Vec::new();
    for set in sets {
        match dimension_set(root, set) {
            Some(set) => dimensions.push(set),
            None => faults += wrong,
        }
    }
    for metric in metrics {
        match definition(root, metric) {
            Some(Definition {
                name,
                unit,
                resolution,
                value,
            }) => {
                data.extend(dimensions.iter().map(|dimensions| Datum {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    dimensions: dimensions.clone(),
                    unit: unit.map(str::to_owned),
                    value: value.clone(),
                    at,
                    resolution,
                }));
            }
            None => faults += wrong,
        }
    }
    faults
}

fn is_name(name: &str, most: usize) -> bool {
    !name.trim().is_empty() && name.chars().count() <= most
}

/// Names and values; an empty set is a metric without dimensions.
fn dimension_set(root: &Map<String, Value>, set: &Value) -> Option<Vec<(String, String)>> {
    let names = set
        .as_array()
        .filter(|names| names.len() <= MAX_DIMENSIONS)?;
    let dimension = |name: &Value| {
        let name = name.as_str().filter(|n| is_name(n, MAX_DIMENSION_NAME))?;
        let value = root.get(name)?.as_str();
        let value = value.filter(|v| is_name(v, MAX_DIMENSION_VALUE))?;
        Some((name.to_owned(), value.to_owned()))
    };
    names.iter().map(dimension).collect()
}

struct Definition<'a> {
    name: &'a str,
    unit: Option<&'a str>,
    resolution: Resolution,
    value: Observed,
}

fn definition<'a>(root: &Map<String, Value>, metric: &'a Value) -> Option<Definition<'a>> {
    let name = metric
        .get("Name")?
        .as_str()
        .filter(|n| is_name(n, MAX_NAME))?;
    let unit = match metric.get("Unit") {
        None => None,
        Some(unit) => Some(unit.as_str().filter(|u| UNITS.contains(u))?),
    };
    let resolution = match metric.get("StorageResolution").map(Value::as_f64) {
        None | Some(Some(60.0)) => Resolution::Minute,
        Some(Some(1.0)) => Resolution::Second,
        Some(_) => return None,
    };
    let number = |value: &Value| value.as_f64().filter(|n| n.is_finite());
    let value = match root.get(name)? {
        Value::Array(list) if (1..=MAX_VALUES).contains(&list.len()) => {
            let once = |value: &Value| Some((number(value)?, 1.0));
            Observed::Values(list.iter().map(once).collect::<Option<_>>()?)
        }
        value => Observed::One(number(value)?),
    };
    Some(Definition {
        name,
        unit,
        resolution,
        value,
    })
}
