//! The newest events and those who wait for more.

use super::Event;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};

/// How many events a subscriber may be behind before it is told that it missed some.
pub(super) const BACKLOG: usize = 4_096;

/// A bounded list that is also a broadcast.
#[derive(Debug)]
pub(super) struct Ring {
    kept: Mutex<VecDeque<Arc<Event>>>,
    limit: usize,
    live: broadcast::Sender<Arc<Event>>,
}

/// The events that come. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Arc<Event>>);

/// What a subscriber gets next.
#[derive(Debug, Clone)]
pub enum Next {
    Event(Arc<Event>),
    /// So many were dropped because the subscriber was too slow.
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
        if kept.len() == self.limit {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        if !old {
            // Nobody listens, usually.
            let _ = self.live.send(event);
        }
    }

    pub(super) fn clear(&self) {
        self.kept.lock().clear();
    }

    pub(super) fn recent(&self) -> Vec<Arc<Event>> {
        self.kept.lock().iter().cloned().collect()
    }

    pub(super) fn subscribe(&self) -> (Vec<Arc<Event>>, Subscription) {
        // Under the lock that `push` sends under: none is missed or doubled.
        let kept = self.kept.lock();
        let live = Subscription(self.live.subscribe());
        (kept.iter().cloned().collect(), live)
    }
}
