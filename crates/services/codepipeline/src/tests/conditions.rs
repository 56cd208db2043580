//! Conditions of stages and their rules.

use super::{World, action, custom, said, stage, worked};
use neargate_api_codepipeline::{self as api, ops};
use std::time::Duration;

fn rule(provider: &str, configuration: &[(&str, &str)]) -> api::RuleDeclaration {
    let pairs = configuration.iter();
    let pairs = pairs.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    api::RuleDeclaration {
        name: "r".into(),
        rule_type_id: api::RuleTypeId {
            category: "Rule".into(),
            owner: Some("AWS".into()),
            provider: provider.into(),
            version: Some("1".into()),
        },
        configuration: Some(pairs.collect()),
        ..Default::default()
    }
}

/// Holds while the source's tag is this one; workers always say 7.
fn tag(is: &str) -> api::RuleDeclaration {
    let keys = [
        ("Variable", "#{src.Tag}"),
        ("Value", is),
        ("Operator", "EQ"),
    ];
    rule("VariableCheck", &keys)
}

fn condition(result: &str, rule: api::RuleDeclaration) -> Vec<api::Condition> {
    vec![api::Condition {
        result: Some(result.into()),
        rules: Some(vec![rule]),
    }]
}

fn named() -> api::PipelineDeclaration {
    let mut given = worked();
    given.stages[0].actions[0].namespace = Some("src".into());
    given
}

fn entry(result: &str, rule: api::RuleDeclaration) -> api::PipelineDeclaration {
    let mut given = named();
    given.stages[1].before_entry = Some(api::BeforeEntryConditions {
        conditions: condition(result, rule),
    });
    given
}

async fn started(given: api::PipelineDeclaration) -> World {
    let world = World::default();
    world.custom_types().await;
    world.create(given).await.expect("made");
    world.work("Source", true).await;
    world
}

async fn overridden(world: &World, kind: &str) -> Result<(), neargate_service::AwsError> {
    let input = api::OverrideStageConditionInput {
        pipeline_name: "p".into(),
        stage_name: "Deploy".into(),
        pipeline_execution_id: world.executions().await[0].0.clone(),
        condition_type: kind.into(),
    };
    world
        .ask(ops::OverrideStageCondition, input)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_condition_that_is_met_lets_in() {
    let world = started(entry("FAIL", tag("7"))).await;
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    let state = world.state().await[1].before_entry_condition_state.clone();
    let state = state.expect("told").latest_execution.expect("asked");
    assert_eq!(state.status.as_deref(), Some("Succeeded"));
    let input = api::ListRuleExecutionsInput {
        pipeline_name: "p".into(),
        ..Default::default()
    };
    let told = world
        .ask(ops::ListRuleExecutions, input)
        .await
        .expect("told");
    let told = told.rule_execution_details.expect("some");
    assert_eq!(told.len(), 1);
    let resolved = told[0].input.clone().and_then(|i| i.resolved_configuration);
    assert_eq!(resolved.expect("filled in")["Variable"], "7");
}

#[tokio::test]
async fn one_that_is_not_fails_the_stage_until_somebody_overrides_it() {
    let world = started(entry("FAIL", tag("8"))).await;
    assert_eq!(world.statuses().await, ["Failed"]);
    assert!(world.jobs("Deploy").await.is_empty());
    let told = said(overridden(&world, "ON_SUCCESS").await);
    assert!(
        told.starts_with("400 ConditionNotOverridableException"),
        "{told}"
    );
    overridden(&world, "BEFORE_ENTRY")
        .await
        .expect("overridden");
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    let state = world.state().await[1].before_entry_condition_state.clone();
    let state = state.expect("told").latest_execution.expect("asked");
    assert_eq!(state.status.as_deref(), Some("Overridden"));
}

#[tokio::test]
async fn a_stage_may_be_left_out() {
    let mut given = entry("SKIP", tag("8"));
    given
        .stages
        .push(stage("Last", vec![action("end", custom("Deploy"))]));
    let world = started(given).await;
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    let skipped = world.state().await[1].latest_execution.clone();
    assert_eq!(skipped.expect("entered").status, Some("Skipped".into()));
}

#[tokio::test]
async fn what_does_not_hold_after_success_rolls_back() {
    let mut given = named();
    given.stages[1].on_success = Some(api::SuccessConditions {
        conditions: condition("FAIL", tag("8")),
    });
    let world = started(given).await;
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Failed"]);
    overridden(&world, "ON_SUCCESS").await.expect("overridden");
    world.run().await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    assert_eq!(world.actions().await, ["src Succeeded", "go Succeeded"]);
}

#[tokio::test]
async fn a_failure_goes_by_its_conditions() {
    let mut given = named();
    given.stages[1].on_failure = Some(api::FailureConditions {
        result: None,
        retry_configuration: None,
        conditions: Some(condition("SKIP", tag("8"))),
    });
    let world = started(given.clone()).await;
    world.work("Deploy", false).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    given.stages[1].on_failure = Some(api::FailureConditions {
        result: None,
        retry_configuration: None,
        conditions: Some(condition("SKIP", tag("7"))),
    });
    let world = started(given).await;
    world.work("Deploy", false).await;
    assert_eq!(world.statuses().await, ["Failed"]);
}

#[tokio::test]
async fn a_window_is_open_or_not() {
    // The lab's clock stands somewhere in a minute; a window of that minute's hour holds it.
    let open = [("Cron", "* * * ? * * *"), ("TimeZone", "Europe/Berlin")];
    let world = started(entry("FAIL", rule("DeploymentWindow", &open))).await;
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    let shut = [("Cron", "* 0 0 1 1 ? 1999")];
    let world = started(entry("FAIL", rule("DeploymentWindow", &shut))).await;
    assert_eq!(world.statuses().await, ["Failed"]);
    world.lab.clock.advance(Duration::from_secs(60));
}

#[tokio::test]
async fn what_is_no_condition_is_refused() {
    let world = World::default();
    world.custom_types().await;
    let refused = async |given| said(world.create(given).await);
    let told = refused(entry("ROLLBACK", tag("7"))).await;
    assert!(
        told.contains("The result ROLLBACK is not supported"),
        "{told}"
    );
    let told = refused(entry(
        "FAIL",
        rule("LambdaInvoke", &[("FunctionName", "f")]),
    ))
    .await;
    assert!(told.contains("LambdaInvoke"), "{told}");
    let told = refused(entry("FAIL", rule("Nothing", &[]))).await;
    assert!(told.contains("is not available in region"), "{told}");
    let told = refused(entry("FAIL", rule("CloudWatchAlarm", &[]))).await;
    assert!(
        told.contains("missing required configuration 'AlarmName'"),
        "{told}"
    );
    let bad = rule("DeploymentWindow", &[("Cron", "every day")]);
    let told = refused(entry("FAIL", bad)).await;
    assert!(told.contains("'Cron'"), "{told}");
    let mut old = entry("FAIL", tag("7"));
    old.pipeline_type = Some("V1".into());
    let told = refused(old).await;
    assert!(
        told.contains("not supported for pipelines of type V1"),
        "{told}"
    );
}
