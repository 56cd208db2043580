//! The file under the database: exclusive, private, and with a memory of what went wrong.
//!
//! [`DiskFile`] takes the lock itself, so that a database can be closed and opened again on it
//! (after a full disk) without another process slipping in between.

use crate::StoreError;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct DiskFile(File);

impl DiskFile {
    /// Opens or creates `path`, locked against every other process until dropped. The lock is
    /// the open file description's (flock(2)); programs we start do not inherit it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
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
        let directory = File::open(parent.unwrap_or(Path::new(".")));
        directory
            .and_then(|d| d.sync_all())
            .map_err(|e| failed("sync the directory of", e))?;
        Ok(DiskFile(file))
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// What a database is opened on, again and again if need be: closing the database leaves it open.
#[derive(Debug, Clone)]
pub(super) struct Medium {
    backend: Arc<dyn StorageBackend>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// The first I/O error since the medium was last asked.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub text: String,
    /// No space, found out before anything was lost: the database can be opened again. An error
    /// of fsync is never of this kind, since the kernel may have dropped the pages.
    pub only_full: bool,
}

impl Medium {
    pub(super) fn new(backend: Arc<dyn StorageBackend>) -> Self {
        Medium {
            backend,
            fault: Arc::default(),
        }
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
