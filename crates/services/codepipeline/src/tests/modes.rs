//! Executions beside each other, and what people do with them.

use super::{World, action, custom, said, stage, with, worked};
use neargate_api_codepipeline::{self as api, ops};

async fn made(mode: &str) -> World {
    let world = World::default();
    world.custom_types().await;
    let mut given = worked();
    given.execution_mode = Some(mode.into());
    world.create(given).await.expect("made");
    world
}

#[tokio::test]
async fn a_pipeline_runs_when_it_is_made_and_to_its_end() {
    let world = made("SUPERSEDED").await;
    world.work("Source", true).await;
    assert_eq!(world.actions().await, ["src Succeeded", "go InProgress"]);
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    assert!(world.jobs("Deploy").await.is_empty(), "no job is left");
}

#[tokio::test]
async fn what_waits_is_superseded_by_what_is_newer() {
    let world = made("SUPERSEDED").await;
    world.work("Source", true).await;
    for _ in 0..2 {
        world.start().await;
        world.work("Source", true).await;
    }
    assert_eq!(
        world.statuses().await,
        ["InProgress", "Superseded", "InProgress"]
    );
    let state = world.state().await;
    assert!(state[1].inbound_execution.is_some());
    world.work("Deploy", true).await;
    world.work("Deploy", true).await;
    assert_eq!(
        world.statuses().await,
        ["Succeeded", "Superseded", "Succeeded"]
    );
}

#[tokio::test]
async fn what_is_queued_goes_in_its_order() {
    let world = made("QUEUED").await;
    world.work("Source", true).await;
    for _ in 0..2 {
        world.start().await;
        world.work("Source", true).await;
    }
    assert_eq!(world.statuses().await, ["InProgress"; 3]);
    for ended in 1..=3 {
        world.work("Deploy", true).await;
        let all = world.statuses().await;
        let done = all.iter().take_while(|s| *s == "Succeeded").count();
        assert_eq!(done, ended, "{all:?}");
    }
}

#[tokio::test]
async fn in_parallel_none_waits() {
    let world = made("PARALLEL").await;
    world.start().await;
    world.run().await;
    assert_eq!(world.jobs("Source").await.len(), 2);
}

#[tokio::test]
async fn a_closed_transition_holds_back() {
    let world = made("SUPERSEDED").await;
    let input = api::DisableStageTransitionInput {
        pipeline_name: "p".into(),
        stage_name: "Deploy".into(),
        transition_type: "Inbound".into(),
        reason: "not now".into(),
    };
    world
        .ask(ops::DisableStageTransition, input)
        .await
        .expect("closed");
    world.work("Source", true).await;
    assert!(world.jobs("Deploy").await.is_empty());
    let state = world.state().await;
    let transition = state[1].inbound_transition_state.as_ref().expect("told");
    assert_eq!(transition.enabled, Some(false));
    assert_eq!(transition.disabled_reason.as_deref(), Some("not now"));
    let input = api::EnableStageTransitionInput {
        pipeline_name: "p".into(),
        stage_name: "Deploy".into(),
        transition_type: "Inbound".into(),
    };
    world
        .ask(ops::EnableStageTransition, input)
        .await
        .expect("opened");
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
}

#[tokio::test]
async fn what_failed_is_tried_again_and_only_that() {
    let world = World::default();
    world.custom_types().await;
    let mut given = worked();
    given.stages[1].actions = vec![
        action("first", custom("Deploy")),
        api::ActionDeclaration {
            run_order: Some(2),
            ..action("second", custom("Deploy"))
        },
    ];
    world.create(given).await.expect("made");
    world.work("Source", true).await;
    world.work("Deploy", true).await;
    world.work("Deploy", false).await;
    assert_eq!(world.statuses().await, ["Failed"]);
    assert_eq!(
        world.actions().await,
        [
            "src Succeeded",
            "first Succeeded",
            "second Failed: it broke"
        ]
    );
    let (id, _) = world.executions().await.remove(0);
    let retry = |stage: &str| api::RetryStageExecutionInput {
        pipeline_name: "p".into(),
        stage_name: stage.into(),
        pipeline_execution_id: id.clone(),
        retry_mode: "FAILED_ACTIONS".into(),
    };
    let told = said(world.ask(ops::RetryStageExecution, retry("Source")).await);
    assert!(told.starts_with("400 StageNotRetryableException"), "{told}");
    world
        .ask(ops::RetryStageExecution, retry("Deploy"))
        .await
        .expect("again");
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    let input = api::ListActionExecutionsInput {
        pipeline_name: "p".into(),
        ..Default::default()
    };
    let told = world
        .ask(ops::ListActionExecutions, input)
        .await
        .expect("told");
    let told = told.action_execution_details.expect("some");
    let told: Vec<String> = told
        .into_iter()
        .map(|d| {
            format!(
                "{} {}",
                d.action_name.unwrap_or_default(),
                d.status.unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "second Succeeded",
            "second Failed",
            "first Succeeded",
            "src Succeeded"
        ]
    );
}

#[tokio::test]
async fn stops_wait_or_abandon() {
    let world = made("SUPERSEDED").await;
    world.run().await;
    let (id, _) = world.executions().await.remove(0);
    let stop = |abandon| api::StopPipelineExecutionInput {
        pipeline_name: "p".into(),
        pipeline_execution_id: id.clone(),
        abandon: Some(abandon),
        reason: Some("enough".into()),
    };
    world
        .ask(ops::StopPipelineExecution, stop(false))
        .await
        .expect("asked");
    world.run().await;
    assert_eq!(world.statuses().await, ["Stopping"], "the action goes on");
    let told = said(world.ask(ops::StopPipelineExecution, stop(false)).await);
    assert!(
        told.starts_with("400 DuplicatedStopRequestException"),
        "{told}"
    );
    world
        .ask(ops::StopPipelineExecution, stop(true))
        .await
        .expect("asked");
    world.run().await;
    assert_eq!(world.statuses().await, ["Stopped"]);
    assert_eq!(world.actions().await[0], "src Abandoned");
    assert!(world.jobs("Source").await.is_empty());
    let told = said(world.ask(ops::StopPipelineExecution, stop(true)).await);
    assert!(
        told.starts_with("400 PipelineExecutionNotStoppableException"),
        "{told}"
    );
}

#[tokio::test]
async fn a_stage_is_rolled_back_by_somebody_or_by_itself() {
    let world = World::default();
    world.custom_types().await;
    let mut given = worked();
    given.stages[1].on_failure = Some(api::FailureConditions {
        result: Some("ROLLBACK".into()),
        ..Default::default()
    });
    world.create(given).await.expect("made");
    world.work("Source", true).await;
    world.work("Deploy", true).await;
    world.start().await;
    world.work("Source", true).await;
    world.work("Deploy", false).await;
    assert_eq!(
        world.statuses().await,
        ["Succeeded", "Failed", "InProgress"]
    );
    world.work("Deploy", true).await;
    let all = world.executions().await;
    assert_eq!(all[2].1, "Succeeded");
    let input = api::GetPipelineExecutionInput {
        pipeline_name: "p".into(),
        pipeline_execution_id: all[2].0.clone(),
    };
    let told = world
        .ask(ops::GetPipelineExecution, input)
        .await
        .expect("told");
    let told = told.pipeline_execution.expect("one");
    assert_eq!(told.execution_type.as_deref(), Some("ROLLBACK"));
    let target = told
        .rollback_metadata
        .and_then(|m| m.rollback_target_pipeline_execution_id);
    assert_eq!(target.as_ref(), Some(&all[0].0));
    let back = |target: &str, stage: &str| api::RollbackStageInput {
        pipeline_name: "p".into(),
        stage_name: stage.into(),
        target_pipeline_execution_id: target.into(),
    };
    let told = said(
        world
            .ask(ops::RollbackStage, back(&all[1].0, "Deploy"))
            .await,
    );
    assert!(
        told.starts_with("400 UnableToRollbackStageException"),
        "{told}"
    );
    let told = said(
        world
            .ask(ops::RollbackStage, back(&all[0].0, "Source"))
            .await,
    );
    assert!(
        told.starts_with("400 UnableToRollbackStageException"),
        "{told}"
    );
    world
        .ask(ops::RollbackStage, back(&all[0].0, "Deploy"))
        .await
        .expect("begun");
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await[3], "Succeeded");
}

#[tokio::test]
async fn variables_are_filled_in_and_one_that_is_missing_fails_its_action() {
    let world = World::default();
    world.custom_types().await;
    let mut given = worked();
    given.variables = Some(vec![api::PipelineVariableDeclaration {
        name: "who".into(),
        default_value: Some("all".into()),
        description: None,
    }]);
    given.stages[0].actions[0].namespace = Some("src".into());
    let configured = [(
        "say",
        "#{src.Tag} for #{variables.who} by #{codepipeline.PipelineExecutionId}",
    )];
    given.stages[1].actions[0] = with(action("go", custom("Deploy")), &configured);
    given.stages.push(stage(
        "More",
        vec![with(
            action("bad", custom("Deploy")),
            &[("say", "#{src.Nothing}")],
        )],
    ));
    world.create(given).await.expect("made");
    world.work("Source", true).await;
    let (id, _) = world.executions().await.remove(0);
    let job = world.jobs("Deploy").await.remove(0);
    let data = job.data.expect("data");
    let said = data.action_configuration.and_then(|c| c.configuration);
    assert_eq!(
        said.expect("configured")["say"],
        format!("7 for all by {id}")
    );
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Failed"]);
    let last = world.actions().await.pop().expect("one");
    assert!(
        last.contains("#{src.Nothing} could not be resolved"),
        "{last}"
    );
}

#[tokio::test]
async fn a_start_that_is_made_again_is_one() {
    let world = made("SUPERSEDED").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let input = api::StartPipelineExecutionInput {
            name: "p".into(),
            client_request_token: Some("once".into()),
            ..Default::default()
        };
        let started = world.ask(ops::StartPipelineExecution, input).await;
        ids.push(started.expect("started").pipeline_execution_id);
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(world.executions().await.len(), 2);
}
