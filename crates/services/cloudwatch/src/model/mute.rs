//! Mute rules of alarms, as they are stored.

use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmState;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `cloudwatch/alarm-mute-rule/…/<id>`, written by the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MuteRule {
    pub name: String,
    pub description: Option<String>,
    /// `cron(…)` of five fields, or `at(…)` to the minute.
    pub expression: String,
    /// ISO 8601's, as it was given.
    pub duration: String,
    /// UTC, when `None`.
    pub timezone: Option<String>,
    /// Names of alarms; `None`: it was given no targets.
    pub alarm_names: Option<Vec<String>>,
    pub start_date: Option<Timestamp>,
    pub expire_date: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub tags: Tags,
}

impl Resource for MuteRule {
    const KIND: &'static str = "cloudwatch/alarm-mute-rule";
}

/// An alarm changed while a rule muted its actions: they are done once no rule does, if it is then still in
/// another state than the one that it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Muted {
    pub from: AlarmState,
    /// What it saw when it changed last.
    pub seen: Option<f64>,
}
