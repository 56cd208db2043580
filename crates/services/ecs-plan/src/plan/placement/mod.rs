//! Where a task runs: which container instance, which subnet, which capacity provider, and
//! which task goes first when there are too many.
//!
//! Everything here is a pure function of what it is given, randomness being a seed. It knows
//! no store, API or clock. [`Capacity`] is the one thing with a memory: what the container
//! instances of one cluster have free, kept by whoever watches instances and tasks.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html>

mod capacity;
pub mod fargate;
mod filter;
mod index;
mod instance;
pub mod provider;
mod rebalance;
mod refusal;
mod request;
pub mod scale_in;
mod slots;

#[cfg(test)]
mod tests;

pub use capacity::{Capacity, Counts};
pub use filter::Lack;
pub use instance::{Instance, InstanceId, InstanceStatus, Port, Resources};
pub use rebalance::{Move, rebalance};
pub use refusal::{Closest, Refusal};
pub use request::{Claim, Constraint, Request, Resource, SpreadBy, Strategy};
