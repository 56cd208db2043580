//! Tasks and tags as ECS shows them.

use crate::model::{ContainerSpec, Task};
use crate::plan::observe::desired_status;
use neargate_api_ecs as api;
use neargate_domain::{
    ContainerReport, ContainerStatus, LaunchType, NetworkBinding, TaskStatus, VolumeSource,
};
use neargate_service::tags::Tags;

pub(crate) fn task(task: &Task, with_tags: bool) -> api::Task {
    let Task { spec, status } = task;
    let report = status.report.as_ref();
    let mut overrides = spec.overrides.0.clone();
    overrides.container_overrides.get_or_insert_default();
    overrides
        .inference_accelerator_overrides
        .get_or_insert_default();
    let fargate = spec.assignment.launch_type == LaunchType::Fargate;
    api::Task {
        attachments: Some(attachment(task).into_iter().chain(volumes(task)).collect()),
        attributes: Some(vec![api::Attribute {
            name: "ecs.cpu-architecture".into(),
            value: Some(
                if cfg!(target_arch = "aarch64") {
                    "arm64"
                } else {
                    "x86_64"
                }
                .into(),
            ),
            ..Default::default()
        }]),
        availability_zone: Some(availability_zone(task)),
        capacity_provider_name: spec.capacity_provider.clone(),
        cluster_arn: Some(spec.cluster_arn.clone()),
        connectivity: status.connectivity_at.map(|_| "CONNECTED".into()),
        connectivity_at: status.connectivity_at,
        containers: Some(spec.containers.iter().map(|c| container(task, c)).collect()),
        cpu: Some(spec.cpu.clone()),
        memory: Some(spec.memory.clone()),
        created_at: Some(spec.created_at),
        desired_status: Some(desired_status(task).into()),
        enable_execute_command: Some(spec.enable_execute_command),
        execution_stopped_at: status.execution_stopped_at,
        group: Some(spec.group.clone()),
        health_status: Some(task.health().as_str().into()),
        inference_accelerators: Some(Vec::new()),
        last_status: Some(status.last_status.as_str().into()),
        container_instance_arn: spec.assignment.container_instance_arn.clone(),
        launch_type: Some(spec.assignment.launch_type.as_str().into()),
        overrides: Some(overrides),
        platform_version: spec.platform_version.clone(),
        platform_family: fargate.then(|| "Linux".into()),
        pull_started_at: report.and_then(|r| r.pull_started_at),
        pull_stopped_at: report.and_then(|r| r.pull_stopped_at),
        started_at: status.started_at,
        started_by: spec.started_by.clone(),
        stop_code: status.stop_code.clone(),
        stopped_at: status.stopped_at,
        stopped_reason: status.stopped_reason.clone(),
        stopping_at: status.stopping_at,
        tags: Some(if with_tags {
            api_tags(&spec.tags)
        } else {
            Vec::new()
        }),
        task_arn: Some(spec.arn.clone()),
        task_definition_arn: Some(spec.task_definition_arn.clone()),
        version: Some(status.version),
        ephemeral_storage: spec
            .ephemeral_storage_gib
            .map(|size_in_gib| api::EphemeralStorage { size_in_gib }),
        fargate_ephemeral_storage: spec.ephemeral_storage_gib.map(|gib| {
            api::TaskEphemeralStorage {
                size_in_gib: Some(gib),
                ..Default::default()
            }
        }),
        ..Default::default()
    }
}

/// A task as `RunTask` and `StartTask` answer it: of its network interface only the subnet is
/// chosen, and nothing is known of its containers yet
/// (<https://docs.aws.amazon.com/cli/latest/reference/ecs/run-task.html#examples> shows it).
pub(crate) fn started(task: &Task) -> api::Task {
    let mut shown = self::task(task, true);
    for attachment in shown.attachments.iter_mut().flatten() {
        let is_volume = attachment.r#type.as_deref() == Some(EBS);
        let status = if is_volume { "CREATED" } else { "PRECREATED" };
        let shown_details: &[&str] = match is_volume {
            true => &["roleArn", "volumeName", "deleteOnTermination"],
            false => &["subnetId"],
        };
        attachment.status = Some(status.into());
        let details = attachment.details.get_or_insert_default();
        details.retain(|d| {
            d.name
                .as_deref()
                .is_some_and(|name| shown_details.contains(&name))
        });
    }
    for c in shown.containers.iter_mut().flatten() {
        c.network_interfaces = Some(Vec::new());
        c.network_bindings = None;
        c.health_status = None;
    }
    shown.health_status = None;
    shown.inference_accelerators = None;
    shown
}

/// The network interface, in the words of
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Attachment.html>.
fn attachment(task: &Task) -> Option<api::Attachment> {
    let eni = task.spec.assignment.network.interface()?;
    let ready = task.status.report.as_ref().is_some_and(|r| r.network_ready);
    let status = match task.status.last_status {
        TaskStatus::Stopped => "DELETED",
        TaskStatus::Deprovisioning => "DETACHING",
        _ if ready => "ATTACHED",
        _ => "ATTACHING",
    };
    let details = [
        ("subnetId", eni.subnet_id.clone()),
        ("networkInterfaceId", eni.id.clone()),
        ("macAddress", eni.mac.clone()),
        ("privateDnsName", eni.private_dns_name.clone()),
        ("privateIPv4Address", eni.private_ipv4.to_string()),
    ];
    let detail = |(name, value): (&str, String)| api::KeyValuePair {
        name: Some(name.into()),
        value: Some(value),
    };
    Some(api::Attachment {
        id: task.spec.attachment_id.clone(),
        r#type: Some("ElasticNetworkInterface".into()),
        status: Some(status.into()),
        details: Some(details.into_iter().map(detail).collect()),
    })
}

const EBS: &str = "AmazonElasticBlockStorage";

/// The EBS volumes that were made for it.
fn volumes(task: &Task) -> impl Iterator<Item = api::Attachment> {
    let started = task.status.report.as_ref().is_some_and(|r| {
        r.containers
            .iter()
            .any(|c| c.status != ContainerStatus::Pending)
    });
    let status = match task.status.last_status {
        TaskStatus::Stopped => "DELETED",
        TaskStatus::Deprovisioning => "DETACHING",
        _ if started => "ATTACHED",
        _ => "ATTACHING",
    };
    let volumes = task.spec.assignment.volumes.iter();
    volumes.filter_map(move |volume| {
        let VolumeSource::Ebs(ebs) = &volume.source else {
            return None;
        };
        let details = [
            ("roleArn", ebs.role_arn.clone()),
            ("volumeName", volume.name.clone()),
            ("deleteOnTermination", ebs.delete_on_termination.to_string()),
            ("volumeId", ebs.volume_id.clone()),
        ];
        let detail = |(name, value): (&str, String)| api::KeyValuePair {
            name: Some(name.into()),
            value: Some(value),
        };
        Some(api::Attachment {
            id: Some(ebs.attachment_id.clone()),
            r#type: Some(EBS.into()),
            status: Some(status.into()),
            details: Some(details.into_iter().map(detail).collect()),
        })
    })
}

/// Tasks of the first stored version have it in their interface only.
fn availability_zone(task: &Task) -> String {
    let eni = task.spec.assignment.network.interface();
    eni.map_or_else(
        || task.spec.availability_zone.clone(),
        |eni| eni.availability_zone.clone(),
    )
}

fn container(task: &Task, spec: &ContainerSpec) -> api::Container {
    let reports = task.status.report.iter().flat_map(|r| &r.containers);
    let seen: Option<&ContainerReport> = reports.into_iter().find(|c| c.name == spec.name);
    let last_status = match (seen.map(|c| c.status), task.status.last_status) {
        (Some(ContainerStatus::Running), _) => "RUNNING",
        (Some(ContainerStatus::Stopped), _) | (_, TaskStatus::Stopped) => "STOPPED",
        (Some(ContainerStatus::Pending) | None, _) => "PENDING",
    };
    let eni = task.spec.assignment.network.interface();
    let interfaces = eni.map(|eni| api::NetworkInterface {
        attachment_id: task.spec.attachment_id.clone(),
        private_ipv4_address: Some(eni.private_ipv4.to_string()),
        ..Default::default()
    });
    let bindings = seen.into_iter().flat_map(|c| &c.network_bindings);
    api::Container {
        container_arn: Some(spec.arn.clone()),
        task_arn: Some(task.spec.arn.clone()),
        name: Some(spec.name.clone()),
        image: Some(spec.image.clone()),
        image_digest: seen.and_then(|c| c.image_digest.clone()),
        runtime_id: seen.and_then(|c| c.runtime_id.clone()),
        last_status: Some(last_status.into()),
        exit_code: seen.and_then(|c| c.exit_code),
        reason: seen.and_then(|c| c.reason.clone()),
        network_bindings: Some(bindings.map(binding).collect()),
        network_interfaces: Some(interfaces.into_iter().collect()),
        health_status: Some(seen.map_or("UNKNOWN", |c| c.health.as_str()).into()),
        cpu: Some(spec.cpu.to_string()),
        memory: spec.memory.map(|m| m.to_string()),
        memory_reservation: spec.memory_reservation.map(|m| m.to_string()),
        managed_agents: task
            .spec
            .enable_execute_command
            .then(|| vec![command_agent(task, last_status)]),
        ..Default::default()
    }
}

fn binding(b: &NetworkBinding) -> api::NetworkBinding {
    let shown = api::NetworkBinding {
        bind_ip: Some(b.bind_ip.clone()),
        protocol: Some(b.protocol.as_str().into()),
        ..Default::default()
    };
    let Some(length) = b.length else {
        return api::NetworkBinding {
            container_port: Some(b.container_port.into()),
            host_port: Some(b.host_port.into()),
            ..shown
        };
    };
    let range = |first: u16| Some(format!("{first}-{}", first.saturating_add(length - 1)));
    api::NetworkBinding {
        container_port_range: range(b.container_port),
        host_port_range: range(b.host_port),
        ..shown
    }
}

/// What carries ECS Exec. Here it is there as long as the container is
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ManagedAgent.html>).
fn command_agent(task: &Task, last_status: &str) -> api::ManagedAgent {
    api::ManagedAgent {
        name: Some("ExecuteCommandAgent".into()),
        last_status: Some(last_status.into()),
        last_started_at: task.status.started_at.filter(|_| last_status != "PENDING"),
        ..Default::default()
    }
}

/// The tags of a resource.
pub(crate) fn api_tags(tags: &Tags) -> Vec<api::Tag> {
    let tag = |(k, v): (&String, &String)| api::Tag {
        key: Some(k.clone()),
        value: Some(v.clone()),
    };
    tags.iter().map(tag).collect()
}
