//! [`Builder`]: a builder's directory, and what it works with.

use super::error::BuildError;
use super::options::{Built, Registries, Request};
use super::progress::Progress;
use super::session::Session;
use super::tags::Tags;
use crate::image::{ImageError, Images, RegistryConfig};
use crate::runtime::{Runtime, RuntimeConfig, RuntimeError, ShimRuntime, ShownFile};
use neargate_blob::{BlobError, Blobs};
use rustix::fs::{FlockOperation, flock};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where and how a builder works.
#[derive(Debug)]
pub struct BuilderConfig {
    /// Its own directory; on a file system that can be an overlay's upper layer.
    pub dir: PathBuf,
    /// See [`RuntimeConfig`].
    pub exe: PathBuf,
    /// See [`RuntimeConfig`].
    pub cgroup_name: String,
    /// In whose cgroup `RUN` runs.
    pub task_id: String,
    /// That cgroup is a task's, which its node looks after: what runs in it beside is not ours.
    pub in_task: bool,
    /// The network of `RUN`.
    pub netns: PathBuf,
    /// Files that `RUN` sees in place of the image's.
    pub files: Vec<ShownFile>,
    /// A directory in memory, for secrets.
    pub memory: PathBuf,
    pub registries: RegistryConfig,
    pub reach: Arc<dyn Registries>,
}

/// Builds images. See the module.
#[derive(Debug)]
pub struct Builder {
    pub(super) dir: PathBuf,
    pub(super) blobs: Arc<Blobs>,
    pub(super) images: Arc<Images>,
    pub(super) runtime: ShimRuntime,
    pub(super) tags: Tags,
    pub(super) config: BuilderConfig,
    numbers: AtomicU64,
    /// One build at a time.
    turn: tokio::sync::Mutex<()>,
    _lock: File,
}

/// A builder cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Images(#[from] ImageError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl Builder {
    /// Opens (or makes) a builder's directory, and tidies up what an earlier one left. Waits while
    /// another process has it. Blocking, but for that short.
    ///
    /// # Errors
    /// The directory cannot be used, or this machine runs no containers.
    pub fn open(config: BuilderConfig) -> Result<Arc<Builder>, OpenError> {
        let dir = config.dir.clone();
        let at = |path: PathBuf| move |source| OpenError::Io { path, source };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(at(dir.clone()))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(at(path.clone()))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| at(path)(e.into()))?;
        for name in ["snapshots", "caches", "work", "trash"] {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(at(path))?;
        }
        tidy(&dir).map_err(at(dir.clone()))?;
        let blobs = Blobs::open(&dir.join("blobs"))?;
        let images = Images::open(
            &dir.join("images"),
            Some(blobs.clone()),
            config.registries.clone(),
        )?;
        let runtime = ShimRuntime::open(RuntimeConfig {
            exe: config.exe.clone(),
            run_dir: dir.join("run"),
            cgroup_name: config.cgroup_name.clone(),
        })?;
        Ok(Arc::new(Builder {
            tags: Tags::open(dir.join("tags.json")),
            dir,
            blobs,
            images,
            runtime,
            config,
            numbers: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
            _lock: lock,
        }))
    }

    /// It works for a task, in the task's cgroup.
    pub fn is_in_task(&self) -> bool {
        self.config.in_task
    }

    /// Names of images.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Layers and documents.
    pub fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    pub fn registries(&self) -> &dyn Registries {
        &*self.config.reach
    }

    /// A new directory for a context that comes as an archive; whoever made it removes it.
    pub fn context_dir(&self) -> PathBuf {
        self.dir
            .join("work")
            .join(format!("context-{}", self.number()))
    }

    /// Builds an image. Dropping the future ends it.
    ///
    /// # Errors
    /// What did not work out, with the Dockerfile's lines.
    pub async fn build(
        self: &Arc<Self>,
        request: Request,
        progress: Arc<dyn Progress>,
    ) -> Result<Built, BuildError> {
        let _turn = self.turn.lock().await;
        let mut session = Session::new(self.clone(), request, progress)?;
        let built = session.run().await;
        // Whatever became of the build, nobody else may take what is still being read.
        session.settle().await;
        built
    }

    /// Ends what is left of `RUN`s, of this process and of earlier ones that were killed. A task's own
    /// node does it for those in a task.
    ///
    /// # Errors
    /// As [`Runtime::sweep`].
    pub async fn sweep(&self) -> Result<(), RuntimeError> {
        match self.config.in_task {
            true => Ok(()),
            false => self.runtime.sweep(&HashSet::new()).await,
        }
    }

    /// A number that was not given out before.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Steps that were not done, and what was to be deleted.
fn tidy(dir: &std::path::Path) -> io::Result<()> {
    for name in ["work", "trash"] {
        for entry in fs::read_dir(dir.join(name))? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
    }
    for entry in fs::read_dir(dir.join("snapshots"))? {
        let path = entry?.path();
        if !path.join("snapshot.json").exists() {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
