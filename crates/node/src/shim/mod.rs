//! The shim: the small process that owns one container; a fork of its node's zygote.
//!
//! It sets the container up, supervises it, keeps its output, and writes down how it ended; it
//! outlives the agent. It knows nothing of tasks, images or the control plane: `config.json` in
//! its directory says everything but what is secret, which it keeps in memory alone. Blocking and single-threaded throughout, because the
//! container's first process is a fork of it.
//!
//! ```text
//! agent: binds shim.sock, writes config.json, asks the zygote for a shim with that socket
//! shim:  lock shim.lock -> cgroup, pipes -> clone ----------> child: namespaces, mounts,
//!        supervise: report pipe, pidfd, output, socket  <---         limits, user, seccomp,
//!        pipe closed by exec: started.json, greet                    exec
//!        pid 1 ended: kill the rest, drain output, exit.json, exit
//! ```
//!
//! Invariants: `shim.lock` is held exactly as long as the shim lives; `exit.json` exists if and
//! only if the shim ended in order; the container dies with its shim; nothing is mounted
//! outside the container's own mount namespace.

#[allow(unsafe_code)]
mod children;
mod control;
mod exec;
mod init;
mod launch;
mod lines;
mod log;
mod message;
pub(crate) mod secrets;
mod state;
mod supervise;
#[allow(unsafe_code)]
mod sys;
#[cfg(test)]
mod tests;
#[allow(unsafe_code)]
mod title;
mod zygote;

pub(crate) use control::{ExecRequest, Greeting, Reply, Request};
pub(crate) use message::{receive, send};
pub(crate) use state::{
    CONFIG, EXIT, LOCK, SOCKET, STARTED, cgroup_path, read_json, write_json, write_json_quickly,
};
pub(crate) use sys::{set_window_size, start_ticks};
pub(crate) use zygote::ZYGOTE;
pub use zygote::zygote;

use crate::runtime::{ContainerConfig, Exit, StartFailure, StartFailureKind, Started};
use neargate_base::{Clock, Secret, time::SystemClock};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Runs the shim of the container in `dir` until that has ended; answers the process's exit
/// code. The listening control socket is standard input; whatever else is open gets closed.
fn main(dir: &Path, secret_env: Vec<Secret<String>>) -> i32 {
    match run(dir, secret_env) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("shim {}: {e}", dir.display());
            1
        }
    }
}

fn run(dir: &Path, secret_env: Vec<Secret<String>>) -> io::Result<()> {
    let listener = detach(dir)?;
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the process has more than one thread"));
    }
    let lock = File::create(dir.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let mut config: ContainerConfig = read_json(&dir.join(CONFIG))?;
    config.secret_env = secret_env;
    state::reserve(dir, EXIT)?;
    match launch::launch(&config, dir) {
        Ok(launched) => supervise::supervise(&config, dir, listener, launched),
        Err(failure) => refuse(dir, listener, failure),
    }
}

/// Leaves the agent's session, terminal and signals, and takes the control socket.
fn detach(dir: &Path) -> io::Result<OwnedFd> {
    sys::close_from_3()?;
    let errors = File::options()
        .append(true)
        .create(true)
        .open(dir.join("shim.err"))?;
    rustix::stdio::dup2_stderr(&errors)?;
    // Fails for a session leader, which is as good.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    sys::ignore_signals()?;
    rustix::process::chdir("/")?;
    let listener = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::io::ioctl_fionbio(&listener, true)?;
    // The kernel shall take the container, not its shim. Needs a capability that root may lack.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-999");
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(listener)
}

/// Sends a signal, by its number, to the process of a pidfd; one that has just ended is no error.
pub(crate) fn send_signal(pidfd: &OwnedFd, number: i32) -> io::Result<()> {
    match sys::signal(number).map(|signal| supervise::send_signal(pidfd, signal)) {
        Some(sent) => Ok(sent?),
        None => Err(rustix::io::Errno::INVAL.into()),
    }
}

/// Whether a container's first process is still there: not only its number.
pub(crate) fn is_there(started: &Started) -> bool {
    sys::start_ticks(started.pid) == Some(started.start_ticks)
}

/// The container cannot even be set up: say so to whoever waits.
fn refuse(dir: &Path, listener: OwnedFd, failure: StartFailure) -> io::Result<()> {
    let exit = failed(&failure);
    write_json(dir, EXIT, &exit)?;
    control::Control::new(listener).finish(&Greeting::Failed(failure));
    Ok(())
}

/// What `exit.json` says of a container that could not be started.
fn failed(failure: &StartFailure) -> Exit {
    Exit {
        code: Some(failure.exit_code()),
        signal: None,
        oom_killed: false,
        started_at: None,
        finished_at: SystemClock.now(),
        error: Some(failure.message.clone()),
        dropped_lines: 0,
    }
}

/// `what` failed on this machine, whatever the container.
fn setup(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> StartFailure {
    move |e| StartFailure::new(StartFailureKind::Setup, format!("{what}: {e}"))
}
