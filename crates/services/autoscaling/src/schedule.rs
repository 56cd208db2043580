//! Scheduled actions
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html>):
//! sizes that a group gets at a time, once or again and again.

use neargate_base::Timestamp;
use neargate_service::cron::Cron;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// A cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    /// Of the expression; UTC unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
    /// When it happens next.
    pub next_at: Timestamp,
}

impl Scheduled {
    /// When it happens after `now`, having happened at its start; `None`: never again.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = self.time_zone.as_deref().unwrap_or("Etc/UTC");
        let cron = Cron::parse(self.recurrence.as_deref()?, zone).ok()?;
        let next = cron.after(now)?;
        self.end.is_none_or(|end| next <= end).then_some(next)
    }
}
