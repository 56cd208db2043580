//! From a checked call to one whole task.

use super::request::Request;
use crate::ecs::model::{Cluster, ContainerSpec, Status, Task, TaskSpec};
use crate::ecs::plan::{assignment, placement};
use crate::ecs::{Ecs, error};
use neargate_api::ecs as api;
use neargate_domain::{Assignment, DesiredState};
use neargate_service::{AwsError, Ctx, Fault, eni};
use neargate_wire::json::Json;
use std::net::Ipv4Addr;

/// The platform version `LATEST` stands for.
const PLATFORM_VERSION: &str = "1.4.0";
/// Every Fargate task has at least this much scratch space.
const EPHEMERAL_STORAGE_GIB: i32 = 20;

impl Request {
    /// One task with everything it needs, and the store changes that reserve its address.
    pub(super) async fn place(
        &self,
        ecs: &Ecs,
        cx: &Ctx,
        input: &api::RunTaskInput,
        cluster: &Cluster,
        held: &[Ipv4Addr],
    ) -> Result<(Task, eni::Reservation), AwsError> {
        let nodes = ecs.nodes.snapshot();
        let node = placement::node(&nodes)
            .ok_or_else(error::no_capacity)?
            .id
            .clone();
        let subnet = placement::subnet(&self.subnets, ecs.nodes.turn()).expect("checked");
        let task_id = cx.house.rng.hex(32);
        let arn = cx.arn("ecs", format!("task/{}/{task_id}", cluster.name));
        let reserved = eni::reserve(cx, subnet, &self.security_groups, &arn, held).await;
        let reserved = reserved.map_err(|e| match e.fault {
            Fault::Client => error::invalid_parameter(e.message),
            Fault::Server => e,
        })?;
        let family = self.definition.family.clone().unwrap_or_default();
        let mut tags = self.tags.clone();
        if input.enable_ecs_managed_tags == Some(true) {
            tags.insert("aws:ecs:clusterName".into(), cluster.name.clone());
        }
        let containers =
            assignment::containers(&cx.scope, &task_id, &self.definition, &self.overrides);
        let defined = self.definition.container_definitions.iter().flatten();
        let spec = TaskSpec {
            cluster_arn: cluster.arn.clone(),
            task_definition_arn: self
                .definition
                .task_definition_arn
                .clone()
                .unwrap_or_default(),
            group: input
                .group
                .clone()
                .unwrap_or_else(|| format!("family:{family}")),
            started_by: input.started_by.clone(),
            platform_version: match input.platform_version.as_deref() {
                None | Some("LATEST") => PLATFORM_VERSION.into(),
                Some(version) => version.into(),
            },
            cpu: self.cpu_units.to_string(),
            memory: self.memory_mib.to_string(),
            ephemeral_storage_gib: self
                .overrides
                .ephemeral_storage
                .as_ref()
                .or(self.definition.ephemeral_storage.as_ref())
                .map_or(EPHEMERAL_STORAGE_GIB, |e| e.size_in_gib),
            enable_execute_command: input.enable_execute_command.unwrap_or(false),
            overrides: Json(shown_overrides(&self.overrides, &self.definition)),
            containers: defined
                .zip(&containers)
                .map(|(c, run)| ContainerSpec {
                    arn: cx.arn(
                        "ecs",
                        format!(
                            "container/{}/{task_id}/{}",
                            cluster.name,
                            cx.house.rng.uuid()
                        ),
                    ),
                    name: run.name.clone(),
                    image: run.image.name.clone(),
                    cpu: c.cpu.unwrap_or(0),
                    memory: run.memory_mib.and_then(|m| i32::try_from(m).ok()),
                    memory_reservation: run
                        .memory_reservation_mib
                        .and_then(|m| i32::try_from(m).ok()),
                })
                .collect(),
            attachment_id: cx.house.rng.uuid(),
            tags,
            created_at: cx.now(),
            node,
            stop: None,
            assignment: Assignment {
                task_id,
                task_arn: arn.clone(),
                account: cx.scope.account.clone(),
                region: cx.scope.region.clone(),
                cluster: cluster.name.clone(),
                family,
                revision: self
                    .definition
                    .revision
                    .and_then(|r| u32::try_from(r).ok())
                    .unwrap_or(0),
                generation: 1,
                desired: DesiredState::Running,
                cpu_units: Some(self.cpu_units),
                memory_mib: Some(self.memory_mib),
                network: reserved.interface.clone(),
                containers,
            },
            arn,
        };
        Ok((
            Task {
                spec,
                status: Status::provisioning(),
            },
            reserved,
        ))
    }
}

/// ECS shows an (empty) override for every container.
fn shown_overrides(
    given: &api::TaskOverride,
    definition: &api::TaskDefinition,
) -> api::TaskOverride {
    let mut shown = given.clone();
    let list = shown.container_overrides.get_or_insert_default();
    for c in definition.container_definitions.iter().flatten() {
        if !list.iter().any(|o| o.name == c.name) {
            list.push(api::ContainerOverride {
                name: c.name.clone(),
                ..Default::default()
            });
        }
    }
    shown
}
