//! What steps made, by their keys: made once, sealed in the background, found again.

use super::builder::Builder;
use super::error::failed;
use super::tags::write_whole;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use neargate_base::task::spawn_blocking;
use neargate_base::{Clock, time::SystemClock};
use neargate_blob::Digest;
use neargate_build::image::{LAYER, Layer};
use neargate_build::{Located, seal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A layer, or its being sealed.
pub(super) type Sealing = Shared<BoxFuture<'static, Result<Layer, String>>>;

/// What a step made.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// The layer's directory.
    pub fs: PathBuf,
    pub layer: Sealing,
    /// When it was made.
    pub created: String,
}

/// `snapshot.json`
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    layer: Layer,
    created: String,
}

const RECORD: &str = "snapshot.json";

impl Builder {
    fn snapshot_dir(&self, key: &Digest) -> PathBuf {
        self.dir.join("snapshots").join(key.hex())
    }

    /// The outcome of an earlier step of this key, if it is here whole.
    pub(super) fn known(&self, key: &Digest) -> Option<Snapshot> {
        let dir = self.snapshot_dir(key);
        let record: Record = serde_json::from_slice(&fs::read(dir.join(RECORD)).ok()?).ok()?;
        self.blobs.path(&record.layer.digest)?;
        // What was used lately is kept longest.
        let _ = fs::File::open(dir.join(RECORD)).and_then(|file| {
            let now = std::time::UNIX_EPOCH
                + std::time::Duration::from_millis(SystemClock.now().as_millis().unsigned_abs());
            file.set_modified(now)
        });
        Some(Snapshot {
            fs: dir.join("fs"),
            layer: futures_util::future::ready(Ok(record.layer))
                .boxed()
                .shared(),
            created: record.created,
        })
    }

    /// A new directory for a step.
    pub(super) fn work_dir(&self) -> Result<PathBuf, Located> {
        let dir = self.dir.join("work").join(self.number().to_string());
        fs::create_dir(&dir).map_err(failed("work"))?;
        Ok(dir)
    }

    /// The `fs` of a step's directory becomes the outcome of its key; it is sealed in the background.
    pub(super) fn place(self: &Arc<Self>, work: &Path, key: &Digest) -> Result<Snapshot, Located> {
        let dir = self.snapshot_dir(key);
        let placed = (|| {
            if dir.exists() {
                self.discard(&dir)?;
            }
            fs::create_dir(&dir)?;
            fs::rename(work.join("fs"), dir.join("fs"))?;
            self.discard(work)
        })();
        placed.map_err(failed("cannot keep what the step made"))?;
        let created = SystemClock.now().rfc3339();
        let (builder, of, at) = (self.clone(), dir.clone(), created.clone());
        let sealing = spawn_blocking(move || builder.seal(&of, at));
        let layer = async move {
            let sealed = sealing.await.map_err(|e| e.to_string())?;
            sealed.map_err(|e| format!("cannot seal a layer: {e}"))
        };
        // It goes on whether somebody waits for it or not.
        Ok(Snapshot {
            fs: dir.join("fs"),
            layer: layer.boxed().shared(),
            created,
        })
    }

    /// Blocking.
    fn seal(&self, dir: &Path, created: String) -> io::Result<Layer> {
        let archive = dir.join("layer.tar.gz");
        let sealed = seal::seal(&dir.join("fs"), &archive)?;
        self.blobs
            .take(&archive, &sealed.digest, sealed.size_bytes)
            .map_err(io::Error::other)?;
        let layer = Layer {
            media_type: LAYER.to_owned(),
            digest: sealed.digest,
            size_bytes: sealed.size_bytes,
            diff_id: sealed.diff_id,
        };
        let record = Record {
            layer: layer.clone(),
            created,
        };
        let bytes = serde_json::to_vec(&record).map_err(io::Error::other)?;
        write_whole(&dir.join(RECORD), &bytes)?;
        Ok(layer)
    }

    /// Out of the way now, and deleted in the background.
    pub(super) fn discard(&self, path: &Path) -> io::Result<()> {
        let to = self.dir.join("trash").join(self.number().to_string());
        match fs::rename(path, &to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            moved => moved?,
        }
        drop(spawn_blocking(move || {
            // What is left goes at the next start.
            let _ = fs::remove_dir_all(&to);
        }));
        Ok(())
    }
}
