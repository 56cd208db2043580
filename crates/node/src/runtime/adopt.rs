//! Finding containers again, and cleaning up after shims that were killed.
//!
//! | lock held | `exit.json` | means |
//! |---|---|---|
//! | yes | no | running, or about to |
//! | – | yes | ended |
//! | no | no | the shim was killed: what is left of the container is killed too |
//! | no file | no | the agent was killed before its shim came to life: never started |

use super::container::{Connection, ShimContainer, shared};
use super::hung;
use super::shim::blocking;
use super::{Adopted, Exit, RuntimeError, Started};
use crate::cgroup::Cgroup;
use crate::shim::{CONFIG, EXIT, LOCK, STARTED, read_json};
use neargate_base::{
    Clock,
    time::{Stopwatch, SystemClock},
};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a shim found again may take to say how its container started; longer when nothing
/// else tells that it has. Everything else waits meanwhile.
const GREETING_LIMIT: Duration = Duration::from_secs(1);
const SET_UP_LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn adopt(dir: PathBuf, cgroup: Cgroup) -> Result<Adopted, RuntimeError> {
    if !dir.join(CONFIG).exists() {
        return Ok(Adopted::Unknown);
    }
    // The socket exists before the shim does, so an answer tells everything.
    if let Ok(mut connection) = Connection::open(&dir).await {
        match greeting(&dir, &cgroup, &mut connection).await {
            Greeted::Runs(started) => {
                let container = ShimContainer::watch(dir, cgroup, started, connection, None);
                return Ok(Adopted::Running(shared(container)));
            }
            // A child that hangs in its set-up, or its shim does. Nothing may be called lost that
            // still lives: it is killed, and how it ended is then read below as of any other.
            Greeted::No => {
                let (directory, hung) = (dir.clone(), cgroup.clone());
                blocking(move || {
                    hung::kill_shim(&directory);
                    Ok(hung.kill()?)
                })
                .await?;
            }
            Greeted::Ends => {
                // One that does not is found below.
                let _ = tokio::time::timeout(HUNG, connection.ended()).await;
            }
        }
    }
    // Refused, or ended: the shim is gone or about to be.
    let directory = dir.clone();
    let found = blocking(move || {
        wait_for_shim(&directory)?;
        if let Ok(exit) = read_json::<Exit>(&directory.join(EXIT)) {
            return Ok(Adopted::Exited(exit));
        }
        if !directory.join(LOCK).exists() {
            let config = directory.join(CONFIG);
            fs::remove_file(&config).map_err(RuntimeError::io("remove", config))?;
            return Ok(Adopted::Unknown);
        }
        Ok(Adopted::Lost)
    })
    .await?;
    if matches!(found, Adopted::Lost) {
        clean_up(cgroup).await?;
    }
    Ok(found)
}

/// What a shim found again says of its container.
enum Greeted {
    Runs(Started),
    /// It could not be started, or has ended.
    Ends,
    /// Nothing, in time.
    No,
}

/// A shim that was stopped cannot say what it has written down: its container runs all the same.
async fn greeting(dir: &Path, cgroup: &Cgroup, connection: &mut Connection) -> Greeted {
    let decided = |greeting| match greeting {
        Some(Ok(started)) => Greeted::Runs(started),
        Some(Err(_)) | None => Greeted::Ends,
    };
    let mut greeting = std::pin::pin!(connection.greeting());
    if let Ok(greeting) = tokio::time::timeout(GREETING_LIMIT, &mut greeting).await {
        return decided(greeting);
    }
    let (path, group) = (dir.join(STARTED), cgroup.clone());
    let written = blocking(move || {
        let started = read_json::<Started>(&path).ok();
        Ok(started.filter(|started| group.processes().contains(&started.pid)))
    });
    if let Ok(Some(started)) = written.await {
        tracing::warn!(dir = %dir.display(), "a shim does not answer; its container runs");
        return Greeted::Runs(started);
    }
    match tokio::time::timeout(SET_UP_LIMIT, greeting).await {
        Ok(greeting) => decided(greeting),
        Err(_) => Greeted::No,
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
pub(super) async fn silent(dir: &Path, status: String) -> RuntimeError {
    let (path, container) = (dir.join("shim.err"), dir.display().to_string());
    let words =
        blocking(move || fs::read_to_string(&path).map_err(RuntimeError::io("read", path.clone())))
            .await;
    let problem = match words {
        Ok(words) if !words.trim().is_empty() => words.trim().to_owned(),
        _ => format!("it ended before the container started, with {status}"),
    };
    RuntimeError::Shim { container, problem }
}

/// A shim whose container has ended takes moments to end itself; a little longer when its output
/// was passed on to others (`shim::supervise`).
const HUNG: Duration = Duration::from_secs(8);
/// Nobody waits for a shim whose task is being removed: one that somebody stopped may go on first.
const HUNG_AT_REMOVAL: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until no shim holds the directory. Blocking.
pub(super) fn wait_for_shim(dir: &Path) -> Result<(), RuntimeError> {
    wait_while(dir, HUNG, || Ok(()))
}

/// Ends every container of a task and waits for their shims. A shim may be about to make its
/// container just now, hence the killing again and again. Blocking.
pub(super) fn end_all(task_dir: &Path, cgroup: &Cgroup) -> Result<(), RuntimeError> {
    cgroup.kill()?;
    let Ok(entries) = fs::read_dir(task_dir) else {
        return Ok(());
    };
    // All have the same time: several that hang are waited for as long as one.
    let watch = Stopwatch::start();
    for entry in entries.flatten() {
        let left = HUNG_AT_REMOVAL.saturating_sub(watch.elapsed());
        wait_while(&entry.path(), left, || Ok(cgroup.kill()?))?;
    }
    Ok(())
}

/// Waits while a shim holds the directory, doing `meanwhile` over and over; one that still holds
/// it after `hung` is killed.
fn wait_while(
    dir: &Path,
    hung: Duration,
    mut meanwhile: impl FnMut() -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    let path = dir.join(LOCK);
    // Without a lock file it never came so far.
    let Ok(lock) = File::open(&path) else {
        return Ok(());
    };
    let watch = Stopwatch::start();
    let mut killed = false;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if watch.elapsed() < PATIENCE => {
                if !killed && watch.elapsed() > hung {
                    killed = true;
                    super::hung::kill_shim(dir);
                }
                meanwhile()?;
                std::thread::sleep(PAUSE);
            }
            Err(e) => {
                return Err(RuntimeError::io("wait for the shim that holds", path)(
                    e.into(),
                ));
            }
        }
    }
}
