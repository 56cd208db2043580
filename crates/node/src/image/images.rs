//! [`Images`]: the image directory of a node, and what is known about it.
//!
//! ```text
//! layers/<key>/fs, layer.json   key: hex of the diff id; or `c-` and hex of the chain id, for a
//!                               layer that had to look into those below
//! images/<hex>.json             one per image, by manifest digest
//! empty/                        the only layer of an image without any
//! tmp/  trash/                  being unpacked; being deleted
//! ```

use super::collect::LayerPins;
use super::error::{ImageError, PullError};
use super::flight::Flights;
use super::layer::Outcome;
use super::manifest::ImageConfig;
use super::options::{PullOptions, RegistryConfig};
use super::record::{self, ImageRecord, LayerRecord};
use super::registry::Registry;
use super::source::OwnBlobs;
use super::trash::Trash;
use neargate_base::task;
use neargate_blob::Digest;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// A pulled image, ready to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As asked for.
    pub name: String,
    /// The digest of what the name resolves to: the manifest, or the index it was chosen from.
    pub digest: Digest,
    pub config: ImageConfig,
    /// Unpacked layer directories, bottom first; at least one. Shared with other images: mount
    /// them read-only, `nodev` or under a device cgroup.
    pub layers: Vec<PathBuf>,
    /// Uncompressed size of all layers.
    pub size_bytes: u64,
}

/// The images of a node. One instance owns its directory.
#[derive(Debug)]
pub struct Images {
    pub(super) root: PathBuf,
    pub(super) blobs: Option<OwnBlobs>,
    pub(super) options: PullOptions,
    pub(super) registry: Arc<Registry>,
    pub(super) boot: String,
    pub(super) trash: Arc<Trash>,
    pub(super) layer_pins: LayerPins,
    pub(super) slots: Arc<Semaphore>,
    pub(super) layer_flights: Flights<String, Result<Outcome, PullError>>,
    pub(super) image_flights: Flights<(Digest, bool), Result<Arc<ImageRecord>, PullError>>,
    next_temporary: AtomicU64,
    /// What each task of this host uses, whichever agent runs it.
    held: Mutex<HashMap<String, HashSet<Digest>>>,
    /// A sync is running, and another was asked for since it began.
    syncing: AtomicBool,
    sync_again: AtomicBool,
}

impl Images {
    /// Note what a task uses from now on; nothing: the task is over.
    pub fn hold(&self, task_id: &str, digests: HashSet<Digest>) {
        let mut held = self.held.lock();
        if digests.is_empty() {
            held.remove(task_id);
        } else {
            held.insert(task_id.to_owned(), digests);
        }
    }

    /// What tasks are noted to use.
    pub fn held(&self) -> HashSet<Digest> {
        self.held.lock().values().flatten().cloned().collect()
    }

    /// Open (or create) the image directory `root` with default options. `blobs` are our own
    /// registry's.
    pub fn open(
        root: &Path,
        blobs: Option<impl Into<OwnBlobs>>,
        registries: RegistryConfig,
    ) -> Result<Arc<Images>, ImageError> {
        Self::open_with(root, blobs, registries, PullOptions::default())
    }

    /// As [`Images::open`], with other limits and patience. Partial work of an earlier run goes,
    /// complete layers stay.
    pub fn open_with(
        root: &Path,
        blobs: Option<impl Into<OwnBlobs>>,
        registries: RegistryConfig,
        options: PullOptions,
    ) -> Result<Arc<Images>, ImageError> {
        for dir in ["layers", "images", "empty", "tmp", "trash"] {
            let dir = root.join(dir);
            fs::create_dir_all(&dir).map_err(|e| ImageError::io(&dir, e))?;
        }
        let at_root = |e| ImageError::io(root, e);
        // Layers hold setuid programs and device nodes: nobody else on the host reaches them.
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).map_err(at_root)?;
        let empty = root.join("empty");
        fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).map_err(at_root)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(at_root)?;
        let trash = Trash::new(root.join("trash")).map_err(at_root)?;
        let images = Arc::new(Images {
            root: root.to_path_buf(),
            blobs: blobs.map(Into::into),
            registry: Arc::new(Registry::new(registries, &options)),
            boot: boot.trim().to_owned(),
            trash,
            layer_pins: LayerPins::default(),
            slots: Arc::new(Semaphore::new(options.parallel_layers.max(1))),
            layer_flights: Flights::default(),
            image_flights: Flights::default(),
            next_temporary: AtomicU64::new(0),
            held: Mutex::default(),
            syncing: AtomicBool::new(false),
            sync_again: AtomicBool::new(false),
            options,
        });
        images.tidy().map_err(at_root)?;
        images.trash.empty_in_background();
        Ok(images)
    }

    /// Throw away partial work, layers that did not reach the disk before the machine went down,
    /// and images that lack a layer.
    fn tidy(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("tmp"))? {
            self.trash.take(&entry?.path())?;
        }
        for entry in fs::read_dir(self.root.join("layers"))? {
            let path = entry?.path();
            let record: Option<LayerRecord> = record::read(&path.join("layer.json"));
            if !record.is_some_and(|r| r.counts(&self.boot)) {
                self.trash.take(&path)?;
            }
        }
        for entry in fs::read_dir(self.root.join("images"))? {
            let path = entry?.path();
            let record: Option<ImageRecord> = record::read(&path);
            if !record.is_some_and(|r| r.layers.iter().all(|l| self.layer_dir(l).is_dir())) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    pub(super) fn layer_dir(&self, key: &str) -> PathBuf {
        self.root.join("layers").join(key)
    }

    pub(super) fn image_path(&self, digest: &Digest) -> PathBuf {
        self.root
            .join("images")
            .join(digest.hex())
            .with_extension("json")
    }

    pub(super) fn layer_record(&self, key: &str) -> Option<LayerRecord> {
        record::read(&self.layer_dir(key).join("layer.json"))
    }

    /// A new, empty directory for partial work.
    pub(super) fn temporary(&self) -> io::Result<PathBuf> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("tmp").join(number.to_string());
        fs::create_dir(&path).map(|()| path)
    }

    /// An image that was pulled and is still here, without asking anybody.
    pub fn find(&self, name: &str, digest: &Digest) -> Option<Image> {
        let record: ImageRecord = record::read(&self.image_path(digest))?;
        Some(self.image(name, &record))
    }

    pub(super) fn image(&self, name: &str, record: &ImageRecord) -> Image {
        let fs = |key: &String| self.layer_dir(key).join("fs");
        let mut layers: Vec<PathBuf> = record.layers.iter().map(fs).collect();
        if layers.is_empty() {
            layers.push(self.root.join("empty"));
        }
        let (digest, config) = (record.digest, record.config.clone());
        Image {
            name: name.to_owned(),
            digest,
            config,
            layers,
            size_bytes: record.size_bytes,
        }
    }

    /// Bring new layers to the disk in the background, then note that they are there. Until
    /// then they count only while the machine stays up, which is all a running container needs.
    pub(super) fn sync_in_background(self: &Arc<Self>) {
        self.sync_again.store(true, Ordering::Release);
        if self.syncing.swap(true, Ordering::AcqRel) {
            return;
        }
        let images = self.clone();
        drop(task::spawn("image-sync", async move {
            while images.sync_again.swap(false, Ordering::AcqRel) {
                let at = images.clone();
                let synced = task::spawn_blocking(move || at.sync()).await;
                if let Ok(Err(error)) = synced {
                    tracing::warn!(%error, "cannot sync image layers to disk");
                }
            }
            images.syncing.store(false, Ordering::Release);
        }));
    }

    /// See [`Images::sync_in_background`].
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut fresh = Vec::new();
        for entry in fs::read_dir(self.root.join("layers"))? {
            let path = entry?.path().join("layer.json");
            let record: Option<LayerRecord> = record::read(&path);
            fresh.extend(record.filter(|r| !r.durable).map(|r| (path, r)));
        }
        if fresh.is_empty() {
            return Ok(());
        }
        rustix::fs::syncfs(fs::File::open(&self.root)?)?;
        for (path, mut record) in fresh {
            record.durable = true;
            match record::write(&path, &record) {
                // Collected meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                written => written?,
            }
        }
        Ok(())
    }
}
