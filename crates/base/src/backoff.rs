//! Exponential backoff with jitter.

use crate::Rng;
use std::time::Duration;

/// Doubles from `first` to `max`, each delay drawn from its upper half.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    pub const fn new(first: Duration, max: Duration) -> Self {
        Backoff {
            first,
            max,
            attempt: 0,
        }
    }

    /// The next delay; each call counts as one more failed attempt.
    pub fn next_delay(&mut self, rng: &Rng) -> Duration {
        let full = self
            .first
            .saturating_mul(1 << self.attempt.min(20))
            .min(self.max);
        self.attempt = self.attempt.saturating_add(1);
        let half = full / 2;
        half + Duration::from_micros(rng.below(half.as_micros() as u64 + 1))
    }

    /// Forget the failures: call it on success.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound() {
        let rng = Rng::seeded(1);
        let mut b = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        for full in [100u64, 200, 400, 800, 1600, 2000, 2000] {
            let d = b.next_delay(&rng).as_millis() as u64;
            assert!((full / 2..=full).contains(&d), "{d} not within {full}");
        }
        b.reset();
        assert!(b.next_delay(&rng) <= Duration::from_millis(100));
    }
}
