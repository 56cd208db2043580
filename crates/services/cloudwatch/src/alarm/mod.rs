//! Alarms
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Alarms.html>).
//!
//! [`index`] keeps all of them in memory. [`keeper`] looks at those that are due: [`judge`] says from datapoints
//! what state a metric alarm is in, [`rule`] what a composite alarm's is, and [`change`] writes it together with
//! history and the actions to do, which [`act`] carries out once.

pub mod act;
pub mod change;
pub mod event;
pub mod index;
pub mod judge;
pub mod keeper;
pub mod message;
pub mod mute;
pub mod rule;
pub mod watch;
pub mod wording;

use neargate_service::Scope;

/// AWS's ARN of an alarm.
pub fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("cloudwatch", format!("alarm:{name}"))
}

/// The name that a name or an ARN stands for.
pub fn name_of(named: &str) -> &str {
    match named.strip_prefix("arn:") {
        Some(_) => named.split_once(":alarm:").map_or(named, |(_, name)| name),
        None => named,
    }
}

/// The role under which CloudWatch acts
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-service-linked-roles.html>).
pub fn role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents",
        scope.account
    )
}
