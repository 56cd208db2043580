//! Which keys are to be reconciled, and when: each key once, one run at a time.

use neargate_base::Timestamp;
use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Timestamp),
    /// Its last run failed: not before then, whatever wakes it.
    Held,
    Running,
    /// Woken while it ran: run again when it is done.
    Dirty,
}

/// Keys ordered by when they are due.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeSet<(Timestamp, String)>,
    states: HashMap<String, State>,
}

impl Queue {
    /// Run `key` at `at`, or earlier if it was due earlier.
    pub(super) fn wake(&mut self, key: String, at: Timestamp) {
        match self.states.get(&key).copied() {
            Some(State::Running | State::Dirty) => {
                self.states.insert(key, State::Dirty);
            }
            Some(State::Held) => {}
            Some(State::Waiting(earlier)) if earlier <= at => {}
            Some(State::Waiting(later)) => {
                self.due.remove(&(later, key.clone()));
                self.wait(key, at);
            }
            None => self.wait(key, at),
        }
    }

    fn wait(&mut self, key: String, at: Timestamp) {
        self.due.insert((at, key.clone()));
        self.states.insert(key, State::Waiting(at));
    }

    /// The next key due by `now`; it is running from now on.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<String> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.states.insert(key.clone(), State::Running);
        Some(key)
    }

    /// The run of `key` ended; look again at `again`, or at once if it was woken meanwhile.
    pub(super) fn done(&mut self, key: String, again: Option<Timestamp>) {
        let state = self.states.remove(&key);
        match (state, again) {
            (Some(State::Dirty), _) => self.wait(key, Timestamp::default()),
            (_, Some(at)) => self.wait(key, at),
            (_, None) => {}
        }
    }

    /// The run of `key` failed; run it again at `at`, not earlier.
    pub(super) fn failed(&mut self, key: String, at: Timestamp) {
        self.due.insert((at, key.clone()));
        self.states.insert(key, State::Held);
    }

    /// The clock, which now shows `now`, was set by `millis`. What has to wait for a while waits
    /// for the rest of it; everything else looks again, as it may wait for a time of the day.
    pub(super) fn clock_set(&mut self, millis: i64, now: Timestamp) {
        let mut due = BTreeSet::new();
        for (at, key) in std::mem::take(&mut self.due) {
            match self.states.get_mut(&key) {
                Some(State::Waiting(until)) => {
                    *until = now;
                    due.insert((now, key));
                }
                _ => {
                    due.insert((at.shift(millis), key));
                }
            }
        }
        self.due = due;
        for state in self.states.values_mut() {
            if *state == State::Running {
                *state = State::Dirty;
            }
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_key_waits_once_at_its_earliest() {
        let mut q = Queue::default();
        q.wake("a".into(), t(50));
        q.wake("a".into(), t(10));
        q.wake("a".into(), t(90));
        assert_eq!(q.pop(t(5)), None);
        assert_eq!(q.pop(t(10)), Some("a".into()));
        assert_eq!(q.pop(t(100)), None);
    }

    #[test]
    fn a_key_woken_while_running_runs_again() {
        let mut q = Queue::default();
        q.wake("a".into(), t(0));
        assert_eq!(q.pop(t(0)), Some("a".into()));
        q.wake("a".into(), t(0));
        assert_eq!(q.pop(t(0)), None, "never twice at once");
        q.done("a".into(), Some(t(1000)));
        assert_eq!(q.pop(t(0)), Some("a".into()));
        q.done("a".into(), Some(t(1000)));
        assert_eq!((q.pop(t(999)), q.next_due()), (None, Some(t(1000))));
    }

    #[test]
    fn a_clock_that_is_set_shortens_no_backoff_and_prolongs_no_wait() {
        for by in [-1_000, 1_000] {
            let mut q = Queue::default();
            for key in ["failed", "runs", "waits"] {
                q.wake(key.into(), t(0));
            }
            assert_eq!(q.pop(t(2_000)), Some("failed".into()));
            assert_eq!(q.pop(t(2_000)), Some("runs".into()));
            assert_eq!(q.pop(t(2_000)), Some("waits".into()));
            q.failed("failed".into(), t(2_100));
            q.done("waits".into(), Some(t(9_000)));
            let now = t(2_000 + by);
            q.clock_set(by, now);
            assert_eq!(q.pop(now), Some("waits".into()));
            q.done("runs".into(), Some(t(99_000)));
            assert_eq!(q.pop(now), Some("runs".into()), "{by}: it planned before");
            assert_eq!(q.pop(t(2_099 + by)), None);
            assert_eq!(q.pop(t(2_100 + by)), Some("failed".into()));
        }
    }

    #[test]
    fn a_key_that_failed_is_held() {
        let mut q = Queue::default();
        q.wake("a".into(), t(0));
        assert_eq!(q.pop(t(0)), Some("a".into()));
        q.wake("a".into(), t(0));
        q.failed("a".into(), t(100));
        q.wake("a".into(), t(1));
        assert_eq!((q.pop(t(99)), q.next_due()), (None, Some(t(100))));
        assert_eq!(
            q.pop(t(100)),
            Some("a".into()),
            "once, and then as any other"
        );
        q.done("a".into(), None);
        assert_eq!(q.next_due(), None);
    }
}
