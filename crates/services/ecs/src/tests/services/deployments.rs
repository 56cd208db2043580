//! Rolling deployments, the circuit breaker and the way back.

use super::{Town, rollout};
use neargate_api_ecs::{self as api, ops};

fn breaker(rollback: bool) -> Option<api::DeploymentConfiguration> {
    Some(api::DeploymentConfiguration {
        deployment_circuit_breaker: Some(api::DeploymentCircuitBreaker {
            enable: true,
            rollback,
            ..Default::default()
        }),
        ..Default::default()
    })
}

pub(super) async fn records(town: &Town) -> Vec<api::ServiceDeployment> {
    let listed = town
        .lab
        .call(
            ops::ListServiceDeployments,
            api::ListServiceDeploymentsInput {
                cluster: Some("c".into()),
                service: "web".into(),
                ..Default::default()
            },
        )
        .await
        .expect("listed");
    let arns = listed.service_deployments.expect("a list");
    let arns = arns.into_iter().filter_map(|d| d.service_deployment_arn);
    let input = api::DescribeServiceDeploymentsInput {
        service_deployment_arns: arns.collect(),
    };
    let shown = town.lab.call(ops::DescribeServiceDeployments, input).await;
    shown
        .expect("described")
        .service_deployments
        .expect("a list")
}

async fn statuses(town: &Town) -> Vec<String> {
    let mut all: Vec<_> = records(town).await;
    all.sort_by_key(|r| (r.created_at, r.status.clone()));
    all.into_iter().filter_map(|r| r.status).collect()
}

#[tokio::test]
async fn a_new_definition_replaces_every_task() {
    let town = Town::with_service().await;
    town.lab.register("web").await;
    let service = town
        .update(|u| u.task_definition = Some("web".into()))
        .await;
    let service = service.expect("updated");
    let deployments = service.deployments.as_ref().expect("a list");
    assert_eq!(deployments.len(), 2, "the new one is there at once");
    assert_eq!(deployments[0].status.as_deref(), Some("PRIMARY"));
    assert_eq!(deployments[1].status.as_deref(), Some("ACTIVE"));
    town.settle().await;
    assert_eq!(town.live().await.len(), 4, "two more, within 200 percent");
    town.rest(&[]).await;
    let live = town.live().await;
    assert_eq!(live.len(), 2);
    assert!(live.iter().all(|t| t.spec.assignment.revision == 2));
    assert_eq!(
        rollout(&town.describe().await),
        [(2, "COMPLETED".to_owned())]
    );
    assert_eq!(statuses(&town).await, ["SUCCESSFUL", "SUCCESSFUL"]);
}

#[tokio::test]
async fn the_same_configuration_is_no_deployment_unless_it_is_forced() {
    let town = Town::with_service().await;
    let same = town
        .update(|u| u.task_definition = Some("web:1".into()))
        .await;
    assert_eq!(same.expect("updated").deployments.expect("a list").len(), 1);
    for _ in 0..2 {
        let forced = town.update(|u| u.force_new_deployment = Some(true)).await;
        assert!(forced.expect("updated").deployments.expect("a list").len() > 1);
    }
    town.rest(&[]).await;
    assert_eq!(
        rollout(&town.describe().await),
        [(2, "COMPLETED".to_owned())]
    );
    assert_eq!(town.live().await.len(), 2);
    let mut ended = statuses(&town).await;
    ended.sort();
    assert_eq!(ended.len(), 3);
    assert!(
        ended.iter().all(|s| s == "SUCCESSFUL" || s == "STOPPED"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_deployment_that_fails_goes_back() {
    let town = Town::with_service().await;
    let before = town.describe().await;
    let old = before.deployments.expect("one")[0]
        .id
        .clone()
        .expect("an id");
    town.lab.register("web").await;
    let updated = town.update(|u| {
        u.task_definition = Some("web".into());
        u.deployment_configuration = breaker(true);
    });
    let new = updated.await.expect("updated").deployments.expect("two")[0]
        .id
        .clone();
    let new = new.expect("an id");
    town.rest(&[2]).await;
    let service = town.describe().await;
    assert_eq!(rollout(&service), [(2, "COMPLETED".to_owned())]);
    let primary = &service.deployments.expect("one")[0];
    assert_eq!(primary.id.as_ref(), Some(&old));
    assert!(service.task_definition.expect("shown").ends_with("web:1"));
    let events = town.events().await;
    let failed =
        format!("(service web) (deployment {new}) deployment failed: tasks failed to start.");
    let back = format!("(service web) rolling back to deployment {old}.");
    assert!(events.contains(&failed), "{events:?}");
    assert!(events.contains(&back), "{events:?}");
    assert_eq!(town.live().await.len(), 2, "nothing that ran was touched");
    let last = records(&town)
        .await
        .into_iter()
        .find(|r| r.rollback.is_some());
    let last = last.expect("rolled back");
    assert_eq!(last.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
    let breaker = last.deployment_circuit_breaker.expect("shown");
    assert_eq!(breaker.status.as_deref(), Some("TRIGGERED"));
    assert_eq!(
        (breaker.threshold, breaker.failure_count >= Some(3)),
        (Some(3), true)
    );
    // The next update starts from what runs.
    let forced = town.update(|u| u.force_new_deployment = Some(true)).await;
    assert!(
        forced
            .expect("updated")
            .task_definition
            .expect("shown")
            .ends_with("web:1")
    );
    town.rest(&[2]).await;
    assert_eq!(
        rollout(&town.describe().await),
        [(2, "COMPLETED".to_owned())]
    );
}

#[tokio::test]
async fn without_rollback_it_stays_failed() {
    let town = Town::with_service().await;
    town.lab.register("web").await;
    town.update(|u| {
        u.task_definition = Some("web".into());
        u.deployment_configuration = breaker(false);
    })
    .await
    .expect("updated");
    town.rest(&[2]).await;
    let service = town.describe().await;
    assert_eq!(
        rollout(&service),
        [(0, "FAILED".to_owned()), (2, "COMPLETED".to_owned())]
    );
    let primary = &service.deployments.expect("two")[0];
    assert_eq!(
        primary.rollout_state_reason.as_deref(),
        Some("ECS deployment circuit breaker: tasks failed to start.")
    );
    assert_eq!(
        statuses(&town)
            .await
            .iter()
            .filter(|s| *s == "STOPPED")
            .count(),
        1
    );
    town.update(|u| u.desired_count = Some(0))
        .await
        .expect("updated");
    town.rest(&[2]).await;
    assert!(town.live().await.is_empty());
}

/// The first deployment has nothing to go back to.
#[tokio::test]
async fn a_service_that_never_worked_cannot_go_back() {
    let town = Town::new().await;
    town.lab.register("web").await;
    town.create(|c| c.deployment_configuration = breaker(true))
        .await
        .expect("created");
    town.rest(&[1]).await;
    assert_eq!(rollout(&town.describe().await), [(0, "FAILED".to_owned())]);
    assert_eq!(statuses(&town).await, ["ROLLBACK_FAILED"]);
    town.lab.register("web").await;
    town.update(|u| u.task_definition = Some("web".into()))
        .await
        .expect("updated");
    town.rest(&[1]).await;
    assert_eq!(
        rollout(&town.describe().await),
        [(2, "COMPLETED".to_owned())]
    );
}

#[tokio::test]
async fn a_deployment_is_stopped_by_hand() {
    for (kind, ended, revision) in [
        ("ROLLBACK", "ROLLBACK_SUCCESSFUL", 1),
        ("ABORT", "STOPPED", 2),
    ] {
        let town = Town::with_service().await;
        town.lab.register("web").await;
        town.update(|u| u.task_definition = Some("web".into()))
            .await
            .expect("updated");
        town.settle().await;
        let open = records(&town).await;
        let open = open
            .iter()
            .find(|r| r.status.as_deref() == Some("IN_PROGRESS"));
        let arn = open
            .expect("one")
            .service_deployment_arn
            .clone()
            .expect("named");
        let stop = || {
            let input = api::StopServiceDeploymentInput {
                service_deployment_arn: arn.clone(),
                stop_type: Some(kind.into()),
            };
            town.lab.call(ops::StopServiceDeployment, input)
        };
        stop().await.expect("stopped");
        stop().await.expect("twice is once");
        let asked = format!("{}_REQUESTED", if kind == "ABORT" { "STOP" } else { kind });
        assert!(statuses(&town).await.contains(&asked));
        town.rest(&[]).await;
        assert!(statuses(&town).await.contains(&ended.to_owned()), "{kind}");
        assert_eq!(super::super::said(stop().await).0, "ConflictException");
        if revision == 1 {
            assert!(
                town.live()
                    .await
                    .iter()
                    .all(|t| t.spec.assignment.revision == 1)
            );
            assert_eq!(
                rollout(&town.describe().await),
                [(2, "COMPLETED".to_owned())]
            );
        }
    }
}

/// An update while it goes back, and a deletion while it is updated.
#[tokio::test]
async fn whatever_comes_next_wins() {
    let town = Town::with_service().await;
    town.lab.register("web").await;
    town.update(|u| {
        u.task_definition = Some("web".into());
        u.deployment_configuration = breaker(true);
    })
    .await
    .expect("updated");
    for _ in 0..20 {
        town.settle().await;
        let primary = town.describe().await.deployments.expect("some").remove(0);
        let reason = primary.rollout_state_reason.expect("shown");
        if reason.contains("rolling back to deploymentId") {
            break;
        }
        town.obey(&[2]).await;
    }
    town.lab.register("web").await;
    town.update(|u| u.task_definition = Some("web:3".into()))
        .await
        .expect("updated");
    town.rest(&[2]).await;
    assert!(
        town.live()
            .await
            .iter()
            .all(|t| t.spec.assignment.revision == 3)
    );
    town.update(|u| u.force_new_deployment = Some(true))
        .await
        .expect("updated");
    town.settle().await;
    town.delete(true).await.expect("deleted");
    town.rest(&[]).await;
    assert!(town.live().await.is_empty());
    assert_eq!(town.describe().await.status.as_deref(), Some("INACTIVE"));
}
