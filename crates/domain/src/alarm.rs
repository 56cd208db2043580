//! What an alarm of CloudWatch says now, for those who act by it and are not CloudWatch.

use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of an alarm
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AlarmState {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl AlarmState {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// An evaluation of an alarm. CloudWatch, its only writer, writes it at every change of state, and at every
/// evaluation for as long as the alarm has an action of Auto Scaling for the state that it is in: such an
/// action is invoked again each time
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmReading {
    pub arn: String,
    pub name: String,
    pub state: AlarmState,
    /// When it came into this state.
    pub since: Timestamp,
    pub evaluated_at: Timestamp,
    /// The newest datapoint that was looked at; `None` when there was none.
    pub value: Option<f64>,
    /// What the value is compared with; `None` for composite alarms.
    pub threshold: Option<f64>,
    pub actions_enabled: bool,
    /// The ARNs of the actions of the state that it is in.
    pub actions: Vec<String>,
}
