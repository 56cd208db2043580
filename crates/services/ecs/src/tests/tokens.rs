//! Client tokens: one `RunTask`, however often it is sent.

use super::{Lab, arns, said};
use crate::ForgetTokens;
use crate::model::ClientToken;
use futures_util::future::join_all;
use neargate_api_ecs::{self as api};
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::controller::{Applied, Controller};
use std::time::Duration;

fn with_token(lab: &Lab, token: &str) -> api::RunTaskInput {
    api::RunTaskInput {
        client_token: Some(token.into()),
        count: Some(2),
        ..lab.request("web")
    }
}

#[tokio::test]
async fn the_same_request_is_answered_with_the_same_tasks() {
    let lab = Lab::new();
    lab.register("web").await;
    let first = lab.run(with_token(&lab, "t")).await.expect("started");
    let mut again = with_token(&lab, "t");
    assert_eq!(
        arns(&lab.run(again.clone()).await.expect("again")),
        arns(&first)
    );
    again.cluster = Some("arn:aws:ecs:us-east-1:000000000000:cluster/default".into());
    assert_eq!(
        arns(&lab.run(again.clone()).await.expect("same cluster")),
        arns(&first)
    );
    // Even when nothing new could start.
    lab.ecs.nodes.disconnect("local");
    assert_eq!(
        arns(&lab.run(again).await.expect("no node needed")),
        arns(&first)
    );
    assert_eq!(lab.tasks().await.len(), 2);
}

#[tokio::test]
async fn another_request_with_the_token_is_a_conflict() {
    let lab = Lab::new();
    lab.register("web").await;
    let first = lab.run(with_token(&lab, "t")).await.expect("started");
    let other = api::RunTaskInput {
        count: Some(1),
        ..with_token(&lab, "t")
    };
    let error = lab.run(other).await.expect_err("in use");
    assert_eq!(error.code, "ConflictException");
    let ids = error
        .fields
        .iter()
        .find(|(name, _)| name == "resourceIds")
        .expect("named");
    assert_eq!(ids.1, serde_json::json!(arns(&first)));
    // A token is its cluster's own, and its case counts.
    lab.create_cluster("c").await;
    let elsewhere = api::RunTaskInput {
        cluster: Some("c".into()),
        ..with_token(&lab, "t")
    };
    assert!(lab.run(elsewhere).await.is_ok());
    assert!(lab.run(with_token(&lab, "T")).await.is_ok());
    assert_eq!(lab.tasks().await.len(), 6);
}

#[tokio::test]
async fn sent_at_the_same_time_it_runs_once() {
    for seed in 0..12 {
        let lab = Lab::seeded(seed);
        lab.register("web").await;
        let calls = (0..4).map(|_| lab.run(with_token(&lab, "t")));
        let answers: Vec<_> = join_all(calls)
            .await
            .into_iter()
            .map(|r| arns(&r.expect("answered")))
            .collect();
        assert!(
            answers.iter().all(|a| *a == answers[0]),
            "seed {seed}: {answers:?}"
        );
        assert_eq!(
            (lab.tasks().await.len(), lab.addresses().await),
            (2, 2),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn tokens_that_are_refused() {
    let lab = Lab::new();
    lab.register("web").await;
    for token in ["", "a b", "é", &"x".repeat(65)] {
        let refused = said(lab.run(with_token(&lab, token)).await);
        assert_eq!(refused.0, "InvalidParameterException", "{token:?}");
    }
    assert!(lab.run(with_token(&lab, &"/".repeat(64))).await.is_ok());
}

/// The controller's steps, without its driver: answers when to look again.
async fn look(lab: &Lab) -> Option<Timestamp> {
    let forget = ForgetTokens {
        db: lab.house.db.clone(),
    };
    let prefix = format!("{}/", ClientToken::KIND);
    let tokens = lab
        .house
        .db
        .list_prefix::<ClientToken>(&prefix)
        .await
        .expect("listed");
    let token = tokens.first()?;
    let view = forget
        .view(&token.key)
        .await
        .expect("read")
        .expect("exists");
    let plan = forget.plan(&view, lab.house.now());
    for action in plan.actions {
        assert_eq!(forget.apply(action).await.expect("applied"), Applied::Done);
    }
    plan.wake_at
}

#[tokio::test]
async fn a_token_is_forgotten_after_a_day_or_with_its_tasks() {
    let hour = Duration::from_secs(3_600);
    let lab = Lab::new();
    lab.register("web").await;
    lab.run(with_token(&lab, "t")).await.expect("started");
    assert_eq!(look(&lab).await, Some(lab.house.now() + hour));
    lab.advance(23 * hour + hour / 2);
    assert_eq!(
        look(&lab).await,
        Some(lab.house.now() + hour / 2),
        "the day's end"
    );
    lab.advance(hour / 2);
    assert_eq!(look(&lab).await, None, "forgotten");
    assert_eq!(look(&lab).await, None, "gone");
    lab.run(with_token(&lab, "t")).await.expect("a new request");
    assert_eq!(lab.tasks().await.len(), 4);

    let lab = Lab::new();
    lab.register("web").await;
    lab.run(with_token(&lab, "t")).await.expect("started");
    for task in lab.tasks().await {
        let tx = lab.house.db.tx().delete(&task);
        assert!(matches!(
            tx.commit().await,
            Ok(neargate_service::Committed::At(_))
        ));
    }
    look(&lab).await;
    let prefix = format!("{}/", ClientToken::KIND);
    let left = lab
        .house
        .db
        .list_prefix::<ClientToken>(&prefix)
        .await
        .expect("listed");
    assert!(left.is_empty());
}
