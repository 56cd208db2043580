//! The file under the database: exclusive, private, and with a memory of what went wrong.
//!
//! [`DiskFile`] takes the lock itself, so that a database can be closed and opened again on it
//! (after a full disk) without another process slipping in between. It can hold space beyond the
//! file's end, which nobody else gets: the file grows into it when the disk is full.

use crate::StoreError;
use neargate_base::DiskSpace;
use parking_lot::Mutex;
use redb::StorageBackend;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    directory: PathBuf,
    /// Held beyond the end.
    ahead_bytes: u64,
    /// Less than that is held.
    short: AtomicBool,
}

/// What is held ahead is no more than this part of the disk.
const AHEAD_PART: u64 = 64;

impl DiskFile {
    /// Opens or creates `path`, locked against every other process until dropped. The lock is
    /// the open file description's (flock(2)); programs we start do not inherit it. Up to
    /// `ahead_bytes` are held beyond its end.
    pub(super) fn open(path: &Path, ahead_bytes: u64) -> Result<Self, StoreError> {
        let failed = |what: &str, e: io::Error| {
            StoreError::Unavailable(format!("cannot {what} {}: {e}", path.display()))
        };
        let mut options = OpenOptions::new();
        // The state holds secrets: nobody else may read it.
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let file = options.open(path).map_err(|e| failed("open", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is in use by another process", path.display());
                return Err(StoreError::Unavailable(text));
            }
            Err(TryLockError::Error(e)) => return Err(failed("lock", e)),
        }
        // A new file is durable only once its directory entry is.
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(|e| failed("sync the directory of", e))?;
        let total_bytes = DiskSpace::at(directory).map_or(0, |space| space.total_bytes);
        let file = DiskFile {
            file,
            directory: directory.to_owned(),
            ahead_bytes: ahead_bytes.min(total_bytes / AHEAD_PART),
            short: AtomicBool::new(false),
        };
        if let Ok(len) = file.len() {
            file.hold_ahead(len);
        }
        Ok(file)
    }

    /// Claims the blocks of the whole file, holes included, and those ahead. A disk that is full,
    /// or cannot do this, leaves it as it is.
    fn hold_ahead(&self, len: u64) {
        if self.ahead_bytes > 0 {
            let upto = len + self.ahead_bytes;
            let held = fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, upto);
            self.short.store(held.is_err(), Ordering::Relaxed);
        }
    }

    /// Is so little free that only what frees space should be written? What is missing ahead of
    /// the end is claimed as soon as there is room for it.
    pub(super) fn is_low(&self) -> bool {
        let Ok(space) = DiskSpace::at(&self.directory) else {
            return false;
        };
        if self.short.load(Ordering::Relaxed)
            && space.takes(self.ahead_bytes)
            && let Ok(len) = self.len()
        {
            self.hold_ahead(len);
        }
        space.is_low()
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.hold_ahead(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}

/// What a database is opened on, again and again if need be: closing the database leaves it open.
#[derive(Debug, Clone)]
pub(super) struct Medium {
    backend: Arc<dyn StorageBackend>,
    /// The backend, when it is a file.
    file: Option<Arc<DiskFile>>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// The first I/O error since the medium was last asked.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub text: String,
    /// No space, found out before anything was lost: the database can be opened again. An error
    /// of fsync is never of this kind, since the kernel may have dropped the pages.
    pub only_full: bool,
    /// The file ends before what it should hold.
    pub cut_short: bool,
}

impl Medium {
    pub(super) fn new(backend: Arc<dyn StorageBackend>) -> Self {
        Medium {
            backend,
            file: None,
            fault: Arc::default(),
        }
    }

    pub(super) fn of_file(file: Arc<DiskFile>) -> Self {
        Medium {
            backend: file.clone(),
            file: Some(file),
            fault: Arc::default(),
        }
    }

    /// See [`DiskFile::is_low`].
    pub(super) fn is_low(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.is_low())
    }

    /// How large the file is.
    pub(super) fn size_bytes(&self) -> u64 {
        self.backend.len().unwrap_or(0)
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.lock().clone()
    }

    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().take()
    }

    fn note<T>(&self, what: &str, result: io::Result<T>) -> io::Result<T> {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if let Err(e) = &result {
            let full = matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge);
            let fault = Fault {
                text: format!("{what}: {e}"),
                only_full: full && what != "sync",
                cut_short: e.kind() == io::ErrorKind::UnexpectedEof,
            };
            self.fault.lock().get_or_insert(fault);
        }
        result
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        self.note("length", self.backend.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note("read", self.backend.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note("resize", self.backend.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note("sync", self.backend.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note("write", self.backend.write(offset, data))
    }
}
