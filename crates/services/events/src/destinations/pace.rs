//! When an endpoint may be asked again: so often a second, each invocation at a turn of its own.

use neargate_base::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// The turns of API destinations, by their ARNs. They are not stored: after a start each invocation takes a
/// new one.
#[derive(Debug, Default)]
pub struct Paces(Mutex<HashMap<String, Pace>>);

#[derive(Debug, Default)]
struct Pace {
    /// The first time that nobody has taken.
    next: Timestamp,
    /// Who waits, and until when.
    waiting: HashMap<String, Timestamp>,
}

impl Paces {
    /// `None`: now. Else when to come again.
    pub fn turn(&self, arn: &str, key: &str, per_second: u32, now: Timestamp) -> Option<Timestamp> {
        let mut paces = self.0.lock();
        let pace = paces.entry(arn.to_owned()).or_default();
        if let Some(at) = pace.waiting.get(key).copied() {
            if now < at {
                return Some(at);
            }
            pace.waiting.remove(key);
            return None;
        }
        let between = Duration::from_secs(1) / per_second.max(1);
        let at = pace.next.max(now);
        pace.next = at + between;
        // What is due within one pause of the endpoint's is not worth a write.
        if at.since(now) <= Duration::from_millis(20) {
            return None;
        }
        pace.waiting.insert(key.to_owned(), at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_turn_of_its_own() {
        let paces = Paces::default();
        let now = Timestamp::from_millis(1_000_000);
        let at = |seconds: u64| now + Duration::from_secs(seconds);
        assert_eq!(paces.turn("d", "a", 1, now), None);
        assert_eq!(paces.turn("d", "b", 1, now), Some(at(1)));
        assert_eq!(paces.turn("d", "c", 1, now), Some(at(2)));
        assert_eq!(paces.turn("other", "d", 1, now), None);
        assert_eq!(
            paces.turn("d", "b", 1, now),
            Some(at(1)),
            "it keeps its turn"
        );
        assert_eq!(paces.turn("d", "b", 1, at(1)), None);
        assert_eq!(
            paces.turn("d", "b", 1, at(1)),
            Some(at(3)),
            "a second attempt is one more"
        );
    }
}
