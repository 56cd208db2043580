//! The process's allocator, and when it gives back what nobody uses.

use neargate_base::time::Stopwatch;
use std::cell::Cell;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A busy thread keeps for itself what it has freed; looking through it costs up to a millisecond.
const REST: Duration = Duration::from_secs(1);

#[allow(
    unsafe_code,
    reason = "the allocator's crate has no safe name for it; any thread may call it at any time"
)]
unsafe extern "C" {
    safe fn mi_collect(force: bool);
}

thread_local! {
    static COLLECTED: Cell<Option<Stopwatch>> = const { Cell::new(None) };
}

/// Gives the kernel what this thread has freed: for a thread that is about to sleep, perhaps for
/// long.
pub fn give_back() {
    let is_recent = |at: Stopwatch| at.elapsed() < REST;
    if COLLECTED.get().is_some_and(is_recent) {
        return;
    }
    COLLECTED.set(Some(Stopwatch::start()));
    mi_collect(true);
}
