//! What a task is told of itself, in the names of the ECS agent
//! (<https://github.com/aws/amazon-ecs-agent/tree/master/ecs-agent/tmds/handlers>). Pure. What this node
//! does not observe is left out, never made up.

use super::super::command;
use super::super::state::{ContainerState, Network, Phase, TaskState};
use neargate_base::Timestamp;
use neargate_domain::{
    Assignment, Cidr, ContainerSpec, DesiredState, Health, LaunchType, LogTarget, Mount,
    NetworkInterface, TaskNetwork, TaskTags, VolumeSource,
};
use serde_json::{Map, Value, json};

/// Of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v2.html>
    V2,
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v3.html>
    V3,
    V4,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V2 => "V2",
            Version::V3 => "V3",
            Version::V4 => "V4",
        }
    }
}

/// The statuses of the ECS agent, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    None,
    Pulled,
    Created,
    Running,
    Stopped,
}

impl Known {
    fn of(c: &ContainerState) -> Known {
        match c.phase {
            Phase::Waiting | Phase::Pulling => Known::None,
            Phase::Pulled => Known::Pulled,
            Phase::Starting => Known::Created,
            Phase::Running { .. } | Phase::Restarting { .. } => Known::Running,
            Phase::Ended(_) => Known::Stopped,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Known::None => "NONE",
            Known::Pulled => "PULLED",
            Known::Created => "CREATED",
            Known::Running => "RUNNING",
            Known::Stopped => "STOPPED",
        }
    }
}

/// An object without what is unknown.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }
}

/// What a task's state does not have in it.
#[derive(Debug, Default)]
pub struct Besides {
    /// `None`: they were not asked for; `Err`: why they are not known.
    pub tags: Option<Result<TaskTags, String>>,
    /// What the task's own disk holds and may hold, in bytes.
    pub room: Option<(u64, u64)>,
    pub clock: Option<Clock>,
}

/// How well the kernel thinks to know the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    pub is_synchronized: bool,
    pub error_bound_millis: f64,
    pub read_at: Timestamp,
}

/// `/task`.
pub fn task(state: &TaskState, version: Version, besides: &Besides) -> Value {
    let task = &state.assignment;
    let is_fargate = task.launch_type == LaunchType::Fargate;
    let mut fields = Fields::default();
    // On EC2 the agent tells the name that it was configured with.
    let arn = match is_fargate {
        true => task
            .task_arn
            .split(":task/")
            .next()
            .map(|stem| format!("{stem}:cluster/{}", task.cluster)),
        false => None,
    };
    fields.set("Cluster", arn.unwrap_or_else(|| task.cluster.clone()));
    fields.set("TaskARN", task.task_arn.clone());
    fields.set("Family", task.family.clone());
    fields.set("Revision", task.revision.to_string());
    fields.set("DesiredStatus", desired(state));
    let known = state.containers.iter().map(Known::of).min();
    fields.set("KnownStatus", known.unwrap_or(Known::None).as_str());
    let mut limits = Fields::default();
    limits.maybe("CPU", task.cpu_units.map(|units| f64::from(units) / 1024.0));
    limits.maybe("Memory", task.memory_mib);
    if !limits.0.is_empty() {
        fields.set("Limits", limits.0);
    }
    fields.maybe(
        "PullStartedAt",
        state.pull_started_at.map(Timestamp::rfc3339),
    );
    fields.maybe(
        "PullStoppedAt",
        state.pull_stopped_at.map(Timestamp::rfc3339),
    );
    fields.maybe(
        "ExecutionStoppedAt",
        state.stopped.as_ref().map(|s| s.at.rfc3339()),
    );
    if let Some(eni) = task.network.interface() {
        fields.set("AvailabilityZone", eni.availability_zone.clone());
        if version == Version::V4 && !is_fargate {
            fields.set("VPCID", eni.vpc_id.clone());
        }
    }
    if version == Version::V4 {
        fields.set("LaunchType", task.launch_type.as_str());
        fields.maybe("ServiceName", task.service_name.clone());
        fields.set("FaultInjectionEnabled", task.fault_injection);
        if is_fargate {
            of_fargate(besides, &mut fields);
        }
    }
    match &besides.tags {
        None => {}
        Some(Ok(tags)) => {
            fields.maybe(
                "TaskTags",
                (!tags.task.is_empty()).then(|| json!(tags.task)),
            );
            let of_instance = tags.container_instance.as_ref();
            let of_instance = of_instance.filter(|tags| !tags.is_empty());
            fields.maybe("ContainerInstanceTags", of_instance.map(|tags| json!(tags)));
        }
        Some(Err(why)) if version == Version::V4 => {
            let error = json!({
                "ErrorField": "TaskTags",
                "ErrorMessage": why,
                "ResourceARN": task.task_arn,
            });
            fields.set("Errors", vec![error]);
        }
        Some(Err(_)) => {}
    }
    let containers = (0..state.containers.len()).map(|i| container(state, i, version));
    fields.set("Containers", containers.collect::<Vec<Value>>());
    fields.0.into()
}

/// Platform version 1.4.0 tells these.
fn of_fargate(besides: &Besides, fields: &mut Fields) {
    if let Some((used, of)) = besides.room {
        let room = json!({ "Utilized": used >> 20, "Reserved": of >> 20 });
        fields.set("EphemeralStorageMetrics", room);
    }
    if let Some(clock) = besides.clock {
        let status = match clock.is_synchronized {
            true => "SYNCHRONIZED",
            false => "NOT_SYNCHRONIZED",
        };
        let drift = json!({
            "ClockErrorBound": clock.error_bound_millis,
            "ReferenceTimestamp": clock.read_at.rfc3339(),
            "ClockSynchronizationStatus": status,
        });
        fields.set("ClockDrift", drift);
    }
}

/// A container's own.
pub fn container(state: &TaskState, i: usize, version: Version) -> Value {
    let (task, spec, c) = (
        &state.assignment,
        &state.assignment.containers[i],
        &state.containers[i],
    );
    let id = command::runtime_id(task, &spec.name);
    let (started_at, ended) = match &c.phase {
        Phase::Running { started_at } | Phase::Restarting { started_at, .. } => {
            (Some(*started_at), None)
        }
        Phase::Ended(ended) => (ended.started_at, Some(ended)),
        _ => (None, None),
    };
    let mut fields = Fields::default();
    fields.maybe("DockerId", started_at.map(|_| id.clone()));
    fields.set("Name", spec.name.clone());
    let docker_name = match task.launch_type {
        LaunchType::Fargate => spec.name.clone(),
        LaunchType::Ec2 | LaunchType::External => command::docker_name(task, &spec.name),
    };
    fields.set("DockerName", docker_name);
    fields.set("Image", spec.image.name.clone());
    fields.set("ImageID", c.image_digest.clone().unwrap_or_default());
    if let Some(ports) = ports(spec, c, version) {
        fields.set("Ports", ports);
    }
    fields.set("Labels", labels(state, spec));
    fields.set("DesiredStatus", desired(state));
    fields.set("KnownStatus", Known::of(c).as_str());
    fields.maybe("ExitCode", ended.and_then(|e| e.exit_code));
    let mut limits = Fields::default();
    limits.set("CPU", spec.cpu_units.unwrap_or(2));
    limits.maybe("Memory", spec.memory_mib.or(spec.memory_reservation_mib));
    fields.set("Limits", limits.0);
    // A container is made in the moment in which it is started.
    fields.maybe("CreatedAt", started_at.map(Timestamp::rfc3339));
    fields.maybe("StartedAt", started_at.map(Timestamp::rfc3339));
    fields.maybe(
        "FinishedAt",
        ended.and_then(|e| e.finished_at).map(Timestamp::rfc3339),
    );
    fields.set("Type", "NORMAL");
    if spec.health_check.is_some() && c.health.status != Health::Unknown {
        fields.set("Health", json!({ "status": c.health.status.as_str() }));
    }
    fields.set("Networks", networks(state, i, version));
    if task.launch_type != LaunchType::Fargate {
        fields.maybe("Volumes", volumes(task, spec));
    }
    if version == Version::V4 {
        fields.maybe("ContainerARN", spec.arn.clone());
        if task.launch_type == LaunchType::Fargate {
            fields.set("Snapshotter", "overlayfs");
        }
        if let Some(log) = &spec.log {
            fields.set("LogDriver", "awslogs");
            fields.set("LogOptions", log_options(log));
        }
        if let Some(route) = &spec.log_route {
            fields.set("LogDriver", route.driver.clone());
            fields.set("LogOptions", json!(route.options));
        }
    }
    if spec.restart_policy.is_some() {
        fields.set("RestartCount", c.runs.restarts);
    }
    fields.0.into()
}

/// A task as the agent shows it to its own instance.
pub fn introspected(state: &TaskState) -> Value {
    let task = &state.assignment;
    let known = state.containers.iter().map(Known::of).min();
    let known = match known.unwrap_or(Known::None) {
        Known::Running => "RUNNING",
        Known::Stopped => "STOPPED",
        _ => "PENDING",
    };
    let mut fields = Fields::default();
    fields.set("Arn", task.task_arn.clone());
    let desired = desired(state);
    // The agent leaves out what it did not wish for.
    fields.maybe(
        "DesiredStatus",
        (known != "STOPPED" || desired == known).then_some(desired),
    );
    fields.set("KnownStatus", known);
    fields.set("Family", task.family.clone());
    fields.set("Version", task.revision.to_string());
    let kept = [
        "DockerId",
        "DockerName",
        "Name",
        "Image",
        "ImageID",
        "CreatedAt",
        "StartedAt",
        "Ports",
        "Networks",
        "Volumes",
        "RestartCount",
    ];
    let containers = (0..state.containers.len()).map(|i| {
        let whole = container(state, i, Version::V2);
        let fields = whole.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| kept.contains(&name.as_str()));
        Value::Object(
            fields
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    });
    fields.set("Containers", containers.collect::<Vec<Value>>());
    fields.0.into()
}

/// As the agent shows no task.
pub fn introspected_nothing() -> Value {
    json!({ "Arn": "", "KnownStatus": "", "Family": "", "Version": "", "Containers": null })
}

fn desired(state: &TaskState) -> &'static str {
    match state.assignment.desired {
        DesiredState::Stopped => "STOPPED",
        DesiredState::Running if state.stopped.is_some() => "STOPPED",
        DesiredState::Running => "RUNNING",
    }
}

/// The definition's, and those by which the ECS agent finds its containers.
fn labels(state: &TaskState, spec: &ContainerSpec) -> Value {
    let task = &state.assignment;
    let cluster = match task.launch_type {
        LaunchType::Fargate => {
            let stem = task.task_arn.split(":task/").next().unwrap_or_default();
            format!("{stem}:cluster/{}", task.cluster)
        }
        LaunchType::Ec2 | LaunchType::External => task.cluster.clone(),
    };
    let mut labels = Fields::default();
    for (name, value) in &spec.labels {
        labels.set(name, value.clone());
    }
    labels.set("com.amazonaws.ecs.cluster", cluster);
    labels.set("com.amazonaws.ecs.container-name", spec.name.clone());
    labels.set("com.amazonaws.ecs.task-arn", task.task_arn.clone());
    labels.set(
        "com.amazonaws.ecs.task-definition-family",
        task.family.clone(),
    );
    labels.set(
        "com.amazonaws.ecs.task-definition-version",
        task.revision.to_string(),
    );
    labels.0.into()
}

/// Published ports, or those of the task's own interface.
fn ports(spec: &ContainerSpec, c: &ContainerState, version: Version) -> Option<Value> {
    let port = |container: u16, host: Option<u16>, protocol: &str, ip: Option<&str>| {
        let mut port = Fields::default();
        port.set("ContainerPort", container);
        port.set("Protocol", protocol);
        port.maybe("HostPort", host);
        port.maybe("HostIp", ip.filter(|_| version == Version::V4));
        Value::from(port.0)
    };
    let ports: Vec<Value> = match c.bindings.is_empty() {
        false => {
            let bindings = c.bindings.iter();
            bindings
                .map(|b| {
                    port(
                        b.container_port,
                        Some(b.host_port),
                        b.protocol.as_str(),
                        Some("0.0.0.0"),
                    )
                })
                .collect()
        }
        true => {
            let mappings = spec.port_mappings.iter();
            mappings
                .map(|m| port(m.container_port, m.host_port, m.protocol.as_str(), None))
                .collect()
        }
    };
    (!ports.is_empty()).then_some(ports.into())
}

/// What it mounts; where a volume of Docker's is on this machine is nobody's to know.
fn volumes(task: &Assignment, spec: &ContainerSpec) -> Option<Value> {
    let shown = |mount: &Mount| {
        let volume = task.volumes.iter().find(|v| v.name == mount.volume)?;
        let mut fields = Fields::default();
        match &volume.source {
            VolumeSource::Host { path } => fields.set("Source", path.clone()),
            _ => fields.set("DockerName", volume.name.clone()),
        }
        fields.set("Destination", mount.container_path.clone());
        Some(Value::from(fields.0))
    };
    let all: Vec<Value> = spec.mounts.iter().filter_map(shown).collect();
    (!all.is_empty()).then_some(all.into())
}

fn networks(state: &TaskState, i: usize, version: Version) -> Value {
    let network = &state.assignment.network;
    let address = match (network, &state.network) {
        (TaskNetwork::Awsvpc(eni), _) => Some(eni.private_ipv4),
        (_, Network::Ready(links)) => {
            let joined = links.get(i).and_then(|link| link.as_ref().ok());
            joined.and_then(|joined| joined.address)
        }
        _ => None,
    };
    let mut fields = Fields::default();
    fields.set("NetworkMode", network.mode());
    fields.maybe("IPv4Addresses", address.map(|a| vec![a.to_string()]));
    if let (Version::V4, Some(eni)) = (version, network.interface()) {
        of_interface(eni, &mut fields);
    }
    vec![Value::from(fields.0)].into()
}

fn of_interface(eni: &NetworkInterface, fields: &mut Fields) {
    let subnet = Cidr::around(eni.private_ipv4, eni.prefix_len);
    fields.set("AttachmentIndex", 0);
    fields.set("MACAddress", eni.mac.clone());
    fields.set("IPv4SubnetCIDRBlock", subnet.to_string());
    let server = eni.vpc_cidr.parse::<Cidr>().ok();
    fields.maybe(
        "DomainNameServers",
        server.map(|range| vec![range.nth(2).to_string()]),
    );
    let domain = eni.search_domain();
    fields.maybe(
        "DomainNameSearchList",
        domain.map(|domain| vec![domain.to_owned()]),
    );
    fields.set("PrivateDNSName", eni.private_dns_name.clone());
    let gateway = format!("{}/{}", eni.gateway, eni.prefix_len);
    fields.set("SubnetGatewayIpv4Address", gateway);
}

fn log_options(log: &LogTarget) -> Value {
    let mut options = Fields::default();
    options.set("awslogs-group", log.group.clone());
    options.set("awslogs-region", log.region.as_str());
    options.set("awslogs-stream", log.stream.clone());
    if log.create_group {
        options.set("awslogs-create-group", "true");
    }
    options.0.into()
}
