//! A log group as the store keeps it, and the service's limits
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>).

pub mod exports;
pub mod filters;
pub mod policies;
pub mod queries;

use neargate_base::Timestamp;
use neargate_service::page::Size;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Messages of one PutLogEvents call, each with 26 bytes on top.
pub const MAX_BATCH_BYTES: usize = 1_048_576;
/// What a reading call answers at most.
pub const PAGE_BYTES: usize = 1_048_576;
/// The most events a reading call answers, and its default.
pub const MAX_EVENTS: usize = 10_000;
/// A page of events that are read.
pub const EVENTS: Size = Size::up_to(MAX_EVENTS);
/// A page of groups or streams.
pub const DESCRIBED: Size = Size::up_to(50);

const DAY: Duration = Duration::from_secs(86_400);

/// The account and region are those of its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    /// Unlike the name, never used again.
    pub id: String,
    pub created: Timestamp,
    /// `None`: events never expire.
    pub retention_days: Option<i32>,
    /// `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`.
    pub class: String,
    pub kms_key_id: Option<String>,
    #[serde(default)]
    pub deletion_protection: bool,
    #[serde(default)]
    pub tags: Tags,
}

impl Resource for Group {
    const KIND: &'static str = "logs/group";
}

impl Group {
    /// The engine's key of the group.
    pub fn engine_key(&self, scope: &Scope) -> String {
        format!(
            "{}/{}/{}@{}",
            scope.account, scope.region, self.name, self.id
        )
    }

    /// The ARN without `:*`.
    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn("logs", format!("log-group:{}", self.name))
    }

    pub fn retention(&self) -> Option<Duration> {
        self.retention_days
            .and_then(|days| u32::try_from(days).ok())
            .map(|days| DAY * days)
    }

    /// Events before this moment are expired.
    pub fn expired_before(&self, now: Timestamp) -> Timestamp {
        self.retention()
            .map_or(Timestamp::from_millis(0), |r| now - r)
    }
}

/// The values PutRetentionPolicy takes.
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>).
pub const RETENTION_DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
