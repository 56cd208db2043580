//! The scheduler as it runs, with callers and a node at the same time: the seed decides who comes
//! first, and a failure prints it.

use super::Town;
use futures_util::future::join_all;
use neargate_api_ecs as api;
use neargate_base::{Rng, task};
use neargate_service::controller;
use std::sync::Arc;
use std::time::Duration;

/// Updates, forced deployments, tasks that end and counts that change, all at once.
#[tokio::test]
async fn whoever_comes_first_it_ends_well() {
    for seed in 0..6 {
        let town = Arc::new(Town::seeded(seed).await);
        town.lab.register("web").await;
        town.create(|_| {}).await.expect("created");
        let scheduler = Arc::new(crate::Scheduler {
            ecs: town.lab.ecs.clone(),
            house: town.lab.house.clone(),
        });
        let house = &town.lab.house;
        let driver = controller::run(
            scheduler,
            house.db.clone(),
            house.clock.clone(),
            house.rng.clone(),
        );
        let driver = task::spawn("scheduler", driver);
        town.lab.register("web").await;
        let dice = Rng::seeded(seed);
        let callers = (0..8).map(|n| {
            let (town, what) = (town.clone(), dice.below(4));
            async move {
                for _ in 0..n {
                    tokio::task::yield_now().await;
                }
                let updated = town.update(|u| match what {
                    0 => u.desired_count = Some(3),
                    1 => u.force_new_deployment = Some(true),
                    2 => u.task_definition = Some(format!("web:{}", 1 + n % 2)),
                    _ => u.desired_count = Some(1),
                });
                updated.await.expect("updated");
                town.obey(&[]).await;
            }
        });
        join_all(callers).await;
        town.update(|u| {
            u.desired_count = Some(2);
            u.task_definition = Some("web:2".into());
        })
        .await
        .expect("updated");
        let ended = async {
            loop {
                town.obey(&[]).await;
                if done(&town.describe().await) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        assert!(ended.is_ok(), "seed {seed}: {:#?}", town.describe().await);
        driver.abort();
        let live = town.live().await;
        assert_eq!(live.len(), 2, "seed {seed}");
        for task in town.tasks().await {
            let events = town.events().await;
            let id = &task.spec.assignment.task_id;
            let told = events
                .iter()
                .filter(|e| e.contains(" has started ") && e.contains(id));
            assert!(told.count() <= 1, "seed {seed}: {id} was started twice");
        }
    }
}

fn done(service: &api::Service) -> bool {
    let deployments = service.deployments.as_deref().unwrap_or_default();
    let completed = |d: &api::Deployment| d.rollout_state.as_deref() == Some("COMPLETED");
    let wanted = service.task_definition.as_ref();
    deployments.len() == 1
        && deployments.iter().all(completed)
        && service.running_count == Some(2)
        && wanted.is_some_and(|d| d.ends_with("web:2"))
}
