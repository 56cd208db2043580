//! The facts that a shim leaves in its container's state directory: `started.json` and
//! `exit.json`. Each is written once, atomically, by the shim (or, for a container whose shim
//! was killed, never).

use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};

/// The container's program has been executed. Written to `started.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process id of the container's first process, as the host numbers it.
    pub pid: i32,
    pub started_at: Timestamp,
    /// Field 22 of `/proc/<pid>/stat`: tells the process from a later one of the same pid.
    pub start_ticks: u64,
    /// Things that were not done as asked, such as a resource limit above the host's own.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How a container ended, or why it could not start. Written to `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// 0–255; 128 + the signal when one ended it; `None` when it is not known.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The kernel killed a process of it for memory, and it ended with 137.
    pub oom_killed: bool,
    /// `None`: its program was never executed.
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    /// It could not be started: the text after `CannotStartContainerError: `.
    pub error: Option<String>,
    /// Output lines that could not be kept (disk full, or beyond the log's limit).
    #[serde(default)]
    pub dropped_lines: u64,
}

/// Why a container could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    pub kind: StartFailureKind,
    pub message: String,
}

/// The exit code follows Docker's: 127 for a missing program, 126 for one that cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFailureKind {
    /// No such program in the container.
    NotFound,
    /// The program may not be executed.
    NotExecutable,
    /// The container's own configuration is at fault: an unknown user, a bad path.
    Config,
    /// The machine could not do it.
    Setup,
}

impl StartFailure {
    pub fn new(kind: StartFailureKind, message: impl Into<String>) -> Self {
        StartFailure {
            kind,
            message: message.into(),
        }
    }

    /// What `docker run` would exit with.
    pub fn exit_code(&self) -> i32 {
        match self.kind {
            StartFailureKind::NotFound => 127,
            StartFailureKind::NotExecutable | StartFailureKind::Config => 126,
            StartFailureKind::Setup => 128,
        }
    }
}
