//! What became of a program that was run in a running container.

use serde::{Deserialize, Serialize};

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnd {
    /// 0–255; 128 + the signal when one ended it.
    Exited(i32),
    /// It ran for too long, and was killed with whatever it had started.
    TimedOut,
    /// It could not be executed, and why: no such program, an unknown user.
    NotStarted(String),
}

/// How it ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    pub end: ExecEnd,
    /// The first 4 KiB of its stdout and stderr together.
    pub output: String,
}
