//! What an answer says.

use super::ask::read;
use super::{Alarms, Heard, LONGEST_BAKE, Watched};
use crate::fleet::ServiceId;
use neargate_api_cloudwatch as api;
use neargate_base::{AccountId, Region};
use neargate_service::Scope;
use std::time::Duration;

fn metric(name: &str, state: &str, period: Option<i32>, periods: i32) -> api::MetricAlarm {
    api::MetricAlarm {
        alarm_name: Some(name.into()),
        state_value: Some(state.into()),
        period,
        evaluation_periods: Some(periods),
        ..Default::default()
    }
}

fn heard(output: &api::DescribeAlarmsOutput) -> (Vec<String>, Duration) {
    let mut heard = Heard {
        deployment: String::new(),
        ringing: Vec::new(),
        bake: Duration::ZERO,
    };
    read(output, &mut heard);
    (heard.ringing, heard.bake)
}

#[test]
fn every_kind_of_alarm_counts() {
    let mut computed = metric("c", "OK", None, 2);
    computed.metrics = Some(vec![api::MetricDataQuery {
        period: Some(90),
        ..Default::default()
    }]);
    let output = api::DescribeAlarmsOutput {
        metric_alarms: Some(vec![
            metric("a", "ALARM", Some(30), 4),
            metric("b", "INSUFFICIENT_DATA", Some(10), 1),
            computed,
        ]),
        composite_alarms: Some(vec![api::CompositeAlarm {
            alarm_name: Some("d".into()),
            state_value: Some("ALARM".into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let (ringing, bake) = heard(&output);
    assert_eq!(ringing, ["a", "d"]);
    assert_eq!(bake, Duration::from_secs(180));
    assert!(bake < LONGEST_BAKE);
    assert_eq!(heard(&Default::default()), (vec![], Duration::ZERO));
}

/// Another deployment, or other alarms, are another question.
#[tokio::test]
async fn what_was_heard_is_of_what_is_watched() {
    let alarms = Alarms::default();
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    let id = ServiceId::new(&scope, "c", "web");
    let watched = |deployment: &str, name: &str| {
        Some(Watched {
            deployment: deployment.into(),
            names: vec![name.into()],
        })
    };
    let answer = Heard {
        deployment: "1".into(),
        ringing: vec![],
        bake: Duration::ZERO,
    };
    assert_eq!(alarms.watch(&id, watched("1", "a")), None);
    let known = |alarms: &Alarms| {
        let mut entries = alarms.entries.lock();
        entries.get_mut(&id).expect("watched").heard = Some(answer.clone());
    };
    known(&alarms);
    assert_eq!(alarms.watch(&id, watched("1", "a")), Some(answer.clone()));
    assert_eq!(alarms.watch(&id, watched("1", "b")), None);
    known(&alarms);
    assert_eq!(alarms.watch(&id, watched("2", "b")), None);
    assert_eq!(alarms.watch(&id, None), None);
    assert!(alarms.entries.lock().is_empty());
}
