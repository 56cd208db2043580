//! Building images on this host's own runtime: a Dockerfile executed, its layers sealed, without a daemon.
//!
//! [`Builder`] owns one directory and serves one caller at a time. It starts from images of any
//! registry ([`crate::image`]), runs `RUN` as a container of [`crate::runtime`], as confined as tasks
//! are, and copies files on the overlay that they would see, in a root of their own ([`root`]). What a
//! Dockerfile says is known by `neargate_build`; where registries are and who is asked there, by
//! [`Registries`].
//!
//! ```text
//! blobs/                     layers and documents, of what was fetched and what was built
//! images/                    the unpacked layers of what is built from
//! snapshots/<key>/fs         what a step made; snapshot.json beside it once it is sealed
//! caches/<id>                of `RUN --mount=type=cache`
//! work/  run/  trash/        steps under way, their containers, what is being deleted
//! tags.json                  names of images, as this builder knows them
//! ```
//!
//! Invariants: a snapshot counts only with its record, which is written last; nothing that a
//! Dockerfile, a context or an image names leads outside of the root it is meant in; when a build
//! ends, none of its processes is left.

mod base;
mod builder;
mod config;
mod context;
mod copy;
pub mod engine;
#[allow(unsafe_code)]
pub mod enter;
mod error;
mod files;
mod mounts;
mod options;
mod owner;
mod progress;
#[allow(unsafe_code)]
mod root;
mod run;
mod session;
mod snapshot;
mod stage;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod transfer;

pub use builder::{Builder, BuilderConfig};
pub use context::{Context, unpack};
pub use error::BuildError;
pub use neargate_build::{Located, shown};
pub use options::{Built, Registries, Request, Secret};
pub use progress::{Event, Progress};
pub use tags::{Tag, Tags, familiar};
