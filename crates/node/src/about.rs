//! What a node offers tasks, and how it describes itself: resources and attributes as the ECS
//! agent registers them
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-install.html>,
//! amazon-ecs-agent's `agent/app/agent_capability.go`).
//!
//! It names what this node really can do, nothing more: ECS places a task by these attributes
//! only where its definition's features work. An attribute without a value has an empty one.

mod room;

pub use room::{RoomError, for_tasks_mib, free_mib};

use neargate_domain::instance_type::InstanceType;
use neargate_domain::{NetworkInterface, NodeKind, Resources};
use std::collections::BTreeMap;
use std::io;

#[cfg(test)]
mod tests;

/// Resources and attributes of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    pub resources: Resources,
    pub attributes: BTreeMap<String, String>,
}

/// Ports that the ECS agent registers as taken: ssh, Docker's two, its own introspection and
/// task metadata (`agent/config/config_unix.go`; 51680 only with metrics, which are off).
const RESERVED_TCP_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];

/// Features by their attribute's name. A task with a role is taken, as on Fargate here: its
/// credentials endpoint is absent, and so is the variable that would name it.
const CAPABILITIES: [&str; 42] = [
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.logging-driver.awsfirelens",
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.logging-driver.fluentd",
    "com.amazonaws.ecs.capability.logging-driver.gelf",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.local",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.logging-driver.splunk",
    "com.amazonaws.ecs.capability.logging-driver.syslog",
    // Whether its operator lets tasks be that is said when one starts.
    "com.amazonaws.ecs.capability.privileged-container",
    // Docker passes over them on hosts that have neither; on others a container that asks is refused.
    "com.amazonaws.ecs.capability.apparmor",
    "com.amazonaws.ecs.capability.selinux",
    "ecs.capability.aws-appmesh",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.efs",
    "ecs.capability.efsAuth",
    "ecs.capability.env-files.s3",
    "ecs.capability.execute-command",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.fault-injection",
    "ecs.capability.firelens.fluentbit",
    "ecs.capability.firelens.fluentd",
    "ecs.capability.firelens.options.config.file",
    "ecs.capability.firelens.options.config.s3",
    "ecs.capability.increased-task-cpu-limit",
    "ecs.capability.network.container-port-range",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.private-registry-authentication.secretsmanager",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.task-cpu-mem-limit",
    "ecs.capability.task-eni",
    "ecs.capability.task-eni-block-instance-metadata",
];

/// Not on external instances (`externalUnsupportedCapabilities`).
const NOT_EXTERNAL: [&str; 2] = [
    "ecs.capability.task-eni",
    "ecs.capability.task-eni-block-instance-metadata",
];

/// The versions of Docker's API that the agent still registers; definitions ask for them by
/// number when they use a feature of that age.
const DOCKER_API: [&str; 13] = [
    "1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.28", "1.29", "1.30",
    "1.32",
];

/// A bridge has at most 1024 ports (the kernel's `BR_MAX_PORTS`), and a task one of them.
const HOST_ENI_SLOTS: u32 = 1023;

/// This host. All of its memory is offered, as the ECS agent does unless it is told to reserve
/// some; of its processors, what this process may use.
pub fn host(kind: NodeKind) -> io::Result<Offer> {
    let cpus = std::thread::available_parallelism()?.get();
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    let memory_mib = memory_mib(&meminfo, "MemTotal:").ok_or(io::ErrorKind::InvalidData)?;
    let eni_slots = match kind {
        NodeKind::Fargate | NodeKind::Ec2 => HOST_ENI_SLOTS,
        NodeKind::External => 0,
    };
    Ok(Offer {
        resources: resources(
            u32::try_from(cpus).unwrap_or(u32::MAX / 1024) * 1024,
            memory_mib,
            eni_slots,
        ),
        attributes: attributes(kind),
    })
}

/// A slice of this host that is an EC2 instance of the type. The host may be smaller than the sum
/// of its slices, and than one of them. The error says why this host cannot be one.
pub fn slice(kind: &InstanceType, interface: &NetworkInterface) -> Result<Offer, String> {
    if kind.architecture != architecture() {
        return Err(format!(
            "{} instances are {}, and this host is {}",
            kind.name,
            kind.architecture,
            architecture()
        ));
    }
    let mut attributes = attributes(NodeKind::Ec2);
    let placed = [
        ("ecs.availability-zone", &interface.availability_zone),
        ("ecs.instance-type", &kind.name),
        ("ecs.subnet-id", &interface.subnet_id),
        ("ecs.vpc-id", &interface.vpc_id),
    ];
    attributes.extend(placed.map(|(name, value)| (name.to_owned(), value.clone())));
    Ok(Offer {
        resources: resources(
            kind.vcpus * 1024,
            registered_mib(kind.memory_mib),
            kind.interfaces - 1,
        ),
        attributes,
    })
}

fn resources(cpu_units: u32, memory_mib: u32, eni_slots: u32) -> Resources {
    Resources {
        cpu_units,
        memory_mib,
        reserved_tcp_ports: RESERVED_TCP_PORTS.to_vec(),
        reserved_udp_ports: Vec::new(),
        gpus: Vec::new(),
        eni_slots,
    }
}

fn attributes(kind: NodeKind) -> BTreeMap<String, String> {
    let external = kind == NodeKind::External;
    let mut names: Vec<String> = CAPABILITIES
        .into_iter()
        .filter(|name| !(external && NOT_EXTERNAL.contains(name)))
        .map(str::to_owned)
        .collect();
    names.extend(DOCKER_API.map(|v| format!("com.amazonaws.ecs.capability.docker-remote-api.{v}")));
    if external {
        names.push("ecs.capability.external".into());
    }
    let mut attributes: BTreeMap<String, String> = names
        .into_iter()
        .map(|name| (name, String::new()))
        .collect();
    let said = [
        ("ecs.cpu-architecture", architecture()),
        ("ecs.os-family", "LINUX"),
        ("ecs.os-type", "linux"),
    ];
    attributes.extend(said.map(|(name, value)| (name.to_owned(), value.to_owned())));
    attributes
}

/// This host's processor in ECS's words.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

/// What an instance registers of its nominal memory: kernel and firmware keep about a twentieth
/// (a t3.medium registers some 3,880 of 4,096 MiB;
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/memory-management.html>).
fn registered_mib(nominal_mib: u32) -> u32 {
    nominal_mib - nominal_mib / 20 - 8
}

fn memory_mib(meminfo: &str, field: &str) -> Option<u32> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    u32::try_from(kib / 1024).ok()
}
