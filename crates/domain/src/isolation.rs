//! What a task's containers have of each other's namespaces, and of their machine.

use serde::{Deserialize, Serialize};

/// Whose processes a task's containers see (`pidMode`); each only its own, unless it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PidMode {
    /// Each other's.
    Task,
    /// The machine's.
    Host,
}

/// Whose System V objects, message queues and shared memory they use (`ipcMode`); each its own, unless
/// it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IpcMode {
    /// Each other's.
    Task,
    /// The machine's.
    Host,
    /// Each its own, and no `/dev/shm`.
    None,
}

/// A device of the machine in a container
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Device.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// A device, or a directory of some.
    pub host_path: String,
    /// `None`: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<String>,
}
