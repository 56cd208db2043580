//! How long the other end may keep us waiting, while it sends or while it takes what we send.
//!
//! Only time spent waiting counts, never our own work. In each window of waiting it must move
//! something worth the place it has; a caller who moves a byte now and then does not.

use neargate_base::time::Stopwatch;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// What a window of waiting must bring: two KiB a second, with the usual patience.
const LEAST_BYTES: usize = 64 << 10;

/// The waiting for one end of a connection.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    /// Waiting in all; `None`: as long as it takes, at the pace of the windows.
    left: Option<Duration>,
    /// In this window.
    waited: Duration,
    moved: usize,
    /// Since when, and until when at most.
    waiting: Option<(Stopwatch, Pin<Box<Sleep>>)>,
}

impl Pace {
    pub(super) fn new(window: Duration, in_all: Option<Duration>) -> Pace {
        Pace {
            window,
            left: in_all,
            waited: Duration::ZERO,
            moved: 0,
            waiting: None,
        }
    }

    /// So many bytes went over.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            let waited = since.elapsed();
            self.waited += waited;
            self.left = self.left.map(|left| left.saturating_sub(waited));
        }
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= LEAST_BYTES {
            (self.moved, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Nothing goes over now: ready when that has been so for too long.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (_, until) = self.waiting.get_or_insert_with(|| {
            let window = self.window.saturating_sub(self.waited);
            let at_most = self.left.map_or(window, |left| left.min(window));
            (Stopwatch::start(), Box::pin(sleep(at_most)))
        });
        until.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const WINDOW: Duration = Duration::from_millis(60);

    async fn late(pace: &mut Pace, within: Duration) -> bool {
        tokio::time::timeout(within, poll_fn(|cx| pace.poll_late(cx)))
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_byte_now_and_then_is_not_enough() {
        let mut pace = Pace::new(WINDOW, None);
        let mut pieces = 0;
        while !late(&mut pace, WINDOW / 6).await {
            pace.moved(1);
            pieces += 1;
            assert!(pieces < 100, "it never ends");
        }
    }

    #[tokio::test]
    async fn whoever_keeps_the_pace_may_go_on() {
        // A machine that is busy elsewhere wakes a sleeper late: the window is far longer than that.
        let long = 10 * WINDOW;
        let mut pace = Pace::new(long, None);
        for _ in 0..10 {
            assert!(!late(&mut pace, long / 6).await);
            pace.moved(LEAST_BYTES);
        }
        // Not for ever, where there is a time in all.
        let mut pace = Pace::new(WINDOW, Some(WINDOW));
        let mut pieces = 0;
        while !late(&mut pace, WINDOW / 6).await {
            pace.moved(LEAST_BYTES);
            pieces += 1;
            assert!(pieces < 100, "it never ends");
        }
    }
}
