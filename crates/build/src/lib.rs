//! Building images, as far as it is a matter of text and archives: Dockerfiles read and expanded,
//! `.dockerignore`, image configurations, the keys of the build cache, and layers sealed into archives.
//!
//! It runs nothing, mounts nothing and fetches nothing: who executes a Dockerfile (`node::build`)
//! asks here what it says.

pub mod dockerfile;
mod error;
pub mod expand;
pub mod ignore;
pub mod image;
pub mod key;
pub mod seal;

pub use error::{Located, shown};

#[cfg(test)]
mod tests;
