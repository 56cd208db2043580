//! What containers ask of the control plane through their node: tags, and the protection of their task
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html>).

use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names and values.
pub type TagMap = BTreeMap<String, String>;

/// The tags of a task and of what it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTags {
    pub task: TagMap,
    /// `None` on Fargate.
    pub container_instance: Option<TagMap>,
}

/// What a task wants of its protection from being ended when its service shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionChange {
    pub enabled: bool,
    pub expires_in_minutes: Option<i32>,
}

/// Whose protection is asked for, or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionQuestion {
    pub task_id: String,
    pub change: Option<ProtectionChange>,
}

/// What ECS said to that, asked as the task's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProtectionAnswer {
    Protected {
        enabled: bool,
        until: Option<Timestamp>,
    },
    Failed {
        reason: String,
        detail: Option<String>,
    },
    Refused {
        code: String,
        message: String,
        status: u16,
    },
}
