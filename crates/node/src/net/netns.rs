//! Named network namespaces: files that the kernel's namespace is bind-mounted on, so that it
//! lives while the file does, whoever made it and whether or not a process is inside.
//!
//! Only throwaway threads ever change their namespace ([`on_own_thread`]): a worker of the
//! runtime that did so would take other tasks' sockets along.

use super::error::NetworkError;
use netlink_sys::Socket;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// The calling thread's network namespace, as /proc shows it.
const OWN: &str = "/proc/thread-self/ns/net";

/// Moves the calling thread into the namespace at `path`, making it if there is none. Says
/// whether it was made, and gives a handle to it.
///
/// Call it on a thread of [`on_own_thread`] only.
pub(super) fn enter(path: &Path) -> Result<(File, bool), NetworkError> {
    if let Ok(existing) = File::open(path) {
        // A plain file is what a crash between creating and mounting leaves: EINVAL.
        match move_into_link_name_space(existing.as_fd(), Some(LinkNameSpaceType::Network)) {
            Ok(()) => return Ok((existing, false)),
            Err(rustix::io::Errno::INVAL) => {}
            Err(e) => return Err(NetworkError::path("enter", path)(e.into())),
        }
    }
    reserve(path)?;
    unshare_network().map_err(NetworkError::path("make a network namespace for", path))?;
    mount_bind(OWN, path).map_err(|e| NetworkError::path("mount", path)(e.into()))?;
    let handle = File::open(OWN).map_err(NetworkError::path("open", OWN))?;
    Ok((handle, true))
}

/// Takes the name for a namespace to be made; fine if it is taken already.
pub(super) fn reserve(path: &Path) -> Result<(), NetworkError> {
    if path.exists() {
        return Ok(());
    }
    let created = OpenOptions::new().create(true).append(true).open(path);
    created
        .map(|_| ())
        .map_err(NetworkError::path("create", path))
}

/// A network namespace that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The process's own.
    Own,
    At(PathBuf),
}

impl Place {
    /// Does blocking work inside it, for programs too that the work starts.
    pub(super) async fn run<T, F>(self, work: F) -> Result<T, NetworkError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, NetworkError> + Send + 'static,
    {
        match self {
            Place::Own => super::blocking(work).await,
            Place::At(_) => {
                let inside = move || {
                    self.join()?;
                    work()
                };
                on_own_thread(inside).await
            }
        }
    }

    /// Does blocking work inside it, on a thread of [`on_own_thread`], which comes back.
    pub(super) fn visit<T>(
        &self,
        work: impl FnOnce() -> Result<T, NetworkError>,
    ) -> Result<T, NetworkError> {
        let away = Home::here()?;
        self.join()?;
        let done = work();
        away.enter()?;
        done
    }

    /// Moves the calling thread, which must be one of [`on_own_thread`], into it.
    pub(super) fn join(&self) -> Result<(), NetworkError> {
        let Place::At(path) = self else {
            return Ok(());
        };
        let handle = File::open(path).map_err(NetworkError::path("open", path))?;
        move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| NetworkError::path("enter", path)(e.into()))
    }
}

#[allow(unsafe_code)]
fn unshare_network() -> io::Result<()> {
    // SAFETY: the hazard of unshare is a shared file descriptor table or working directory
    // coming apart; NEWNET touches neither, and the calling thread is ours alone.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(io::Error::from)
}

/// Lets go of the namespace at `path`; the kernel deletes it, and every interface in it, in the
/// background once no process is inside. Fine if it is gone already.
pub(super) fn remove(path: &Path) -> Result<(), NetworkError> {
    // As often as it was mounted: once, unless something bind-mounted over it.
    while unmount(path, UnmountFlags::DETACH).is_ok() {}
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(NetworkError::path("remove", path)(e)),
        _ => Ok(()),
    }
}

/// The file names under `dir`.
pub(super) fn list(dir: &Path) -> Result<Vec<String>, NetworkError> {
    let entries = fs::read_dir(dir).map_err(NetworkError::path("list", dir))?;
    Ok(entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .collect())
}

/// Runs `work` on a thread of its own that ends with it and takes its namespace along.
pub(super) async fn on_own_thread<T, F>(work: F) -> Result<T, NetworkError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, NetworkError> + Send + 'static,
{
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("netns".into())
        .stack_size(256 * 1024);
    thread
        .spawn(move || {
            LEFT_OPEN.set(Some(Vec::new()));
            // Whoever asked may be gone; and nobody waits for what is closed after this.
            let _ = done.send(work());
            drop(LEFT_OPEN.take());
        })
        .map_err(NetworkError::link("start a thread"))?;
    result.await.map_err(|_| NetworkError::Thread)?
}

thread_local! {
    /// What is closed when the work of a thread of [`on_own_thread`] has been answered.
    static LEFT_OPEN: RefCell<Option<Vec<Socket>>> = const { RefCell::new(None) };
}

/// Closes a socket to nftables, after the answer where there is one to come: who closes such a socket
/// waits in the kernel until what any transaction took away is freed, a grace period later.
pub(super) fn close_at_leisure(socket: Socket) {
    LEFT_OPEN.with_borrow_mut(|left| {
        if let Some(left) = left {
            left.push(socket);
        }
    });
}

/// The namespace that a thread came from.
#[derive(Debug)]
pub(super) struct Home(File);

impl Home {
    pub(super) fn here() -> Result<Home, NetworkError> {
        let own = File::open(OWN).map_err(NetworkError::path("open", OWN))?;
        Ok(Home(own))
    }

    /// Does blocking work there, on a thread of [`on_own_thread`] that has left it, and goes back.
    pub(super) fn within<T>(
        &self,
        work: impl FnOnce() -> Result<T, NetworkError>,
    ) -> Result<T, NetworkError> {
        let away = Home::here()?;
        self.enter()?;
        let done = work();
        away.enter()?;
        done
    }

    fn enter(&self) -> Result<(), NetworkError> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| NetworkError::path("enter", OWN)(e.into()))
    }
}
