//! [`Blobs`] on a local directory: layout, durable placement, listing and deletion.
//!
//! ```text
//! blobs/sha256/ab/<hex>   complete blobs, `ab` the first two digits
//! uploads/<id>            uploads under way (see `upload`)
//! tmp/                    small blobs being written; emptied at open
//! ```
//! It does not know who refers to a blob: deleting only what is unused is the caller's matter.

use crate::upload::Sessions;
use crate::{BlobError, Digest};
use bytes::Bytes;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, DiskSpace, Timestamp, task};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// A content-addressed store. Cheap to share; all methods may run concurrently.
#[derive(Debug)]
pub struct Blobs {
    root: PathBuf,
    next_temporary: AtomicU64,
    /// Whether the directory of the blobs whose digest begins with a byte is there, durably.
    homes: [AtomicBool; 256],
    /// Held where a blob's age is renewed, and where an old one is deleted.
    ages: Mutex<()>,
    pub(crate) sessions: Sessions,
}

/// A blob that was just made durable (or was there already).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub digest: Digest,
    pub size_bytes: u64,
}

/// One blob of [`Blobs::list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub digest: Digest,
    pub size_bytes: u64,
    /// When it was last stored, also when it was there already: a guard for collectors.
    pub stored_at: Timestamp,
}

impl Blobs {
    /// Open the store in `root`, creating it when absent. Half-written small blobs of an earlier
    /// run are removed; uploads are kept, to be resumed or collected.
    pub fn open(root: &Path) -> Result<Arc<Blobs>, BlobError> {
        let temporary = root.join("tmp");
        match fs::remove_dir_all(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(BlobError::io(&temporary, e));
            }
            _ => {}
        }
        for dir in [
            &root.join("blobs/sha256"),
            &root.join("uploads"),
            &temporary,
        ] {
            fs::create_dir_all(dir).map_err(|e| BlobError::io(dir, e))?;
        }
        let homes = [const { AtomicBool::new(false) }; 256];
        for home in read_dir(&root.join("blobs/sha256"))? {
            let name = home.file_name().and_then(|n| n.to_str());
            if let Some(prefix) = name.and_then(|n| u8::from_str_radix(n, 16).ok()) {
                homes[usize::from(prefix)].store(true, Ordering::Relaxed);
            }
        }
        for dir in [&root.join("blobs/sha256"), &root.join("blobs"), root] {
            sync_dir(dir)?;
        }
        Ok(Arc::new(Blobs {
            root: root.to_path_buf(),
            next_temporary: AtomicU64::new(0),
            homes,
            ages: Mutex::new(()),
            sessions: Sessions::default(),
        }))
    }

    pub(crate) fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs/sha256").join(&hex[..2]).join(hex)
    }

    /// The directory in which the blob lies or will lie, made and durable. (Made when first needed:
    /// all of them at once are most of what a new store costs.)
    fn home(&self, digest: &Digest) -> Result<PathBuf, BlobError> {
        let place = self.place(digest);
        let home = place.parent().expect("a blob lies in a directory");
        let made = &self.homes[usize::from(digest.as_bytes()[0])];
        if !made.load(Ordering::Relaxed) {
            match fs::create_dir(home) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(BlobError::io(home, e));
                }
                // Whoever made it may not have come to the sync yet.
                _ => sync_dir(&self.root.join("blobs/sha256"))?,
            }
            made.store(true, Ordering::Relaxed);
        }
        Ok(home.to_owned())
    }

    pub(crate) fn upload_dir(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Where the blob's bytes lie as a local file; `None` when it is not here. The file must
    /// only be read, and may be deleted at any time (an open file stays readable).
    pub fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.place(digest);
        path.is_file().then_some(path)
    }

    pub async fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_some()
    }

    /// Size in bytes; `None` when the blob does not exist.
    pub async fn size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.place(digest))
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|m| m.len())
    }

    /// Do `bytes` more fit, and leave the disk its reserve ([`DiskSpace`])?
    ///
    /// # Errors
    /// [`BlobError::NoSpace`] when they do not.
    pub fn require_room(&self, bytes: u64) -> Result<(), BlobError> {
        require_room(&self.root, bytes)
    }

    /// Store `bytes` durably. With `expected`, refuse other content.
    pub async fn put_bytes(
        self: &Arc<Self>,
        bytes: Bytes,
        expected: Option<&Digest>,
    ) -> Result<Stored, BlobError> {
        let (blobs, expected) = (self.clone(), expected.copied());
        blocking(move || blobs.put_now(&bytes, expected)).await
    }

    /// Move a complete local file of this size in, durably. Whoever wrote it has hashed it on the way: it
    /// is not read again. Blocking; `from` is on this store's file system.
    pub fn take(&self, from: &Path, digest: &Digest, size_bytes: u64) -> Result<Stored, BlobError> {
        let file = File::open(from).map_err(|e| BlobError::io(from, e))?;
        self.settle(from, &file, *digest, size_bytes)
    }

    fn put_now(&self, bytes: &[u8], expected: Option<Digest>) -> Result<Stored, BlobError> {
        let actual = Digest::of(bytes);
        if let Some(expected) = expected.filter(|e| *e != actual) {
            return Err(BlobError::DigestMismatch { expected, actual });
        }
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        self.require_room(bytes.len() as u64)?;
        let path = self.root.join("tmp").join(number.to_string());
        let written = File::create(&path)
            .and_then(|mut f| f.write_all(bytes).map(|()| f))
            .map_err(|e| BlobError::io(&path, e))
            .and_then(|f| self.settle(&path, &f, actual, bytes.len() as u64));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// Make the complete, verified file at `from` visible as `digest`, durably.
    pub(crate) fn settle(
        &self,
        from: &Path,
        file: &File,
        digest: Digest,
        size_bytes: u64,
    ) -> Result<Stored, BlobError> {
        let found = file.metadata().map_err(|e| BlobError::io(from, e))?.len();
        if found != size_bytes {
            // Somebody else wrote into it: what was hashed is not what is there.
            return Err(BlobError::io(from, std::io::ErrorKind::InvalidData.into()));
        }
        let to = self.place(&digest);
        let now = UNIX_EPOCH + Duration::from_millis(SystemClock.now().as_millis() as u64);
        let aged = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(existing) = File::open(&to) {
            // Same content, already durable; only the age that collectors look at is renewed.
            if existing.metadata().is_ok_and(|m| m.len() == size_bytes) {
                let _ = existing.set_modified(now);
                drop(aged);
                // Whoever placed it may not have come to this yet.
                sync_dir(to.parent().expect("a blob lies in a directory"))?;
                fs::remove_file(from).map_err(|e| BlobError::io(from, e))?;
                return Ok(Stored { digest, size_bytes });
            }
        }
        drop(aged);
        file.set_modified(now)
            .and_then(|()| file.sync_all())
            .map_err(|e| BlobError::io(from, e))?;
        let home = self.home(&digest)?;
        fs::rename(from, &to).map_err(|e| BlobError::io(&to, e))?;
        sync_dir(&home)?;
        Ok(Stored { digest, size_bytes })
    }

    /// Delete a blob; `false` when it did not exist. Readers that have it open go on.
    pub async fn delete(self: &Arc<Self>, digest: &Digest) -> Result<bool, BlobError> {
        let path = self.place(digest);
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(BlobError::io(&path, e)),
        })
        .await
    }

    /// Delete a blob last stored before `cutoff`; `false` when it is younger or does not exist.
    /// One that is being stored again at this moment stays.
    pub async fn delete_older(
        self: &Arc<Self>,
        digest: &Digest,
        cutoff: Timestamp,
    ) -> Result<bool, BlobError> {
        let (blobs, path) = (self.clone(), self.place(digest));
        blocking(move || {
            let _aged = blobs.ages.lock().unwrap_or_else(PoisonError::into_inner);
            match fs::metadata(&path) {
                Ok(meta) if modified_at(&meta) < cutoff => {}
                _ => return Ok(false),
            }
            fs::remove_file(&path).map_err(|e| BlobError::io(&path, e))?;
            Ok(true)
        })
        .await
    }

    /// Every blob, in no order. Reads the whole directory tree: for collectors.
    pub async fn list(self: &Arc<Self>) -> Result<Vec<Entry>, BlobError> {
        let dir = self.root.join("blobs/sha256");
        blocking(move || {
            let mut found = Vec::new();
            for prefix in read_dir(&dir)? {
                for path in read_dir(&prefix)? {
                    let name = path
                        .file_name()
                        .and_then(|n| n.to_str())
                        .unwrap_or_default();
                    // A blob deleted meanwhile is no error.
                    let (Ok(digest), Ok(meta)) = (Digest::from_hex(name), fs::metadata(&path))
                    else {
                        continue;
                    };
                    let stored_at = modified_at(&meta);
                    found.push(Entry {
                        digest,
                        size_bytes: meta.len(),
                        stored_at,
                    });
                }
            }
            Ok(found)
        })
        .await
    }
}

pub(crate) fn require_room(path: &Path, bytes: u64) -> Result<(), BlobError> {
    match DiskSpace::at(path) {
        Ok(space) if !space.takes(bytes) => {
            Err(BlobError::io(path, io::ErrorKind::StorageFull.into()))
        }
        // What cannot be looked at is found out by writing.
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(crate) fn modified_at(meta: &fs::Metadata) -> Timestamp {
    let since = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Timestamp::from_millis(since.map_or(0, |d| d.as_millis() as i64))
}

pub(crate) fn read_dir(dir: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let listed = fs::read_dir(dir).and_then(|entries| entries.map(|e| Ok(e?.path())).collect());
    listed.map_err(|e| BlobError::io(dir, e))
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), BlobError> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| BlobError::io(dir, e))
}

/// Run `work` on the blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    task::spawn_blocking(work)
        .await
        .expect("blob work does not panic and is never aborted")
}
