//! Task definitions and tasks that a test moves by hand.

use neargate_api_ecs::{self as ecs, SERVICE, ops};
use neargate_service::{AwsError, Ctx, OperationTable, Service};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub struct FakeEcs {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    definitions: BTreeMap<String, ecs::RegisterTaskDefinitionInput>,
    registered: usize,
    /// By ARN.
    tasks: BTreeMap<String, ecs::Task>,
    tokens: BTreeMap<String, String>,
}

impl FakeEcs {
    pub fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(
            OperationTable::new(&SERVICE, self)
                .on(ops::CreateCluster, create_cluster)
                .on(ops::RegisterTaskDefinition, register)
                .on(ops::DescribeTaskDefinition, describe_definition)
                .on(ops::DeregisterTaskDefinition, deregister)
                .on(ops::DeleteTaskDefinitions, delete)
                .on(ops::RunTask, run)
                .on(ops::StopTask, stop)
                .on(ops::DescribeTasks, describe),
        )
    }

    /// Those that run, by ARN.
    pub fn running(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        let runs = |t: &&ecs::Task| t.last_status.as_deref() == Some("RUNNING");
        let running = inner.tasks.values().filter(runs);
        running.filter_map(|t| t.task_arn.clone()).collect()
    }

    /// What the one running task was made of.
    pub fn definition(&self) -> ecs::RegisterTaskDefinitionInput {
        let arn = self.running().remove(0);
        let inner = self.inner.lock().unwrap();
        let definition = inner.tasks[&arn].task_definition_arn.clone().unwrap();
        inner.definitions[&definition].clone()
    }

    pub fn definitions(&self) -> usize {
        self.inner.lock().unwrap().definitions.len()
    }

    pub fn health(&self, health: &str) {
        let mut inner = self.inner.lock().unwrap();
        for task in inner.tasks.values_mut() {
            task.health_status = Some(health.into());
        }
    }

    /// Every running task ends.
    pub fn end(&self, exit_code: Option<i32>) {
        let mut inner = self.inner.lock().unwrap();
        for task in inner.tasks.values_mut() {
            if task.last_status.as_deref() == Some("STOPPED") {
                continue;
            }
            task.last_status = Some("STOPPED".into());
            task.stopped_reason = Some("Essential container in task exited".into());
            for container in task.containers.iter_mut().flatten() {
                container.exit_code = exit_code;
            }
        }
    }
}

async fn create_cluster(
    _: Arc<FakeEcs>,
    _: Ctx,
    _: ecs::CreateClusterInput,
) -> Result<ecs::CreateClusterOutput, AwsError> {
    Ok(Default::default())
}

async fn register(
    state: Arc<FakeEcs>,
    cx: Ctx,
    input: ecs::RegisterTaskDefinitionInput,
) -> Result<ecs::RegisterTaskDefinitionOutput, AwsError> {
    let mut inner = state.inner.lock().unwrap();
    inner.registered += 1;
    let name = format!("task-definition/{}:{}", input.family, inner.registered);
    let arn = cx.arn("ecs", name);
    inner.definitions.insert(arn.clone(), input);
    Ok(ecs::RegisterTaskDefinitionOutput {
        task_definition: Some(ecs::TaskDefinition {
            task_definition_arn: Some(arn),
            ..Default::default()
        }),
        ..Default::default()
    })
}

async fn describe_definition(
    state: Arc<FakeEcs>,
    _: Ctx,
    input: ecs::DescribeTaskDefinitionInput,
) -> Result<ecs::DescribeTaskDefinitionOutput, AwsError> {
    let inner = state.inner.lock().unwrap();
    let mut all = inner.definitions.iter();
    let found = all.find(|(_, one)| one.family == input.task_definition);
    let Some((arn, _)) = found else {
        return Err(AwsError::client("ClientException", "Unable to describe"));
    };
    Ok(ecs::DescribeTaskDefinitionOutput {
        task_definition: Some(ecs::TaskDefinition {
            task_definition_arn: Some(arn.clone()),
            ..Default::default()
        }),
        ..Default::default()
    })
}

async fn deregister(
    _: Arc<FakeEcs>,
    _: Ctx,
    _: ecs::DeregisterTaskDefinitionInput,
) -> Result<ecs::DeregisterTaskDefinitionOutput, AwsError> {
    Ok(Default::default())
}

async fn delete(
    state: Arc<FakeEcs>,
    _: Ctx,
    input: ecs::DeleteTaskDefinitionsInput,
) -> Result<ecs::DeleteTaskDefinitionsOutput, AwsError> {
    let mut inner = state.inner.lock().unwrap();
    for arn in &input.task_definitions {
        inner.definitions.remove(arn);
    }
    Ok(Default::default())
}

async fn run(
    state: Arc<FakeEcs>,
    cx: Ctx,
    input: ecs::RunTaskInput,
) -> Result<ecs::RunTaskOutput, AwsError> {
    let mut inner = state.inner.lock().unwrap();
    let token = input.client_token.clone().unwrap();
    let number = inner.tasks.len() + 1;
    let arn = inner
        .tokens
        .entry(token)
        .or_insert_with(|| cx.arn("ecs", format!("task/neargate-managed-rds/{number}")));
    let arn = arn.clone();
    let detail = |name: &str, value: String| ecs::KeyValuePair {
        name: Some(name.into()),
        value: Some(value),
    };
    let task = inner.tasks.entry(arn.clone()).or_insert_with(|| ecs::Task {
        task_arn: Some(arn.clone()),
        task_definition_arn: Some(input.task_definition),
        last_status: Some("RUNNING".into()),
        health_status: Some("UNKNOWN".into()),
        availability_zone: Some("us-east-1a".into()),
        attachments: Some(vec![ecs::Attachment {
            details: Some(vec![
                detail("privateIPv4Address", format!("172.31.0.{number}")),
                detail("networkInterfaceId", format!("eni-{number}")),
            ]),
            ..Default::default()
        }]),
        containers: Some(vec![ecs::Container {
            name: Some("engine".into()),
            ..Default::default()
        }]),
        ..Default::default()
    });
    Ok(ecs::RunTaskOutput {
        tasks: Some(vec![task.clone()]),
        failures: Some(Vec::new()),
    })
}

async fn stop(
    state: Arc<FakeEcs>,
    _: Ctx,
    input: ecs::StopTaskInput,
) -> Result<ecs::StopTaskOutput, AwsError> {
    let mut inner = state.inner.lock().unwrap();
    let task = inner.tasks.get_mut(&input.task).unwrap();
    task.last_status = Some("DEACTIVATING".into());
    Ok(Default::default())
}

async fn describe(
    state: Arc<FakeEcs>,
    _: Ctx,
    input: ecs::DescribeTasksInput,
) -> Result<ecs::DescribeTasksOutput, AwsError> {
    let inner = state.inner.lock().unwrap();
    let found = input.tasks.iter().filter_map(|arn| inner.tasks.get(arn));
    Ok(ecs::DescribeTasksOutput {
        tasks: Some(found.cloned().collect()),
        failures: Some(Vec::new()),
    })
}
