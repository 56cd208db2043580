//! Container Insights, once a minute of the clusters that have it on
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html>).

use crate::Ecs;
use crate::fleet::{ClusterId, Row, ServiceId};
use crate::model::{Cluster, Service};
use neargate_service::metrics::Datum;
use neargate_service::{AwsError, House, Resource, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "ECS/ContainerInsights";

/// Until the future is dropped.
pub(crate) async fn publish(ecs: Arc<Ecs>, house: Arc<House>) {
    loop {
        tokio::time::sleep(EVERY).await;
        ecs.usages.keep(|task_id| ecs.fleet.find(task_id).is_some());
        if let Err(error) = round(&ecs, &house).await {
            tracing::debug!(%error, "a minute of Container Insights is left out");
        }
    }
}

async fn round(ecs: &Ecs, house: &House) -> Result<(), AwsError> {
    let clusters = format!("{}/", Cluster::KIND);
    for cluster in house.db.list_prefix::<Cluster>(&clusters).await? {
        let Some(scope) = Scope::of_key(&cluster.key).filter(|_| cluster.active && is_on(&cluster))
        else {
            continue;
        };
        let id = ClusterId::new(&scope, &cluster.name);
        let services = ecs.fleet.services(&id);
        let desired = |name: &str| {
            services
                .iter()
                .find(|s| s.spec.name == name)
                .map(|s| &s.value)
        };
        of_cluster(ecs, house, &id, &desired, services.len());
    }
    Ok(())
}

fn is_on(cluster: &Cluster) -> bool {
    cluster.settings.iter().any(|setting| {
        let value = setting.value.as_deref();
        setting.name.as_deref() == Some("containerInsights")
            && matches!(value, Some("enabled" | "enhanced"))
    })
}

/// What a group of tasks has together.
#[derive(Debug, Default, Clone, Copy)]
struct Together {
    running: f64,
    pending: f64,
    cpu_used: f64,
    cpu_reserved: f64,
    memory_used: f64,
    memory_reserved: f64,
}

impl Together {
    fn add(&mut self, ecs: &Ecs, row: &Row) {
        if !row.is_running() {
            self.pending += f64::from(u8::from(row.is_live()));
            return;
        }
        self.running += 1.0;
        self.cpu_reserved += f64::from(row.demand.cpu_units);
        self.memory_reserved += f64::from(row.demand.memory_mib);
        if let Some(used) = ecs.usages.of(&row.task_id) {
            self.cpu_used += used.cpu_units();
            self.memory_used += used.memory_mib();
        }
    }
}

fn of_cluster<'a>(
    ecs: &Ecs,
    house: &House,
    cluster: &ClusterId,
    service: &dyn Fn(&str) -> Option<&'a Service>,
    services: usize,
) {
    let mut all = Together::default();
    let mut by: BTreeMap<(&str, String), Together> = BTreeMap::new();
    for row in ecs
        .fleet
        .of_cluster(cluster)
        .iter()
        .filter(|row| !row.is_stopped())
    {
        all.add(ecs, row);
        let family = ("TaskDefinitionFamily", row.family.clone());
        by.entry(family).or_default().add(ecs, row);
        if let Some(ServiceId { name, .. }) = row.service_id() {
            by.entry(("ServiceName", name)).or_default().add(ecs, row);
        }
    }
    let put = |of: Option<(&str, &str)>, metrics: &[(&str, &str, f64)]| {
        let dimensions: Vec<(&str, &str)> = [("ClusterName", cluster.name.as_str())]
            .into_iter()
            .chain(of)
            .collect();
        for (name, unit, value) in metrics {
            let datum = Datum::new(NAMESPACE, name, &dimensions, unit, *value, house.now());
            house.metrics.put(&cluster.scope, datum);
        }
    };
    put(None, &used(&all));
    let counts = [
        ("TaskCount", "Count", all.running + all.pending),
        ("ServiceCount", "Count", services as f64),
    ];
    put(None, &counts);
    for ((dimension, name), together) in &by {
        put(Some((dimension, name)), &used(together));
        if let Some(service) = service(name).filter(|_| *dimension == "ServiceName") {
            let counts = [
                (
                    "DesiredTaskCount",
                    "Count",
                    f64::from(service.spec.desired_count),
                ),
                ("RunningTaskCount", "Count", together.running),
                ("PendingTaskCount", "Count", together.pending),
            ];
            put(Some((dimension, name)), &counts);
        }
    }
}

fn used(of: &Together) -> [(&'static str, &'static str, f64); 4] {
    [
        ("CpuUtilized", "None", of.cpu_used),
        ("CpuReserved", "None", of.cpu_reserved),
        ("MemoryUtilized", "Megabytes", of.memory_used),
        ("MemoryReserved", "Megabytes", of.memory_reserved),
    ]
}
