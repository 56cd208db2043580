//! Running containers: the [`Runtime`] trait, the seam between the agent and an isolation
//! level, and [`ShimRuntime`], which runs each container under a shim process of its own.
//!
//! Knows nothing of ECS, images or networks: it gets a [`ContainerConfig`] and answers with an
//! [`Exit`]. Invariants: a container outlives the agent but never its shim; `exit.json` is
//! written once and never changes; whatever was started can be found again by
//! [`Runtime::adopt`] from the state directory alone; [`Runtime::remove_task`] leaves nothing
//! of a task behind.

mod adopt;
mod again;
mod config;
mod container;
pub(crate) mod disk;
mod exe;
mod exec;
mod exit;
mod files;
mod hung;
mod log;
mod shim;
mod terminal;
#[cfg(test)]
mod tests;
mod traffic;
mod zygote;

pub use config::{
    Bind, ContainerConfig, Device, Limits, Namespace, SecretFiles, ShownFile, TaskLimits, Tmpfs,
    Ulimit,
};
pub use container::ShimContainer;
pub use exec::{ExecEnd, Executed};
pub use exit::{Exit, StartFailure, StartFailureKind, Started};
pub use files::Files;
pub use log::{Record, Records, discard_before};
pub use shim::PAUSE;
pub use shim::{RuntimeConfig, ShimRuntime};
pub use terminal::{Terminal, TerminalError};
pub use traffic::Traffic;

use crate::cgroup::{CgroupError, Usage};
use async_trait::async_trait;
use neargate_base::Secret;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// An isolation level: how a task's containers are kept apart from the host and each other.
#[async_trait]
pub trait Runtime: std::fmt::Debug + Send + Sync {
    /// Makes the task's cgroup with its limits, and its disk. Idempotent.
    async fn prepare_task(&self, task_id: &str, limits: &TaskLimits) -> Result<(), RuntimeError>;

    /// Kills whatever runs in the task and removes its cgroups and state. Idempotent.
    async fn remove_task(&self, task_id: &str) -> Result<(), RuntimeError>;

    /// Where a container's `log`, `config.json` and so on are kept.
    fn state_dir(&self, task_id: &str, name: &str) -> PathBuf;

    /// Where else its containers may write: what is there counts in the task's storage. Call it once
    /// the task is prepared.
    fn writable_dir(&self, task_id: &str) -> PathBuf;

    /// Starts the container: returns once its program has been executed. After an error
    /// nothing of it runs, and [`Runtime::adopt`] answers [`Adopted::Exited`] with the reason,
    /// or [`Adopted::Unknown`].
    async fn start(&self, config: &ContainerConfig) -> Result<Arc<dyn Container>, RuntimeError>;

    /// Starts a container that has ended once more, as it was: its files and its log go on. What of
    /// its environment is secret is kept nowhere, and given again. Errors as [`Runtime::start`].
    async fn restart(
        &self,
        task_id: &str,
        name: &str,
        secret_env: Vec<Secret<String>>,
    ) -> Result<Arc<dyn Container>, RuntimeError>;

    /// What became of a container that an earlier agent started.
    async fn adopt(&self, task_id: &str, name: &str) -> Result<Adopted, RuntimeError>;

    /// What the task's files take. Costs a look at each of them.
    async fn files(&self, task_id: &str) -> Result<Files, RuntimeError>;

    /// What the task's own disk holds and may hold, in bytes; `None`: it has none.
    async fn room(&self, task_id: &str) -> Result<Option<(u64, u64)>, RuntimeError>;

    /// How many bytes tasks' disks have taken that the host's does not show yet.
    async fn promised(&self) -> u64 {
        0
    }

    /// No task's own disk grows by more than so many bytes until the next call: beyond that it is full.
    async fn allow_growth(&self, _bytes: u64) {}

    /// Frees what a container that has ended for good wrote; how it ended, and its log, stay.
    /// Idempotent.
    async fn discard(&self, task_id: &str, name: &str) -> Result<(), RuntimeError>;

    /// What the whole task uses now.
    async fn usage(&self, task_id: &str) -> Result<Usage, RuntimeError>;

    /// Removes every task not in `keep`, as [`Runtime::remove_task`] does.
    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), RuntimeError>;
}

/// A container that was started.
#[async_trait]
pub trait Container: std::fmt::Debug + Send + Sync {
    /// The process id of its first process, as the host numbers it.
    fn pid(&self) -> i32;

    fn started_at(&self) -> neargate_base::Timestamp;

    /// Sends a signal to its first process; no error when it has just ended.
    async fn signal(&self, signal: i32) -> Result<(), RuntimeError>;

    /// Runs a program in the container, confined as its own; it and whatever it started are
    /// killed after `timeout`. Dropping the future kills them too. `None`: the container ended
    /// meanwhile, or before.
    ///
    /// # Errors
    /// When the runtime cannot carry it out, whatever the program.
    async fn exec(
        &self,
        args: &[String],
        timeout: std::time::Duration,
    ) -> Result<Option<Executed>, RuntimeError>;

    /// Waits until it has ended and its output is complete in the log. May be called again,
    /// and from several places.
    async fn wait(&self) -> Exit;

    /// What it uses now.
    async fn usage(&self) -> Result<Usage, RuntimeError>;
}

/// What [`Runtime::adopt`] found.
#[derive(Debug)]
pub enum Adopted {
    /// It runs on; supervised by its shim as before.
    Running(Arc<dyn Container>),
    /// It has ended, or could not be started.
    Exited(Exit),
    /// Its shim was killed: the rest of it has been killed too, its exit code is unknown.
    Lost,
    /// It was never started here.
    Unknown,
}

/// Why the runtime could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The container cannot run: the text after `CannotStartContainerError: `.
    #[error("{0}")]
    Start(String),
    /// The configuration cannot be carried out, whatever the machine.
    #[error("{0}")]
    Invalid(String),
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cgroup")]
    Cgroup(#[from] CgroupError),
    /// The shim did not behave.
    #[error("shim of {container}: {problem}")]
    Shim { container: String, problem: String },
}

impl RuntimeError {
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> RuntimeError {
        let path = path.into();
        move |source| RuntimeError::Io { what, path, source }
    }
}
