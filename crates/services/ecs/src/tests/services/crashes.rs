//! What is said of a service whose tasks crash, and what becomes of those that did not.

use super::{Town, rollout};
use neargate_api_ecs as api;
use neargate_domain::TaskStatus;
use std::time::Duration;

/// A service of two tasks that count, updated to a definition whose tasks end as soon as they run.
async fn updated(breaker: bool) -> Town {
    let town = Town::settling().await;
    town.lab.register("web").await;
    let created = town.create(|_| {}).await;
    created.expect("created");
    town.rest(&[]).await;
    assert_eq!(rollout(&town.describe().await), [(2, "IN_PROGRESS".into())]);
    town.lab.advance(Duration::from_secs(40));
    town.rest(&[]).await;
    assert_eq!(rollout(&town.describe().await), [(2, "COMPLETED".into())]);
    town.lab.register("web").await;
    let update = town.update(|u| {
        u.task_definition = Some("web:2".into());
        u.deployment_configuration = breaker.then(|| api::DeploymentConfiguration {
            deployment_circuit_breaker: Some(api::DeploymentCircuitBreaker {
                enable: true,
                rollback: true,
                ..Default::default()
            }),
            ..Default::default()
        });
    });
    update.await.expect("updated");
    town
}

/// A minute in which the second revision's tasks end once they run.
async fn crash(town: &Town) {
    for _ in 0..60 {
        town.settle().await;
        for task in town.live().await {
            match (task.spec.assignment.revision, task.status.last_status) {
                (2, TaskStatus::Running) => town.ends(&task, "EssentialContainerExited").await,
                (_, TaskStatus::Running) => {}
                _ => town.runs(&task).await,
            }
        }
        // What `services-stable` looks at.
        let seen = town.describe().await;
        let good = seen.deployments.iter().flatten().next();
        let good = good
            .and_then(|d| d.task_definition.clone())
            .unwrap_or_default();
        let stable = seen.running_count == seen.desired_count
            && seen.deployments.as_ref().is_some_and(|d| d.len() == 1);
        assert!(!stable || good.ends_with(":1"), "{:?}", seen.deployments);
        town.lab.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn an_update_to_tasks_that_crash_leaves_the_others() {
    let town = updated(false).await;
    let before = town.describe().await.events.map_or(0, |e| e.len());
    crash(&town).await;
    town.settle().await;
    let seen = town.describe().await;
    assert_eq!(
        rollout(&seen),
        [(0, "IN_PROGRESS".into()), (2, "COMPLETED".into())]
    );
    let primary = &seen.deployments.as_ref().expect("two")[0];
    assert!(primary.failed_tasks.is_some_and(|n| n >= 6), "{primary:?}");
    let said = town.events().await;
    let new = &said[before..];
    assert!(new.len() < 20, "{new:#?}");
    assert!(!new.iter().any(|e| e.contains("steady state")));
    assert!(
        new.iter()
            .any(|e| e.contains("is unable to consistently start tasks successfully."))
    );
}

#[tokio::test]
async fn the_breaker_takes_crashes_for_failures() {
    let town = updated(true).await;
    crash(&town).await;
    assert_eq!(rollout(&town.describe().await), [(2, "COMPLETED".into())]);
    let said = town.events().await;
    assert!(
        said.iter()
            .any(|e| e.ends_with("deployment failed: tasks failed to start."))
    );
    let stopped = town.tasks().await;
    let given_up = stopped.iter().filter(|t| t.spec.assignment.revision == 1);
    assert!(given_up.into_iter().all(|t| t.spec.stop.is_none()));
}
