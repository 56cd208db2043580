//! What is written beside layers and images, as small JSON files replaced atomically.

use super::manifest::ImageConfig;
use super::unpack::Unpacked;
use neargate_blob::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// `layers/<key>/layer.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    pub(super) diff_id: Digest,
    /// Uncompressed, as an archive.
    pub(super) size_bytes: u64,
    pub(super) entries: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) implied: Vec<Vec<u8>>,
    #[serde(default)]
    pub(super) opaque_root: bool,
    /// The machine's boot during which it was unpacked.
    pub(super) boot: String,
    /// Synced to disk: it counts after a reboot, too.
    pub(super) durable: bool,
}

impl LayerRecord {
    pub(super) fn new(unpacked: Unpacked, boot: &str) -> Self {
        let Unpacked {
            diff_id,
            size_bytes,
            entries,
            implied,
            opaque_root,
        } = unpacked;
        let (boot, durable) = (boot.to_owned(), false);
        LayerRecord {
            diff_id,
            size_bytes,
            entries,
            implied,
            opaque_root,
            boot,
            durable,
        }
    }

    /// Whether the files beside the record can be relied on.
    pub(super) fn counts(&self, boot: &str) -> bool {
        self.durable || self.boot == boot
    }
}

/// `images/<hex of the manifest digest>.json`; its modification time is when it was last wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    /// The digest of the manifest, or of the index that it was chosen from.
    pub(super) digest: Digest,
    pub(super) config: ImageConfig,
    /// Keys of its layers, bottom first.
    pub(super) layers: Vec<String>,
    pub(super) size_bytes: u64,
    /// A registry elsewhere has shown all of it, to nobody in particular.
    #[serde(default)]
    pub(super) public: bool,
}

/// `None` when there is none, or none that can be read.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "unreadable record"))
        .ok()
}

pub(super) fn write<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let bytes = serde_json::to_vec(record).expect("a record is plain data");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}
