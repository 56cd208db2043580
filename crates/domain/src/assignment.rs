//! What the control plane asks a node to run: one [`Assignment`] per task, always in full.

use crate::isolation::{Device, IpcMode, PidMode};
use crate::network::{ContainerNetwork, PortMapping, Proxy, TaskNetwork};
use crate::volume::{Mount, Volume, VolumesFrom};
use neargate_base::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What should be true of the task. It only moves forward, from `Running` to `Stopped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DesiredState {
    Running,
    Stopped,
}

/// A whole task as its node runs it. The control plane writes it; the node keeps the newest
/// `generation` in its ledger and goes on from there when the control plane is away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// 32 hexadecimal digits: the last part of the task's ARN, unique on the node.
    pub task_id: String,
    pub task_arn: String,
    pub account: AccountId,
    pub region: Region,
    pub cluster: String,
    pub family: String,
    pub revision: u32,
    /// Rises with every change; an older generation is ignored.
    pub generation: u64,
    pub desired: DesiredState,
    /// Hard limit for the whole task; 1024 units are one vCPU. `None`: no task-level limit.
    pub cpu_units: Option<u32>,
    /// Hard limit for the whole task.
    pub memory_mib: Option<u32>,
    /// What the task's files may take in all; `None`: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage_gib: Option<u32>,
    pub network: TaskNetwork,
    #[serde(default)]
    pub launch_type: LaunchType,
    /// The container instance the task was placed on; `None` on Fargate.
    #[serde(default)]
    pub container_instance_arn: Option<String>,
    /// As whom its containers call AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
    /// As whom what it needs to start is read: secrets, and keys of other registries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<String>,
    /// The service that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    pub containers: Vec<ContainerSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_mode: Option<PidMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipc_mode: Option<IpcMode>,
    /// What its containers' traffic goes through (`awsvpc`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Its containers may ask for faults of its network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fault_injection: bool,
}

/// What a task runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LaunchType {
    #[default]
    Fargate,
    Ec2,
    External,
}

impl LaunchType {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            LaunchType::Fargate => "FARGATE",
            LaunchType::Ec2 => "EC2",
            LaunchType::External => "EXTERNAL",
        }
    }
}

/// A container's health check
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `["CMD", program, arguments ...]` or `["CMD-SHELL", line]`.
    pub command: Vec<String>,
    /// 5 to 300, 30 by default.
    pub interval_secs: u32,
    /// 2 to 60, 5 by default.
    pub timeout_secs: u32,
    /// 1 to 10, 3 by default.
    pub retries: u32,
    /// 0 to 300, 0 by default: failures this early do not count.
    pub start_period_secs: u32,
}

/// When a container that has ended is started again within its task
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-restart-policy.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// It stays ended after these.
    pub ignored_exit_codes: Vec<i32>,
    /// It must have run for this long: 60 to 1800, 300 by default.
    pub attempt_period_secs: u32,
}

/// One container of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    /// As the task definition has it, for messages and for `repository:tag` names.
    pub image: ImageRef,
    pub essential: bool,
    /// `None`: the image's own `Entrypoint`. `Some(vec![])` clears it.
    pub entry_point: Option<Vec<String>>,
    /// `None`: the image's own `Cmd` (unless `entry_point` is given).
    pub command: Option<Vec<String>>,
    pub environment: BTreeMap<String, String>,
    pub working_directory: Option<String>,
    /// `user`, `uid`, `user:group`, `uid:gid`, and so on; `None`: the image's.
    pub user: Option<String>,
    pub hostname: Option<String>,
    /// Relative weight within the task (Docker's `--cpu-shares`); `None` or 0: the minimum, 2.
    pub cpu_units: Option<u32>,
    /// Hard limit.
    pub memory_mib: Option<u32>,
    /// Soft limit.
    pub memory_reservation_mib: Option<u32>,
    pub read_only_root: bool,
    pub privileged: bool,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// `--init`: a tiny reaper as pid 1.
    pub init_process: bool,
    /// `/dev/shm` size; `None`: 64 MiB.
    pub shm_size_mib: Option<u32>,
    /// (container path, size in MiB, mount options)
    pub tmpfs: Vec<(String, u32, Vec<String>)>,
    /// (name such as `nofile`, soft, hard)
    pub ulimits: Vec<(String, u64, u64)>,
    pub sysctls: BTreeMap<String, String>,
    /// Extra lines of /etc/hosts: (hostname, address).
    pub extra_hosts: Vec<(String, String)>,
    pub interactive: bool,
    pub pseudo_terminal: bool,
    /// Seconds between SIGTERM and SIGKILL; 30 by default, 120 at most on Fargate.
    pub stop_timeout_secs: u32,
    pub start_timeout_secs: u32,
    /// (container name, START | COMPLETE | SUCCESS | HEALTHY)
    pub depends_on: Vec<(String, String)>,
    /// The `awslogs` driver. `None`, and no `log_route`: output is discarded once read.
    pub log: Option<LogTarget>,
    /// In the definition's order.
    #[serde(default)]
    pub port_mappings: Vec<PortMapping>,
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Its `containerArn`; those that were stored before this was noted have none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// `dockerLabels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Variables whose values are read at the start: (name, `valueFrom`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<(String, String)>,
    /// ARNs of objects in S3 that have further variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_files: Vec<String>,
    /// The secret that holds name and password for the image's registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_credentials: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<VolumesFrom>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Swap beyond its memory, where it has a hard limit of that; `None`: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_swap_mib: Option<u32>,
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swappiness: Option<u32>,
    /// As Docker takes them: `no-new-privileges`, `apparmor:profile`, `label:type:t` and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_options: Vec<String>,
    #[serde(default, skip_serializing_if = "ContainerNetwork::says_nothing")]
    pub network: ContainerNetwork,
    /// Any other driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_route: Option<LogRoute>,
    /// How output waits for its driver; `None`: as long as the node has room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_buffer: Option<LogBuffer>,
    /// Options of the driver whose values are read at the start: (option, `valueFrom`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_secrets: Vec<(String, String)>,
    /// It routes the logs of the task's other containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firelens: Option<Firelens>,
}

impl ContainerSpec {
    /// Its output goes somewhere, and is kept until it is there.
    pub fn keeps_output(&self) -> bool {
        self.log.is_some() || self.log_route.is_some()
    }

    /// Its driver cannot work without what is read at the start. A log router's options are in the
    /// router's environment.
    pub fn has_secret_route(&self) -> bool {
        let route = self.log_route.as_ref();
        route.is_some_and(|route| route.driver != "awsfirelens") && !self.log_secrets.is_empty()
    }
}

/// An image as the node must find it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// The name exactly as the task definition has it.
    pub name: String,
}

/// Where a container's output goes (the `awslogs` driver, its options resolved).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTarget {
    pub account: AccountId,
    pub region: Region,
    pub group: String,
    pub stream: String,
    /// `awslogs-create-group`.
    pub create_group: bool,
    /// What a line begins with that begins an event; `None`: each line is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiline: Option<Multiline>,
}

/// How lines are put together to events
/// (<https://docs.docker.com/engine/logging/drivers/awslogs/>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Multiline {
    /// `awslogs-multiline-pattern`, a regular expression.
    Pattern(String),
    /// `awslogs-datetime-format`, in the words of `strftime`.
    Datetime(String),
}

/// Where a container's output goes by another driver than `awslogs`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRoute {
    /// `json-file`, `syslog`, `awsfirelens` and so on.
    pub driver: String,
    /// As the definition has them, but for those of [`LogBuffer`].
    pub options: BTreeMap<String, String>,
}

/// The log options `mode` and `max-buffer-size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBuffer {
    /// What does not fit makes the container wait; otherwise it is dropped.
    pub blocking: bool,
    /// `None`: what the node has for the mode.
    pub max_bytes: Option<u64>,
}

/// A log router
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_FirelensConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firelens {
    pub router: LogRouter,
    pub options: BTreeMap<String, String>,
}

/// What program routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogRouter {
    Fluentbit,
    Fluentd,
}

/// A container's output, one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub timestamp: Timestamp,
    pub message: String,
}
