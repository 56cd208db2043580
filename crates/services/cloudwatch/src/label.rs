//! Dynamic labels
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html>):
//! `${MAX}`, `${PROP('Dim.Name')}` and others stand for what the time series has.

use crate::series::TimeSeries;

/// The label with everything filled in; what has no meaning stays as it is.
pub fn fill(label: &str, series: &TimeSeries) -> String {
    let mut filled = String::new();
    let mut rest = label;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        let (placeholder, after) = from.split_at(end + 1);
        match meaning(&placeholder[2..end], series) {
            Some(text) => filled.push_str(&text),
            None => filled.push_str(placeholder),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn meaning(name: &str, series: &TimeSeries) -> Option<String> {
    let values = || series.values.values().copied();
    let number = |n: Option<f64>| Some(n.map_or_else(|| "--".to_owned(), |n| n.to_string()));
    match name {
        "LABEL" => Some(series.label.clone()),
        "MAX" => number(values().reduce(f64::max)),
        "MIN" => number(values().reduce(f64::min)),
        "SUM" => number(Some(values().sum())),
        "AVG" => number(
            values()
                .reduce(|a, b| a + b)
                .map(|sum| sum / series.values.len() as f64),
        ),
        "FIRST" => number(values().next()),
        "LAST" => number(values().next_back()),
        "DATAPOINT_COUNT" => Some(series.values.len().to_string()),
        _ => property(name.strip_prefix("PROP('")?.strip_suffix("')")?, series),
    }
}

fn property(name: &str, series: &TimeSeries) -> Option<String> {
    let metric = series.about.metric.as_ref()?;
    match name {
        "AccountId" => Some(metric.scope.account.to_string()),
        "Region" => Some(metric.scope.region.to_string()),
        "Namespace" => Some(metric.namespace.clone()),
        "MetricName" => Some(metric.name.clone()),
        "Period" => Some(series.period.to_string()),
        "Stat" => Some(series.about.stat.clone()),
        other => metric
            .dimension(other.strip_prefix("Dim.")?)
            .map(str::to_owned),
    }
}
