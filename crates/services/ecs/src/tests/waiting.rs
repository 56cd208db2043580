//! Tasks that wait for the capacity of a provider that scales its group.

use super::instances::{connected, register_bridge};
use super::{Lab, arn, said};
use crate::Waiting;
use crate::model::{ContainerInstance, Task};
use neargate_api_ecs::{self as api, ops};
use neargate_domain::TaskStatus;
use neargate_service::controller::Controller;
use neargate_service::{Stored, db};
use std::time::Duration;

/// A cluster `default` whose tasks go to the provider `mine`.
async fn lab(scaling: &str) -> Lab {
    let lab = Lab::new();
    lab.create_cluster("default").await;
    let provider = api::CreateCapacityProviderInput {
        name: "mine".into(),
        auto_scaling_group_provider: Some(api::AutoScalingGroupProvider {
            auto_scaling_group_arn: "group".into(),
            managed_scaling: Some(api::ManagedScaling {
                status: Some(scaling.into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    lab.call(ops::CreateCapacityProvider, provider)
        .await
        .expect("created");
    let put = api::PutClusterCapacityProvidersInput {
        cluster: "default".into(),
        capacity_providers: vec!["mine".into()],
        default_capacity_provider_strategy: vec![api::CapacityProviderStrategyItem {
            capacity_provider: "mine".into(),
            weight: Some(1),
            base: None,
        }],
    };
    lab.call(ops::PutClusterCapacityProviders, put)
        .await
        .expect("associated");
    register_bridge(&lab, "web", 0).await;
    lab
}

impl Lab {
    async fn run_waiting(&self, count: i32) -> Vec<api::Task> {
        let input = api::RunTaskInput {
            task_definition: "web".into(),
            count: Some(count),
            placement_constraints: Some(vec![api::PlacementConstraint {
                r#type: Some("distinctInstance".into()),
                expression: None,
            }]),
            ..Default::default()
        };
        self.run(input).await.expect("answered")
    }

    async fn look(&self) {
        let controller = Waiting {
            ecs: self.ecs.clone(),
            house: self.house.clone(),
        };
        let key = db::key::<crate::model::Cluster>(&self.scope, "default");
        let Some(view) = controller.view(&key).await.expect("viewed") else {
            return;
        };
        for action in controller.plan(&view, self.house.now()).actions {
            controller.apply(action).await.expect("applied");
        }
    }

    async fn task_of(&self, shown: &api::Task) -> Task {
        let id = arn(shown);
        let all = self.tasks().await;
        let found = all.into_iter().find(|t| t.spec.arn == id);
        found.expect("stored").value
    }

    /// The instance is one of the provider's.
    async fn adopted(&self, instance: &Stored<ContainerInstance>) {
        let adopt = |i: &mut ContainerInstance| {
            i.capacity_provider = Some("mine".into());
            Ok(true)
        };
        let done = self
            .house
            .db
            .modify::<ContainerInstance, _>(&instance.key, adopt);
        done.await.expect("written");
        self.ecs.fleet.current(&self.house.db).await.expect("seen");
    }
}

#[tokio::test]
async fn a_task_waits_until_there_is_room() {
    let lab = lab("ENABLED").await;
    let tasks = lab.run_waiting(2).await;
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        assert_eq!(task.last_status.as_deref(), Some("PROVISIONING"));
        assert_eq!(task.desired_status.as_deref(), Some("RUNNING"));
        assert_eq!(task.capacity_provider_name.as_deref(), Some("mine"));
        assert_eq!(task.container_instance_arn, None);
    }
    lab.look().await;
    assert_eq!(lab.task_of(&tasks[0]).await.spec.node, "");
    let machine = connected(&lab, "a").await;
    lab.look().await;
    assert_eq!(lab.task_of(&tasks[0]).await.spec.node, "", "it is nobody's");
    lab.adopted(&machine).await;
    lab.look().await;
    let nodes = [
        lab.task_of(&tasks[0]).await.spec.node,
        lab.task_of(&tasks[1]).await.spec.node,
    ];
    // The caller's constraint still holds: one of them waits on.
    let placed: Vec<_> = nodes.iter().filter(|n| !n.is_empty()).collect();
    assert_eq!(placed, ["a"]);
    let (first, second) = match nodes[0].is_empty() {
        true => (&tasks[1], &tasks[0]),
        false => (&tasks[0], &tasks[1]),
    };
    let task = lab.task_of(first).await;
    assert_eq!(task.spec.waits, None);
    assert_eq!(task.spec.container_instance.as_ref(), Some(&machine.id));
    assert_eq!(task.spec.assignment.generation, 2);
    assert_eq!(task.status.last_status, TaskStatus::Pending);
    let containers = |t: &api::Task| t.containers.as_ref().expect("set")[0].container_arn.clone();
    assert_eq!(Some(task.spec.containers[0].arn.clone()), containers(first));

    let stop = api::StopTaskInput {
        task: arn(second),
        ..Default::default()
    };
    lab.call(ops::StopTask, stop).await.expect("asked");
    lab.ecs.fleet.current(&lab.house.db).await.expect("seen");
    lab.look().await;
    let task = lab.task_of(second).await;
    assert_eq!(task.status.last_status, TaskStatus::Stopped);
    assert_eq!(task.status.stop_code.as_deref(), Some("UserInitiated"));
}

#[tokio::test]
async fn a_task_waits_for_half_an_hour_at_most() {
    let lab = lab("ENABLED").await;
    let tasks = lab.run_waiting(1).await;
    lab.advance(Duration::from_secs(1_799));
    lab.look().await;
    let task = lab.task_of(&tasks[0]).await;
    assert_eq!(task.status.last_status, TaskStatus::Provisioning);
    lab.advance(Duration::from_secs(1));
    lab.look().await;
    let task = lab.task_of(&tasks[0]).await;
    assert_eq!(task.status.last_status, TaskStatus::Stopped);
    assert_eq!(task.status.stop_code.as_deref(), Some("TaskFailedToStart"));
}

#[tokio::test]
async fn a_hundred_tasks_of_a_cluster_wait() {
    let lab = lab("ENABLED").await;
    for _ in 0..10 {
        assert_eq!(lab.run_waiting(10).await.len(), 10);
        lab.ecs.fleet.current(&lab.house.db).await.expect("seen");
    }
    let input = api::RunTaskInput {
        task_definition: "web".into(),
        ..Default::default()
    };
    let (code, _) = said(lab.run(input).await);
    assert_eq!(code, "InvalidParameterException");
}

#[tokio::test]
async fn a_provider_that_does_not_scale_lets_nothing_wait() {
    let lab = lab("DISABLED").await;
    let input = api::RunTaskInput {
        task_definition: "web".into(),
        ..Default::default()
    };
    assert_eq!(
        said(lab.run(input).await).1,
        "No Container Instances were found in your capacity provider."
    );
}
