//! From a layer's bytes to its directory.
//!
//! Two threads work on a layer: one hashes and decompresses ([`inflate`]), the other hashes the
//! result (the diff id), reads the tar and writes files ([`apply`]). Bounded queues between them,
//! and between the network and the first, keep memory flat.
//!
//! The result is in overlayfs' own form: a whiteout is a character device 0:0, an opaque
//! directory carries `trusted.overlay.opaque`.

mod apply;
mod content;
mod inflate;
mod lower;
mod pax;
mod sparse;
mod special;
mod tar;
mod tree;

pub(super) use apply::apply;
pub(super) use content::Pieces;
pub(super) use inflate::{Feed, inflate};
pub(super) use lower::describe_differently;

use super::error::{PullError, PullErrorKind, errno_text, is_full};
use neargate_blob::Digest;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a layer could not be unpacked.
#[derive(Debug)]
pub(super) enum LayerError {
    /// The registry, the disk or the blob store failed while bytes were coming.
    Source(PullError),
    /// The compressed bytes are not those of the digest.
    Digest {
        expected: Digest,
        actual: Digest,
    },
    Size {
        expected: u64,
        actual: u64,
    },
    /// The content is not that of the diff id.
    DiffId {
        actual: Digest,
    },
    /// Neither tar, nor compressed tar, or broken within.
    Malformed(String),
    /// The layer tries something no layer may.
    Hostile {
        path: Vec<u8>,
        why: &'static str,
    },
    TooLarge(String),
    /// A hard link into a lower layer: unpack again once those are there.
    NeedsLower,
    Io {
        what: &'static str,
        path: Vec<u8>,
        source: io::Error,
    },
    /// The other side of a queue has gone.
    Abandoned,
}

impl LayerError {
    /// As containerd words it, for the layer with the compressed digest `layer`.
    pub(super) fn into_pull_error(self, layer: &Digest) -> PullError {
        let extract = |kind, why: String| {
            PullError::fetching(kind, 1, &format!("failed to extract layer {layer}: {why}"))
        };
        let text = |path: &[u8]| {
            String::from_utf8_lossy(path)
                .chars()
                .take(300)
                .collect::<String>()
        };
        match self {
            LayerError::Source(error) => error,
            LayerError::Digest { expected, actual } => PullError::fetching(
                PullErrorKind::Invalid,
                1,
                &format!(
                    "failed commit on ref \"layer-{layer}\": unexpected commit digest {actual}, \
                     expected {expected}: failed precondition"
                ),
            ),
            LayerError::Size { expected, actual } => PullError::fetching(
                PullErrorKind::Invalid,
                1,
                &format!(
                    "failed commit on ref \"layer-{layer}\": unexpected commit size {actual}, \
                     expected {expected}: failed precondition"
                ),
            ),
            LayerError::DiffId { actual } => extract(
                PullErrorKind::Invalid,
                format!("wrong diff id calculated on extraction \"{actual}\""),
            ),
            LayerError::Malformed(why) => extract(PullErrorKind::Invalid, why),
            LayerError::Hostile { path, why } => extract(
                PullErrorKind::Invalid,
                format!("\"{}\": {why}", text(&path)),
            ),
            LayerError::TooLarge(why) => extract(PullErrorKind::TooLarge, why),
            LayerError::NeedsLower => extract(
                PullErrorKind::Invalid,
                "a hard link leads to a file that does not exist".into(),
            ),
            LayerError::Io { what, path, source } => {
                let kind = match is_full(&source) {
                    true => PullErrorKind::NoSpace,
                    false => PullErrorKind::Internal,
                };
                extract(
                    kind,
                    format!("{what} {}: {}", text(&path), errno_text(&source)),
                )
            }
            LayerError::Abandoned => {
                PullError::new(PullErrorKind::Abandoned, "the pull was given up")
            }
        }
    }
}

/// How much all layers of a pull together may still write.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Budget(AtomicU64::new(bytes))
    }

    pub(super) fn spend(&self, bytes: u64) -> Result<(), LayerError> {
        let take = |left: u64| left.checked_sub(bytes);
        match self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(LayerError::TooLarge(
                "the image is larger than this node allows".into(),
            )),
        }
    }
}

/// What a finished layer is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) diff_id: Digest,
    pub(super) size_bytes: u64,
    pub(super) entries: u64,
    /// Directories that the layer uses without saying what they are like; a lower layer may.
    pub(super) implied: Vec<Vec<u8>>,
    /// No layer below shows through this one.
    pub(super) opaque_root: bool,
}
