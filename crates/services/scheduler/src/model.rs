//! What the Scheduler stores.

use neargate_api_scheduler as api;
use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

pub const DEFAULT_GROUP: &str = "default";
pub const ENABLED: &str = "ENABLED";
/// What is done with a schedule that is over.
pub const DELETE: &str = "DELETE";

/// `scheduler/group/…/<name>`. The API writes it; the default group has no record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub tags: Tags,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

impl Resource for Group {
    const KIND: &'static str = "scheduler/group";
}

/// `scheduler/schedule/…/<group>/<name>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub name: String,
    pub group: String,
    pub expression: String,
    /// A name of the IANA database.
    pub zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub state: String,
    pub target: Json<api::Target>,
    /// 0: it acts at its times and not within a window behind them.
    pub window_minutes: u32,
    pub after_completion: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    /// The token of the call that made it, or changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

impl Resource for Schedule {
    const KIND: &'static str = "scheduler/schedule";
}

impl Schedule {
    pub fn id(group: &str, name: &str) -> String {
        format!("{group}/{name}")
    }

    pub fn arn(&self, scope: &Scope) -> String {
        schedule_arn(scope, &self.group, &self.name)
    }
}

pub fn schedule_arn(scope: &Scope, group: &str, name: &str) -> String {
    scope.arn("scheduler", format!("schedule/{group}/{name}"))
}

pub fn group_arn(scope: &Scope, name: &str) -> String {
    scope.arn("scheduler", format!("schedule-group/{name}"))
}

/// `scheduler/ran/…/<group>/<name>`: the last time of a schedule that it acted for. Its controller writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    pub at: Timestamp,
}

impl Resource for Ran {
    const KIND: &'static str = "scheduler/ran";
}
