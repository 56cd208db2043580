//! The newest whole minute of an account's metrics in Prometheus's text form
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), named as its CloudWatch exporter names them:
//! `aws_ecs_cpuutilization_average{clustername="c",region="us-east-1"}`.

use crate::engine::{Engine, MetricKey, Set};
use neargate_base::{AccountId, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A minute that is older is not told of any more.
const STALE: Duration = Duration::from_secs(600);

/// What is told of a set.
type Statistics = [(&'static str, fn(&Set) -> f64); 5];
const STATISTICS: Statistics = [
    ("average", |set| set.sum / set.sample_count),
    ("sum", |set| set.sum),
    ("minimum", |set| set.minimum),
    ("maximum", |set| set.maximum),
    ("sample_count", |set| set.sample_count),
];

/// Everything of the account, in all regions.
pub fn text(engine: &Engine, account: &AccountId, now: Timestamp) -> String {
    let end = now.as_millis().div_euclid(60_000) * 60;
    let start = end - i64::try_from(STALE.as_secs()).unwrap_or(600);
    // The lines of one name stand together.
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let state = engine.state();
    for (key, series) in state.of_account(account) {
        let mut minutes: BTreeMap<i64, Set> = BTreeMap::new();
        series.range(None, start, end, 60, |_, at, set| {
            let minute = at.div_euclid(60) * 60;
            match minutes.get_mut(&minute) {
                Some(all) => all.add(set),
                None => drop(minutes.insert(minute, set.clone())),
            }
        });
        let Some((minute, set)) = minutes.last_key_value() else {
            continue;
        };
        let labels = labels(key);
        for (statistic, value) in STATISTICS {
            let name = format!("{}_{}_{statistic}", name(&key.namespace), name(&key.name));
            let line = format!(
                "{name}{{{labels}}} {} {}",
                value(set),
                (minute + 60) * 1_000
            );
            families.entry(name).or_default().push(line);
        }
    }
    drop(state);
    let mut text = String::new();
    for (name, lines) in families {
        let _ = writeln!(text, "# TYPE {name} gauge");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// Letters, digits and underscores.
fn name(text: &str) -> String {
    let lower = text.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    });
    let name: String = lower.collect();
    match name.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}

fn labels(key: &MetricKey) -> String {
    let escaped = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let mut labels = format!("region=\"{}\"", key.scope.region);
    for (dimension, value) in &key.dimensions {
        let _ = write!(labels, ",{}=\"{}\"", name(dimension), escaped(value));
    }
    labels
}
