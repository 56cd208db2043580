//! What tasks use as CloudWatch's metrics
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html>).
//!
//! Nodes tell it every now and then. Services' own metrics are put at once; [`insights`] adds up what was
//! told last.

mod insights;

pub(crate) use insights::publish;

use crate::fleet::Row;
use neargate_domain::usage::TaskUsage;
use neargate_service::House;
use neargate_service::metrics::{Datum, Resolution};
use parking_lot::Mutex;
use std::collections::HashMap;

/// What each task used when its node looked last, by the task's id.
#[derive(Debug, Default)]
pub struct Usages(Mutex<HashMap<String, TaskUsage>>);

impl Usages {
    /// The node of this task told what it uses.
    pub fn told(&self, house: &House, row: &Row, used: &TaskUsage) {
        self.0.lock().insert(row.task_id.clone(), used.clone());
        of_service(house, row, used);
    }

    fn of(&self, task_id: &str) -> Option<TaskUsage> {
        self.0.lock().get(task_id).cloned()
    }

    fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.0.lock().retain(|task_id, _| is_there(task_id));
    }
}

/// Of a service's task: percent of what it has reserved. Nothing is told where nothing is reserved.
fn of_service(house: &House, row: &Row, used: &TaskUsage) {
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
            let at = house.now();
            // Policies may track them every 20 seconds: nodes tell more often than that.
            let datum = Datum {
                resolution: Resolution::Second,
                ..Datum::new("AWS/ECS", name, &dimensions, "Percent", percent, at)
            };
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
