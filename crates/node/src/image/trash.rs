//! [`Trash`]: deleting large trees slowly, outside every hot path.
//!
//! Throwing away is a rename. Emptying works on one directory level at a time (a subdirectory
//! that is not empty is itself thrown into the trash), so no depth of nesting, however hostile,
//! costs stack or file descriptors. ext4 is several times slower at creating files right after
//! many were deleted, so batches are small and pauses lie between them.

use neargate_base::task;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const BATCH: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);
/// While layers are being unpacked, deleting waits; but not for ever.
const YIELD: Duration = Duration::from_millis(250);
const MAX_YIELDS: u32 = 240;

/// A directory of things to delete.
#[derive(Debug)]
pub(super) struct Trash {
    dir: PathBuf,
    next: AtomicU64,
    emptying: AtomicBool,
    unpacking: AtomicUsize,
}

/// While it lives, deleting waits.
#[derive(Debug)]
pub(super) struct Quiet(Arc<Trash>);

impl Drop for Quiet {
    fn drop(&mut self) {
        self.0.unpacking.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Trash {
    /// `dir` must exist, on the same file system as what is thrown into it.
    pub(super) fn new(dir: PathBuf) -> io::Result<Arc<Trash>> {
        let mut next = 0;
        for entry in std::fs::read_dir(&dir)? {
            let number = entry?
                .file_name()
                .to_str()
                .and_then(|n| n.parse::<u64>().ok());
            next = next.max(number.unwrap_or(0) + 1);
        }
        let (next, emptying) = (next.into(), AtomicBool::new(false));
        Ok(Arc::new(Trash {
            dir,
            next,
            emptying,
            unpacking: AtomicUsize::new(0),
        }))
    }

    /// Keep the disk quiet for a while.
    pub(super) fn quiet(self: &Arc<Self>) -> Quiet {
        self.unpacking.fetch_add(1, Ordering::AcqRel);
        Quiet(self.clone())
    }

    /// Take `path` away; it is gone for everybody else once this returns.
    pub(super) fn take(&self, path: &Path) -> io::Result<()> {
        match std::fs::rename(path, self.fresh()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    }

    fn fresh(&self) -> PathBuf {
        self.dir
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Start emptying in the background unless that is going on.
    pub(super) fn empty_in_background(self: &Arc<Self>) {
        let in_runtime = tokio::runtime::Handle::try_current().is_ok();
        if in_runtime && !self.emptying.swap(true, Ordering::AcqRel) {
            let trash = self.clone();
            drop(task::spawn(
                "image-trash",
                async move { trash.empty().await },
            ));
        }
    }

    async fn empty(self: Arc<Self>) {
        let mut yields = 0;
        loop {
            if self.unpacking.load(Ordering::Acquire) > 0 && yields < MAX_YIELDS {
                yields += 1;
                tokio::time::sleep(YIELD).await;
                continue;
            }
            let trash = self.clone();
            let more = task::spawn_blocking(move || trash.remove_batch(BATCH)).await;
            match more {
                Ok(Ok(true)) => tokio::time::sleep(PAUSE).await,
                Ok(Ok(false)) => break,
                Ok(Err(error)) => {
                    tracing::warn!(%error, dir = %self.dir.display(), "cannot delete old image files");
                    break;
                }
                Err(_) => break,
            }
        }
        self.emptying.store(false, Ordering::Release);
    }

    /// Remove up to `batch` names; whether any may be left.
    pub(super) fn remove_batch(&self, batch: usize) -> io::Result<bool> {
        let mut left = batch;
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if !self.remove_one(&path, &mut left)? {
                return Ok(true);
            }
        }
        // Subdirectories thrown in meanwhile may have been missed by the listing.
        Ok(std::fs::read_dir(&self.dir)?.next().is_some())
    }

    /// Whether `path` is gone; `left` counts down with every name.
    fn remove_one(&self, path: &Path, left: &mut usize) -> io::Result<bool> {
        match unlinkat(CWD, path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(e) => return Err(e.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(CWD, path, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(true),
            opened => opened?,
        };
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if *left == 0 {
                return Ok(false);
            }
            *left -= 1;
            match unlinkat(&dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(e) => return Err(e.into()),
            }
            match unlinkat(&dir, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    match renameat(&dir, name, CWD, self.fresh()) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
        match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            // The listing may miss names while others are removed: once more.
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}
