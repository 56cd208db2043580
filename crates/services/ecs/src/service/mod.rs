//! Services: the controller that keeps them running. What it does next is decided by
//! [`crate::plan::service`]; this reads for it and carries it out.
//!
//! Invariants: whatever changes a service's tasks does so in a transaction that finds the
//! service unchanged, so nothing starts or stops on behalf of a state that an update, a deletion
//! or another step has replaced; and the event that tells of it is written with it.

mod apply;
mod journal;
mod purge;
mod scheduler;
mod start;
mod stop;
pub mod template;
mod traffic;
mod view;

pub use journal::Journal;
pub use scheduler::Scheduler;
pub(crate) use start::start as start_tasks;
pub use stop::stop_tasks;
pub use template::Template;
pub(crate) use view::{draining, seats_of, settling};

/// What a controller that looks after records of these kinds watches.
pub(crate) fn prefixes_of(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| format!("{kind}/")).collect()
}

/// Is it the key of a record of that kind?
pub(crate) fn is_of(store_key: &str, kind: &str) -> bool {
    let rest = store_key.strip_prefix(kind);
    rest.is_some_and(|rest| rest.starts_with('/'))
}
