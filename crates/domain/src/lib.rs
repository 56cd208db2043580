//! Floor 1: the nouns that cross a wall between API, controllers, node and edge, and their
//! state machines. No I/O, no AWS wire shapes: those stay in `api`.

pub mod alarm;
pub mod assignment;
pub mod cidr;
pub mod dns;
pub mod flow;
pub mod instance_type;
pub mod isolation;
pub mod link;
pub mod load_balancer;
pub mod machine_image;
pub mod network;
pub mod node;
pub mod report;
pub mod runtime_id;
pub mod task;
pub mod task_endpoint;
pub mod task_secrets;
pub mod terminal;
pub mod usage;
pub mod volume;
pub mod vpc;
pub mod vpc_network;

pub use assignment::{
    Assignment, ContainerSpec, DesiredState, Firelens, HealthCheck, ImageRef, LaunchType,
    LogBuffer, LogLine, LogRoute, LogRouter, LogTarget, Multiline, RestartPolicy,
};
pub use cidr::Cidr;
pub use isolation::{Device, IpcMode, PidMode};
pub use network::{
    ContainerNetwork, InstanceNetwork, NetworkBinding, NetworkInterface, PortMapping, PortRange,
    Protocol, Proxy, TaskNetwork,
};
pub use node::{NodeAbout, NodeKind, Resources};
pub use report::{ContainerReport, ContainerStatus, Health, TaskReport, TaskStopped};
pub use runtime_id::runtime_id;
pub use task::{TaskEvent, TaskStatus};
pub use task_endpoint::{ProtectionAnswer, ProtectionChange, ProtectionQuestion, TagMap, TaskTags};
pub use task_secrets::{
    ContainerSecrets, RegistryLogin, RoleCredentials, SecretVariable, TaskSecrets,
};
pub use terminal::{TerminalInput, TerminalOutput};
pub use volume::{DockerVolume, EbsVolume, EfsVolume, Mount, Volume, VolumeSource, VolumesFrom};
