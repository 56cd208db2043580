//! What EventBridge stores. The API writes what is asked for; each other field says who else writes it.

use neargate_api_events as api;
use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `events/bus/…/<name>`. The default bus has a record only once something of it was changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bus {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// The statements of its policy; `None`: it has no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<serde_json::Value>,
    pub tags: Tags,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

impl Resource for Bus {
    const KIND: &'static str = "events/bus";
}

/// `events/rule/…/<bus>/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub name: String,
    pub bus: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// When the schedule was set or enabled: it counts from here.
    pub scheduled_since: Timestamp,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// By their ids.
    pub targets: Vec<Json<api::Target>>,
    pub tags: Tags,
}

impl Resource for Rule {
    const KIND: &'static str = "events/rule";
}

impl Rule {
    pub fn id(bus: &str, name: &str) -> String {
        format!("{bus}/{name}")
    }

    pub fn arn(&self, scope: &Scope) -> String {
        rule_arn(scope, &self.bus, &self.name)
    }

    pub fn is_enabled(&self) -> bool {
        self.state != DISABLED
    }
}

pub const ENABLED: &str = "ENABLED";
pub const DISABLED: &str = "DISABLED";

/// Rules of the default bus do not name it.
pub fn rule_arn(scope: &Scope, bus: &str, name: &str) -> String {
    match bus {
        neargate_service::events::DEFAULT_BUS => scope.arn("events", format!("rule/{name}")),
        bus => scope.arn("events", format!("rule/{bus}/{name}")),
    }
}

/// `events/fired/…/<bus>/<rule>`: the last time of its schedule that a rule acted for. Written by the
/// controller of schedules alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    pub at: Timestamp,
}

impl Resource for Fired {
    const KIND: &'static str = "events/fired";
}
