//! "CloudWatch Alarm State Change"
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>).

use super::{arn, wording};
use crate::model::{Alarm, SingleMetric, State, StoredQuery};
use neargate_service::events::Event;
use neargate_service::{House, Scope, Tx};
use serde_json::{Map, Value, json};

const SOURCE: &str = "aws.cloudwatch";
const DETAIL_TYPE: &str = "CloudWatch Alarm State Change";

/// Tells that the alarm is in another state than before.
pub fn posted(tx: Tx, house: &House, scope: &Scope, alarm: &Alarm, before: &State) -> Tx {
    house.events.post(tx, scope, SOURCE, DETAIL_TYPE, || {
        let resources = vec![arn(scope, &alarm.name)];
        let detail = json!({
            "alarmName": alarm.name,
            "configuration": configuration(house, alarm),
            "previousState": state(before),
            "state": state(&alarm.state),
        });
        Event::new(house, SOURCE, DETAIL_TYPE, resources, detail)
    })
}

fn state(state: &State) -> Value {
    let mut told = json!({
        "value": state.value.as_str(),
        "reason": state.reason,
        "timestamp": wording::date(state.updated_at),
    });
    if let Some(data) = &state.reason_data {
        told["reasonData"] = data.clone().into();
    }
    told
}

fn configuration(house: &House, alarm: &Alarm) -> Value {
    let mut told = Map::new();
    if let Some(description) = &alarm.description {
        told.insert("description".into(), description.clone().into());
    }
    if let Some(watch) = alarm.metric() {
        let metrics: Vec<Value> = match &watch.metric {
            // An alarm of one metric has no name for it; AWS makes one up.
            Some(metric) => vec![json!({
                "id": house.rng.uuid(),
                "metricStat": stat(metric),
                "returnData": true,
            })],
            None => watch.metrics.iter().map(query).collect(),
        };
        told.insert("metrics".into(), metrics.into());
    }
    if let Some(watch) = alarm.composite() {
        told.insert("alarmRule".into(), watch.rule.clone().into());
        if let Some(suppressor) = &watch.suppressor {
            told.insert("actionsSuppressor".into(), suppressor.alarm.clone().into());
            let wait = suppressor.wait_seconds;
            told.insert("actionsSuppressorWaitPeriod".into(), wait.into());
            let extension = suppressor.extension_seconds;
            told.insert("actionsSuppressorExtensionPeriod".into(), extension.into());
        }
    }
    Value::Object(told)
}

fn stat(metric: &SingleMetric) -> Value {
    let dimensions = metric.dimensions.iter();
    let dimensions: Map<String, Value> = dimensions
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    let mut told = json!({
        "metric": {
            "namespace": metric.namespace,
            "name": metric.name,
            "dimensions": dimensions,
        },
        "period": metric.period,
        "stat": metric.stat(),
    });
    if let Some(unit) = &metric.unit {
        told["unit"] = unit.clone().into();
    }
    told
}

fn query(query: &StoredQuery) -> Value {
    let mut told = json!({
        "id": query.id,
        "returnData": query.return_data.unwrap_or(true),
    });
    if let Some(expression) = &query.expression {
        told["expression"] = expression.clone().into();
    }
    if let Some(label) = &query.label {
        told["label"] = label.clone().into();
    }
    if let Some(metric) = &query.metric {
        told["metricStat"] = stat(metric);
    }
    told
}
