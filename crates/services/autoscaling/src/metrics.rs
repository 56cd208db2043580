//! The metrics of a group that are collected
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html>). Pure.

use crate::model::{Group, Lifecycle};
use neargate_base::Timestamp;
use neargate_service::metrics::Datum;
use std::time::Duration;

/// Between two readings.
pub const PACE: Duration = Duration::from_secs(60);

/// The metrics of the group that are collected, now. There are no warm pools, whose metrics nobody
/// publishes; and no weights, so that a capacity is a number of instances.
pub fn of(group: &Group, now: Timestamp) -> Vec<Datum> {
    let datum = |name: &String| {
        let value = value(group, name)?;
        let dimensions = [("AutoScalingGroupName", &*group.name)];
        let value = f64::from(value);
        Some(Datum::new(
            "AWS/AutoScaling",
            name,
            &dimensions,
            "None",
            value,
            now,
        ))
    };
    group.metrics.iter().filter_map(datum).collect()
}

fn value(group: &Group, metric: &str) -> Option<u32> {
    let those = |is: fn(Lifecycle) -> bool| {
        let members = group.instances.values().filter(|m| is(m.state));
        u32::try_from(members.count()).unwrap_or(u32::MAX)
    };
    let launches = u32::try_from(group.launches.len()).unwrap_or(u32::MAX);
    let pending = those(|s| s.counts() && s != Lifecycle::InService) + launches;
    let total = those(|_| true) + launches;
    Some(match metric {
        "GroupMinSize" => group.min,
        "GroupMaxSize" => group.max,
        "GroupDesiredCapacity" | "GroupAndWarmPoolDesiredCapacity" => group.desired,
        "GroupInServiceInstances" | "GroupInServiceCapacity" => {
            those(|s| s == Lifecycle::InService)
        }
        "GroupPendingInstances" | "GroupPendingCapacity" => pending,
        "GroupStandbyInstances" | "GroupStandbyCapacity" => {
            those(|s| matches!(s, Lifecycle::Standby | Lifecycle::EnteringStandby))
        }
        "GroupTerminatingInstances" | "GroupTerminatingCapacity" => those(Lifecycle::ends),
        "GroupTotalInstances" | "GroupTotalCapacity" | "GroupAndWarmPoolTotalCapacity" => total,
        _ => return None,
    })
}
