//! The errors of this module, in the words AWS and containerd use for them.
//!
//! Texts: ECS developer guide, "CannotPullContainer task errors in Amazon ECS"; containerd's
//! `remotes/docker` and `diff/apply` for the part behind "has been retried".

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The image directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("cannot access the image directory {path}")]
    Io { path: PathBuf, source: io::Error },
}

impl ImageError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        ImageError::Io {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Why a pull failed, as far as somebody acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullErrorKind {
    /// The name cannot be parsed.
    InvalidName,
    NotFound,
    /// The registry wants credentials, or refuses.
    Denied,
    /// The registry cannot be reached, or breaks off.
    Network,
    /// The registry lacks a part of the protocol.
    Unsupported,
    /// No image for this machine's architecture.
    Platform,
    /// The image is malformed, hostile or not what its digests say.
    Invalid,
    /// A limit on size or number of files.
    TooLarge,
    NoSpace,
    /// This node's own trouble.
    Internal,
    /// Everybody who waited for it has gone.
    Abandoned,
}

/// A failed pull. `Display` is the text that ECS puts after `CannotPullContainerError: `.
#[derive(Clone)]
pub struct PullError(Arc<(PullErrorKind, String)>);

impl PullError {
    pub(super) fn new(kind: PullErrorKind, message: impl Into<String>) -> Self {
        PullError(Arc::new((kind, message.into())))
    }

    pub fn kind(&self) -> PullErrorKind {
        self.0.0
    }

    /// Before any layer: the name could not be resolved.
    pub(super) fn resolving(kind: PullErrorKind, tries: u32, cause: &str) -> Self {
        Self::new(
            kind,
            format!("pull image manifest has been retried {tries} time(s): {cause}"),
        )
    }

    /// While fetching or unpacking what the manifest names.
    pub(super) fn fetching(kind: PullErrorKind, tries: u32, cause: &str) -> Self {
        Self::new(
            kind,
            format!("ref pull has been retried {tries} time(s): {cause}"),
        )
    }

    pub(super) fn not_found(reference: &str) -> Self {
        let cause = format!("failed to resolve ref {reference}: not found");
        Self::resolving(PullErrorKind::NotFound, 1, &cause)
    }

    pub(super) fn internal(what: &str, path: &Path, source: &io::Error) -> Self {
        let kind = match is_full(source) {
            true => PullErrorKind::NoSpace,
            false => PullErrorKind::Internal,
        };
        Self::fetching(
            kind,
            1,
            &format!("{what} {}: {}", path.display(), errno_text(source)),
        )
    }
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.1)
    }
}

impl fmt::Debug for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PullError({:?}: {})", self.0.0, self.0.1)
    }
}

impl std::error::Error for PullError {}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// An error number as Go (and so containerd) prints it.
pub(super) fn errno_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "no space left on device".to_owned(),
        io::ErrorKind::QuotaExceeded => "disk quota exceeded".to_owned(),
        _ => error.to_string(),
    }
}
