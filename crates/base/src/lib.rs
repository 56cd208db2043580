//! Floor 0: identifiers, ids of access keys, UUIDs, ARNs, time, seeded randomness, backoff and named tasks.
//!
//! Everything here is free of I/O but [`time::SystemClock`], [`rng::Rng::from_entropy`],
//! [`disk_space`] and [`task`]; no other crate may read the wall clock, spawn an unnamed task or draw
//! unseeded randomness (clippy's `disallowed_methods` enforces it).

pub mod access_key;
pub mod arn;
pub mod backoff;
pub mod disk_space;
pub mod id;
pub mod rng;
pub mod secret;
pub mod task;
pub mod time;
pub mod unverified;
pub mod uuid;

pub use arn::Arn;
pub use disk_space::DiskSpace;
pub use id::{AccountId, Region};
pub use rng::Rng;
pub use secret::Secret;
pub use time::{Clock, Timestamp};
