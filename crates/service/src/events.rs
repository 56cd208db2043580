//! How a service says what happened: an event for the default event bus of its account and region
//! (<https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html>). EventBridge takes the seat in
//! the house, and takes up what is posted.
//!
//! An event is posted in the transaction that makes the change it tells of, so that neither is without the
//! other; while no rule could want it, it costs a look into memory. It arrives at least once, under the id
//! that it was posted with. This knows nothing of rules and targets.

use crate::ctx::{House, Scope};
use crate::db::{self, Resource, Tx};
use futures_util::future::BoxFuture;
use neargate_base::Timestamp;
use neargate_wire::schema::TimestampFormat;
use neargate_wire::timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The bus that AWS's services send to.
pub const DEFAULT_BUS: &str = "default";

/// What a service tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// A UUID; an event that is made again has the same.
    pub id: String,
    /// `aws.ecs`.
    pub source: String,
    /// `ECS Task State Change`.
    pub detail_type: String,
    pub time: Timestamp,
    /// ARNs.
    pub resources: Vec<String>,
    pub detail: Value,
}

impl Event {
    /// Of now, with an id of its own.
    pub fn new(
        house: &House,
        source: &str,
        detail_type: &str,
        resources: Vec<String>,
        detail: Value,
    ) -> Event {
        Event {
            id: house.rng.uuid(),
            source: source.into(),
            detail_type: detail_type.into(),
            time: house.now(),
            resources,
            detail,
        }
    }

    /// The whole event, as rules and targets see it.
    pub fn to_json(&self, scope: &Scope) -> Value {
        let seconds = Timestamp::from_millis(self.time.as_millis().div_euclid(1000) * 1000);
        json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": scope.account.as_str(),
            "time": timestamp::format(seconds, TimestampFormat::DateTime),
            "region": scope.region.as_str(),
            "resources": self.resources,
            "detail": self.detail,
        })
    }
}

/// An event on its way to the rules of its bus: `events/posted/…/<the event's id>`. Whoever posts it writes
/// it; EventBridge takes it away once every matching rule's targets are to be served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posted {
    /// The bus's name.
    pub bus: String,
    /// The whole event.
    pub event: Value,
    /// How many buses have handed it on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u8,
    /// The ARN of the replay that sends it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// Only these rules may take it; every rule where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

impl Posted {
    /// For every rule of the bus.
    pub fn to(bus: &str, event: Value) -> Posted {
        Posted {
            bus: bus.to_owned(),
            event,
            hops: 0,
            replay: None,
            rules: Vec::new(),
        }
    }
}

impl Resource for Posted {
    const KIND: &'static str = "events/posted";
}

/// Knows which events are wanted. It answers from memory, in microseconds.
pub trait Wants: fmt::Debug + Send + Sync {
    /// Might a rule or an archive of the scope's default bus take such an event? In doubt it might.
    fn wants(&self, scope: &Scope, source: &str, detail_type: &str) -> bool;

    /// Waits until the rules that were there at the start are known.
    fn ready(&self) -> BoxFuture<'_, ()>;
}

/// Where EventBridge takes its place in the house.
#[derive(Debug, Default)]
pub struct Seat(OnceLock<Arc<dyn Wants>>);

impl Seat {
    /// # Panics
    /// When somebody has taken it.
    pub fn take(&self, bus: Arc<dyn Wants>) {
        self.0.set(bus).expect("one service takes events");
    }

    /// Nobody wants anything while the seat is empty.
    pub fn wants(&self, scope: &Scope, source: &str, detail_type: &str) -> bool {
        let taken = self.0.get();
        taken.is_some_and(|bus| bus.wants(scope, source, detail_type))
    }

    /// For whoever makes events from the moment the house stands, before any call is answered.
    pub async fn ready(&self) {
        if let Some(bus) = self.0.get() {
            bus.ready().await;
        }
    }

    /// Adds the event that `make` makes to the transaction, if somebody might want it.
    pub fn post(
        &self,
        tx: Tx,
        scope: &Scope,
        source: &str,
        detail_type: &str,
        make: impl FnOnce() -> Event,
    ) -> Tx {
        if !self.wants(scope, source, detail_type) {
            return tx;
        }
        let event = make();
        let posted = Posted::to(DEFAULT_BUS, event.to_json(scope));
        tx.put(db::key::<Posted>(scope, &event.id), &posted)
    }
}
