//! One inotify instance for all log files (instances are scarce: 128 a user by default), and a
//! notification per file. A file it cannot watch is simply looked at again now and then.

use neargate_base::task;
use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

type Watches = Mutex<HashMap<i32, Arc<Notify>>>;

/// Tells of changes to files.
#[derive(Debug)]
pub struct LogWatch {
    fd: Option<Arc<AsyncFd<OwnedFd>>>,
    watches: Arc<Watches>,
    reader: Option<tokio::task::AbortHandle>,
}

/// One file's changes.
#[derive(Debug)]
pub struct Watched {
    notify: Arc<Notify>,
    /// Instance, watches and number, to take the watch away again.
    watch: Option<(Arc<AsyncFd<OwnedFd>>, Weak<Watches>, i32)>,
}

impl LogWatch {
    /// Start watching; without inotify it never notifies.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start() -> LogWatch {
        let watches: Arc<Watches> = Arc::default();
        let fd = match instance() {
            Ok(fd) => Arc::new(fd),
            Err(error) => {
                tracing::warn!(%error, "no inotify: container logs are looked at every few seconds");
                return LogWatch {
                    fd: None,
                    watches,
                    reader: None,
                };
            }
        };
        let reading = task::spawn("log-watch", read(Arc::clone(&fd), Arc::clone(&watches)));
        LogWatch {
            fd: Some(fd),
            watches,
            reader: Some(reading.abort_handle()),
        }
    }

    /// Watch a file, which must exist, until the result is dropped.
    pub fn file(&self, path: &Path) -> Watched {
        let notify = Arc::new(Notify::new());
        let Some(fd) = &self.fd else {
            return Watched {
                notify,
                watch: None,
            };
        };
        // The lock is held across both steps: an event must find its entry.
        let mut watches = self.watches.lock();
        match inotify::add_watch(fd.get_ref(), path, WatchFlags::MODIFY) {
            Ok(number) => {
                watches.insert(number, Arc::clone(&notify));
                let watch = Some((Arc::clone(fd), Arc::downgrade(&self.watches), number));
                Watched { notify, watch }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "container log not watched");
                Watched {
                    notify,
                    watch: None,
                }
            }
        }
    }
}

#[allow(
    deprecated,
    reason = "an OwnedFd keeps its descriptor open, which is all that is asked"
)]
fn instance() -> io::Result<AsyncFd<OwnedFd>> {
    let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    AsyncFd::with_interest(fd, Interest::READABLE)
}

impl Drop for LogWatch {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
    }
}

impl Watched {
    /// Returns once the file changed since the last call returned.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some((fd, watches, number)) = self.watch.take() {
            if let Some(watches) = watches.upgrade() {
                watches.lock().remove(&number);
            }
            // It fails only when the file, and the watch with it, is gone already.
            let _ = inotify::remove_watch(fd.get_ref(), number);
        }
    }
}

async fn read(fd: Arc<AsyncFd<OwnedFd>>, watches: Arc<Watches>) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    loop {
        let mut ready = match fd.readable().await {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(%error, "inotify ended");
                return;
            }
        };
        let mut reader = inotify::Reader::new(fd.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    watches.lock().values().for_each(|n| n.notify_one());
                }
                Ok(event) => {
                    if let Some(notify) = watches.lock().get(&event.wd()) {
                        notify.notify_one();
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => {
                    tracing::error!(%error, "inotify ended");
                    return;
                }
            }
        }
        ready.clear_ready();
    }
}
