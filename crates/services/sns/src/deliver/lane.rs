//! A lane: what is to be delivered to one subscription, and the task that delivers it. Of FIFO topics one
//! after the other, and none before the one that failed; else several at once, as many as the endpoint
//! has shown to take.

use super::attempt::{Outcome, Stage, Way};
use super::{Deliveries, Item, put, retry};
use crate::message::Kind;
use crate::model::Protocol;
use crate::topics::{self, Subscriber, View};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use neargate_base::{Timestamp, task};
use neargate_service::{House, Scope};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Deliveries to one queue at the same time, whose writes are then made durable together.
const TO_QUEUE: usize = 64;
/// To one endpoint that answers.
const TO_ENDPOINT: usize = 16;
/// Before what the store or a queue of dead letters could not take is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// All lanes, by the subscription's id.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<String, Lane>>);

#[derive(Debug)]
struct Lane {
    queue: VecDeque<Item>,
    /// Of what waits and of what is being delivered.
    bytes: usize,
    wake: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Lanes {
    pub(super) fn enqueue(&self, all: &Arc<Deliveries>, house: &Arc<House>, item: Item) {
        let mut lanes = self.0.lock();
        let lane = lanes.entry(item.target.clone()).or_insert_with(|| {
            let wake = Arc::new(Notify::new());
            let runner = Runner {
                all: all.clone(),
                house: house.clone(),
                id: item.target.clone(),
                wake: wake.clone(),
                healthy: true,
            };
            Lane {
                queue: VecDeque::new(),
                bytes: 0,
                wake,
                task: Some(task::spawn("sns-lane", runner.run())),
            }
        });
        lane.bytes += item.message.bytes();
        lane.queue.push_back(item);
        lane.wake.notify_one();
    }

    pub(super) fn bytes(&self, id: &str) -> usize {
        self.0.lock().get(id).map_or(0, |lane| lane.bytes)
    }

    fn pop(&self, id: &str) -> Option<Item> {
        self.0.lock().get_mut(id)?.queue.pop_front()
    }

    fn finished(&self, id: &str, item: &Item) {
        if let Some(lane) = self.0.lock().get_mut(id) {
            lane.bytes = lane.bytes.saturating_sub(item.message.bytes());
        }
    }

    /// Ends an empty lane. Its task is the one that asks.
    fn leave(&self, id: &str) -> bool {
        let mut lanes = self.0.lock();
        let empty = lanes.get(id).is_none_or(|lane| lane.queue.is_empty());
        if empty && let Some(mut lane) = lanes.remove(id) {
            lane.task = None;
        }
        empty
    }

    /// Ends all of them.
    pub(super) fn end(&self) {
        self.0.lock().clear();
    }
}

struct Runner {
    all: Arc<Deliveries>,
    house: Arc<House>,
    id: String,
    wake: Arc<Notify>,
    /// The last attempt was taken.
    healthy: bool,
}

/// An item on its way.
struct Trip {
    item: Item,
    stage: Stage,
    /// Attempts of this stage that failed.
    failed: u32,
    begun: Timestamp,
}

/// What a trip has come to.
enum Next {
    Over(Item),
    Again(Trip, Duration),
}

impl Runner {
    async fn run(mut self) {
        let mut running = FuturesUnordered::new();
        let mut resting = FuturesUnordered::new();
        let mut ready: VecDeque<Trip> = VecDeque::new();
        let mut width = 1;
        let mut in_order = true;
        loop {
            while running.len() < width {
                let held = in_order && !resting.is_empty();
                let next = ready.pop_front().or_else(|| match held {
                    true => None,
                    false => self.all.lanes.pop(&self.id).map(|item| self.trip(item)),
                });
                let Some(trip) = next else { break };
                let healthy = self.healthy;
                running.push(advance(self.all.clone(), self.house.clone(), trip, healthy));
            }
            if running.is_empty() && resting.is_empty() && ready.is_empty() {
                if self.all.lanes.leave(&self.id) {
                    return;
                }
                continue;
            }
            tokio::select! {
                Some(step) = running.next() => {
                    let Step { next, subscriber, healthy } = step;
                    self.healthy = healthy;
                    (width, in_order) = self.pace(subscriber.as_deref());
                    match next {
                        Next::Over(item) => {
                            self.all.lanes.finished(&self.id, &item);
                            self.all.done(&item);
                        }
                        Next::Again(trip, delay) if delay.is_zero() => ready.push_back(trip),
                        Next::Again(trip, delay) => {
                            let delay = jittered(&self.house, delay);
                            resting.push(async move {
                                tokio::time::sleep(delay).await;
                                trip
                            });
                        }
                    }
                }
                Some(trip) = resting.next() => ready.push_back(trip),
                () = self.wake.notified() => {}
            }
        }
    }

    fn trip(&self, item: Item) -> Trip {
        Trip {
            item,
            stage: Stage::Endpoint,
            failed: 0,
            begun: self.house.now(),
        }
    }

    /// How many at once, and whether in order.
    fn pace(&self, subscriber: Option<&Subscriber>) -> (usize, bool) {
        let Some(subscriber) = subscriber else {
            return (1, true);
        };
        let in_order = subscriber.record.topic.ends_with(".fifo");
        let width = match subscriber.record.protocol {
            _ if in_order => 1,
            Protocol::Sqs => TO_QUEUE,
            _ if !self.healthy || subscriber.http.max_receives_per_second.is_some() => 1,
            _ => TO_ENDPOINT,
        };
        (width, in_order)
    }
}

/// What came of one attempt, and for whom it was.
struct Step {
    next: Next,
    subscriber: Option<Arc<Subscriber>>,
    healthy: bool,
}

/// Makes one attempt.
async fn advance(all: Arc<Deliveries>, house: Arc<House>, mut trip: Trip, healthy: bool) -> Step {
    let arn = &trip.item.message.topic_arn;
    let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
    let view = match Scope::of_arn(arn) {
        Some(scope) => all.topics.view(&house, &scope, &name).await,
        None => Ok(None),
    };
    let view = match view {
        Ok(view) => view,
        Err(error) => {
            tracing::warn!(%error, topic = name, "a topic cannot be read: its deliveries wait");
            return Step {
                next: Next::Again(trip, PAUSE),
                subscriber: None,
                healthy: false,
            };
        }
    };
    let found = view.and_then(|view| {
        let subscriber = match &trip.item.message.ended {
            Some(ended) => Arc::new(topics::compiled(
                &view.scope,
                &view.topic,
                (**ended).clone(),
            )),
            None => view.subscriber(&trip.item.target)?.clone(),
        };
        Some((subscriber, view))
    });
    // Nobody is subscribed any more.
    let Some((subscriber, view)) = found else {
        return Step {
            next: Next::Over(trip.item),
            subscriber: None,
            healthy: true,
        };
    };
    let way = Way {
        stage: trip.stage,
        healthy,
    };
    let outcome = all
        .attempt(&house, &view, &subscriber, &trip.item, way)
        .await;
    let healthy = !matches!(outcome, Outcome::Failed { .. });
    let told = Told {
        house: &house,
        view: &view,
        subscriber: &subscriber,
    };
    let next = match (outcome, trip.stage) {
        (Outcome::Delivered(answer), Stage::Endpoint) => {
            told.count("NumberOfNotificationsDelivered");
            all.log.tell(
                &told,
                &trip.item,
                trip.begun,
                trip.failed + 1,
                &answer,
                true,
            );
            Next::Over(trip.item)
        }
        (Outcome::Delivered(_), Stage::DeadLetters) => {
            told.count("NumberOfNotificationsRedrivenToDlq");
            Next::Over(trip.item)
        }
        (Outcome::Failed { answer, final_ }, Stage::Endpoint) => {
            trip.failed += 1;
            let delay = told.retries().delay(trip.failed).filter(|_| !final_);
            match delay {
                Some(delay) => Next::Again(trip, delay),
                None => {
                    told.count("NumberOfNotificationsFailed");
                    all.log
                        .tell(&told, &trip.item, trip.begun, trip.failed, &answer, false);
                    tracing::debug!(
                        subscription = subscriber.arn,
                        message = trip.item.message.id,
                        why = answer.text,
                        "a message is not delivered"
                    );
                    let notifies = trip.item.message.kind == Kind::Notification;
                    match &subscriber.dead_letters {
                        Some(_) if notifies => {
                            trip.stage = Stage::DeadLetters;
                            trip.failed = 0;
                            Next::Again(trip, Duration::ZERO)
                        }
                        _ => Next::Over(trip.item),
                    }
                }
            }
        }
        (Outcome::Failed { final_, .. }, Stage::DeadLetters) => {
            trip.failed += 1;
            match retry::MANAGED.delay(trip.failed).filter(|_| !final_) {
                Some(delay) => Next::Again(trip, delay.max(PAUSE)),
                None => {
                    told.count("NumberOfNotificationsFailedToRedriveToDlq");
                    Next::Over(trip.item)
                }
            }
        }
    };
    if let Some(most) = subscriber.http.max_receives_per_second {
        tokio::time::sleep(Duration::from_secs(1) / most.max(1)).await;
    }
    Step {
        next,
        subscriber: Some(subscriber),
        healthy,
    }
}

/// Whom a delivery is for.
pub(super) struct Told<'a> {
    pub(super) house: &'a House,
    pub(super) view: &'a View,
    pub(super) subscriber: &'a Subscriber,
}

impl Told<'_> {
    fn count(&self, metric: &str) {
        let View { scope, topic, .. } = self.view;
        put(self.house, scope, &topic.name, metric, "Count", 1.0);
    }

    fn retries(&self) -> retry::Retries {
        match self.subscriber.record.protocol {
            Protocol::Sqs => retry::MANAGED,
            Protocol::Http | Protocol::Https => self.subscriber.http.retries,
            Protocol::Email | Protocol::EmailJson => retry::SMTP,
        }
    }
}

/// Up to a tenth longer, so that what failed together is not tried again together.
fn jittered(house: &House, delay: Duration) -> Duration {
    let tenth = u64::try_from(delay.as_micros() / 10).unwrap_or(u64::MAX);
    delay + Duration::from_micros(house.rng.below(tenth.max(1)))
}
