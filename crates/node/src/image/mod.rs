//! Images: from a name to unpacked, verified, shared layers on this node's disk.
//!
//! [`Images`] owns one directory. It pulls from any OCI registry over HTTP, or reads our own
//! registry's blobs straight from the blob store, unpacks each layer once (keyed by its diff id)
//! and forgets what nobody uses. It does not know tasks: who uses an image is told to
//! [`Images::collect`]. Which registry a name means (our own, or a remote one) is the control
//! plane's answer, an [`ImageSource`](crate::upstream::ImageSource).
//!
//! Invariants:
//! - A directory under `layers/` is complete and verified (digest of the compressed blob, diff id
//!   of the content); partial work lives in `tmp/` and goes at the next start.
//! - A layer counts after a restart of the machine only if it was synced to disk before.
//! - Nothing in a layer can name, read or change a file outside its own directory while it is
//!   unpacked. Device nodes are kept as the image has them: whoever mounts a layer mounts it
//!   `nodev` or under a device cgroup.
//! - Deleting happens in the background, never while a pull waits.

mod collect;
mod error;
mod fetch;
mod flight;
mod images;
mod layer;
mod manifest;
mod name;
mod options;
mod pull;
mod push;
mod record;
mod registry;
mod shown;
mod source;
mod trash;
mod unpack;

pub use collect::{CollectPolicy, Collected};
pub use error::{ImageError, PullError, PullErrorKind};
pub use images::{Image, Images};
pub use manifest::ImageConfig;
pub use name::{InvalidName, Reference};
pub use options::{Limits, PullOptions, RegistryConfig, Retry};
pub use source::{BlobSource, OwnBlobs};

#[cfg(test)]
mod tests;
