//! The process that every shim of a node is a fork of (`neargate zygote`).
//!
//! A program as large as ours takes milliseconds to load and has megabytes of pointers that the
//! loader writes once: forked, all shims share them. It knows nothing but the two descriptors it
//! gets: a request is the directory of a container with its listening control socket, and what is
//! secret of its environment in a file that has no name; the answer the new shim's pid with a pidfd, or why there is none.
//!
//! Invariants: it has one thread and allocates next to nothing, for what it has written in its
//! memory every shim takes along; it ends when its agent does, which no shim notices: they are
//! the agent's children, as if it had executed them itself.

use super::message::{receive, send};
use super::secrets;
use super::sys;
use super::title::Title;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The program as `ps` shows it, and the word that starts it.
pub(crate) const ZYGOTE: [&str; 2] = ["neargate-zygote", "zygote"];

const SHIM: [&str; 2] = ["neargate-shim", "shim"];

/// Forks shims until the agent goes; answers the process's exit code. Call it before the process
/// has a second thread, with the agent's socket as standard input.
pub fn zygote() -> i32 {
    match serve() {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("zygote: {e}; it is started by the node, not by hand");
            1
        }
    }
}

fn serve() -> io::Result<()> {
    sys::close_from_3()?;
    let agent = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    // Fails for a session leader, which is as good.
    let _ = rustix::process::setsid();
    // The terminal's signals and a service manager's are the agent's to take.
    sys::ignore_signals()?;
    rustix::process::chdir("/")?;
    let _ = rustix::thread::set_name(c"neargate-zygote");
    let title = Title::of_this_process();
    title.write(&ZYGOTE.map(str::as_bytes));
    // A request is one path.
    let mut buffer = [0; libc::PATH_MAX as usize];
    loop {
        let received = receive(&agent, &mut buffer, RecvFlags::empty());
        let (length, listener, secrets) = match received {
            Ok((0, _)) => return Ok(()),
            Ok((length, [Some(listener), secrets])) => (length, listener, secrets),
            Ok((_, [None, _])) => return Err(io::Error::other("a request without a socket")),
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        };
        let dir = &buffer[..length];
        let forked = sys::clone_shim(|| {
            let taken = rustix::stdio::dup2_stdin(&listener);
            drop(listener);
            let secrets = secrets.map_or(Ok(Vec::new()), secrets::read);
            title.write(&[SHIM[0].as_bytes(), SHIM[1].as_bytes(), dir]);
            let _ = rustix::thread::set_name(c"neargate-shim");
            match (taken, secrets) {
                (Ok(()), Ok(secrets)) => super::main(Path::new(OsStr::from_bytes(dir)), secrets),
                _ => 1,
            }
        });
        answer(&agent, forked)?;
    }
}

/// A pid, or what is wrong as a negative number, as 4 bytes.
fn answer(agent: &OwnedFd, forked: io::Result<(i32, OwnedFd)>) -> io::Result<()> {
    let sent = match &forked {
        Ok((pid, pidfd)) => send(agent, &pid.to_le_bytes(), &[pidfd.as_fd()]),
        Err(e) => {
            let number = -e.raw_os_error().unwrap_or(libc::EIO);
            send(agent, &number.to_le_bytes(), &[])
        }
    };
    match sent {
        // The agent has gone meanwhile: the next read says so.
        Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        sent => Ok(sent?),
    }
}
