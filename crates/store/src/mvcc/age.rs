//! How old the revisions are, to a quarter of the age that matters.

use crate::Revision;
use neargate_base::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Remembers now and then which revision was the newest. Reads no clock.
#[derive(Debug)]
pub(crate) struct Ages {
    /// At this time this revision was there already; both rise.
    noted: VecDeque<(Timestamp, Revision)>,
    keep: Duration,
}

impl Ages {
    /// History is kept for this long.
    pub(crate) fn keeping(keep: Duration) -> Self {
        Ages {
            noted: VecDeque::new(),
            keep,
        }
    }

    /// How often to look.
    pub(crate) fn step(&self) -> Duration {
        (self.keep / 4).max(Duration::from_millis(1))
    }

    /// `newest` is the newest revision at `now`; answers up to where history is too old.
    pub(crate) fn look(&mut self, now: Timestamp, newest: Revision) -> Option<Revision> {
        // The clock was set back: what is there is not younger than now.
        for (at, _) in &mut self.noted {
            *at = (*at).min(now);
        }
        let due = |last: &(Timestamp, Revision)| last.1 < newest && last.0 + self.step() <= now;
        if newest > 0 && self.noted.back().is_none_or(due) {
            self.noted.push_back((now, newest));
        }
        let old = self.noted.partition_point(|(at, _)| *at + self.keep <= now);
        // The last one stays, so that it is not noted anew.
        let (_, revision) = self.noted.get(old.checked_sub(1)?).copied()?;
        self.noted.drain(..old - 1);
        Some(revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_old_after_its_time_whatever_the_clock_does() {
        let at = |s: u64| Timestamp::from_millis(1_000 * s as i64);
        let mut ages = Ages::keeping(Duration::from_secs(60));
        assert_eq!(ages.look(at(0), 0), None);
        assert_eq!(ages.look(at(1), 5), None);
        assert_eq!(ages.look(at(5), 7), None, "noted with the next step");
        assert_eq!(ages.look(at(16), 9), None);
        assert_eq!(ages.look(at(61), 9), Some(5));
        assert_eq!(ages.look(at(76), 9), Some(9));
        assert_eq!(
            ages.look(at(1_000), 9),
            Some(9),
            "nothing new: nothing to note"
        );
        assert_eq!(ages.look(at(1_000), 12), Some(9));
        assert_eq!(
            ages.look(at(10), 12),
            None,
            "set back: its time begins again"
        );
        assert_eq!(ages.look(at(70), 12), Some(12));
    }
}
