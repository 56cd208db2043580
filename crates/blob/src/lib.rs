//! Floor 1: content-addressed bytes. Layers, manifests and log segments live here, never in the store.
//!
//! [`Digest`] names a blob; [`Blobs`] keeps them on local disk (other object stores when outgrown).
//! A blob is visible under its digest only once it is complete, verified and durable.

mod digest;
mod disk;
mod upload;

pub use digest::{Digest, InvalidDigest};
pub use disk::{BlobError, Blobs};
pub use upload::Upload;
