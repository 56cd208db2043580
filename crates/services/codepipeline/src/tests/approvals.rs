//! Manual approvals.

use super::{World, action, aws, said, stage, worked};
use neargate_api_codepipeline::{self as api, ops};
use std::time::Duration;

async fn asked() -> (World, String) {
    let world = World::default();
    world.custom_types().await;
    let mut given = worked();
    let approval = stage("Ask", vec![action("ok", aws("Approval", "Manual"))]);
    given.stages.insert(1, approval);
    world.create(given).await.expect("made");
    world.work("Source", true).await;
    let state = world.state().await;
    let action = state[1].action_states.as_ref().expect("some")[0].clone();
    let token = action.latest_execution.and_then(|run| run.token);
    (world, token.expect("a token"))
}

fn answer(token: &str, status: &str) -> api::PutApprovalResultInput {
    api::PutApprovalResultInput {
        pipeline_name: "p".into(),
        stage_name: "Ask".into(),
        action_name: "ok".into(),
        result: api::ApprovalResult {
            summary: "looks good".into(),
            status: status.into(),
        },
        token: token.into(),
    }
}

#[tokio::test]
async fn one_answer_counts() {
    let (world, token) = asked().await;
    let other = "11111111-2222-4333-8444-555555555555";
    let told = said(
        world
            .ask(ops::PutApprovalResult, answer(other, "Approved"))
            .await,
    );
    assert!(
        told.starts_with("400 InvalidApprovalTokenException"),
        "{told}"
    );
    world
        .ask(ops::PutApprovalResult, answer(&token, "Approved"))
        .await
        .expect("approved");
    let told = said(
        world
            .ask(ops::PutApprovalResult, answer(&token, "Rejected"))
            .await,
    );
    assert!(
        told.starts_with("400 ApprovalAlreadyCompletedException"),
        "{told}"
    );
    world.work("Deploy", true).await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    let state = world.state().await;
    let run = state[1].action_states.as_ref().expect("some")[0]
        .latest_execution
        .clone();
    let run = run.expect("a run");
    assert_eq!(run.summary.as_deref(), Some("looks good"));
    assert!(run.token.is_none() && run.last_updated_by.is_some());
}

#[tokio::test]
async fn what_is_rejected_or_not_answered_fails() {
    let (world, token) = asked().await;
    world
        .ask(ops::PutApprovalResult, answer(&token, "Rejected"))
        .await
        .expect("rejected");
    world.run().await;
    assert_eq!(world.statuses().await, ["Failed"]);
    let (world, token) = asked().await;
    world
        .lab
        .clock
        .advance(Duration::from_secs(7 * 24 * 3_600 - 1));
    world.run().await;
    assert_eq!(world.statuses().await, ["InProgress"]);
    world.lab.clock.advance(Duration::from_secs(1));
    world.run().await;
    assert_eq!(world.statuses().await, ["Failed"]);
    let told = said(
        world
            .ask(ops::PutApprovalResult, answer(&token, "Approved"))
            .await,
    );
    assert!(
        told.starts_with("400 ApprovalAlreadyCompletedException"),
        "{told}"
    );
}
