//! Named background tasks: the only way to spawn.

use std::future::Future;
use tokio::task::JoinHandle;

/// Spawn `future` on the current runtime inside a span that carries `name`.
///
/// # Panics
/// Outside a tokio runtime.
#[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    use tracing::Instrument;
    tokio::spawn(future.instrument(tracing::info_span!("task", name)))
}

/// Run blocking work on tokio's blocking pool.
#[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn_blocking<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(work)
}
