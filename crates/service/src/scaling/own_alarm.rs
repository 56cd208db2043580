//! The alarms that a policy which tracks a target makes and owns, as both Auto Scalings have them
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html#target-tracking-how-it-works>).

use serde::{Deserialize, Serialize};

/// A metric of so many datapoints over the target is too high,
const HIGH_PERIODS: i32 = 3;
/// and of so many far enough below it too low,
const LOW_PERIODS: i32 = 15;
/// or of so many, where there are several a minute.
const FINE_LOW_PERIODS: i32 = 30;
/// Far enough: less than nine tenths of the target.
const LOW: f64 = 0.9;
const MINUTE: i32 = 60;

/// An alarm of a policy that tracks a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAlarm {
    pub name: String,
    /// It says that there is too little, not that there is too much.
    pub is_high: bool,
    /// CloudWatch has it.
    #[serde(default)]
    pub is_made: bool,
}

/// New names for the alarms of a policy of what is called `of`: `TargetTracking-…-AlarmHigh-<uuid>`,
/// and where it lets that shrink, `TargetTracking-…-AlarmLow-<uuid>`.
pub fn named(of: &str, shrinks: bool, uuid: impl Fn() -> String) -> Vec<OwnAlarm> {
    let alarm = |which: &str, is_high| OwnAlarm {
        name: format!("TargetTracking-{of}-{which}-{}", uuid()),
        is_high,
        is_made: false,
    };
    let mut alarms = vec![alarm("AlarmHigh", true)];
    if shrinks {
        alarms.push(alarm("AlarmLow", false));
    }
    alarms
}

/// `AlarmDescription` of an alarm with this action.
pub fn description(action: &str) -> String {
    format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}.")
}

/// When an alarm rings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    pub threshold: f64,
    /// `ComparisonOperator`.
    pub operator: &'static str,
    /// `EvaluationPeriods`: all of them.
    pub periods: i32,
}

/// When the alarm of a target rings. The period, in seconds, is that of the metric; math has none.
pub fn terms(target: f64, is_high: bool, period: Option<i32>) -> Terms {
    match is_high {
        true => Terms {
            threshold: target,
            operator: "GreaterThanThreshold",
            periods: HIGH_PERIODS,
        },
        false => Terms {
            threshold: low(target),
            operator: "LessThanThreshold",
            periods: match period.is_some_and(|seconds| seconds < MINUTE) {
                true => FINE_LOW_PERIODS,
                false => LOW_PERIODS,
            },
        },
    }
}

/// What a metric is below where it is too low, as AWS shows it: 63 of 70, not 63.00000000000001.
pub fn low(target: f64) -> f64 {
    let rounded = (target * LOW * 1e9).round() / 1e9;
    match rounded > 0.0 && rounded.is_finite() {
        true => rounded,
        false => target * LOW,
    }
}
