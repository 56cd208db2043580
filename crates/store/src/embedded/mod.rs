//! The durable store of one host: a redb file with the log, and the state in memory.
//!
//! Owns the file and the one thread that writes it. Reads and watches are answered from memory
//! and never touch the disk. What a transaction wrote is on the disk (fdatasync) before anyone
//! hears of it. Opening is exclusive, and replays the log. See
//! `docs/decisions/0001-embedded-store.md`.

mod disk;
mod queue;
mod record;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

use crate::mvcc::{Core, Leases, Retention, State, limits};
use crate::{Entry, LeaseId, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};
use async_trait::async_trait;
use disk::{DiskFile, Medium};
use neargate_base::{Clock, Timestamp};
use parking_lot::Mutex;
use queue::{Queue, Reply, Request};
use redb::{Builder, Database, StorageBackend};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use writer::Writer;

/// redb's page cache: only the inner pages of the log and its two ends are ever read again.
const CACHE_BYTES: usize = 8 << 20;

/// How a store behaves beyond the contract.
#[derive(Clone)]
pub struct Options {
    /// Called once, on the writer's thread, when the writer cannot go on (an I/O error that is
    /// not a full disk, a damaged file, a bug): what is on the disk is known only after opening
    /// it anew, so the default ends the process, to be started again. Every call fails with
    /// [`StoreError::Unavailable`] afterwards.
    pub on_death: Arc<dyn Fn(&str) + Send + Sync>,
    keep: Retention,
    ahead_bytes: u64,
    shrink_above_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            on_death: Arc::new(|_| std::process::abort()),
            keep: Retention::default(),
            ahead_bytes: 0,
            shrink_above_bytes: 8 << 20,
        }
    }
}

impl Options {
    /// Hold this much of the disk beyond the file's end (default none; a 64th of the disk at most),
    /// so that a full disk still takes what frees space.
    pub fn hold_ahead(mut self, bytes: u64) -> Self {
        self.ahead_bytes = bytes;
        self
    }

    /// A larger file that is mostly empty is made smaller when there is nothing else to do
    /// (default 8 MiB).
    pub fn shrink_above(mut self, bytes: u64) -> Self {
        self.shrink_above_bytes = bytes;
        self
    }

    /// Keep history for about this long (default a minute).
    pub fn keep_for(mut self, age: Duration) -> Self {
        self.keep.age = age;
        self
    }

    /// Keep about this many revisions of history (default 10,000, and at most 16 MiB).
    pub fn keep_revisions(mut self, revisions: usize) -> Self {
        self.keep.revisions = revisions;
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// See the module. Dropping it serves what was asked before, then closes the file.
#[derive(Debug)]
pub struct EmbeddedStore {
    core: Arc<Core>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    /// Answers when the writer has ended.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl EmbeddedStore {
    /// Opens or creates the file at `path`; its directory must exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be opened or another process has it open;
    /// [`StoreError::Corrupt`] when it is damaged or of another format.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StoreError> {
        Self::open_with(path, clock, Options::default())
    }

    /// [`Self::open`] with other than the default options.
    pub fn open_with(
        path: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<Self>, StoreError> {
        let file = Arc::new(DiskFile::open(path, options.ahead_bytes)?);
        let opened = Self::open_on(Medium::of_file(file), clock, options);
        opened.map_err(|e| match e {
            StoreError::Corrupt(text) => StoreError::Corrupt(format!("{}: {text}", path.display())),
            other => other,
        })
    }

    /// Opens a store on something else than a file: for tests that break it.
    pub fn open_with_backend(
        backend: Arc<dyn StorageBackend>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<Self>, StoreError> {
        Self::open_on(Medium::new(backend), clock, options)
    }

    fn open_on(
        medium: Medium,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<Self>, StoreError> {
        let (db, state, leases) = open_database(&medium, clock.now())?;
        let core = Arc::new(Core::new(clock, state, leases));
        let queue = Arc::new(Queue::default());
        let writer = Writer::new(core.clone(), queue.clone(), options, medium, db);
        let thread = std::thread::Builder::new().name("store-writer".into());
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread.spawn(move || {
            writer.run();
            // Whoever waits may be gone.
            let _ = end.send(());
        });
        let thread = thread.map_err(|e| StoreError::Unavailable(format!("no thread: {e}")))?;
        Ok(Arc::new(EmbeddedStore {
            core,
            queue,
            writer: Some(thread),
            ended: Mutex::new(Some(ended)),
        }))
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(request(reply));
        match answer.await {
            Ok(answer) => answer,
            // The writer died; it says why, or a moment later will.
            Err(_dropped) => {
                self.core.read(|_| ())?;
                Err(StoreError::Unavailable("the store was closed".into()))
            }
        }
    }
}

/// Opens (and, after a crash, repairs) the database on `medium` and replays it.
fn open_database(medium: &Medium, now: Timestamp) -> Result<(Database, State, Leases), StoreError> {
    let open = || {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let db = builder.create_with_backend(medium.clone());
        let db = db.map_err(|e| schema::LoadError::from(Box::new(e.into())))?;
        schema::prepare(&db)?;
        let (state, leases) = schema::replay(&db, now)?;
        Ok::<_, schema::LoadError>((db, state, leases))
    };
    // redb may panic over a file that was damaged from outside after a clean end.
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open));
    match opened {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(schema::LoadError::Format(found))) => Err(StoreError::OtherFormat {
            found,
            known: schema::FORMAT,
        }),
        Ok(Err(e)) => Err(match medium.fault() {
            Some(fault) if fault.cut_short => StoreError::Corrupt("the file is cut short".into()),
            Some(fault) => StoreError::Unavailable(fault.text),
            None => StoreError::Corrupt(e.to_string()),
        }),
        Err(_panic) => Err(StoreError::Corrupt("the file is damaged".into())),
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != std::thread::current().id()
        {
            // The writer catches its own panics.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.core.get(key)
    }

    async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        self.core.range(prefix, after, limit, at)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        limits::check(&txn)?;
        self.ask(|reply| Request::Txn(txn, reply)).await
    }

    async fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Box<dyn Watch>, StoreError> {
        Ok(Box::new(self.core.watch(prefix, from)?))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.ask(|reply| Request::Grant(ttl, reply)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.core.keep_alive(lease)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.ask(|reply| Request::Revoke(lease, reply)).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.ask(|reply| Request::Compact(revision, reply)).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.core.revision()
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        self.ask(Request::Wipe).await
    }

    async fn close(&self) {
        self.queue.close();
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            // An error is an end, too.
            let _ = ended.await;
        }
    }
}
