//! A clock that notices when it is set.
//!
//! The wall clock is set by people, by NTP at a start, and, as seen from here, by a machine that
//! wakes from its sleep. [`WatchedClock`] holds each reading against the monotonic clock, so that
//! whoever waits for a while waits for that while, and whoever asks how old something is gets the
//! time that has really passed. It only knows what was set since it was made.

use super::{Clock, Timestamp};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Smaller differences are drift, or the clock being slewed.
const NOTICED_MILLIS: i64 = 1_000;
/// Older ones are forgotten.
const KEPT: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub struct WatchedClock {
    wall: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The newest reading of both clocks.
    wall: Timestamp,
    at: Instant,
    /// The sum of all sets.
    set_by_millis: i64,
    /// Oldest first.
    sets: VecDeque<Set>,
    /// Since when the wall clock was not set back.
    forward_since: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Set {
    /// What it would have shown.
    before: Timestamp,
    after: Timestamp,
}

impl WatchedClock {
    pub fn over(wall: Arc<dyn Clock>) -> WatchedClock {
        let (now, at) = (wall.now(), Instant::now());
        WatchedClock {
            wall,
            seen: Mutex::new(Seen {
                wall: now,
                at,
                set_by_millis: 0,
                sets: VecDeque::new(),
                forward_since: at,
            }),
        }
    }

    /// Read both clocks, and look at what was seen so far.
    fn look<T>(&self, with: impl FnOnce(&Seen, Timestamp, Instant) -> T) -> T {
        let mut seen = self.seen.lock();
        let (wall, at) = (self.wall.now(), Instant::now());
        let before = seen.wall + at.duration_since(seen.at);
        let by = wall.as_millis().saturating_sub(before.as_millis());
        (seen.wall, seen.at) = (wall, at);
        if by.abs() >= NOTICED_MILLIS {
            tracing::warn!(by_millis = by, to = %wall, "the clock was set");
            seen.set_by_millis = seen.set_by_millis.saturating_add(by);
            if by < 0 {
                seen.forward_since = at;
            }
            if seen.sets.len() == KEPT {
                seen.sets.pop_front();
            }
            let after = wall;
            seen.sets.push_back(Set { before, after });
        }
        with(&seen, wall, at)
    }
}

impl Clock for WatchedClock {
    fn now(&self) -> Timestamp {
        self.look(|_, wall, _| wall)
    }

    /// A time may belong to two moments: then the later one counts, so that the age is never too much.
    fn age(&self, of: Timestamp) -> Duration {
        self.look(|seen, wall, at| {
            if of > wall {
                // From before the clock was set back, here or before this clock was made.
                return at.duration_since(seen.forward_since);
            }
            let (mut age, mut until) = (Duration::ZERO, wall);
            for set in seen.sets.iter().rev() {
                if of >= set.after {
                    break;
                }
                age += until.since(set.after);
                until = set.before;
            }
            age + until.since(of)
        })
    }

    fn set_by_millis(&self) -> i64 {
        self.look(|seen, _, _| seen.set_by_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Both clocks go on by `by`.
    async fn pass(wall: &ManualClock, by: Duration) {
        tokio::time::advance(by).await;
        wall.advance(by);
    }

    fn watched() -> (Arc<ManualClock>, WatchedClock) {
        let wall = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        (wall.clone(), WatchedClock::over(wall))
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_only_passes_is_no_set() {
        let (wall, clock) = watched();
        let start = clock.now();
        pass(&wall, HOUR).await;
        wall.advance(Duration::from_millis(900));
        assert_eq!(clock.set_by_millis(), 0);
        assert_eq!(clock.age(start), HOUR + Duration::from_millis(900));
    }

    #[tokio::test(start_paused = true)]
    async fn ages_do_not_count_what_it_was_set_forward() {
        let (wall, clock) = watched();
        let start = clock.now();
        pass(&wall, HOUR).await;
        wall.set(wall.now() + HOUR);
        let set = clock.now();
        pass(&wall, HOUR / 2).await;
        assert_eq!(clock.set_by_millis(), 3_600_000);
        assert_eq!(clock.age(set), HOUR / 2);
        assert_eq!(clock.age(start), HOUR + HOUR / 2);
        wall.set(wall.now() + HOUR);
        pass(&wall, HOUR).await;
        assert_eq!(clock.age(start), HOUR * 2 + HOUR / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn ages_count_what_passed_before_it_was_set_back() {
        let (wall, clock) = watched();
        let start = clock.now();
        pass(&wall, HOUR * 2).await;
        let late = clock.now();
        wall.set(wall.now() - HOUR);
        assert!(clock.now() < late);
        pass(&wall, HOUR / 4).await;
        assert_eq!(clock.set_by_millis(), -3_600_000);
        assert_eq!(clock.age(start), HOUR * 2 + HOUR / 4);
        // Its time has not come again.
        assert_eq!(clock.age(late), HOUR / 4);
        pass(&wall, HOUR).await;
        assert_eq!(clock.age(late), HOUR / 4, "or it has: the later one");
    }

    /// What is stamped with a year that will not come is not young for ever.
    #[tokio::test(start_paused = true)]
    async fn the_future_is_as_old_as_the_clock() {
        let (wall, clock) = watched();
        let never = clock.now() + HOUR * 100_000;
        pass(&wall, HOUR).await;
        assert_eq!(clock.age(never), HOUR);
    }
}
