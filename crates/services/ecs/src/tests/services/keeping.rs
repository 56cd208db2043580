//! The desired count is kept.

use super::super::running::{fill, no_address};
use super::{Town, checked};
use crate::model::ServiceEvent;
use neargate_api_ecs::{self as api, ops};
use neargate_domain::Health;
use std::time::Duration;

#[tokio::test]
async fn a_service_reaches_a_steady_state_and_says_so() {
    let town = Town::with_service().await;
    let service = town.describe().await;
    assert_eq!(
        (service.desired_count, service.running_count),
        (Some(2), Some(2))
    );
    let deployments = service.deployments.expect("a list");
    assert_eq!(deployments.len(), 1);
    let primary = &deployments[0];
    assert_eq!(primary.status.as_deref(), Some("PRIMARY"));
    assert_eq!(primary.rollout_state.as_deref(), Some("COMPLETED"));
    let id = primary.id.clone().expect("an id");
    assert!(id.starts_with("ecs-svc/") && id.len() == 27, "{id}");
    let events = town.events().await;
    assert!(events[0].starts_with("(service web) has started 2 tasks: (task "));
    assert_eq!(
        events[1..],
        [
            format!("(service web) (deployment {id}) deployment completed."),
            "(service web) has reached a steady state.".into()
        ]
    );
    for task in town.live().await {
        assert_eq!(task.spec.group, "service:web");
        assert_eq!(task.spec.started_by.as_ref(), Some(&id));
    }
}

#[tokio::test]
async fn a_task_that_ends_is_replaced() {
    let town = Town::with_service().await;
    let lost = town.live().await.remove(0);
    town.ends(&lost, "EssentialContainerExited").await;
    town.rest(&[]).await;
    assert_eq!(town.live().await.len(), 2);
    assert_eq!(town.tasks().await.len(), 3);
    let events = town.events().await;
    assert_eq!(
        events.last().map(String::as_str),
        Some("(service web) has reached a steady state.")
    );
}

#[tokio::test]
async fn the_count_follows_the_service() {
    let town = Town::with_service().await;
    for count in [5, 1, 0, 3] {
        let service = town.update(|u| u.desired_count = Some(count)).await;
        let deployments = service.expect("updated").deployments.expect("a list");
        assert_eq!(deployments.len(), 1, "no new deployment");
        town.rest(&[]).await;
        assert_eq!(
            town.live().await.len(),
            usize::try_from(count).expect("small")
        );
        let service = town.describe().await;
        assert_eq!(service.running_count, Some(count));
        for task in town.tasks().await.iter().filter(|t| t.spec.stop.is_some()) {
            let stop = task.spec.stop.as_ref().expect("asked");
            assert_eq!(stop.code, "ServiceSchedulerInitiated");
            assert!(
                stop.reason
                    .starts_with("Scaling activity initiated by (deployment ecs-svc/")
            );
        }
    }
}

/// Start before stop, within the maximum.
#[tokio::test]
async fn an_unhealthy_task_is_replaced_once_another_is_healthy() {
    let town = Town::new().await;
    town.lab
        .call(ops::RegisterTaskDefinition, checked("web"))
        .await
        .expect("registered");
    town.create(|c| c.desired_count = Some(1))
        .await
        .expect("created");
    town.rest(&[]).await;
    let state = |s: &neargate_api_ecs::Service| {
        s.deployments.as_ref().expect("one")[0]
            .rollout_state
            .clone()
    };
    let first = town.live().await.remove(0);
    assert_eq!(
        state(&town.describe().await).as_deref(),
        Some("IN_PROGRESS"),
        "not checked yet"
    );
    town.health(&first, Health::Healthy).await;
    town.rest(&[]).await;
    assert_eq!(state(&town.describe().await).as_deref(), Some("COMPLETED"));
    town.health(&first, Health::Unhealthy).await;
    town.rest(&[]).await;
    let live = town.live().await;
    assert_eq!(live.len(), 2, "the replacement is not healthy yet");
    let second = live.iter().find(|t| t.key != first.key).expect("another");
    town.health(second, Health::Healthy).await;
    town.rest(&[]).await;
    let live = town.live().await;
    assert_eq!(live.len(), 1);
    assert_ne!(live[0].key, first.key);
    let id = &first.spec.assignment.task_id;
    let said = format!("(service web) (task {id}) failed container health checks.");
    assert!(town.events().await.contains(&said));
    let stopped = town.tasks().await;
    let stopped = stopped.iter().find(|t| t.key == first.key).expect("kept");
    assert_eq!(
        stopped.spec.stop.as_ref().expect("asked").reason,
        "Task failed container health checks"
    );
}

/// Tasks that never come to run are tried again ever later, and the service says so.
#[tokio::test]
async fn tasks_that_never_run_are_throttled() {
    let town = Town::new().await;
    town.lab.register("web").await;
    town.create(|c| c.desired_count = Some(1))
        .await
        .expect("created");
    town.rest(&[1]).await;
    assert_eq!(town.tasks().await.len(), 3, "then it waits");
    let impaired = "(service web) is unable to consistently start tasks successfully.";
    let said = town.events().await;
    assert_eq!(
        said.iter().filter(|e| e.starts_with(impaired)).count(),
        1,
        "{said:?}"
    );
    for (wait, tasks) in [(1, 3), (1, 4), (3, 4), (1, 5), (8, 6), (16, 7), (32, 8)] {
        town.lab.advance(Duration::from_secs(wait));
        town.rest(&[1]).await;
        assert_eq!(town.tasks().await.len(), tasks, "after {wait} s more");
    }
    // A new definition is not throttled.
    town.lab.register("web").await;
    town.update(|u| u.task_definition = Some("web".into()))
        .await
        .expect("updated");
    town.rest(&[1]).await;
    assert_eq!(town.describe().await.running_count, Some(1));
}

#[tokio::test]
async fn a_deleted_service_drains_and_its_name_is_free_again() {
    let town = Town::with_service().await;
    let refused = super::super::said(town.delete(false).await);
    assert_eq!(
        refused,
        (
            "InvalidParameterException".into(),
            "The service cannot be stopped while it is scaled above 0.".into()
        )
    );
    let service = town.delete(true).await.expect("deleted");
    assert_eq!(service.status.as_deref(), Some("DRAINING"));
    let again = super::super::said(town.create(|_| {}).await);
    assert_eq!(again.1, "Unable to Start a service that is still Draining.");
    town.rest(&[]).await;
    let service = town.describe().await;
    assert_eq!(service.status.as_deref(), Some("INACTIVE"));
    assert_eq!(service.running_count, Some(0));
    assert!(town.live().await.is_empty());
    let updated = super::super::said(town.update(|u| u.desired_count = Some(1)).await);
    assert_eq!(updated.0, "ServiceNotActiveException");
    town.create(|_| {}).await.expect("created again");
    town.rest(&[]).await;
    let service = town.describe().await;
    assert_eq!(service.running_count, Some(2));
    let first = &town.events().await[0];
    assert!(
        first.starts_with("(service web) has started 2 tasks"),
        "{first}"
    );
    town.delete(true).await.expect("deleted");
    town.rest(&[]).await;
    town.lab.advance(Duration::from_secs(3_601));
    town.settle().await;
    let left = town
        .lab
        .house
        .db
        .store()
        .range("ecs/service", None, 100, None)
        .await;
    assert_eq!(
        left.expect("read").entries.len(),
        0,
        "all of it is forgotten"
    );
}

#[tokio::test]
async fn a_service_without_a_node_says_why_and_goes_on_when_there_is_one() {
    let town = Town::new().await;
    town.lab.register("web").await;
    town.lab.ecs.nodes.disconnect("local");
    town.create(|_| {}).await.expect("created");
    town.settle().await;
    let events = town.events().await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0].contains("was unable to place a task"),
        "{events:?}"
    );
    town.lab.advance(Duration::from_secs(60));
    town.settle().await;
    assert_eq!(town.events().await.len(), 1, "said once");
    town.lab
        .ecs
        .nodes
        .connect("local", neargate_domain::NodeKind::Fargate);
    town.rest(&[]).await;
    assert_eq!(town.describe().await.running_count, Some(2));
}

/// CAPACITY_PROVIDER_STEADY_STATE and SERVICE_TASK_PLACEMENT_FAILURE tell of them.
#[tokio::test]
async fn events_know_the_capacity_providers() {
    let town = Town::new().await;
    let put = api::PutClusterCapacityProvidersInput {
        cluster: "c".into(),
        capacity_providers: vec!["FARGATE_SPOT".into()],
        default_capacity_provider_strategy: Vec::new(),
    };
    let put = town.lab.call(ops::PutClusterCapacityProviders, put).await;
    put.expect("put");
    town.lab.register("web").await;
    let created = town.create(|c| {
        c.launch_type = None;
        c.capacity_provider_strategy = Some(vec![api::CapacityProviderStrategyItem {
            capacity_provider: "FARGATE_SPOT".into(),
            weight: Some(1),
            base: None,
        }]);
    });
    created.await.expect("created");
    town.rest(&[]).await;
    let prefix = ServiceEvent::prefix(&town.id("web"));
    let events = town.lab.house.db.list_prefix::<ServiceEvent>(&prefix).await;
    let events = events.expect("read");
    let steady = events.iter().find(|e| e.message.contains("steady state"));
    assert_eq!(steady.expect("steady").providers, ["FARGATE_SPOT"]);
}

/// It says so, starts what it can, and goes on by itself once there is room.
#[tokio::test]
async fn a_full_subnet_holds_a_service_up() {
    let town = Town::new().await;
    town.lab.register("web").await;
    fill(&town.lab, 2).await;
    town.create(|c| c.desired_count = Some(3))
        .await
        .expect("created");
    town.rest(&[]).await;
    assert_eq!(town.live().await.len(), 2);
    let why = no_address(&town.lab);
    let said = format!("(service web) was unable to place a task. Reason: {why}.");
    let events = town.events().await;
    assert_eq!(
        events.iter().filter(|e| **e == said).count(),
        1,
        "{events:?}"
    );
    let address = format!("ec2/address/{}", first_subnet(&town).address(4_000));
    let gone = neargate_store::Txn {
        ops: vec![neargate_store::Op::Delete { key: address }],
        ..Default::default()
    };
    town.lab.house.db.store().txn(gone).await.expect("written");
    town.lab.advance(Duration::from_secs(15));
    town.rest(&[]).await;
    assert_eq!(town.live().await.len(), 3);
}

fn first_subnet(town: &Town) -> neargate_domain::vpc::Subnet {
    let scope = &town.lab.scope;
    let vpc = neargate_domain::vpc::DefaultVpc::of(&scope.account, &scope.region);
    vpc.subnets[0].clone()
}
