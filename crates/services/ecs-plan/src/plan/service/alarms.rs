//! What CloudWatch says of a deployment's alarms
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html>).

use std::time::Duration;

/// "The default bake time is less than 5 minutes."
pub const LONGEST_BAKE: Duration = Duration::from_secs(5 * 60);

/// What CloudWatch said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The deployment it was asked for.
    pub deployment: String,
    /// The names of the alarms in the state `ALARM`.
    pub ringing: Vec<String>,
    /// How long the alarms take to notice a fault.
    pub bake: Duration,
}
