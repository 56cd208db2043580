//! Archives of events, and what they keep
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive.html>).

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `events/archive/…/<name>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    pub name: String,
    /// The bus whose events it keeps.
    pub bus: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// For how long it keeps an event; 0 is for ever.
    pub retention_days: u32,
    pub created_at: Timestamp,
}

impl Resource for Archive {
    const KIND: &'static str = "events/archive";
}

/// `events/archived/…/<archive>/<time>-<id>`: an event that an archive keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Archived {
    pub event: Value,
}

impl Resource for Archived {
    const KIND: &'static str = "events/archived";
}

/// The id of an event in its archive: in the order of their times.
pub fn archived_id(archive: &str, time: Timestamp, event: &str) -> String {
    format!("{archive}/{:015}-{event}", time.as_millis().max(0))
}
