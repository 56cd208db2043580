//! A cluster as ECS shows it.

use super::services_of;
use crate::Ecs;
use crate::describe::api_tags;
use crate::fleet::ClusterId;
use crate::model::{Cluster, InstanceStatus, Service, ServiceRevision, State};
use crate::plan::capacity::FARGATE;
use neargate_api_ecs as api;
use neargate_domain::{LaunchType, TaskStatus};
use neargate_service::{AwsError, Ctx, Stored};
use std::collections::BTreeMap;

/// Launch types as the names of statistics have them, in their order.
const KINDS: [(&str, Option<LaunchType>); 4] = [
    ("EC2", Some(LaunchType::Ec2)),
    ("Fargate", Some(LaunchType::Fargate)),
    ("External", Some(LaunchType::External)),
    // There are no managed instances here.
    ("ManagedInstances", None),
];

/// `include`: what is shown beyond the least.
pub(in crate::api) async fn describe(
    ecs: &Ecs,
    cx: &Ctx,
    cluster: &Stored<Cluster>,
    include: &[String],
) -> Result<api::Cluster, AwsError> {
    let with = |what: &str| include.iter().any(|i| i == what);
    ecs.fleet.current(cx.db()).await?;
    let id = ClusterId::new(&cx.scope, &cluster.name);
    let mut tasks = Tasks::default();
    for row in ecs.fleet.of_cluster(&id) {
        tasks.add(row.launch_type, row.last_status);
    }
    let instances = ecs.fleet.instances(&id);
    let registered = instances
        .iter()
        .filter(|i| matches!(i.status, InstanceStatus::Active | InstanceStatus::Draining));
    let services = services_of(cx, cluster).await?;
    let active = services.iter().filter(|s| s.is_active());
    let statistics = if with("STATISTICS") {
        statistics(&tasks, &of_kinds(cx, &services).await?)
    } else {
        Vec::new()
    };
    let shown = |settings: bool| {
        let list = cluster.settings.iter().filter(|_| settings);
        list.map(|s| s.0.clone()).collect()
    };
    let own_providers = cluster
        .capacity_providers
        .iter()
        .any(|p| !FARGATE.contains(&p.as_str()));
    Ok(api::Cluster {
        cluster_arn: Some(cluster.arn.clone()),
        cluster_name: Some(cluster.name.clone()),
        status: Some(if cluster.active { "ACTIVE" } else { "INACTIVE" }.into()),
        registered_container_instances_count: Some(number(registered.count())),
        running_tasks_count: Some(number(tasks.running.values().sum())),
        pending_tasks_count: Some(number(tasks.pending.values().sum())),
        active_services_count: Some(number(active.count())),
        statistics: Some(statistics),
        tags: Some(if with("TAGS") {
            api_tags(&cluster.tags)
        } else {
            Vec::new()
        }),
        settings: Some(shown(with("SETTINGS"))),
        configuration: cluster
            .configuration
            .as_ref()
            .filter(|_| with("CONFIGURATIONS"))
            .map(|c| c.0.clone()),
        capacity_providers: Some(cluster.capacity_providers.clone()),
        default_capacity_provider_strategy: Some(
            cluster
                .default_strategy
                .iter()
                .map(|s| s.0.clone())
                .collect(),
        ),
        // There is nothing to attach: no Auto Scaling groups.
        attachments: with("ATTACHMENTS").then(Vec::new),
        attachments_status: (with("ATTACHMENTS") && own_providers)
            .then(|| "UPDATE_COMPLETE".into()),
        service_connect_defaults: cluster.service_connect_namespace.clone().map(|namespace| {
            api::ClusterServiceConnectDefaults {
                namespace: Some(namespace),
            }
        }),
    })
}

fn number(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Tasks by launch type.
#[derive(Default)]
struct Tasks {
    running: BTreeMap<&'static str, usize>,
    pending: BTreeMap<&'static str, usize>,
}

impl Tasks {
    fn add(&mut self, launch_type: LaunchType, status: TaskStatus) {
        let of = match status {
            TaskStatus::Running => &mut self.running,
            s if s < TaskStatus::Running => &mut self.pending,
            _ => return,
        };
        *of.entry(launch_type.as_str()).or_default() += 1;
    }
}

/// The state and launch type of each service that is not `INACTIVE`.
async fn of_kinds(
    cx: &Ctx,
    services: &[Stored<Service>],
) -> Result<Vec<(State, LaunchType)>, AwsError> {
    let mut found = Vec::new();
    for service in services {
        if service.state() == State::Inactive {
            continue;
        }
        let revision = revision_of(cx, service).await?;
        let Some(revision) = revision else { continue };
        let fargate = |p: &str| FARGATE.contains(&p);
        let launch_type = match revision.launch_type.as_deref() {
            Some("FARGATE") => LaunchType::Fargate,
            Some("EXTERNAL") => LaunchType::External,
            None if revision
                .strategy
                .iter()
                .any(|i| fargate(&i.0.capacity_provider)) =>
            {
                LaunchType::Fargate
            }
            _ => LaunchType::Ec2,
        };
        found.push((service.state(), launch_type));
    }
    Ok(found)
}

/// What the service's newest deployment runs.
pub(in crate::api) async fn revision_of(
    cx: &Ctx,
    service: &Service,
) -> Result<Option<Stored<ServiceRevision>>, AwsError> {
    let (cluster, name) = (&service.spec.cluster, &service.spec.name);
    match &service.spec.target {
        Some(target) => {
            let id = format!("{cluster}/{name}/{}", target.revision);
            cx.db().get::<ServiceRevision>(&cx.scope, &id).await
        }
        None => Ok(None),
    }
}

fn statistics(tasks: &Tasks, services: &[(State, LaunchType)]) -> Vec<api::KeyValuePair> {
    let mut all = Vec::new();
    let mut add = |name: String, value: usize| {
        all.push(api::KeyValuePair {
            name: Some(name),
            value: Some(value.to_string()),
        });
    };
    let tasks_of = |of: &BTreeMap<&'static str, usize>, kind: Option<LaunchType>| {
        let count = kind.and_then(|k| of.get(k.as_str()));
        count.copied().unwrap_or(0)
    };
    let services_of = |state: State, kind: Option<LaunchType>| {
        let same = |(s, k): &&(State, LaunchType)| *s == state && Some(*k) == kind;
        services.iter().filter(same).count()
    };
    for (name, kind) in KINDS {
        add(
            format!("running{name}TasksCount"),
            tasks_of(&tasks.running, kind),
        );
        add(
            format!("pending{name}TasksCount"),
            tasks_of(&tasks.pending, kind),
        );
    }
    for (name, kind) in KINDS {
        add(
            format!("active{name}ServiceCount"),
            services_of(State::Active, kind),
        );
        add(
            format!("draining{name}ServiceCount"),
            services_of(State::Draining, kind),
        );
    }
    all
}
