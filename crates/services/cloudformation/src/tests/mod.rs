//! Operations through their table, with the engine driven by hand, on a store in memory. The services that stacks
//! are made of are played by a cloud of queues.

mod engine;
mod flows;
mod operations;
mod template;

use crate::CloudFormation;
use crate::engine::Engine;
use crate::model::{ChangeSet, Event, Export, Name, Signal, Stack, StackResource, TemplateText};
use neargate_api_cloudformation::{self as api, ops};
use neargate_api_s3 as s3;
use neargate_api_sns as sns;
use neargate_api_sqs as sqs;
use neargate_service::golden::check;
use neargate_service::{AwsError, Component, Ctx, OperationTable, Stored};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::{OperationDef, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Queues, as SQS would have them.
#[derive(Debug, Default)]
pub struct Queues {
    there: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    calls: Mutex<Vec<String>>,
    /// Names that are refused.
    refused: Mutex<BTreeSet<String>>,
    /// After so many calls the next one is carried out and never answered.
    silent_after: Mutex<Option<usize>>,
    silent: Notify,
    /// No change of one succeeds.
    stuck: Mutex<bool>,
}

impl Queues {
    async fn called(&self, what: String) {
        self.calls.lock().expect("one test").push(what);
        let hangs = {
            let mut left = self.silent_after.lock().expect("one test");
            match &mut *left {
                Some(0) => {
                    *left = None;
                    true
                }
                Some(n) => {
                    *n -= 1;
                    false
                }
                None => false,
            }
        };
        if hangs {
            self.silent.notify_one();
            std::future::pending::<()>().await;
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.there
            .lock()
            .expect("one test")
            .keys()
            .cloned()
            .collect()
    }

    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().expect("one test"))
    }
}

fn name_of(url: &str) -> String {
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

async fn create(
    queues: Arc<Queues>,
    _: Ctx,
    input: sqs::CreateQueueInput,
) -> Result<sqs::CreateQueueOutput, AwsError> {
    let name = input.queue_name;
    if queues.refused.lock().expect("one test").contains(&name) {
        return Err(AwsError::client(
            "InvalidParameterValue",
            "No such queue will be.",
        ));
    }
    {
        let mut there = queues.there.lock().expect("one test");
        if there.contains_key(&name) {
            return Err(AwsError::client("QueueAlreadyExists", "There is one."));
        }
        there.insert(name.clone(), input.attributes.unwrap_or_default());
    }
    queues.called(format!("create {name}")).await;
    Ok(sqs::CreateQueueOutput {
        queue_url: Some(format!("http://sqs/{name}")),
    })
}

async fn url(
    queues: Arc<Queues>,
    _: Ctx,
    input: sqs::GetQueueUrlInput,
) -> Result<sqs::GetQueueUrlOutput, AwsError> {
    match queues
        .there
        .lock()
        .expect("one test")
        .contains_key(&input.queue_name)
    {
        true => Ok(sqs::GetQueueUrlOutput {
            queue_url: Some(format!("http://sqs/{}", input.queue_name)),
        }),
        false => Err(AwsError::client(
            "AWS.SimpleQueueService.NonExistentQueue",
            "None.",
        )),
    }
}

async fn set(
    queues: Arc<Queues>,
    _: Ctx,
    input: sqs::SetQueueAttributesInput,
) -> Result<Unit, AwsError> {
    let name = name_of(&input.queue_url);
    if *queues.stuck.lock().expect("one test") {
        return Err(AwsError::client("InvalidAttributeValue", "It is stuck."));
    }
    if let Some(queue) = queues.there.lock().expect("one test").get_mut(&name) {
        queue.extend(input.attributes.clone());
    }
    queues.called(format!("set {name}")).await;
    Ok(Unit)
}

async fn delete(
    queues: Arc<Queues>,
    _: Ctx,
    input: sqs::DeleteQueueInput,
) -> Result<Unit, AwsError> {
    let name = name_of(&input.queue_url);
    queues.there.lock().expect("one test").remove(&name);
    queues.called(format!("delete {name}")).await;
    Ok(Unit)
}

/// What is in buckets, and what was published.
#[derive(Debug, Default)]
pub struct Cloud {
    objects: Mutex<BTreeMap<String, String>>,
    published: Mutex<Vec<String>>,
}

async fn object(
    cloud: Arc<Cloud>,
    _: Ctx,
    input: s3::GetObjectInput,
) -> Result<s3::GetObjectOutput, AwsError> {
    let text = cloud
        .objects
        .lock()
        .expect("one test")
        .get(&input.key)
        .cloned();
    let text = text.ok_or_else(|| AwsError::client("NoSuchKey", "None."))?;
    Ok(s3::GetObjectOutput {
        body: Some(text.into()),
        ..Default::default()
    })
}

async fn publish(
    cloud: Arc<Cloud>,
    _: Ctx,
    input: sns::PublishInput,
) -> Result<sns::PublishOutput, AwsError> {
    cloud
        .published
        .lock()
        .expect("one test")
        .push(input.message);
    Ok(sns::PublishOutput::default())
}

pub struct World {
    pub lab: Lab,
    pub cloud: Arc<Cloud>,
    pub queues: Arc<Queues>,
    pub engine: Engine,
}

impl World {
    pub fn new() -> World {
        let lab = Lab::default();
        let queues = Arc::<Queues>::default();
        let table = OperationTable::new(&sqs::SERVICE, queues.clone())
            .on(sqs::ops::CreateQueue, create)
            .on(sqs::ops::GetQueueUrl, url)
            .on(sqs::ops::SetQueueAttributes, set)
            .on(sqs::ops::DeleteQueue, delete);
        let cloud = Arc::<Cloud>::default();
        let objects =
            OperationTable::new(&s3::SERVICE, cloud.clone()).on(s3::ops::GetObject, object);
        let topics =
            OperationTable::new(&sns::SERVICE, cloud.clone()).on(sns::ops::Publish, publish);
        lab.house.caller.connect(vec![
            Arc::new(table),
            Arc::new(objects),
            Arc::new(topics),
            Arc::new(CloudFormation).table(),
        ]);
        let engine = Engine::new(lab.house.clone());
        World {
            lab,
            cloud,
            queues,
            engine,
        }
    }

    pub async fn ask<O: OperationDef>(
        &self,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        call(&*Arc::new(CloudFormation).table(), self.lab.cx(), op, input).await
    }

    /// What was asked of custom resources since this was called last.
    pub fn published(&self) -> Vec<serde_json::Value> {
        let all = std::mem::take(&mut *self.cloud.published.lock().expect("one test"));
        all.iter()
            .map(|text| serde_json::from_str(text).expect("JSON"))
            .collect()
    }

    /// Puts a text at an address.
    pub async fn put(&self, address: &str, text: &str) -> u16 {
        let at = address.find(crate::door::PATH).expect("an address of ours");
        let taken = crate::door::take(&self.lab.house, &address[at..], text.as_bytes()).await;
        taken.expect("taken").0.as_u16()
    }

    pub async fn answer(&self, asked: &serde_json::Value, text: &str) -> u16 {
        self.put(asked["ResponseURL"].as_str().expect("an address"), text)
            .await
    }

    /// Lets the engine do all that there is to do.
    pub async fn run(&self) {
        let all = self
            .lab
            .house
            .db
            .list_prefix::<Stack>("cloudformation/stack/")
            .await;
        for stack in all.expect("listed") {
            let waits = self.engine.advance(&stack.key).await.expect("advanced");
            assert!(!waits, "it waits for something");
        }
    }

    pub async fn create(&self, name: &str, body: &str) -> Result<(), AwsError> {
        let input = api::CreateStackInput {
            stack_name: name.into(),
            template_body: Some(body.into()),
            ..Default::default()
        };
        self.ask(ops::CreateStack, input).await?;
        self.run().await;
        Ok(())
    }

    pub async fn update(&self, name: &str, body: &str) -> Result<(), AwsError> {
        let input = api::UpdateStackInput {
            stack_name: name.into(),
            template_body: Some(body.into()),
            ..Default::default()
        };
        self.ask(ops::UpdateStack, input).await?;
        self.run().await;
        Ok(())
    }

    pub async fn delete(&self, name: &str) -> Result<(), AwsError> {
        let input = api::DeleteStackInput {
            stack_name: name.into(),
            ..Default::default()
        };
        self.ask(ops::DeleteStack, input).await?;
        self.run().await;
        Ok(())
    }

    pub async fn stack(&self, name: &str) -> api::Stack {
        let input = api::DescribeStacksInput {
            stack_name: Some(name.into()),
            ..Default::default()
        };
        let found = self
            .ask(ops::DescribeStacks, input)
            .await
            .expect("described");
        found.stacks.expect("stacks").remove(0)
    }

    pub async fn status(&self, name: &str) -> String {
        self.stack(name).await.stack_status.expect("a status")
    }

    /// Logical id and status of each event, from the first one on.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let input = api::DescribeStackEventsInput {
            stack_name: name.into(),
            ..Default::default()
        };
        let found = self
            .ask(ops::DescribeStackEvents, input)
            .await
            .expect("described");
        let mut all: Vec<String> = found
            .stack_events
            .expect("events")
            .into_iter()
            .map(|e| {
                let logical = e.logical_resource_id.unwrap_or_default();
                format!("{logical} {}", e.resource_status.unwrap_or_default())
            })
            .collect();
        all.reverse();
        all
    }

    pub async fn resources(&self) -> Vec<Stored<StackResource>> {
        let all = self
            .lab
            .house
            .db
            .list_prefix("cloudformation/resource/")
            .await;
        all.expect("listed")
    }
}

pub fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    refused.expect_err("refused").message
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Stack>(dir);
    check::<Name>(dir);
    check::<TemplateText>(dir);
    check::<StackResource>(dir);
    check::<Event>(dir);
    check::<ChangeSet>(dir);
    check::<Export>(dir);
    check::<Signal>(dir);
}
