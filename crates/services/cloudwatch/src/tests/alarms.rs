//! Alarms go through their states, and act.

use super::*;
use crate::alarm::index;
use crate::alarm::keeper::Keeper;
use crate::model::PendingAction;
use neargate_api_cloudwatch::{self as api, ops};
use neargate_base::task;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::Resource;
use neargate_testkit::START;
use std::collections::HashMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:alarms";

pub(super) fn alarm(name: &str) -> api::PutMetricAlarmInput {
    api::PutMetricAlarmInput {
        alarm_name: name.into(),
        namespace: Some("shop".into()),
        metric_name: Some("errors".into()),
        statistic: Some("Sum".into()),
        period: Some(60),
        evaluation_periods: Some(1),
        datapoints_to_alarm: Some(1),
        threshold: Some(1.0),
        comparison_operator: Some("GreaterThanThreshold".into()),
        ..Default::default()
    }
}

/// A CloudWatch whose keeper is run by hand.
pub(super) struct Kept {
    pub(super) watch: Watch,
    pub(super) keeper: Keeper,
    looked: HashMap<String, i64>,
}

impl Kept {
    pub(super) fn new() -> Kept {
        let watch = Watch::new();
        let house = watch.lab.house.clone();
        let index = watch.cloudwatch.index.clone();
        task::spawn("alarms", index::follow(index.clone(), house.clone()));
        let engine = watch.cloudwatch.engine.clone();
        // Minutes begin on the minute.
        watch.lab.clock.advance(Duration::from_secs(40));
        Kept {
            watch,
            keeper: Keeper {
                house,
                engine,
                index,
            },
            looked: HashMap::new(),
        }
    }

    pub(super) async fn put_alarm(&self, input: api::PutMetricAlarmInput) -> Result<(), AwsError> {
        self.watch.ask(ops::PutMetricAlarm, input).await.map(drop)
    }

    pub(super) async fn put_composite(&self, name: &str, rule: &str) -> Result<(), AwsError> {
        let input = api::PutCompositeAlarmInput {
            alarm_name: name.into(),
            alarm_rule: rule.into(),
            alarm_actions: Some(vec![TOPIC.into()]),
            ..Default::default()
        };
        self.watch
            .ask(ops::PutCompositeAlarm, input)
            .await
            .map(drop)
    }

    async fn put(&self, value: f64) {
        let datum = api::MetricDatum {
            metric_name: "errors".into(),
            value: Some(value),
            ..Default::default()
        };
        let input = api::PutMetricDataInput {
            namespace: "shop".into(),
            metric_data: Some(vec![datum]),
            ..Default::default()
        };
        self.watch.ask(ops::PutMetricData, input).await.unwrap();
    }

    /// A minute later all alarms have been looked at, and the index knows.
    async fn minute(&mut self) {
        self.watch.lab.clock.advance(MINUTE);
        self.caught_up().await;
        self.keeper.metrics(&mut self.looked).await;
        for _ in 0..3 {
            self.caught_up().await;
            self.keeper.composites().await;
        }
        self.caught_up().await;
    }

    /// Waits until the index has what the store has.
    pub(super) async fn caught_up(&self) {
        let prefix = format!("{}/", crate::model::Alarm::KIND);
        loop {
            let stored = self
                .watch
                .lab
                .house
                .db
                .list_prefix::<crate::model::Alarm>(&prefix)
                .await
                .unwrap();
            let known = self.keeper.index.all();
            let same = stored.len() == known.len()
                && stored.iter().all(|s| {
                    known
                        .iter()
                        .any(|k| k.key == s.key && k.revision == s.revision)
                });
            if same {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn described(&self, name: &str) -> api::MetricAlarm {
        let input = api::DescribeAlarmsInput {
            alarm_names: Some(vec![name.into()]),
            ..Default::default()
        };
        let found = self.watch.ask(ops::DescribeAlarms, input).await.unwrap();
        found.metric_alarms.unwrap().remove(0)
    }

    async fn composite(&self, name: &str) -> api::CompositeAlarm {
        let input = api::DescribeAlarmsInput {
            alarm_names: Some(vec![name.into()]),
            alarm_types: Some(vec!["CompositeAlarm".into()]),
            ..Default::default()
        };
        let found = self.watch.ask(ops::DescribeAlarms, input).await.unwrap();
        found.composite_alarms.unwrap().remove(0)
    }

    pub(super) async fn pending(&self) -> Vec<(String, AlarmState, AlarmState)> {
        let db = &self.watch.lab.house.db;
        let all = db
            .list::<PendingAction>(&self.watch.lab.scope)
            .await
            .unwrap();
        let one = |p: &PendingAction| (p.action.clone(), p.from, p.alarm.state.value);
        all.iter().map(|p| one(p)).collect()
    }

    pub(super) async fn reading(&self, name: &str) -> Option<AlarmReading> {
        let db = &self.watch.lab.house.db;
        db.get::<AlarmReading>(&self.watch.lab.scope, name)
            .await
            .unwrap()
            .map(|r| r.value)
    }
}

#[tokio::test]
async fn an_alarm_goes_through_its_states() {
    let mut kept = Kept::new();
    let input = api::PutMetricAlarmInput {
        alarm_actions: Some(vec![TOPIC.into()]),
        ok_actions: Some(vec![TOPIC.into()]),
        ..alarm("errors")
    };
    kept.put_alarm(input).await.unwrap();
    let shown = kept.described("errors").await;
    assert_eq!(shown.state_value.as_deref(), Some("INSUFFICIENT_DATA"));
    assert_eq!(
        shown.state_reason.as_deref(),
        Some("Unchecked: Initial alarm creation")
    );
    kept.put(5.0).await;
    kept.watch.lab.clock.advance(Duration::from_secs(10));
    kept.minute().await;
    let shown = kept.described("errors").await;
    assert_eq!(
        shown.state_reason.as_deref(),
        Some(
            "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (14/11/23 22:14:00)] was greater than the \
             threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
        )
    );
    let data: serde_json::Value = serde_json::from_str(&shown.state_reason_data.unwrap()).unwrap();
    assert_eq!(data["recentDatapoints"], serde_json::json!([5.0]));
    assert_eq!(data["evaluatedDatapoints"][0]["sampleCount"], 1.0);
    let reading = kept.reading("errors").await.unwrap();
    assert_eq!(
        (reading.state, reading.value),
        (AlarmState::Alarm, Some(5.0))
    );
    assert_eq!(reading.actions, [TOPIC]);
    let wanted = (
        TOPIC.to_owned(),
        AlarmState::InsufficientData,
        AlarmState::Alarm,
    );
    assert_eq!(kept.pending().await, std::slice::from_ref(&wanted));
    // It stays: nothing is done again, while the datapoint is in the evaluation range.
    kept.minute().await;
    assert_eq!(kept.pending().await, [wanted]);
    kept.put(0.0).await;
    kept.minute().await;
    assert_eq!(
        kept.described("errors").await.state_value.as_deref(),
        Some("OK")
    );
    assert_eq!(kept.pending().await.len(), 2);
    for _ in 0..3 {
        kept.minute().await;
    }
    let shown = kept.described("errors").await;
    assert_eq!(
        shown.state_reason.as_deref(),
        Some("Insufficient Data: 1 datapoint was unknown.")
    );
    let input = api::DescribeAlarmHistoryInput {
        alarm_name: Some("errors".into()),
        history_item_type: Some("StateUpdate".into()),
        ..Default::default()
    };
    let history = kept
        .watch
        .ask(ops::DescribeAlarmHistory, input)
        .await
        .unwrap();
    let told = history.alarm_history_items.unwrap();
    let told: Vec<String> = told
        .into_iter()
        .map(|i| i.history_summary.unwrap())
        .collect();
    let wanted = [
        "Alarm updated from OK to INSUFFICIENT_DATA",
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ];
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn expressions_are_watched_too() {
    let mut kept = Kept::new();
    let metric = api::MetricDataQuery {
        id: "m".into(),
        metric_stat: Some(api::MetricStat {
            metric: api::Metric {
                namespace: Some("shop".into()),
                metric_name: Some("errors".into()),
                dimensions: None,
            },
            period: 60,
            stat: "Sum".into(),
            unit: None,
        }),
        return_data: Some(false),
        ..Default::default()
    };
    let twice = api::MetricDataQuery {
        id: "e".into(),
        expression: Some("m * 2".into()),
        ..Default::default()
    };
    let input = api::PutMetricAlarmInput {
        alarm_name: "twice".into(),
        metrics: Some(vec![metric.clone(), twice]),
        evaluation_periods: Some(1),
        threshold: Some(9.0),
        comparison_operator: Some("GreaterThanThreshold".into()),
        ..Default::default()
    };
    kept.put_alarm(input.clone()).await.unwrap();
    kept.put(5.0).await;
    kept.watch.lab.clock.advance(Duration::from_secs(10));
    kept.minute().await;
    let shown = kept.described("twice").await;
    assert_eq!(
        shown.state_reason.as_deref(),
        Some(
            "Threshold Crossed: 1 datapoint [10.0 (14/11/23 22:14:00)] was greater than the threshold (9.0)."
        )
    );
    assert_eq!(shown.metrics.unwrap().len(), 2);
    let none = api::PutMetricAlarmInput {
        metrics: Some(vec![metric]),
        ..input
    };
    assert_eq!(
        said(kept.put_alarm(none).await),
        "400 ValidationError Exactly one element of the metrics list should return data."
    );
}

#[tokio::test]
async fn composite_alarms_follow_their_rule() {
    let mut kept = Kept::new();
    kept.put_alarm(alarm("a")).await.unwrap();
    kept.put_alarm(alarm("b")).await.unwrap();
    assert_eq!(
        said(kept.put_composite("c", "ALARM(a) AND ALARM(z)").await),
        "400 ValidationError Could not save the composite alarm as alarms [z] in the alarm rule do not exist"
    );
    kept.put_composite("c", "ALARM(\"a\") AND NOT ALARM(b)")
        .await
        .unwrap();
    kept.put_composite("d", "ALARM(c)").await.unwrap();
    kept.minute().await;
    assert_eq!(
        kept.composite("c").await.state_reason.as_deref(),
        Some(
            "arn:aws:cloudwatch:us-east-1:000000000000:alarm:c was created and its alarm rule evaluates to OK"
        )
    );
    let set = |name: &str, state: &str| api::SetAlarmStateInput {
        alarm_name: name.into(),
        state_value: state.into(),
        state_reason: "test".into(),
        ..Default::default()
    };
    kept.watch
        .ask(ops::SetAlarmState, set("a", "ALARM"))
        .await
        .unwrap();
    for _ in 0..3 {
        kept.caught_up().await;
        kept.keeper.composites().await;
    }
    let shown = kept.composite("c").await;
    assert_eq!(shown.state_value.as_deref(), Some("ALARM"));
    assert!(
        shown
            .state_reason
            .unwrap()
            .contains("alarm:a transitioned to ALARM at Tuesday 14 November, 2023")
    );
    assert_eq!(
        kept.composite("d").await.state_value.as_deref(),
        Some("ALARM")
    );
    assert_eq!(kept.pending().await.len(), 2);
    // What is set by hand holds until a child changes.
    kept.watch
        .ask(ops::SetAlarmState, set("c", "OK"))
        .await
        .unwrap();
    kept.watch.lab.clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        kept.caught_up().await;
        kept.keeper.composites().await;
    }
    assert_eq!(kept.composite("c").await.state_value.as_deref(), Some("OK"));
    kept.watch
        .ask(ops::SetAlarmState, set("b", "ALARM"))
        .await
        .unwrap();
    kept.watch
        .ask(ops::SetAlarmState, set("b", "OK"))
        .await
        .unwrap();
    for _ in 0..3 {
        kept.caught_up().await;
        kept.keeper.composites().await;
    }
    assert_eq!(
        kept.composite("c").await.state_value.as_deref(),
        Some("ALARM")
    );
    let delete = |names: &[&str]| {
        let alarm_names = names.iter().map(|n| (*n).to_owned()).collect();
        kept.watch
            .ask(ops::DeleteAlarms, api::DeleteAlarmsInput { alarm_names })
    };
    assert_eq!(
        said(delete(&["a"]).await),
        "400 ValidationError Cannot delete a as there are composite alarm(s) depending on it: [c]"
    );
    delete(&["d"]).await.unwrap();
    delete(&["c"]).await.unwrap();
    delete(&["a", "b", "none"]).await.unwrap();
    assert_eq!(kept.reading("a").await, None);
}

#[tokio::test]
async fn composite_alarms_may_not_go_in_circles() {
    let mut kept = Kept::new();
    kept.put_alarm(alarm("a")).await.unwrap();
    kept.put_composite("c", "ALARM(a)").await.unwrap();
    kept.put_composite("d", "ALARM(c)").await.unwrap();
    kept.put_composite("c", "NOT ALARM(d)").await.unwrap();
    kept.minute().await;
    // Both are left as they are.
    assert_eq!(
        kept.composite("c").await.state_value.as_deref(),
        Some("INSUFFICIENT_DATA")
    );
    assert!(kept.pending().await.is_empty());
}

#[tokio::test]
async fn a_suppressor_holds_actions_back() {
    let mut kept = Kept::new();
    kept.put_alarm(alarm("a")).await.unwrap();
    kept.put_alarm(alarm("quiet")).await.unwrap();
    let input = api::PutCompositeAlarmInput {
        alarm_name: "c".into(),
        alarm_rule: "ALARM(a)".into(),
        alarm_actions: Some(vec![TOPIC.into()]),
        actions_suppressor: Some("quiet".into()),
        actions_suppressor_wait_period: Some(30),
        actions_suppressor_extension_period: Some(60),
        ..Default::default()
    };
    kept.watch.ask(ops::PutCompositeAlarm, input).await.unwrap();
    kept.minute().await;
    let set = |name: &str, state: &str| api::SetAlarmStateInput {
        alarm_name: name.into(),
        state_value: state.into(),
        state_reason: "test".into(),
        ..Default::default()
    };
    let by = async |kept: &Kept, wanted: Option<&str>| {
        for _ in 0..3 {
            kept.caught_up().await;
            kept.keeper.composites().await;
        }
        let shown = kept.composite("c").await;
        assert_eq!(shown.actions_suppressed_by.as_deref(), wanted);
        kept.pending().await.len()
    };
    kept.watch
        .ask(ops::SetAlarmState, set("a", "ALARM"))
        .await
        .unwrap();
    assert_eq!(by(&kept, Some("WaitPeriod")).await, 0);
    kept.watch
        .ask(ops::SetAlarmState, set("quiet", "ALARM"))
        .await
        .unwrap();
    kept.watch.lab.clock.advance(MINUTE);
    assert_eq!(by(&kept, Some("Alarm")).await, 0);
    kept.watch
        .ask(ops::SetAlarmState, set("quiet", "OK"))
        .await
        .unwrap();
    assert_eq!(by(&kept, Some("ExtensionPeriod")).await, 0);
    kept.watch.lab.clock.advance(MINUTE);
    assert_eq!(by(&kept, None).await, 1);
    kept.watch.lab.clock.advance(MINUTE);
    assert_eq!(by(&kept, None).await, 1, "once");
}

/// A scaling policy hears of its alarm at every evaluation.
#[tokio::test]
async fn scaling_is_told_again_and_again() {
    let mut kept = Kept::new();
    let policy = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:resource/ecs/service/c/s:policyName/p";
    let group = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:autoScalingGroupName/g:policyName/p";
    let input = api::PutMetricAlarmInput {
        alarm_actions: Some(vec![policy.into(), group.into()]),
        treat_missing_data: Some("breaching".into()),
        ..alarm("scale")
    };
    kept.put_alarm(input).await.unwrap();
    kept.minute().await;
    let first = kept.reading("scale").await.unwrap();
    assert_eq!(first.state, AlarmState::Alarm);
    kept.minute().await;
    let second = kept.reading("scale").await.unwrap();
    assert_eq!(second.since, first.since);
    assert!(second.evaluated_at > first.evaluated_at);
    let actions = kept.pending().await;
    assert_eq!(actions.len(), 2);
    assert!(
        actions.iter().all(|(action, ..)| action == group),
        "the other is read, not called"
    );
}

#[tokio::test]
async fn alarms_are_checked() {
    let kept = Kept::new();
    type Change = fn(&mut api::PutMetricAlarmInput);
    let cases: [(Change, &str); 7] = [
        (
            |a| a.period = Some(45),
            "400 ValidationError The parameter Period must be 10, 20, 30, or a multiple of 60.",
        ),
        (
            |a| a.datapoints_to_alarm = Some(2),
            "400 ValidationError The parameter DatapointsToAlarm must be between 1 and the parameter \
             EvaluationPeriods.",
        ),
        (
            |a| a.treat_missing_data = Some("odd".into()),
            "400 ValidationError Option odd is not supported. Supported options for parameter TreatMissingData are \
             breaching, notBreaching, ignore and missing.",
        ),
        (
            |a| {
                a.statistic = None;
                a.extended_statistic = Some("90".into());
            },
            "400 InvalidParameterValue The value 90 for parameter ExtendedStatistic is not supported.",
        ),
        (
            |a| a.evaluation_periods = Some(1441),
            "400 ValidationError Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be \
             <= 86400).",
        ),
        (
            |a| a.comparison_operator = Some("GreaterThanUpperThreshold".into()),
            "501 NotImplemented Neargate does not implement cloudwatch:alarms on anomaly detection yet.",
        ),
        (
            |a| a.metric_name = None,
            "400 ValidationError The parameter MetricName is required.",
        ),
    ];
    for (change, wanted) in cases {
        let mut input = alarm("a");
        change(&mut input);
        assert_eq!(said(kept.put_alarm(input).await), wanted);
    }
    let missing = api::SetAlarmStateInput {
        alarm_name: "none".into(),
        state_value: "OK".into(),
        state_reason: "x".into(),
        ..Default::default()
    };
    assert_eq!(
        said(kept.watch.ask(ops::SetAlarmState, missing).await),
        "404 ResourceNotFound "
    );
    assert!(START < kept.watch.lab.house.now());
}
