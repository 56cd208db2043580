//! Sampling rules, and what each client may take.

use super::{Desk, said};
use neargate_api_xray::{self as api, ops};
use neargate_testkit::START;
use std::time::Duration;

fn rule(name: &str, priority: i32) -> api::CreateSamplingRuleInput {
    let any = || "*".to_owned();
    api::CreateSamplingRuleInput {
        sampling_rule: api::SamplingRule {
            rule_name: Some(name.into()),
            resource_arn: any(),
            priority,
            fixed_rate: 0.1,
            reservoir_size: 5,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            version: 1,
            ..Default::default()
        },
        tags: None,
    }
}

async fn names(desk: &Desk) -> Vec<String> {
    let all = desk
        .ask(ops::GetSamplingRules, api::GetSamplingRulesInput::default())
        .await;
    let all = all
        .expect("listed")
        .sampling_rule_records
        .expect("rules")
        .into_iter();
    all.filter_map(|record| record.sampling_rule?.rule_name)
        .collect()
}

#[tokio::test]
async fn rules_are_in_the_order_of_their_priorities() {
    let desk = Desk::new();
    assert_eq!(names(&desk).await, ["Default"]);
    for (name, priority) in [("late", 900), ("early", 1), ("middle", 10)] {
        desk.ask(ops::CreateSamplingRule, rule(name, priority))
            .await
            .expect("made");
    }
    assert_eq!(names(&desk).await, ["early", "middle", "late", "Default"]);
    let twice = said(desk.ask(ops::CreateSamplingRule, rule("early", 2)).await);
    assert!(twice.contains("already exists"), "{twice}");
    let out = said(desk.ask(ops::CreateSamplingRule, rule("out", 10_000)).await);
    assert!(out.starts_with("InvalidRequestException"), "{out}");
    let change = |name: &str| api::UpdateSamplingRuleInput {
        sampling_rule_update: api::SamplingRuleUpdate {
            rule_name: Some(name.into()),
            fixed_rate: Some(0.5),
            ..Default::default()
        },
    };
    for name in ["early", "Default"] {
        let changed = desk
            .ask(ops::UpdateSamplingRule, change(name))
            .await
            .expect("changed");
        let rule = changed
            .sampling_rule_record
            .and_then(|r| r.sampling_rule)
            .expect("a rule");
        assert_eq!(rule.fixed_rate, 0.5);
    }
    let mut of_default = change("Default");
    of_default.sampling_rule_update.host = Some("x".into());
    let refused = said(desk.ask(ops::UpdateSamplingRule, of_default).await);
    assert!(refused.contains("default rule"), "{refused}");
    let refused = said(desk.ask(ops::UpdateSamplingRule, change("none")).await);
    assert!(refused.contains("does not exist"), "{refused}");
    let delete = |name: &str| api::DeleteSamplingRuleInput {
        rule_name: Some(name.into()),
        rule_arn: None,
    };
    desk.ask(ops::DeleteSamplingRule, delete("middle"))
        .await
        .expect("deleted");
    let refused = said(desk.ask(ops::DeleteSamplingRule, delete("Default")).await);
    assert!(refused.contains("cannot be deleted"), "{refused}");
    for number in 0..23 {
        desk.ask(ops::CreateSamplingRule, rule(&format!("r{number}"), 50))
            .await
            .expect("made");
    }
    let refused = said(desk.ask(ops::CreateSamplingRule, rule("more", 50)).await);
    assert!(
        refused.starts_with("RuleLimitExceededException"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_reservoir_is_shared_by_who_reports() {
    let desk = Desk::new();
    desk.ask(ops::CreateSamplingRule, rule("api", 1))
        .await
        .expect("made");
    let report = |client: u8, rule: &str| api::SamplingStatisticsDocument {
        rule_name: rule.into(),
        client_id: format!("{client:024x}"),
        timestamp: START,
        request_count: 10,
        sampled_count: 2,
        borrow_count: Some(1),
    };
    let ask = async |client: u8| {
        let input = api::GetSamplingTargetsInput {
            sampling_statistics_documents: vec![report(client, "api"), report(client, "none")],
            ..Default::default()
        };
        desk.ask(ops::GetSamplingTargets, input)
            .await
            .expect("answered")
    };
    let answer = ask(1).await;
    let unknown = &answer.unprocessed_statistics.expect("a list")[0];
    assert_eq!(unknown.rule_name.as_deref(), Some("none"));
    let target = &answer.sampling_target_documents.expect("targets")[0];
    assert_eq!(
        (target.fixed_rate, target.reservoir_quota),
        (Some(0.1), Some(5))
    );
    assert_eq!(target.interval, Some(10));
    let quota = async |client| {
        let targets = ask(client).await.sampling_target_documents;
        targets.expect("targets")[0]
            .reservoir_quota
            .expect("a quota")
    };
    quota(2).await;
    assert_eq!([quota(1).await, quota(2).await], [3, 2]);
    let input = api::GetSamplingStatisticSummariesInput::default();
    let all = desk
        .ask(ops::GetSamplingStatisticSummaries, input)
        .await
        .expect("told");
    let all = all.sampling_statistic_summaries.expect("a list");
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].request_count, all[0].borrow_count),
        (Some(40), Some(4))
    );
    desk.lab.clock.advance(Duration::from_secs(60));
    assert_eq!(quota(3).await, 5, "the others are silent");
}
