//! Simulated time: tokio's paused clock, seen as Neargate's, and set as people set clocks.

use neargate_base::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::time::Instant;

/// Starts at a fixed date and moves with tokio's paused time.
#[derive(Debug)]
pub struct SimulatedClock {
    started: Instant,
    set_by_millis: AtomicI64,
}

impl SimulatedClock {
    /// On a runtime whose time is paused.
    pub fn start() -> Self {
        SimulatedClock {
            started: Instant::now(),
            set_by_millis: AtomicI64::new(0),
        }
    }

    /// Set it forward by so many seconds, or back.
    pub fn set(&self, by_seconds: i64) {
        let by = by_seconds * 1_000;
        self.set_by_millis.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let right = Timestamp::from_millis(1_700_000_000_000) + self.started.elapsed();
        right.shift(self.set_by_millis.load(Ordering::SeqCst))
    }
}
