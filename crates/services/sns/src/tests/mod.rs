//! SNS's operations, called through the table as the gateway calls them, with a queue that keeps what it
//! is sent.

mod delivery;
mod endpoints;
mod fifo;
mod kms;
mod subscriptions;
mod topics;

use crate::Sns;
use crate::model::{Signing, Subscription, Topic};
use async_trait::async_trait;
use neargate_api_sns::{self as api, ops};
use neargate_api_sqs as sqs;
use neargate_service::certificate;
use neargate_service::golden::check;
use neargate_service::mail::{Content, Mail, Outbox};
use neargate_service::{
    AwsError, Background, Component, Ctx, House, OperationTable, Principal, Scope, Service,
};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// SNS, with a queue, an outbox and an authority that only keep what they are given.
pub(super) struct Bench {
    pub lab: Lab,
    pub sns: Arc<Sns>,
    pub queues: Arc<Queues>,
    pub outbox: Arc<Kept>,
    _background: Background,
}

/// What queues were sent, and how they answer.
#[derive(Debug, Default)]
pub(super) struct Queues {
    pub sent: Mutex<Vec<(Principal, sqs::SendMessageInput)>>,
    /// By the end of a queue's URL: the error that it answers.
    pub refusing: Mutex<BTreeMap<String, AwsError>>,
}

#[derive(Debug, Default)]
pub(super) struct Kept(pub Mutex<Vec<Mail>>);

#[async_trait]
impl Outbox for Kept {
    async fn send(&self, _: &Scope, mail: Mail) -> Result<String, AwsError> {
        self.0.lock().push(mail);
        Ok("mail".into())
    }
}

#[derive(Debug)]
struct Anyone;

#[async_trait]
impl certificate::Authority for Anyone {
    async fn certify(&self, _: &House, name: &str, _: &str) -> Result<String, AwsError> {
        Ok(format!("the certificate of {name}"))
    }
}

async fn send_message(
    queues: Arc<Queues>,
    cx: Ctx,
    input: sqs::SendMessageInput,
) -> Result<sqs::SendMessageOutput, AwsError> {
    let refusing = queues.refusing.lock();
    let refused = refusing
        .iter()
        .find(|(end, _)| input.queue_url.ends_with(end.as_str()));
    if let Some((_, error)) = refused {
        return Err(error.clone());
    }
    queues.sent.lock().push((cx.principal, input));
    Ok(sqs::SendMessageOutput::default())
}

impl Bench {
    pub fn new() -> Bench {
        Bench::in_lab(Lab::default())
    }

    pub fn in_lab(lab: Lab) -> Bench {
        let sns = Sns::open(&lab.path().join("notifications")).expect("a journal");
        let (sns, queues) = (Arc::new(sns), Arc::new(Queues::default()));
        let table = OperationTable::new(&sqs::SERVICE, queues.clone())
            .on(sqs::ops::SendMessage, send_message);
        let tables = vec![sns.clone().table(), Arc::new(table), kms::table()];
        lab.house.caller.connect(tables);
        lab.house.authority.take(Arc::new(Anyone));
        let outbox = Arc::new(Kept::default());
        lab.house.mail.take(outbox.clone());
        let mut background = Background::new(lab.house.clone());
        sns.clone().start(&mut background);
        sns.clone().resume(&lab.house);
        Bench {
            lab,
            sns,
            queues,
            outbox,
            _background: background,
        }
    }

    pub async fn ask<O: OperationDef>(
        &self,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        self.ask_as(self.lab.cx(), op, input).await
    }

    pub async fn ask_as<O: OperationDef>(
        &self,
        cx: Ctx,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        call(&*self.sns.clone().table(), cx, op, input).await
    }

    /// Makes a topic of this name and answers its ARN.
    pub async fn topic(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let input = api::CreateTopicInput {
            name: name.into(),
            attributes: Some(map(attributes)),
            ..Default::default()
        };
        let made = self.ask(ops::CreateTopic, input).await.expect("a topic");
        made.topic_arn.expect("an ARN")
    }

    pub async fn subscribe(
        &self,
        topic: &str,
        protocol: &str,
        endpoint: &str,
        attributes: &[(&str, &str)],
    ) -> Result<String, AwsError> {
        let input = api::SubscribeInput {
            topic_arn: topic.into(),
            protocol: protocol.into(),
            endpoint: Some(endpoint.into()),
            attributes: Some(map(attributes)),
            return_subscription_arn: Some(true),
        };
        let made = self.ask(ops::Subscribe, input).await?;
        Ok(made.subscription_arn.expect("an ARN"))
    }

    pub async fn publish(&self, topic: &str, text: &str) -> String {
        let published = self.ask(ops::Publish, message(topic, text)).await;
        published.expect("published").message_id.expect("an id")
    }

    /// What queues were sent, once there are so many.
    pub async fn sent(&self, count: usize) -> Vec<sqs::SendMessageInput> {
        wait_until(|| self.queues.sent.lock().len() >= count).await;
        let sent = self.queues.sent.lock();
        sent.iter().map(|(_, input)| input.clone()).collect()
    }

    /// The texts of the mails that were sent, once there are so many.
    pub async fn mails(&self, count: usize) -> Vec<(String, String)> {
        wait_until(|| self.outbox.0.lock().len() >= count).await;
        let mails = self.outbox.0.lock();
        let each = mails.iter().map(|mail| match &mail.content {
            Content::Written(mail) => (mail.subject.clone(), mail.text.clone().unwrap_or_default()),
            Content::Raw(_) => Default::default(),
        });
        each.collect()
    }

    /// Waits until nothing is to be delivered.
    pub async fn idle(&self) {
        wait_until(|| self.sns.deliveries.outstanding() == 0).await;
    }
}

pub(super) fn message(topic: &str, text: &str) -> api::PublishInput {
    api::PublishInput {
        topic_arn: Some(topic.into()),
        message: text.into(),
        ..Default::default()
    }
}

pub(super) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// Waits until it holds, for as long as a test may take.
pub(super) async fn wait_until(holds: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to hold");
}

pub(super) fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

pub(super) fn queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

#[test]
fn stored_forms() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Topic>(golden);
    check::<Subscription>(golden);
    check::<Signing>(golden);
}
