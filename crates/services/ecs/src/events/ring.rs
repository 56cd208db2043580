//! The newest events and those who wait for more.
//!
//! When there is no room the oldest event goes of a group of tasks that has the most: a service
//! whose tasks come and go all the time takes the place of its own events, not of others'.

use super::Event;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};

/// How many events a subscriber may be behind before it is told that it missed some.
pub(super) const BACKLOG: usize = 4_096;

/// A bounded list that is also a broadcast.
#[derive(Debug)]
pub(super) struct Ring {
    kept: Mutex<Kept>,
    limit: usize,
    live: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    events: VecDeque<Arc<Event>>,
    /// How many there are of each group.
    sizes: HashMap<u64, usize>,
}

impl Kept {
    fn push(&mut self, event: Arc<Event>) {
        *self.sizes.entry(event.group).or_default() += 1;
        self.events.push_back(event);
    }

    fn drop_one(&mut self) {
        let most = self.sizes.values().max();
        let of_most = |event: &Arc<Event>| self.sizes.get(&event.group) == most;
        let Some(event) = self.events.iter().position(of_most) else {
            return;
        };
        if let Some(gone) = self.events.remove(event)
            && let Some(left) = self.sizes.get_mut(&gone.group)
        {
            *left -= 1;
            if *left == 0 {
                self.sizes.remove(&gone.group);
            }
        }
    }
}

/// The events that come. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Arc<Event>>);

/// What a subscriber gets next.
#[derive(Debug, Clone)]
pub enum Next {
    Event(Arc<Event>),
    /// This many events were dropped because the subscriber was too slow.
    Missed(u64),
    /// No more will come.
    End,
}

impl Subscription {
    pub async fn next(&mut self) -> Next {
        match self.0.recv().await {
            Ok(event) => Next::Event(event),
            Err(RecvError::Lagged(missed)) => Next::Missed(missed),
            Err(RecvError::Closed) => Next::End,
        }
    }
}

impl Ring {
    pub(super) fn new(limit: usize) -> Ring {
        Ring {
            kept: Mutex::default(),
            limit,
            live: broadcast::Sender::new(BACKLOG),
        }
    }

    /// Keeps the event; tells subscribers unless it is `old`: handed out before a restart.
    pub(super) fn push(&self, event: Event, old: bool) {
        let event = Arc::new(event);
        let mut kept = self.kept.lock();
        if kept.events.len() == self.limit {
            kept.drop_one();
        }
        kept.push(event.clone());
        if !old {
            // Nobody listens, usually.
            let _ = self.live.send(event);
        }
    }

    pub(super) fn clear(&self) {
        *self.kept.lock() = Kept::default();
    }

    pub(super) fn recent(&self) -> Vec<Arc<Event>> {
        self.kept.lock().events.iter().cloned().collect()
    }

    pub(super) fn subscribe(&self) -> (Vec<Arc<Event>>, Subscription) {
        // Under the lock that `push` sends under: none is missed or doubled.
        let kept = self.kept.lock();
        let live = Subscription(self.live.subscribe());
        (kept.events.iter().cloned().collect(), live)
    }
}
