//! Services: the API, the scheduler and a node that does what it is told, step by step.

mod alarms;
mod api_rules;
mod balancing;
mod connect;
mod crashes;
mod deployments;
mod instances;
mod keeping;
mod registries;
mod settling;
mod shifting;
mod shown;
mod task_sets;
mod together;

use super::{Lab, definition, nothing_yet};
use crate::balancing::Balancer;
use crate::fleet::ServiceId;
use crate::model::Task;
use crate::observe;
use crate::{Scheduler, TaskSets};
use neargate_api_ecs::{self as api, ops};
use neargate_domain::report::TaskStopped;
use neargate_domain::vpc::DefaultVpc;
use neargate_domain::{ContainerStatus, DesiredState, Health, TaskReport, TaskStatus};
use neargate_service::controller::{Applied, Controller};
use neargate_service::{AwsError, Stored};
use std::collections::BTreeMap;

/// A lab with a scheduler that is run by hand, and a node.
pub(super) struct Town {
    pub(super) lab: Lab,
    scheduler: Scheduler,
    task_sets: TaskSets,
    balancer: Balancer,
    /// What each task of the node is at, by task id.
    node: parking_lot::Mutex<BTreeMap<String, TaskReport>>,
}

impl Town {
    pub(super) async fn new() -> Town {
        Town::seeded(1).await
    }

    pub(super) async fn seeded(seed: u64) -> Town {
        Town::of(Lab::seeded(seed)).await
    }

    /// Where tasks count as healthy when AWS's do.
    pub(super) async fn settling() -> Town {
        Town::of(Lab::settling_in(1, crate::Times::default().settle)).await
    }

    async fn of(lab: Lab) -> Town {
        lab.create_cluster("c").await;
        let scheduler = Scheduler {
            ecs: lab.ecs.clone(),
            house: lab.house.clone(),
        };
        let task_sets = TaskSets {
            ecs: lab.ecs.clone(),
            house: lab.house.clone(),
        };
        let balancer = Balancer {
            ecs: lab.ecs.clone(),
            house: lab.house.clone(),
        };
        Town {
            lab,
            scheduler,
            task_sets,
            balancer,
            node: parking_lot::Mutex::default(),
        }
    }

    pub(super) fn id(&self, service: &str) -> ServiceId {
        ServiceId::new(&self.lab.scope, "c", service)
    }

    pub(super) async fn create(
        &self,
        change: impl FnOnce(&mut api::CreateServiceInput),
    ) -> Result<api::Service, AwsError> {
        let vpc = DefaultVpc::of(&self.lab.scope.account, &self.lab.scope.region);
        let mut input = api::CreateServiceInput {
            cluster: Some("c".into()),
            service_name: "web".into(),
            task_definition: Some("web".into()),
            desired_count: Some(2),
            launch_type: Some("FARGATE".into()),
            network_configuration: Some(api::NetworkConfiguration {
                awsvpc_configuration: Some(api::AwsVpcConfiguration {
                    subnets: vec![vpc.subnets[0].id.clone()],
                    ..Default::default()
                }),
            }),
            ..Default::default()
        };
        change(&mut input);
        let output = self.lab.call(ops::CreateService, input).await?;
        Ok(output.service.expect("described"))
    }

    pub(super) async fn update(
        &self,
        change: impl FnOnce(&mut api::UpdateServiceInput),
    ) -> Result<api::Service, AwsError> {
        let mut input = api::UpdateServiceInput {
            cluster: Some("c".into()),
            service: "web".into(),
            ..Default::default()
        };
        change(&mut input);
        let output = self.lab.call(ops::UpdateService, input).await?;
        Ok(output.service.expect("described"))
    }

    pub(super) async fn delete(&self, force: bool) -> Result<api::Service, AwsError> {
        let input = api::DeleteServiceInput {
            cluster: Some("c".into()),
            service: "web".into(),
            force: Some(force),
        };
        let output = self.lab.call(ops::DeleteService, input).await?;
        Ok(output.service.expect("described"))
    }

    pub(super) async fn describe(&self) -> api::Service {
        let input = api::DescribeServicesInput {
            cluster: Some("c".into()),
            services: vec!["web".into()],
            include: Some(vec!["TAGS".into()]),
        };
        let output = self.lab.call(ops::DescribeServices, input).await;
        let mut services = output.expect("described").services.expect("a list");
        services.pop().expect("one")
    }

    /// The messages, oldest first.
    pub(super) async fn events(&self) -> Vec<String> {
        let events = self.describe().await.events.unwrap_or_default();
        let said = events.into_iter().rev().filter_map(|e| e.message);
        said.collect()
    }

    /// Let the scheduler act until it has nothing more to do now.
    pub(super) async fn settle(&self) {
        self.settle_by(&self.scheduler).await;
        self.settle_by(&self.task_sets).await;
        self.settle_by(&self.balancer).await;
    }

    async fn settle_by<C: Controller>(&self, controller: &C) {
        let key = self.id("web").store_key();
        for _ in 0..200 {
            let Some(seen) = controller.view(&key).await.expect("read") else {
                return;
            };
            let plan = controller.plan(&seen, self.lab.house.now());
            if plan.actions.is_empty() {
                return;
            }
            let mut idle = true;
            for action in plan.actions {
                let before = self.lab.house.db.store().revision().await.expect("read");
                let applied = controller.apply(action).await.expect("applied");
                let after = self.lab.house.db.store().revision().await.expect("read");
                idle &= applied == Applied::Done && before == after;
            }
            if idle {
                return;
            }
        }
        panic!("the scheduler never comes to rest");
    }

    /// The service's tasks, oldest first.
    pub(super) async fn tasks(&self) -> Vec<Stored<Task>> {
        let mut tasks = self.lab.tasks().await;
        tasks.sort_by(|a, b| (a.spec.created_at, &a.key).cmp(&(b.spec.created_at, &b.key)));
        tasks
    }

    /// Those that are meant to run.
    pub(super) async fn live(&self) -> Vec<Stored<Task>> {
        let mut tasks = self.tasks().await;
        tasks.retain(|t| t.spec.stop.is_none() && t.status.last_status <= TaskStatus::Running);
        tasks
    }

    pub(super) async fn report(&self, task: &Stored<Task>, change: impl FnOnce(&mut TaskReport)) {
        let id = task.spec.assignment.task_id.clone();
        let report = {
            let mut node = self.node.lock();
            let report = node.entry(id).or_insert_with(|| nothing_yet(task));
            change(report);
            report.sequence += 1;
            report.clone()
        };
        observe::report(&self.lab.house, &task.key, &report)
            .await
            .expect("observed");
    }

    /// The task's containers run.
    pub(super) async fn runs(&self, task: &Stored<Task>) {
        let now = self.lab.house.now();
        self.report(task, |report| {
            report.network_ready = true;
            for c in &mut report.containers {
                c.status = ContainerStatus::Running;
                c.started_at.get_or_insert(now);
            }
        })
        .await;
    }

    pub(super) async fn health(&self, task: &Stored<Task>, health: Health) {
        self.report(task, |report| {
            report.containers.iter_mut().for_each(|c| c.health = health);
        })
        .await;
    }

    /// The task ends, by `code` unless it was asked to.
    pub(super) async fn ends(&self, task: &Stored<Task>, code: &str) {
        let now = self.lab.house.now();
        self.report(task, |report| {
            report.stopped = Some(TaskStopped {
                stop_code: code.into(),
                reason: code.into(),
                at: now,
            });
            for c in &mut report.containers {
                c.status = ContainerStatus::Stopped;
                c.finished_at = Some(now);
            }
            report.released = true;
        })
        .await;
    }

    /// The node runs what is to run and ends what is to stop; tasks of `bad` revisions of the
    /// definition fail to start.
    pub(super) async fn obey(&self, bad: &[u32]) {
        for task in self.tasks().await {
            let stop = task.spec.assignment.desired == DesiredState::Stopped;
            match task.status.last_status {
                TaskStatus::Stopped => {}
                _ if stop => self.ends(&task, "ServiceSchedulerInitiated").await,
                TaskStatus::Running | TaskStatus::Deactivating => {}
                _ if bad.contains(&task.spec.assignment.revision) => {
                    self.ends(&task, "TaskFailedToStart").await;
                }
                _ => self.runs(&task).await,
            }
        }
    }

    /// Scheduler and node in turns until both rest.
    pub(super) async fn rest(&self, bad: &[u32]) {
        for _ in 0..100 {
            self.settle().await;
            let before = self.lab.house.db.store().revision().await.expect("read");
            self.obey(bad).await;
            let after = self.lab.house.db.store().revision().await.expect("read");
            if before == after {
                return;
            }
        }
        panic!("the town never comes to rest");
    }

    /// A service of two running tasks.
    pub(super) async fn with_service() -> Town {
        let town = Town::new().await;
        town.lab.register("web").await;
        town.create(|_| {}).await.expect("created");
        town.rest(&[]).await;
        town
    }
}

/// The number of running tasks and the rollout state of each deployment.
pub(super) fn rollout(service: &api::Service) -> Vec<(i32, String)> {
    let deployments = service.deployments.iter().flatten();
    deployments
        .map(|d| {
            (
                d.running_count.unwrap_or(0),
                d.rollout_state.clone().unwrap_or_default(),
            )
        })
        .collect()
}

/// A definition with a health check.
pub(super) fn checked(family: &str) -> api::RegisterTaskDefinitionInput {
    let mut input = definition(family);
    for c in &mut input.container_definitions {
        c.health_check = Some(api::HealthCheck {
            command: vec!["CMD".into(), "true".into()],
            ..Default::default()
        });
    }
    input
}
