//! What can go wrong with a blob, told apart as far as callers act on it.

use crate::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// A failed blob operation. Nothing becomes visible when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("blob {0} does not exist")]
    NotFound(Digest),
    #[error(
        "blob {digest} has {size_bytes} bytes, more than the {max_bytes} that may be read at once"
    )]
    TooLarge {
        digest: Digest,
        size_bytes: u64,
        max_bytes: u64,
    },
    #[error("the content has digest {actual}, not {expected}")]
    DigestMismatch { expected: Digest, actual: Digest },
    #[error("range {start}..{end} is not within the {size_bytes} bytes of blob {digest}")]
    BadRange {
        digest: Digest,
        start: u64,
        end: u64,
        size_bytes: u64,
    },
    #[error("upload id \"{0}\" is not 1 to 128 letters, digits, '-' or '_'")]
    BadUploadId(String),
    #[error("upload {0} already exists")]
    UploadExists(String),
    /// Ended while it was being used (finished, cancelled or collected).
    #[error("upload {0} no longer exists")]
    UploadGone(String),
    /// The stream that was to be stored failed; what came before is kept in the upload.
    #[error("the body broke off after {offset} bytes")]
    Body {
        offset: u64,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no space left on the disk that holds {path}")]
    NoSpace { path: PathBuf, source: io::Error },
    #[error("cannot access {path}")]
    Io { path: PathBuf, source: io::Error },
}

impl BlobError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                BlobError::NoSpace { path, source }
            }
            _ => BlobError::Io { path, source },
        }
    }
}
