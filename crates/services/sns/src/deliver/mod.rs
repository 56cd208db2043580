//! Deliveries: what was published is written to a journal before it is acknowledged, and delivered at
//! least once from there, also after a kill.
//!
//! Each subscription with something to be delivered has a [`lane`]; a lane that is empty ends. What is
//! kept is bounded, in all and for each subscription: a topic whose subscriber does not keep up is
//! published to no more until it does.

mod attempt;
mod lane;
mod log;
pub mod outstanding;
pub mod retry;
pub mod sealed;

use crate::error;
use crate::message::{Message, Order};
use crate::signing::Signers;
use crate::topics::{Subscriber, Topics, View};
use lane::Lanes;
use log::Log;
use neargate_base::task;
use neargate_service::data_keys::{DataKey, DataKeys};
use neargate_service::journal::Journal;
use neargate_service::metrics::Datum;
use neargate_service::{AwsError, House, Scope};
use outstanding::{Frame, Kept, Outstanding, Seen};
use parking_lot::Mutex;
use sealed::SealedMessage;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedMutexGuard, Semaphore};

/// Of all messages that are to be delivered.
const MOST_BYTES: usize = 256 << 20;
/// Of those for one subscription.
const MOST_OF_LANE: usize = 32 << 20;
/// Connections to endpoints at the same time.
const CONNECTIONS: usize = 128;
/// Further ones, to endpoints that did not take what they were sent last.
const DOUBTFUL: usize = 32;
/// AWS's sequence numbers have twenty digits.
const FIRST_SEQUENCE: u128 = 10_000_000_000_000_000_000;

/// See the [module](self).
#[derive(Debug)]
pub struct Deliveries {
    journal: Journal<Outstanding>,
    /// The number of the next message.
    next: AtomicU64,
    pub topics: Topics,
    pub signers: Signers,
    lanes: Lanes,
    log: Log,
    connections: Semaphore,
    doubtful: Semaphore,
    /// Who publishes to a FIFO topic waits for those before.
    orders: Mutex<HashMap<String, Arc<tokio::sync::Mutex<u128>>>>,
    house: OnceLock<Arc<House>>,
    /// What messages of topics with a key of KMS are kept under.
    pub keys: DataKeys,
}

/// A message for one subscription.
#[derive(Debug, Clone)]
struct Item {
    number: u64,
    message: Arc<Message>,
    /// The subscription's id.
    target: String,
}

/// A message, and what is answered of it.
pub struct Published {
    pub message_id: String,
    pub sequence_number: Option<String>,
}

impl Deliveries {
    /// # Errors
    /// When the journal cannot be read.
    pub fn open(path: &Path) -> io::Result<Arc<Deliveries>> {
        let journal = Journal::open(path, Outstanding::default())?;
        let next = journal.state().next;
        Ok(Arc::new(Deliveries {
            journal,
            next: AtomicU64::new(next),
            topics: Topics::default(),
            signers: Signers::default(),
            lanes: Lanes::default(),
            log: Log::default(),
            connections: Semaphore::new(CONNECTIONS),
            doubtful: Semaphore::new(DOUBTFUL),
            orders: Mutex::default(),
            house: OnceLock::new(),
            keys: DataKeys::default(),
        }))
    }

    /// Takes up what was left to be delivered.
    pub fn begin(self: &Arc<Self>, house: &Arc<House>) {
        // Only the first house is one.
        let _ = self.house.set(house.clone());
        let (mut left, mut sealed) = (Vec::new(), Vec::new());
        for (number, pending) in &self.journal.state().pending {
            match &pending.message {
                Kept::Plain(message) => {
                    left.push((*number, message.clone(), pending.targets.clone()));
                }
                Kept::Sealed(message) => {
                    sealed.push((*number, message.clone(), pending.targets.clone()));
                }
            }
        }
        for (number, message, targets) in left {
            self.take_up(number, &message, targets);
        }
        if !sealed.is_empty() {
            let opening = sealed::take_up(Arc::downgrade(self), house.clone(), sealed);
            task::spawn("sns-sealed", opening);
        }
    }

    fn take_up(self: &Arc<Self>, number: u64, message: &Arc<Message>, targets: BTreeSet<String>) {
        for target in targets {
            self.enqueue(Item {
                number,
                message: message.clone(),
                target,
            });
        }
    }

    /// Writes deliveries of deliveries to CloudWatch Logs, for as long as it is polled.
    pub async fn write_log(self: Arc<Self>, house: Arc<House>) {
        self.log.run(&house).await;
    }

    /// Publishes messages to a topic, all or none of them, kept under this data key if there is one.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub async fn publish(
        self: &Arc<Self>,
        house: &Arc<House>,
        view: &View,
        messages: Vec<Message>,
        key: Option<&DataKey>,
    ) -> Result<Vec<Published>, AwsError> {
        if view.topic.is_fifo() {
            return self.publish_in_order(house, view, messages, key).await;
        }
        let (mut frames, mut items, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            answers.push(Published {
                message_id: message.id.clone(),
                sequence_number: None,
            });
            self.route(house, view, message, key, &mut frames, &mut items)?;
        }
        self.keep(frames, items, None).await?;
        Ok(answers)
    }

    /// The same for a FIFO topic: what was published a moment ago is answered as it was then.
    async fn publish_in_order(
        self: &Arc<Self>,
        house: &Arc<House>,
        view: &View,
        messages: Vec<Message>,
        key: Option<&DataKey>,
    ) -> Result<Vec<Published>, AwsError> {
        let order = self
            .orders
            .lock()
            .entry(view.arn.clone())
            .or_default()
            .clone();
        let mut last = order.lock_owned().await;
        let (mut frames, mut items, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        let mut told: HashMap<String, Seen> = HashMap::new();
        for mut message in messages {
            let Some(asked) = message.order.take() else {
                continue;
            };
            let seen_key = seen_key(view, &asked);
            let before = told.get(&seen_key).cloned();
            let before =
                before.or_else(|| self.journal.state().seen(&seen_key, message.at).cloned());
            if let Some(seen) = before {
                answers.push(Published {
                    message_id: seen.message_id,
                    sequence_number: Some(seen.sequence_number),
                });
                continue;
            }
            // Later than any before, also after a restart: no clock counts as fast.
            let now = u128::try_from(message.at.as_millis()).unwrap_or_default() * 1_000_000;
            *last = (FIRST_SEQUENCE + now).max(*last + 1);
            let sequence_number = last.to_string();
            let seen = Seen {
                message_id: message.id.clone(),
                sequence_number: sequence_number.clone(),
                at: message.at,
            };
            answers.push(Published {
                message_id: message.id.clone(),
                sequence_number: Some(sequence_number.clone()),
            });
            message.order = Some(Order {
                sequence_number,
                ..asked
            });
            told.insert(seen_key.clone(), seen.clone());
            frames.push(Frame::Seen {
                key: seen_key,
                seen,
            });
            self.route(house, view, message, key, &mut frames, &mut items)?;
        }
        self.keep(frames, items, Some(last)).await?;
        Ok(answers)
    }

    /// Says something to one subscription, whoever it is for: that it is to be confirmed, that it ended.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn tell(self: &Arc<Self>, message: Message, target: &str) -> Result<(), AwsError> {
        let item = Item {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            message: Arc::new(message),
            target: target.to_owned(),
        };
        let frame = Frame::Publish {
            number: item.number,
            message: item.message.clone(),
            targets: BTreeSet::from([item.target.clone()]),
        };
        self.keep(vec![frame], vec![item], None).await
    }

    /// Whom a message is for.
    fn route(
        &self,
        house: &House,
        view: &View,
        message: Message,
        key: Option<&DataKey>,
        frames: &mut Vec<Frame>,
        items: &mut Vec<Item>,
    ) -> Result<(), AwsError> {
        count(house, view, "NumberOfMessagesPublished", "Count", 1.0);
        count(
            house,
            view,
            "PublishSize",
            "Bytes",
            message.text.len() as f64,
        );
        let mut targets = BTreeSet::new();
        for subscriber in view
            .subscribers
            .iter()
            .filter(|s| s.record.confirmed.is_some())
        {
            if !is_for(house, view, subscriber, &message) {
                continue;
            }
            if self.lanes.bytes(&subscriber.record.id) > MOST_OF_LANE {
                return Err(error::throttled());
            }
            targets.insert(subscriber.record.id.clone());
        }
        if targets.is_empty() {
            return Ok(());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let message = Arc::new(message);
        items.extend(targets.iter().map(|target| Item {
            number,
            message: message.clone(),
            target: target.clone(),
        }));
        frames.push(match key {
            Some(key) => Frame::Sealed {
                number,
                message: Arc::new(SealedMessage::of(&message, key)),
                targets,
            },
            None => Frame::Publish {
                number,
                message,
                targets,
            },
        });
        Ok(())
    }

    /// Keeps what is to be delivered and sets out to deliver it, whether or not anybody waits for that.
    /// `held` is given back when it is kept.
    async fn keep(
        self: &Arc<Self>,
        frames: Vec<Frame>,
        items: Vec<Item>,
        held: Option<OwnedMutexGuard<u128>>,
    ) -> Result<(), AwsError> {
        if frames.is_empty() {
            return Ok(());
        }
        if self.journal.state().bytes > MOST_BYTES {
            return Err(error::throttled());
        }
        let frames = frames.iter().map(Frame::bytes).collect();
        let all = self.clone();
        let kept = task::spawn("sns-publish", async move {
            let kept = all.journal.append(frames).await;
            if kept.is_ok() {
                items.into_iter().for_each(|item| all.enqueue(item));
            }
            drop(held);
            kept
        });
        let kept = kept.await.map_err(AwsError::internal)?;
        kept.map_err(error::not_kept)
    }

    fn enqueue(self: &Arc<Self>, item: Item) {
        if let Some(house) = self.house.get() {
            self.lanes.enqueue(self, house, item);
        }
    }

    /// It needs to be delivered no more.
    fn done(&self, item: &Item) {
        let frame = Frame::Done {
            number: item.number,
            target: item.target.clone(),
        };
        self.journal.note(frame.bytes());
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn forget(&self) -> Result<(), AwsError> {
        self.lanes.end();
        self.topics.forget();
        self.signers.forget().await;
        self.orders.lock().clear();
        self.journal.wipe().await.map_err(error::not_kept)
    }

    /// How many deliveries are outstanding.
    #[cfg(test)]
    pub fn outstanding(&self) -> usize {
        let state = self.journal.state();
        state.pending.values().map(|p| p.targets.len()).sum()
    }
}

/// What two messages have in common of which only the first is delivered.
fn seen_key(view: &View, order: &Order) -> String {
    match view.topic.attribute("FifoThroughputScope") {
        Some("MessageGroup") => {
            format!("{}\n{}\n{}", view.arn, order.group, order.deduplication)
        }
        _ => format!("{}\n\n{}", view.arn, order.deduplication),
    }
}

fn is_for(house: &House, view: &View, subscriber: &Subscriber, message: &Message) -> bool {
    let Some(filter) = &subscriber.filter else {
        return true;
    };
    match filter.takes(message, message.text(subscriber.record.protocol.name())) {
        crate::filter::Verdict::Taken => true,
        crate::filter::Verdict::FilteredOut(why) => {
            let name = "NumberOfNotificationsFilteredOut";
            count(house, view, name, "Count", 1.0);
            count(house, view, &format!("{name}{why}"), "Count", 1.0);
            false
        }
    }
}

/// <https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html>
fn count(house: &House, view: &View, metric: &str, unit: &str, value: f64) {
    put(house, &view.scope, &view.topic.name, metric, unit, value);
}

fn put(house: &House, scope: &Scope, topic: &str, metric: &str, unit: &str, value: f64) {
    let dimensions = [("TopicName", topic)];
    let datum = Datum::new("AWS/SNS", metric, &dimensions, unit, value, house.now());
    house.metrics.put(scope, datum);
}
