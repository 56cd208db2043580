//! A container instance as ECS shows it, and as the cluster query language asks it.

use crate::Ecs;
use crate::describe::api_tags;
use crate::fleet::{ClusterId, Row};
use crate::model::ContainerInstance;
use crate::plan::query::Queried;
use crate::plan::resources;
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_domain::{LaunchType, TaskStatus};
use neargate_service::Ctx;
use std::sync::Arc;

/// What is shown besides the instance itself.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Shown {
    tags: bool,
    health: bool,
}

impl Shown {
    /// What `include` asks for.
    pub(super) fn of(include: &[String]) -> Self {
        let asked = |what: &str| include.iter().any(|i| i == what);
        Shown {
            tags: asked("TAGS"),
            health: asked("CONTAINER_INSTANCE_HEALTH"),
        }
    }

    pub(super) fn with_tags() -> Self {
        Shown {
            tags: true,
            health: false,
        }
    }

    /// The index must be current where the counts matter.
    pub(super) fn show(
        self,
        ecs: &Ecs,
        cx: &Ctx,
        instance: &ContainerInstance,
    ) -> api::ContainerInstance {
        let cluster = ClusterId::new(&cx.scope, &instance.cluster);
        let rows = ecs.fleet.of_instance(&cluster, &instance.id);
        let count = |is: fn(TaskStatus) -> bool| {
            let n = rows.iter().filter(|r| is(r.last_status)).count();
            Some(i32::try_from(n).unwrap_or(i32::MAX))
        };
        let connected = connected(ecs, instance);
        let some = |s: &String| Some(s.clone()).filter(|s| !s.is_empty());
        api::ContainerInstance {
            container_instance_arn: Some(instance.arn.clone()),
            ec2_instance_id: some(&instance.ec2_instance_id),
            capacity_provider_name: instance.capacity_provider.clone(),
            version: Some(version(ecs, &cluster, instance)),
            version_info: Some(api::VersionInfo {
                agent_version: some(&instance.agent_version),
                agent_hash: some(&instance.agent_hash),
                docker_version: some(&instance.docker_version),
            }),
            registered_resources: Some(resources::registered(&instance.registered)),
            remaining_resources: Some(resources::remaining(
                &instance.registered,
                rows.iter().map(|r| &r.demand),
            )),
            status: Some(instance.status.as_str().into()),
            status_reason: instance.status_reason.clone(),
            agent_connected: Some(connected),
            running_tasks_count: count(|s| s == TaskStatus::Running),
            pending_tasks_count: count(|s| s < TaskStatus::Running),
            agent_update_status: instance.agent_update_status.clone(),
            attributes: Some(instance.attributes.iter().map(attribute).collect()),
            registered_at: Some(instance.registered_at),
            attachments: Some(Vec::new()),
            tags: Some(if self.tags {
                api_tags(&instance.tags)
            } else {
                Vec::new()
            }),
            health_status: self.health.then(|| health(connected, cx.now())),
            ..Default::default()
        }
    }
}

/// What its events tell: it rises with what tasks take of it too. Right after a start, before the
/// events are read again, the record's own.
fn version(ecs: &Ecs, cluster: &ClusterId, instance: &ContainerInstance) -> i64 {
    let told = ecs
        .events
        .instance_version(&cluster.key::<ContainerInstance>(&instance.id));
    let told = told.and_then(|revision| i64::try_from(revision).ok());
    told.map_or(instance.version, |told| told.max(instance.version))
}

fn connected(ecs: &Ecs, instance: &ContainerInstance) -> bool {
    let node = instance.node.as_deref();
    node.is_some_and(|node| ecs.nodes.is_connected(node))
}

fn attribute((name, value): (&String, &Option<String>)) -> api::Attribute {
    api::Attribute {
        name: name.clone(),
        value: value.clone(),
        ..Default::default()
    }
}

/// The agent is the container runtime: while it is connected it works; else nothing is known
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-instance-health.html>).
fn health(connected: bool, now: Timestamp) -> api::ContainerInstanceHealthStatus {
    let status = if connected { "OK" } else { "INSUFFICIENT_DATA" };
    api::ContainerInstanceHealthStatus {
        overall_status: Some(status.into()),
        details: Some(vec![api::InstanceHealthCheckResult {
            r#type: Some("CONTAINER_RUNTIME".into()),
            status: Some(status.into()),
            last_updated: Some(now),
            ..Default::default()
        }]),
    }
}

/// An instance under the cluster query language.
pub(super) struct Asked<'a> {
    instance: &'a ContainerInstance,
    connected: bool,
    rows: Vec<Arc<Row>>,
}

impl<'a> Asked<'a> {
    /// `with_tasks`: they are asked about.
    pub(super) fn of(
        ecs: &Ecs,
        cx: &Ctx,
        instance: &'a ContainerInstance,
        with_tasks: bool,
    ) -> Self {
        let cluster = ClusterId::new(&cx.scope, &instance.cluster);
        Asked {
            instance,
            connected: connected(ecs, instance),
            rows: if with_tasks {
                ecs.fleet.of_instance(&cluster, &instance.id)
            } else {
                Vec::new()
            },
        }
    }
}

impl Queried for Asked<'_> {
    fn attribute(&self, name: &str) -> Option<&str> {
        let value = self.instance.attributes.get(name)?;
        Some(value.as_deref().unwrap_or_default())
    }

    fn agent_connected(&self) -> bool {
        self.connected
    }

    fn agent_version(&self) -> &str {
        &self.instance.agent_version
    }

    fn ec2_instance_id(&self) -> Option<&str> {
        let external = self.instance.launch_type == LaunchType::External;
        (!external).then_some(self.instance.ec2_instance_id.as_str())
    }

    fn registered_at(&self) -> Timestamp {
        self.instance.registered_at
    }

    fn running_tasks(&self) -> u32 {
        let running = |r: &&Arc<Row>| r.last_status == TaskStatus::Running;
        u32::try_from(self.rows.iter().filter(running).count()).unwrap_or(u32::MAX)
    }

    fn any_group(&self, is: &mut dyn FnMut(&str) -> bool) -> bool {
        self.rows.iter().any(|r| is(&r.group))
    }
}
