//! `PutMetricData`.

use crate::engine::{Record, Set};
use crate::query::key;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_base::Timestamp;
use neargate_service::metrics::Resolution;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Metrics of a request.
const MOST: usize = 1_000;
/// Values of a metric in a request.
const VALUES: usize = 150;
const PAST: Duration = Duration::from_secs(14 * 86_400);
const FUTURE: Duration = Duration::from_secs(2 * 3_600);

pub async fn put_metric_data(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutMetricDataInput,
) -> Result<Unit, AwsError> {
    if input.namespace.starts_with("AWS/") {
        return Err(error::invalid_value(format!(
            "The value {} for parameter Namespace is invalid. Namespaces that begin with AWS/ are reserved.",
            input.namespace
        )));
    }
    if input.namespace.starts_with(':') {
        return Err(error::not_a_value("Namespace", &input.namespace));
    }
    let own = input.metric_data.iter().flatten().enumerate();
    let own = own.map(|(n, datum)| (format!("MetricData.member.{}", n + 1), datum));
    let of_entities = input
        .entity_metric_data
        .iter()
        .flatten()
        .enumerate()
        .flat_map(|(e, entity)| {
            let data = entity.metric_data.iter().flatten().enumerate();
            data.map(move |(n, datum)| {
                (
                    format!(
                        "EntityMetricData.member.{}.MetricData.member.{}",
                        e + 1,
                        n + 1
                    ),
                    datum,
                )
            })
        });
    let all: Vec<(String, &api::MetricDatum)> = own.chain(of_entities).collect();
    if all.is_empty() {
        return Err(error::missing(
            "At least one of the parameters must be specified.",
        ));
    }
    if all.len() > MOST {
        return Err(error::too_many("MetricData", MOST));
    }
    let now = cx.now();
    let mut records = Vec::new();
    for (parameter, datum) in all {
        let at = time(&parameter, datum, now)?;
        let resolution = match datum.storage_resolution {
            None | Some(60) => Resolution::Minute,
            Some(1) => Resolution::Second,
            Some(other) => {
                let name = format!("{parameter}.StorageResolution");
                return Err(error::not_a_value(&name, &other.to_string()));
            }
        };
        records.push(Record {
            key: key(
                &cx.scope,
                &input.namespace,
                &datum.metric_name,
                dimensions(&parameter, datum)?,
            ),
            unit: datum.unit.clone().filter(|unit| unit != "None"),
            at,
            resolution,
            set: set(&parameter, datum)?,
            put_at: now,
        });
    }
    cloudwatch
        .engine
        .put(records)
        .await
        .map_err(error::engine)?;
    Ok(Unit {})
}

fn time(parameter: &str, datum: &api::MetricDatum, now: Timestamp) -> Result<Timestamp, AwsError> {
    let at = datum.timestamp.unwrap_or(now);
    if now.since(at) > PAST {
        return Err(error::invalid_value(format!(
            "The parameter {parameter}.Timestamp must specify a time no more than two weeks in the past."
        )));
    }
    if at.since(now) > FUTURE {
        return Err(error::invalid_value(format!(
            "The parameter {parameter}.Timestamp must specify a time no more than two hours in the future."
        )));
    }
    Ok(at)
}

fn dimensions<'a>(
    parameter: &str,
    datum: &'a api::MetricDatum,
) -> Result<&'a [api::Dimension], AwsError> {
    let dimensions = datum.dimensions.as_deref().unwrap_or_default();
    let names: BTreeSet<&str> = dimensions.iter().map(|d| d.name.as_str()).collect();
    if names.len() < dimensions.len() {
        return Err(error::invalid_value(format!(
            "The parameter {parameter}.Dimensions must not have the same name twice."
        )));
    }
    let printable =
        |text: &str| !text.trim().is_empty() && text.bytes().all(|b| (32..127).contains(&b));
    for (n, one) in dimensions.iter().enumerate() {
        let place = |part: &str| format!("{parameter}.Dimensions.member.{}.{part}", n + 1);
        if !printable(&one.name) || one.name.starts_with(':') {
            return Err(error::not_a_value(&place("Name"), &one.name));
        }
        if !printable(&one.value) {
            return Err(error::not_a_value(&place("Value"), &one.value));
        }
    }
    Ok(dimensions)
}

/// "Values must be in the range of -2^360 to 2^360."
fn number(parameter: &str, value: f64) -> Result<f64, AwsError> {
    let largest = f64::powi(2.0, 360);
    if value.is_finite() && value.abs() <= largest {
        return Ok(value);
    }
    let shown = match value {
        v if v.is_nan() => "NaN".to_owned(),
        v if v.is_infinite() => if v > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        v => v.to_string(),
    };
    Err(error::not_a_value(parameter, &shown))
}

fn set(parameter: &str, datum: &api::MetricDatum) -> Result<Set, AwsError> {
    let name = |part: &str| format!("{parameter}.{part}");
    let exclusive = |a: &str, b: &str| error::exclusive(&name(a), &name(b));
    let of = match (datum.value, &datum.statistic_values, &datum.values) {
        (Some(_), Some(_), _) => return Err(exclusive("Value", "StatisticValues")),
        (Some(_), _, Some(_)) => return Err(exclusive("Value", "Values")),
        (_, Some(_), Some(_)) => return Err(exclusive("StatisticValues", "Values")),
        (Some(value), None, None) => return Ok(Set::one(number(&name("Value"), value)?)),
        (None, Some(statistics), None) => {
            return statistic_set(&name("StatisticValues"), statistics);
        }
        (None, None, Some(values)) => values,
        (None, None, None) => {
            return Err(error::missing(
                "At least one of the parameters must be specified.",
            ));
        }
    };
    if of.is_empty() {
        return Err(error::missing(format!(
            "The parameter {} is required.",
            name("Values")
        )));
    }
    if of.len() > VALUES {
        return Err(error::too_many(&name("Values"), VALUES));
    }
    if datum
        .counts
        .as_ref()
        .is_some_and(|counts| counts.len() != of.len())
    {
        return Err(error::invalid_value(format!(
            "The parameters {} and {} must be of the same size.",
            name("Values"),
            name("Counts")
        )));
    }
    let counts = datum
        .counts
        .iter()
        .flatten()
        .copied()
        .chain(std::iter::repeat(1.0));
    let mut all: Option<Set> = None;
    for (n, (value, count)) in of.iter().zip(counts).enumerate() {
        let place = |part: &str| format!("{parameter}.{part}.member.{}", n + 1);
        let value = number(&place("Values"), *value)?;
        if number(&place("Counts"), count)? <= 0.0 {
            return Err(error::not_a_value(&place("Counts"), &count.to_string()));
        }
        let one = Set::of(value, count);
        match &mut all {
            Some(all) => all.add(&one),
            None => all = Some(one),
        }
    }
    Ok(all.expect("there is a value"))
}

fn statistic_set(parameter: &str, given: &api::StatisticSet) -> Result<Set, AwsError> {
    let name = |part: &str| format!("{parameter}.{part}");
    let count = number(&name("SampleCount"), given.sample_count)?;
    let sum = number(&name("Sum"), given.sum)?;
    let minimum = number(&name("Minimum"), given.minimum)?;
    let maximum = number(&name("Maximum"), given.maximum)?;
    if count <= 0.0 {
        return Err(error::not_a_value(&name("SampleCount"), &count.to_string()));
    }
    if minimum > maximum {
        return Err(error::invalid_value(format!(
            "The parameter {} must not be greater than the parameter {}.",
            name("Minimum"),
            name("Maximum")
        )));
    }
    Ok(Set::statistics(count, sum, minimum, maximum))
}
