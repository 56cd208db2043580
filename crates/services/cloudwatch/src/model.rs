//! What CloudWatch stores.

mod mute;

pub use mute::{MuteRule, Muted};

use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmState;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `cloudwatch/dashboard/…/<name>`, written by the API. They are kept under the region that was called, and
/// found in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dashboard {
    pub name: String,
    /// As it was given.
    pub body: String,
    pub last_modified: Timestamp,
    pub tags: Tags,
}

impl Resource for Dashboard {
    const KIND: &'static str = "cloudwatch/dashboard";
}

/// `cloudwatch/alarm/…/<id>`. What it watches and does is written by the API, its state by
/// [`crate::alarm::change`] alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alarm {
    pub name: String,
    pub description: Option<String>,
    pub actions_enabled: bool,
    pub ok_actions: Vec<String>,
    pub alarm_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    pub tags: Tags,
    pub configured_at: Timestamp,
    pub watches: Watches,
    pub state: State,
    /// Its actions wait for the end of a mute rule's window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Muted>,
}

impl Resource for Alarm {
    const KIND: &'static str = "cloudwatch/alarm";
}

impl Alarm {
    /// What it does when it comes into this state, enabled or not.
    pub fn actions(&self, state: AlarmState) -> &[String] {
        match state {
            AlarmState::Ok => &self.ok_actions,
            AlarmState::Alarm => &self.alarm_actions,
            AlarmState::InsufficientData => &self.insufficient_data_actions,
        }
    }

    pub fn metric(&self) -> Option<&MetricWatch> {
        match &self.watches {
            Watches::Metric(watch) => Some(watch),
            Watches::Composite(_) => None,
        }
    }

    pub fn composite(&self) -> Option<&CompositeWatch> {
        match &self.watches {
            Watches::Composite(watch) => Some(watch),
            Watches::Metric(_) => None,
        }
    }

    /// AWS's word for its kind.
    pub fn kind(&self) -> &'static str {
        match self.watches {
            Watches::Metric(_) => "MetricAlarm",
            Watches::Composite(_) => "CompositeAlarm",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub value: AlarmState,
    pub reason: String,
    /// JSON.
    pub reason_data: Option<String>,
    /// When value or reason were last written.
    pub updated_at: Timestamp,
    /// When the value last changed.
    pub transitioned_at: Timestamp,
    /// `SetAlarmState` said so.
    #[serde(default)]
    pub set_by_hand: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watches {
    Metric(MetricWatch),
    Composite(CompositeWatch),
}

/// Of one metric, or of queries of which one is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricWatch {
    pub metric: Option<SingleMetric>,
    pub metrics: Vec<StoredQuery>,
    pub evaluation_periods: i32,
    /// As many as evaluation periods, when `None`.
    pub datapoints_to_alarm: Option<i32>,
    pub threshold: f64,
    pub comparison_operator: String,
    /// `missing`, when `None`.
    pub treat_missing_data: Option<String>,
    pub evaluate_low_sample_count_percentile: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SingleMetric {
    pub namespace: String,
    pub name: String,
    /// In the order in which they were given.
    pub dimensions: Vec<(String, String)>,
    pub statistic: Option<String>,
    pub extended_statistic: Option<String>,
    pub period: i32,
    pub unit: Option<String>,
}

impl SingleMetric {
    pub fn stat(&self) -> &str {
        let stat = self.statistic.as_ref().or(self.extended_statistic.as_ref());
        stat.map(String::as_str).unwrap_or_default()
    }
}

/// A query of `GetMetricData` as the caller gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredQuery {
    pub id: String,
    pub label: Option<String>,
    pub return_data: Option<bool>,
    pub period: Option<i32>,
    pub expression: Option<String>,
    pub metric: Option<SingleMetric>,
    pub account_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompositeWatch {
    pub rule: String,
    pub suppressor: Option<Suppressor>,
    /// Its actions wait.
    pub held: Option<Held>,
}

/// While this alarm is in `ALARM`, the actions are not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suppressor {
    /// A name or an ARN.
    pub alarm: String,
    pub wait_seconds: i32,
    pub extension_seconds: i32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub by: HeldBy,
    pub since: Timestamp,
    /// The state that it came from.
    pub from: AlarmState,
}

/// AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldBy {
    WaitPeriod,
    ExtensionPeriod,
    Alarm,
}

/// `cloudwatch/alarm-history/…/<alarm's id>/<millis>-<random>`, written once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryItem {
    pub alarm_name: String,
    pub alarm_type: String,
    pub at: Timestamp,
    /// `ConfigurationUpdate`, `StateUpdate` or `Action`.
    pub kind: String,
    pub summary: String,
    /// JSON.
    pub data: String,
}

impl Resource for HistoryItem {
    const KIND: &'static str = "cloudwatch/alarm-history";
}

/// `cloudwatch/alarm-action/…/<random>`: an action that is still to be done. It is written with the change of
/// state that it is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingAction {
    /// As it was when it changed.
    pub alarm: Alarm,
    pub from: AlarmState,
    pub action: String,
    pub at: Timestamp,
    /// What the alarm saw last.
    pub value: Option<f64>,
    /// Somebody set out to do it: it is not done again.
    pub begun: bool,
}

impl Resource for PendingAction {
    const KIND: &'static str = "cloudwatch/alarm-action";
}
