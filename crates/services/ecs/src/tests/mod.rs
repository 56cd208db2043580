//! ECS's operations, called through the table as the gateway calls them, on a store in memory.

mod attributes;
mod clusters;
mod definitions;
mod deletion;
mod dither;
mod execute_command;
mod instances;
mod lists;
mod protection;
mod providers;
mod registration;
mod reports;
mod running;
mod services;
mod settings;
mod tags;
mod time_limit;
mod tokens;
mod used;
mod volumes;
mod waiting;

use super::model::Task;
use super::{Ecs, Times, fleet};
use dither::Dither;
use neargate_api_ecs::{self as api, ops};
use neargate_base::task;
use neargate_base::time::ManualClock;
use neargate_domain::vpc::DefaultVpc;
use neargate_domain::{ContainerReport, ContainerStatus, Health, NodeKind, TaskReport};
use neargate_service::{AwsError, Component, Ctx, House, Resource, Scope, Service};
use neargate_store::memory::MemoryStore;
use neargate_testkit as testkit;
use neargate_wire::structure::OperationDef;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// One control plane without a gateway, and a node that only counts as connected.
pub(super) struct Lab {
    pub(super) house: Arc<House>,
    pub(super) ecs: Arc<Ecs>,
    table: Arc<dyn Service>,
    clock: Arc<ManualClock>,
    pub(super) scope: Scope,
    following: JoinHandle<()>,
    _lab: testkit::Lab,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Lab {
    pub(super) fn new() -> Lab {
        Lab::seeded(1)
    }

    /// Calls that run at the same time interleave in an order that `seed` decides. Tasks count as
    /// healthy as soon as they run.
    fn seeded(seed: u64) -> Lab {
        Lab::settling_in(seed, Duration::ZERO)
    }

    fn settling_in(seed: u64, settle: Duration) -> Lab {
        let lab = testkit::Lab::over(seed, |clock| Dither::over(MemoryStore::new(clock), seed));
        let (house, scope) = (lab.house.clone(), lab.scope.clone());
        let ecs = Arc::new(Ecs::new(Times {
            settle,
            ..Times::default()
        }));
        ecs.nodes.connect("local", NodeKind::Fargate);
        let following = fleet::follow(
            ecs.fleet.clone(),
            ecs.nodes.clone(),
            house.db.clone(),
            house.rng.clone(),
        );
        let following = task::spawn("fleet", following);
        Lab {
            house,
            table: ecs.clone().table(),
            ecs,
            clock: lab.clock.clone(),
            scope,
            following,
            _lab: lab,
        }
    }

    fn cx(&self, scope: &Scope) -> Ctx {
        testkit::cx(&self.house, scope)
    }

    /// Validates against the model and calls, like the gateway.
    async fn call<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        self.call_in(&self.scope, op, input).await
    }

    async fn call_in<O: OperationDef>(
        &self,
        scope: &Scope,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        testkit::call(&*self.table, self.cx(scope), op, input).await
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A Fargate task definition of one container; answers its ARN.
    pub(super) async fn register(&self, family: &str) -> String {
        let output = self
            .call(ops::RegisterTaskDefinition, definition(family))
            .await;
        let definition = output
            .expect("registered")
            .task_definition
            .expect("described");
        definition.task_definition_arn.expect("named")
    }

    /// A request for one task of `family` that works in cluster `default`.
    pub(super) fn request(&self, family: &str) -> api::RunTaskInput {
        let vpc = DefaultVpc::of(&self.scope.account, &self.scope.region);
        api::RunTaskInput {
            task_definition: family.into(),
            launch_type: Some("FARGATE".into()),
            network_configuration: Some(api::NetworkConfiguration {
                awsvpc_configuration: Some(api::AwsVpcConfiguration {
                    subnets: vec![vpc.subnets[0].id.clone()],
                    ..Default::default()
                }),
            }),
            ..Default::default()
        }
    }

    pub(super) async fn run(&self, input: api::RunTaskInput) -> Result<Vec<api::Task>, AwsError> {
        Ok(self
            .call(ops::RunTask, input)
            .await?
            .tasks
            .unwrap_or_default())
    }

    /// One running task; answers its ARN.
    async fn start(&self, family: &str) -> String {
        let tasks = self.run(self.request(family)).await.expect("started");
        arn(&tasks[0])
    }

    async fn create_cluster(&self, name: &str) {
        let input = api::CreateClusterInput {
            cluster_name: Some(name.into()),
            ..Default::default()
        };
        self.call(ops::CreateCluster, input).await.expect("created");
    }

    /// Every stored task, of all clusters and regions.
    async fn tasks(&self) -> Vec<neargate_service::Stored<Task>> {
        self.house
            .db
            .list_prefix(&format!("{}/", Task::KIND))
            .await
            .expect("listed")
    }

    /// How many addresses are given out.
    async fn addresses(&self) -> usize {
        let page = self
            .house
            .db
            .store()
            .range("ec2/address/", None, 1_000, None)
            .await;
        page.expect("listed").entries.len()
    }

    /// What the node reports of a task that is gone.
    async fn end(&self, task_arn: &str) {
        let id = task_arn.rsplit('/').next().expect("an ARN");
        let tasks = self.tasks().await;
        let task = tasks
            .iter()
            .find(|t| t.spec.assignment.task_id == id)
            .expect("stored");
        let report = reports::released(&task.value);
        super::observe::report(&self.house, &task.key, &report)
            .await
            .expect("recorded");
    }
}

fn definition(family: &str) -> api::RegisterTaskDefinitionInput {
    api::RegisterTaskDefinitionInput {
        family: family.into(),
        container_definitions: vec![api::ContainerDefinition {
            name: Some("app".into()),
            image: Some("busybox".into()),
            ..Default::default()
        }],
        network_mode: Some("awsvpc".into()),
        requires_compatibilities: Some(vec!["FARGATE".into()]),
        cpu: Some("256".into()),
        memory: Some("512".into()),
        ..Default::default()
    }
}

fn arn(task: &api::Task) -> String {
    task.task_arn.clone().expect("tasks have ARNs")
}

fn arns(tasks: &[api::Task]) -> Vec<String> {
    tasks.iter().map(arn).collect()
}

/// The error's code and message.
fn said<T: std::fmt::Debug>(result: Result<T, AwsError>) -> (String, String) {
    let error = result.expect_err("refused");
    (error.code, error.message)
}

/// The call, once others have had so many turns.
async fn after<T>(turns: u64, call: impl Future<Output = T>) -> T {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    call.await
}

/// What a node says of a task it has just heard of.
pub(super) fn nothing_yet(task: &Task) -> TaskReport {
    TaskReport {
        task_id: task.spec.assignment.task_id.clone(),
        sequence: 0,
        observed_generation: 1,
        network_ready: false,
        pull_started_at: None,
        pull_stopped_at: None,
        containers: task
            .spec
            .containers
            .iter()
            .map(|c| ContainerReport {
                name: c.name.clone(),
                status: ContainerStatus::Pending,
                runtime_id: None,
                image_digest: None,
                started_at: None,
                finished_at: None,
                exit_code: None,
                reason: None,
                network_bindings: vec![],
                health: Health::Unknown,
            })
            .collect(),
        stopped: None,
        released: false,
    }
}
