//! ECS's events in the shape of EventBridge
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html>).
//!
//! An event is made from a stored change and from nothing else: [`follow`] watches the store,
//! remembers of each resource only what decides whether a change is worth an event, and hands
//! the events to subscribers. The position up to which they were handed out is itself stored
//! ([`model::EventCursor`](crate::model::EventCursor)), so a restart goes on where the last
//! process ended. An event made twice has the same id both times.
//!
//! Those that a rule of EventBridge might want are posted to the default bus ([`neargate_service::events`])
//! before that position goes on. It knows nothing else of rules, targets or who listens.

mod agents;
mod event;
mod filter;
mod follow;
mod instance;
mod memory;
mod ring;
mod service;
mod task;
#[cfg(test)]
mod tests;

pub use agents::announce;
pub use event::{DetailType, Event};
pub use filter::Filter;
pub use follow::follow;
pub use ring::{Next, Subscription};

use memory::Memory;
use parking_lot::Mutex;
use ring::Ring;
use std::sync::Arc;
use tokio::sync::watch;

/// How many of the newest events are kept in memory.
pub const KEPT: usize = 1_000;

/// The events of one control plane.
#[derive(Debug)]
pub struct Events {
    ring: Ring,
    memory: Mutex<Memory>,
    /// Everything up to this revision has become events.
    seen: watch::Sender<neargate_store::Revision>,
    /// Changes with every stored change of an instance or its agent, and at each listing.
    instances: watch::Sender<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            ring: Ring::new(KEPT),
            memory: Mutex::default(),
            seen: watch::Sender::new(0),
            instances: watch::Sender::new(0),
        }
    }
}

impl Events {
    /// The newest events, oldest first.
    pub fn recent(&self) -> Vec<Arc<Event>> {
        self.ring.recent()
    }

    /// The newest events and, without a gap between, all that come.
    pub fn subscribe(&self) -> (Vec<Arc<Event>>, Subscription) {
        self.ring.subscribe()
    }

    /// The `version` of the container instance at that store key, as its last event told it.
    pub fn instance_version(&self, key: &str) -> Option<neargate_store::Revision> {
        self.memory.lock().version(key)
    }

    /// Wait until every change up to `revision` has become events.
    pub async fn at(&self, revision: neargate_store::Revision) {
        let mut seen = self.seen.subscribe();
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|seen| *seen >= revision).await;
    }
}
