//! Delivery status logging: what became of deliveries, in CloudWatch Logs, as a topic's attributes ask
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html>). It is told without waiting;
//! what cannot be written is lost.

use super::Item;
use super::attempt::Answer;
use super::lane::Told;
use crate::model::Protocol;
use md5::{Digest as _, Md5};
use neargate_api_logs as logs;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Caller, House, Scope};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// Entries that wait; beyond them, new ones are dropped.
const WAITING: usize = 10_000;
/// Entries of one call.
const BATCH: usize = 1_000;
/// Streams whose groups are known to be there.
const KNOWN: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Log {
    waiting: Mutex<VecDeque<Entry>>,
    wake: Notify,
}

#[derive(Debug)]
struct Entry {
    scope: Scope,
    role: String,
    group: String,
    at: Timestamp,
    text: String,
}

impl Log {
    /// A delivery is over.
    pub(super) fn tell(
        &self,
        told: &Told,
        item: &Item,
        begun: Timestamp,
        attempts: u32,
        answer: &Answer,
        success: bool,
    ) {
        let protocol = match told.subscriber.record.protocol {
            Protocol::Sqs => "SQS",
            Protocol::Http | Protocol::Https => "HTTP",
            // AWS logs nothing of mail.
            Protocol::Email | Protocol::EmailJson => return,
        };
        let what = if success { "Success" } else { "Failure" };
        let topic = &told.view.topic;
        let role = topic.attribute(&format!("{protocol}{what}FeedbackRoleArn"));
        let Some(role) = role else { return };
        let rate = topic.attribute(&format!("{protocol}SuccessFeedbackSampleRate"));
        let rate: u64 = rate.and_then(|rate| rate.parse().ok()).unwrap_or(0);
        if success && told.house.rng.below(100) >= rate {
            return;
        }
        let now = told.house.now();
        let text = message(told, item, begun, now, attempts, answer, success);
        let Scope { account, region } = &told.view.scope;
        let group = format!("sns/{region}/{account}/{}", topic.name);
        let entry = Entry {
            scope: told.view.scope.clone(),
            role: role.to_owned(),
            group: if success { group } else { group + "/Failure" },
            at: now,
            text,
        };
        let mut waiting = self.waiting.lock();
        if waiting.len() < WAITING {
            waiting.push_back(entry);
            self.wake.notify_one();
        }
    }

    pub(super) async fn run(&self, house: &Arc<House>) {
        let mut streams = HashMap::new();
        loop {
            self.wake.notified().await;
            loop {
                let taken: Vec<Entry> = {
                    let mut waiting = self.waiting.lock();
                    let most = waiting.len().min(BATCH);
                    waiting.drain(..most).collect()
                };
                if taken.is_empty() {
                    break;
                }
                let mut batches: BTreeMap<(String, String), Vec<Entry>> = BTreeMap::new();
                for entry in taken {
                    let key = (entry.role.clone(), entry.group.clone());
                    batches.entry(key).or_default().push(entry);
                }
                for ((role, group), entries) in batches {
                    let written = write(house, &mut streams, &role, &group, entries).await;
                    if let Err(error) = written {
                        tracing::warn!(%error, group, "what became of deliveries is not logged");
                    }
                }
            }
        }
    }
}

fn message(
    told: &Told,
    item: &Item,
    begun: Timestamp,
    now: Timestamp,
    attempts: u32,
    answer: &Answer,
    success: bool,
) -> String {
    let digest = Md5::digest(item.message.text.as_bytes());
    let mut delivery = json!({
        "deliveryId": told.house.rng.uuid(),
        "destination": told.subscriber.record.endpoint,
        "providerResponse": answer.text,
        "dwellTimeMs": u64::try_from(now.since(item.message.at).as_millis()).unwrap_or(u64::MAX),
        "attempts": attempts,
    });
    if answer.status != 0 {
        delivery["statusCode"] = answer.status.into();
    }
    let entry = json!({
        "notification": {
            "messageMD5Sum": hex::encode(digest),
            "messageId": item.message.id,
            "topicArn": told.view.arn,
            "timestamp": begun.rfc3339().replace('T', " ").trim_end_matches('Z'),
        },
        "delivery": delivery,
        "status": if success { "SUCCESS" } else { "FAILURE" },
    });
    entry.to_string()
}

async fn write(
    house: &Arc<House>,
    streams: &mut HashMap<String, String>,
    role: &str,
    group: &str,
    entries: Vec<Entry>,
) -> Result<(), AwsError> {
    let Some(first) = entries.first() else {
        return Ok(());
    };
    let scope = first.scope.clone();
    let there = |made: Result<(), AwsError>| match made {
        Err(error) if error.is("ResourceAlreadyExistsException") => Ok(()),
        made => made,
    };
    let stream = match streams.get(group) {
        Some(stream) => stream.clone(),
        None => {
            let stream = house.rng.uuid();
            let input = logs::CreateLogGroupInput {
                log_group_name: group.to_owned(),
                ..Default::default()
            };
            let made = Caller::call::<logs::ops::CreateLogGroup>(house, &scope, role, &input).await;
            there(made.map(drop))?;
            let input = logs::CreateLogStreamInput {
                log_group_name: group.to_owned(),
                log_stream_name: stream.clone(),
            };
            Caller::call::<logs::ops::CreateLogStream>(house, &scope, role, &input).await?;
            if streams.len() >= KNOWN {
                streams.clear();
            }
            streams.insert(group.to_owned(), stream.clone());
            stream
        }
    };
    let events = entries.into_iter().map(|entry| logs::InputLogEvent {
        timestamp: entry.at.as_millis(),
        message: entry.text,
    });
    let input = logs::PutLogEventsInput {
        log_group_name: group.to_owned(),
        log_stream_name: stream,
        log_events: events.collect(),
        ..Default::default()
    };
    let put = Caller::call::<logs::ops::PutLogEvents>(house, &scope, role, &input).await;
    if put.is_err() {
        // The group may have been deleted.
        streams.remove(group);
    }
    put.map(drop)
}
