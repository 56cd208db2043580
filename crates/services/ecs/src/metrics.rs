//! What tasks use as CloudWatch's metrics
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html>).

use crate::fleet::Row;
use neargate_domain::usage::TaskUsage;
use neargate_service::House;
use neargate_service::metrics::Datum;

/// Of a service's task: percent of what it has reserved. Nothing is told where nothing is reserved.
pub fn of_task(house: &House, row: &Row, used: &TaskUsage) {
    let Some(link) = &row.service else {
        return;
    };
    let dimensions = [
        ("ClusterName", row.cluster.name.as_str()),
        ("ServiceName", link.service.as_str()),
    ];
    let put = |name: &str, used: f64, reserved: u32| {
        if reserved > 0 {
            let percent = 100.0 * used / f64::from(reserved);
            // A node's own clock may be wrong: what it says is of now.
            let datum = Datum::new(
                "AWS/ECS",
                name,
                &dimensions,
                "Percent",
                percent,
                house.now(),
            );
            house.metrics.put(&row.cluster.scope, datum);
        }
    };
    put("CPUUtilization", used.cpu_units(), row.demand.cpu_units);
    put(
        "MemoryUtilization",
        used.memory_mib(),
        row.demand.memory_mib,
    );
}
