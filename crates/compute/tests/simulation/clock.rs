//! Simulated time: tokio's paused clock, seen as Neargate's.

use neargate_base::{Clock, Timestamp};
use tokio::time::Instant;

/// Starts at a fixed date and moves with tokio's paused time.
#[derive(Debug)]
pub struct SimulatedClock {
    started: Instant,
}

impl SimulatedClock {
    /// On a runtime whose time is paused.
    pub fn start() -> Self {
        SimulatedClock {
            started: Instant::now(),
        }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000) + self.started.elapsed()
    }
}
