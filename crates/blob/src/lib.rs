//! Floor 1: content-addressed bytes. Layers, manifests and log segments live here, never in the store.
//!
//! [`Digest`] names a blob; [`Blobs`] keeps them; [`Upload`] is how large ones come in, in pieces
//! and across restarts. A blob is visible under its digest only once it is complete, verified and
//! durable (file synced, renamed into place, directory synced).
//!
//! [`Extents`] are bytes of the other kind: under names of their own, each with one owner, for what
//! comes and goes (objects).
//!
//! A [`wal::Wal`] is the log that an engine of its own writes ahead.
//!
//! The one form so far is a local directory, driven with plain file calls: an object-store layer
//! would only add copies. [`Blobs`] shows no file but through [`Blobs::path`], which may answer
//! `None`; an S3-compatible form fits behind the same methods.

mod digest;
mod disk;
mod error;
mod extents;
mod read;
mod upload;
pub mod wal;

pub use digest::{Digest, Hasher, InvalidDigest};
pub use disk::{Blobs, Entry, Stored};
pub use error::BlobError;
pub use extents::{ExtentWriter, Extents, Held, Lease};
pub use upload::Upload;

#[cfg(test)]
mod tests;
