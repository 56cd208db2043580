//! Mute rules: alarms change and do not act, until nothing mutes them.

use super::alarms::{Kept, TOPIC, alarm};
use super::*;
use neargate_api_cloudwatch::{self as api, ops};
use neargate_domain::alarm::AlarmState;
use std::time::Duration;

/// The lab's clock shows 22:14 on this day.
const NOW: &str = "at(2023-11-14T22:10)";

fn rule(name: &str, expression: &str, alarms: &[&str]) -> api::PutAlarmMuteRuleInput {
    api::PutAlarmMuteRuleInput {
        name: name.into(),
        rule: api::Rule {
            schedule: api::Schedule {
                expression: expression.into(),
                duration: "PT10M".into(),
                timezone: None,
            },
        },
        mute_targets: Some(api::MuteTargets {
            alarm_names: alarms.iter().map(|name| (*name).to_owned()).collect(),
        }),
        ..Default::default()
    }
}

impl Kept {
    /// With an alarm `errors` that is `OK` and acts, and a rule `now` that mutes it.
    async fn muted() -> Kept {
        let kept = Kept::new();
        let acting = api::PutMetricAlarmInput {
            alarm_actions: Some(vec![TOPIC.into()]),
            ..alarm("errors")
        };
        kept.put_alarm(acting).await.unwrap();
        kept.set("errors", "OK").await;
        kept.mute(rule("now", NOW, &["errors"])).await.unwrap();
        kept
    }

    async fn mute(&self, input: api::PutAlarmMuteRuleInput) -> Result<(), AwsError> {
        let put = self.watch.ask(ops::PutAlarmMuteRule, input).await;
        put.map(drop)
    }

    async fn set(&self, name: &str, state: &str) {
        let input = api::SetAlarmStateInput {
            alarm_name: name.into(),
            state_value: state.into(),
            state_reason: "by hand".into(),
            ..Default::default()
        };
        self.watch.ask(ops::SetAlarmState, input).await.unwrap();
    }

    async fn status(&self, name: &str) -> String {
        let input = api::GetAlarmMuteRuleInput {
            alarm_mute_rule_name: name.into(),
        };
        let found = self.watch.ask(ops::GetAlarmMuteRule, input).await.unwrap();
        found.status.unwrap()
    }

    async fn unmuted(&self) {
        self.caught_up().await;
        self.keeper.unmute().await;
    }

    async fn listed(&self, input: api::ListAlarmMuteRulesInput) -> usize {
        let all = self
            .watch
            .ask(ops::ListAlarmMuteRules, input)
            .await
            .unwrap();
        all.alarm_mute_rule_summaries.unwrap().len()
    }
}

fn acted() -> (String, AlarmState, AlarmState) {
    (TOPIC.to_owned(), AlarmState::Ok, AlarmState::Alarm)
}

#[tokio::test]
async fn what_is_muted_is_done_behind_the_window() {
    let kept = Kept::muted().await;
    assert_eq!(kept.status("now").await, "ACTIVE");
    kept.set("errors", "ALARM").await;
    kept.unmuted().await;
    assert_eq!(kept.pending().await, []);
    assert!(!kept.reading("errors").await.unwrap().actions_enabled);
    let input = api::DescribeAlarmHistoryInput {
        alarm_name: Some("errors".into()),
        history_item_type: Some("Action".into()),
        ..Default::default()
    };
    let told = kept
        .watch
        .ask(ops::DescribeAlarmHistory, input)
        .await
        .unwrap();
    let told = told.alarm_history_items.unwrap();
    assert_eq!(
        told[0].history_summary.as_deref(),
        Some("Actions are muted by the alarm mute rule now")
    );
    // It goes on changing; what it was before all of it is what counts.
    kept.set("errors", "INSUFFICIENT_DATA").await;
    kept.set("errors", "ALARM").await;
    kept.watch.lab.clock.advance(Duration::from_secs(360));
    assert_eq!(kept.status("now").await, "EXPIRED");
    kept.unmuted().await;
    assert_eq!(kept.pending().await, [acted()]);
    assert!(kept.reading("errors").await.unwrap().actions_enabled);
    kept.unmuted().await;
    assert_eq!(kept.pending().await, [acted()], "it is done once");
}

#[tokio::test]
async fn an_alarm_that_is_as_before_has_nothing_to_do() {
    let kept = Kept::muted().await;
    kept.set("errors", "ALARM").await;
    kept.set("errors", "OK").await;
    kept.watch.lab.clock.advance(Duration::from_secs(360));
    kept.unmuted().await;
    assert_eq!(kept.pending().await, []);
}

#[tokio::test]
async fn deleting_a_rule_unmutes_at_once() {
    let kept = Kept::muted().await;
    kept.set("errors", "ALARM").await;
    for _ in 0..2 {
        let input = api::DeleteAlarmMuteRuleInput {
            alarm_mute_rule_name: "now".into(),
        };
        kept.watch
            .ask(ops::DeleteAlarmMuteRule, input)
            .await
            .unwrap();
    }
    kept.unmuted().await;
    assert_eq!(kept.pending().await, [acted()]);
    let gone = api::GetAlarmMuteRuleInput {
        alarm_mute_rule_name: "now".into(),
    };
    let said = said(kept.watch.ask(ops::GetAlarmMuteRule, gone).await);
    assert_eq!(
        said,
        "404 ResourceNotFoundException Alarm mute rule now does not exist"
    );
}

#[tokio::test]
async fn rules_are_listed_by_alarm_and_status_and_bad_ones_refused() {
    let kept = Kept::muted().await;
    let later = rule("later", "cron(0 3 * * *)", &[]);
    kept.mute(later).await.unwrap();
    let of = |alarm: Option<&str>, status: Option<&str>| api::ListAlarmMuteRulesInput {
        alarm_name: alarm.map(str::to_owned),
        statuses: status.map(|s| vec![s.to_owned()]),
        ..Default::default()
    };
    assert_eq!(kept.listed(of(None, None)).await, 2);
    assert_eq!(kept.listed(of(Some("errors"), None)).await, 1);
    assert_eq!(kept.listed(of(None, Some("SCHEDULED"))).await, 1);
    assert_eq!(kept.listed(of(None, Some("EXPIRED"))).await, 0);

    for (bad, why) in [
        (
            rule("bad", "rate(1 hour)", &[]),
            "The schedule rate(1 hour)",
        ),
        (
            rule("bad", NOW, &["nothing"]),
            "The alarms [nothing] in MuteTargets",
        ),
        (
            {
                let mut long = rule("bad", NOW, &[]);
                long.rule.schedule.duration = "P16D".into();
                long
            },
            "The duration P16D is not valid",
        ),
    ] {
        let said = said(kept.mute(bad).await);
        assert!(
            said.starts_with("400 ValidationError ") && said.contains(why),
            "{said}"
        );
    }
}
