//! What goes to and comes from a program that somebody runs on a terminal in a container
//! (ECS Exec), wherever the container is.

use serde::{Deserialize, Serialize};

/// What its user sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminalInput {
    Bytes(Vec<u8>),
    /// The terminal's size from now on.
    Size {
        columns: u16,
        rows: u16,
    },
}

/// What its user gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminalOutput {
    Bytes(Vec<u8>),
    /// The program's exit code, 0-255; the last that comes. Without it the container ended first.
    Ended(i32),
}
