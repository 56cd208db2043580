//! Operations through their table, with the controllers driven by hand, on a store in memory. ECS is played.

mod archives;
mod buses;
mod delivery;
mod destinations;
mod inputs;
mod rules;
mod schedules;
mod stored;

use crate::Events;
use crate::deliver::Deliver;
use crate::expand::Expand;
use crate::index;
use crate::replay::Replays;
use crate::retention::Retention;
use crate::schedule::Schedules;
use neargate_api_ecs as ecs;
use neargate_api_events::{self as api, ops};
use neargate_api_secretsmanager as secrets;
use neargate_base::task;
use neargate_service::controller::{Applied, Controller};
use neargate_service::invocation::Invocation;
use neargate_service::{AwsError, Component, Ctx, OperationTable, Service, Stored};
use neargate_store::MAX_PAGE;
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// ECS, as far as rules ask it.
#[derive(Debug, Default)]
pub struct FakeEcs {
    pub asked: Mutex<Vec<ecs::RunTaskInput>>,
    pub refusal: Mutex<Option<AwsError>>,
}

async fn run_task(
    fake: Arc<FakeEcs>,
    _: Ctx,
    input: ecs::RunTaskInput,
) -> Result<ecs::RunTaskOutput, AwsError> {
    fake.asked.lock().push(input);
    match fake.refusal.lock().clone() {
        Some(refusal) => Err(refusal),
        None => Ok(ecs::RunTaskOutput::default()),
    }
}

/// Secrets Manager, as far as connections ask it: names (which are the ARNs here) and values.
pub type FakeSecrets = Mutex<BTreeMap<String, String>>;

async fn create_secret(
    fake: Arc<FakeSecrets>,
    _: Ctx,
    input: secrets::CreateSecretInput,
) -> Result<secrets::CreateSecretOutput, AwsError> {
    let arn = Some(input.name.clone());
    let value = input.secret_string.unwrap_or_default();
    fake.lock().insert(input.name, value);
    Ok(secrets::CreateSecretOutput {
        arn,
        ..Default::default()
    })
}

async fn put_secret_value(
    fake: Arc<FakeSecrets>,
    _: Ctx,
    input: secrets::PutSecretValueInput,
) -> Result<secrets::PutSecretValueOutput, AwsError> {
    let value = input.secret_string.unwrap_or_default();
    fake.lock().insert(input.secret_id, value);
    Ok(secrets::PutSecretValueOutput::default())
}

async fn get_secret_value(
    fake: Arc<FakeSecrets>,
    _: Ctx,
    input: secrets::GetSecretValueInput,
) -> Result<secrets::GetSecretValueOutput, AwsError> {
    Ok(secrets::GetSecretValueOutput {
        secret_string: fake.lock().get(&input.secret_id).cloned(),
        ..Default::default()
    })
}

async fn delete_secret(
    fake: Arc<FakeSecrets>,
    _: Ctx,
    input: secrets::DeleteSecretInput,
) -> Result<secrets::DeleteSecretOutput, AwsError> {
    fake.lock().remove(&input.secret_id);
    Ok(secrets::DeleteSecretOutput::default())
}

/// EventBridge in a house of its own.
pub struct World {
    pub lab: Lab,
    pub events: Arc<Events>,
    pub ecs: Arc<FakeEcs>,
    pub secrets: Arc<FakeSecrets>,
    following: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl World {
    pub fn new() -> World {
        let lab = Lab::default();
        let events = Arc::new(Events::default());
        let ecs = Arc::new(FakeEcs::default());
        let table = OperationTable::new(&ecs::SERVICE, ecs.clone()).on(ecs::ops::RunTask, run_task);
        let secrets = Arc::<FakeSecrets>::default();
        let kept = OperationTable::new(&secrets::SERVICE, secrets.clone())
            .on(secrets::ops::CreateSecret, create_secret)
            .on(secrets::ops::PutSecretValue, put_secret_value)
            .on(secrets::ops::GetSecretValue, get_secret_value)
            .on(secrets::ops::DeleteSecret, delete_secret);
        let tables: Vec<Arc<dyn Service>> =
            vec![Arc::new(table), Arc::new(kept), events.clone().table()];
        lab.house.caller.connect(tables);
        lab.house.events.take(events.index.clone());
        let house = lab.house.clone();
        let followed = index::follow(events.index.clone(), house.db.clone(), house.rng.clone());
        World {
            following: task::spawn("index", followed),
            lab,
            events,
            ecs,
            secrets,
        }
    }

    pub async fn ask<O: OperationDef>(
        &self,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        call(&*self.events.clone().table(), self.lab.cx(), op, input).await
    }

    pub async fn put_rule(&self, name: &str, pattern: &str) -> Result<String, AwsError> {
        let input = api::PutRuleInput {
            name: name.into(),
            event_pattern: Some(pattern.into()),
            ..Default::default()
        };
        let made = self.ask(ops::PutRule, input).await?;
        Ok(made.rule_arn.expect("an ARN"))
    }

    pub async fn put_target(&self, rule: &str, target: api::Target) -> Result<(), AwsError> {
        let input = api::PutTargetsInput {
            rule: rule.into(),
            targets: vec![target],
            ..Default::default()
        };
        self.ask(ops::PutTargets, input).await.map(drop)
    }

    pub async fn send(&self, source: &str, detail: &str) -> api::PutEventsResultEntry {
        self.send_to(None, source, detail).await
    }

    pub async fn send_to(
        &self,
        bus: Option<&str>,
        source: &str,
        detail: &str,
    ) -> api::PutEventsResultEntry {
        let entry = api::PutEventsRequestEntry {
            source: Some(source.into()),
            detail_type: Some("order".into()),
            detail: Some(detail.into()),
            event_bus_name: bus.map(Into::into),
            ..Default::default()
        };
        let input = api::PutEventsInput {
            entries: vec![entry],
            ..Default::default()
        };
        let sent = self.ask(ops::PutEvents, input).await.expect("sent");
        sent.entries.expect("entries").remove(0)
    }

    /// Lets a controller look at every key that it has, once.
    pub async fn step<C: Controller>(&self, controller: &C) {
        for prefix in controller.prefixes() {
            let store = self.lab.house.db.store();
            let page = store
                .range(&prefix, None, MAX_PAGE, None)
                .await
                .expect("listed");
            for entry in page.entries {
                self.look(controller, &entry.key).await;
            }
        }
    }

    async fn look<C: Controller>(&self, controller: &C, key: &str) {
        'again: loop {
            let Some(view) = controller.view(key).await.expect("viewed") else {
                return;
            };
            let plan = controller.plan(&view, self.lab.house.now());
            for action in plan.actions {
                if controller.apply(action).await.expect("applied") == Applied::Conflict {
                    continue 'again;
                }
            }
            return;
        }
    }

    pub async fn expand(&self) {
        let house = self.lab.house.clone();
        self.step(&Expand::new(house, self.events.index.clone()))
            .await;
    }

    pub async fn deliver(&self) {
        self.step(&Deliver::new(self.lab.house.clone())).await;
    }

    pub async fn schedule(&self) {
        self.step(&Schedules::new(self.lab.house.clone())).await;
    }

    pub async fn replay(&self) {
        self.step(&Replays::new(self.lab.house.clone())).await;
    }

    pub async fn retain(&self) {
        self.step(&Retention::new(self.lab.house.clone())).await;
    }

    pub async fn invocations(&self) -> Vec<Stored<Invocation>> {
        let all = self
            .lab
            .house
            .db
            .list_prefix::<Invocation>("events/invocation/")
            .await;
        all.expect("listed")
    }
}

pub fn queue(id: &str) -> api::Target {
    api::Target {
        id: id.into(),
        arn: "arn:aws:sqs:us-east-1:000000000000:q".into(),
        ..Default::default()
    }
}

pub fn cluster(id: &str) -> api::Target {
    api::Target {
        id: id.into(),
        arn: "arn:aws:ecs:us-east-1:000000000000:cluster/c".into(),
        role_arn: Some("arn:aws:iam::000000000000:role/events".into()),
        ecs_parameters: Some(api::EcsParameters {
            task_definition_arn: "arn:aws:ecs:us-east-1:000000000000:task-definition/etl".into(),
            task_count: Some(2),
            launch_type: Some("FARGATE".into()),
            network_configuration: Some(api::NetworkConfiguration {
                awsvpc_configuration: Some(api::AwsVpcConfiguration {
                    subnets: vec!["subnet-1".into()],
                    assign_public_ip: Some("ENABLED".into()),
                    ..Default::default()
                }),
            }),
            propagate_tags: Some("TASK_DEFINITION".into()),
            tags: Some(vec![api::Tag {
                key: "team".into(),
                value: "data".into(),
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}
