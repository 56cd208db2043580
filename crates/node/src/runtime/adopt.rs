//! Finding containers again, and cleaning up after shims that were killed.
//!
//! | lock held | `exit.json` | means |
//! |---|---|---|
//! | yes | no | running, or about to |
//! | – | yes | ended |
//! | no | no | the shim was killed: what is left of the container is killed too |

use super::container::{Connection, ShimContainer, shared};
use super::shim::blocking;
use super::{Adopted, Exit, RuntimeError, Started};
use crate::cgroup::Cgroup;
use crate::shim::{CONFIG, EXIT, LOCK, read_json};
use neargate_base::{Clock, time::SystemClock};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub(super) async fn adopt(dir: PathBuf, cgroup: Cgroup) -> Result<Adopted, RuntimeError> {
    if !dir.join(CONFIG).exists() {
        return Ok(Adopted::Unknown);
    }
    // The socket exists before the shim does, so an answer tells everything.
    if let Ok(mut connection) = Connection::open(&dir).await {
        match connection.greeting().await {
            Some(Ok(started)) => {
                let container = ShimContainer::watch(dir, cgroup, started, connection, None);
                return Ok(Adopted::Running(shared(container)));
            }
            Some(Err(_)) => connection.ended().await,
            None => {}
        }
    }
    // Refused, or ended: the shim is gone or about to be.
    let directory = dir.clone();
    let exit = blocking(move || {
        wait_for_shim(&directory)?;
        Ok(read_json::<Exit>(&directory.join(EXIT)).ok())
    })
    .await?;
    match exit {
        Some(exit) => Ok(Adopted::Exited(exit)),
        None => {
            clean_up(cgroup).await?;
            Ok(Adopted::Lost)
        }
    }
}

/// How a container ended whose shim has ended.
pub(super) async fn exit_of(dir: &Path, cgroup: Cgroup, started: &Started) -> Exit {
    let path = dir.join(EXIT);
    let exit =
        blocking(move || read_json::<Exit>(&path).map_err(RuntimeError::io("read", path.clone())))
            .await;
    if let Ok(exit) = exit {
        return exit;
    }
    if let Err(e) = clean_up(cgroup).await {
        tracing::error!(error = %e, dir = %dir.display(), "cannot clean up after a killed shim");
    }
    Exit {
        code: None,
        signal: None,
        oom_killed: false,
        started_at: Some(started.started_at),
        finished_at: SystemClock.now(),
        error: None,
        dropped_lines: 0,
    }
}

/// Ends and removes what a killed shim has left behind.
pub(super) async fn clean_up(cgroup: Cgroup) -> Result<(), RuntimeError> {
    blocking(move || {
        cgroup.kill()?;
        Ok(cgroup.remove()?)
    })
    .await
}

/// The shim ended before the container started and left no reason but its own stderr.
pub(super) async fn silent(dir: &Path) -> RuntimeError {
    let (path, container) = (dir.join("shim.err"), dir.display().to_string());
    let words =
        blocking(move || fs::read_to_string(&path).map_err(RuntimeError::io("read", path.clone())))
            .await;
    let problem = match words {
        Ok(words) if !words.trim().is_empty() => words.trim().to_owned(),
        _ => "it ended before the container started".to_owned(),
    };
    RuntimeError::Shim { container, problem }
}

/// Waits until no shim holds the directory. Blocking; a shim whose container has ended takes
/// moments.
fn wait_for_shim(dir: &Path) -> Result<(), RuntimeError> {
    let path = dir.join(LOCK);
    match File::open(&path) {
        Ok(lock) => flock(&lock, FlockOperation::LockShared)
            .map_err(|e| RuntimeError::io("lock", path)(e.into())),
        // It never came so far.
        Err(_) => Ok(()),
    }
}

/// [`wait_for_shim`] for every container of a task.
pub(super) fn wait_for_shims(task_dir: &Path) -> Result<(), RuntimeError> {
    let Ok(entries) = fs::read_dir(task_dir) else {
        return Ok(());
    };
    entries
        .flatten()
        .try_for_each(|entry| wait_for_shim(&entry.path()))
}
