//! Where CloudWatch keeps what its alarms say.

use crate::Resource;
use neargate_domain::alarm::AlarmReading;

/// `service/kind` of the readings of alarms: `cloudwatch/alarm-reading/<account>/<region>/<id>`. Whoever
/// acts by alarms watches this prefix.
pub const READING: &str = "cloudwatch/alarm-reading";

impl Resource for AlarmReading {
    const KIND: &'static str = READING;
}

/// The last part of the keys of an alarm of this name: names may have slashes, keys' parts may not.
pub fn id(alarm_name: &str) -> String {
    alarm_name.replace('%', "%25").replace('/', "%2F")
}
