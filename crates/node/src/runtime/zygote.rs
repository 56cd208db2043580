//! The agent's end of the zygote (`shim::zygote`): asks it for shims, and starts it when it is
//! not there, or no more.
//!
//! Invariants: a zygote that was killed or hangs costs no container: the request goes to a new
//! one, when the old one is dead and has not answered. Should it have forked a shim in its last
//! moment, the lock of the container's directory lets one of the two live.

use super::exe::ShimProgram;
use crate::shim::{ZYGOTE, receive, send};
use neargate_base::task::spawn;
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socketpair, sockopt};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// A fork takes less than a millisecond; a zygote that was stopped takes for ever. One that has
/// forked before need not be loaded first, and every start waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_WITH_KNOWN: Duration = Duration::from_secs(5);

/// Room for a shim's command line, which it writes over its zygote's.
const TITLE_BYTES: usize = 1024;

/// What keeps a shim's allocator small: no huge pages, even where the host gives them unasked
/// (`sys::clone_container` lets the container have them again), and books for as much memory as
/// a shim can ever need, not for a server's.
const SMALL: [(&str, &str); 2] = [
    ("MIMALLOC_ALLOW_THP", "0"),
    ("MIMALLOC_ARENA_RESERVE", "64MiB"),
];

/// Where shims come from.
#[derive(Debug)]
pub(super) struct Zygote {
    program: ShimProgram,
    running: Mutex<Option<Running>>,
}

impl Zygote {
    pub fn new(program: ShimProgram) -> Zygote {
        Zygote {
            program,
            running: Mutex::new(None),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.program.path().to_owned()
    }

    /// Its process; `None`: there was no need for one yet.
    pub fn pid(&self) -> Option<u32> {
        let running = self.running.lock();
        running.as_ref().map(|zygote| zygote.process.id())
    }

    /// A shim for the container in `dir`, which is given what is in `secrets`. Blocking.
    pub fn fork(
        &self,
        dir: &Path,
        listener: OwnedFd,
        secrets: Option<OwnedFd>,
    ) -> io::Result<Forked> {
        let mut running = self.running.lock();
        for _ in 0..2 {
            let zygote = match &mut *running {
                Some(zygote) => zygote,
                none => none.insert(Running::start(self.program.path())?),
            };
            match zygote.ask(dir, listener.as_fd(), secrets.as_ref()) {
                Ok(answer) => {
                    zygote.wait_at_most(PATIENCE_WITH_KNOWN)?;
                    return answer.map(Forked);
                }
                Err(e) => {
                    tracing::warn!(error = %e, "the shims' zygote is gone: starting another");
                    let late = zygote.end();
                    *running = None;
                    if let Some(answer) = late {
                        return answer.map(Forked);
                    }
                }
            }
        }
        Err(io::Error::other("two zygotes went, one after the other"))
    }
}

/// A zygote's process; it ends with this.
#[derive(Debug)]
struct Running {
    socket: OwnedFd,
    process: Child,
}

impl Running {
    fn start(program: &Path) -> io::Result<Running> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let process = Command::new(program)
            .arg0(ZYGOTE[0])
            .arg(ZYGOTE[1])
            .arg(" ".repeat(TITLE_BYTES))
            .env_clear()
            .envs(SMALL)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let running = Running {
            socket: ours,
            process,
        };
        running.wait_at_most(PATIENCE)?;
        Ok(running)
    }
}

impl Running {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(time))?;
        Ok(sockopt::set_socket_timeout(
            &self.socket,
            sockopt::Timeout::Send,
            Some(time),
        )?)
    }

    /// A shim's pidfd, or why it could not be forked. An error: the zygote does not answer.
    fn ask(
        &self,
        dir: &Path,
        listener: BorrowedFd<'_>,
        secrets: Option<&OwnedFd>,
    ) -> io::Result<io::Result<OwnedFd>> {
        let descriptors: Vec<_> = [listener]
            .into_iter()
            .chain(secrets.map(AsFd::as_fd))
            .collect();
        send(&self.socket, dir.as_os_str().as_bytes(), &descriptors)?;
        self.answer()
    }

    fn answer(&self) -> io::Result<io::Result<OwnedFd>> {
        let mut number = [0; 4];
        let (length, [pidfd, _]) = loop {
            match receive(&self.socket, &mut number, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                received => break received?,
            }
        };
        match (length, i32::from_le_bytes(number), pidfd) {
            (0, ..) => Err(io::ErrorKind::UnexpectedEof.into()),
            (_, 1.., Some(pidfd)) => Ok(Ok(pidfd)),
            (_, errno, _) => Ok(Err(io::Error::from_raw_os_error(errno.saturating_neg()))),
        }
    }

    /// It forks nothing from here on. The answer that it gave yet, after the patience's end.
    fn end(&mut self) -> Option<io::Result<OwnedFd>> {
        // It keeps nothing that would be lost. Errors: it has ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.answer().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A shim's process, not yet looked after.
#[derive(Debug)]
pub(super) struct Forked(OwnedFd);

/// A shim's process: a child of this one, reaped when it ends even if nobody waits for that.
#[derive(Debug)]
pub(super) struct Shim {
    ended: oneshot::Receiver<String>,
}

impl Forked {
    /// # Errors
    /// When the pidfd cannot be watched.
    #[allow(unsafe_code)]
    pub fn look_after(self) -> io::Result<Shim> {
        // SAFETY: the descriptor is owned, and nobody closes or replaces it while it is watched.
        let pidfd = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE) };
        let pidfd = pidfd.map_err(io::Error::from)?;
        let (sender, ended) = oneshot::channel();
        spawn("shim", async move {
            let end = match pidfd.readable().await {
                Ok(_) => reap(pidfd.get_ref()),
                Err(e) => e.to_string(),
            };
            // Nobody asks how most shims end.
            let _ = sender.send(end);
        });
        Ok(Shim { ended })
    }
}

impl Shim {
    /// Waits until it has ended; answers how, in words.
    pub async fn wait(self) -> String {
        self.ended.await.unwrap_or_else(|e| e.to_string())
    }
}

fn reap(pidfd: &OwnedFd) -> String {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown status".to_owned(),
        },
        Ok(None) => "an unknown status".to_owned(),
        Err(e) => e.to_string(),
    }
}
