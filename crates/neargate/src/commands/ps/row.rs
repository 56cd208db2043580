//! One task as `neargate ps` shows it. Pure: what it needs is looked up before.

use crate::view::{Cell, age, bytes, last_part, short};
use neargate_api_ecs as ecs;
use neargate_base::Timestamp;
use neargate_control::pages::TaskUsage;
use serde::Serialize;
use std::collections::HashMap;

pub const HEADINGS: [&str; 11] = [
    "TASK",
    "CLUSTER",
    "GROUP",
    "STATUS",
    "HEALTH",
    "TYPE",
    "WHERE?",
    "ADDRESS",
    "AGE",
    ">MEMORY?",
    "WHY STOPPED",
];

/// What tasks refer to.
#[derive(Debug, Default)]
pub struct Known {
    /// Container ports by definition ARN: those that answer at a task's own address.
    ports: HashMap<String, Vec<String>>,
    /// EC2 instance ids by container instance ARN.
    instances: HashMap<String, String>,
    /// Addresses by EC2 instance id.
    addresses: HashMap<String, String>,
    usage: HashMap<String, TaskUsage>,
}

impl Known {
    pub fn new(
        definitions: Vec<ecs::TaskDefinition>,
        instances: &[ecs::ContainerInstance],
        addresses: HashMap<String, String>,
        usage: HashMap<String, TaskUsage>,
    ) -> Known {
        let ports = |d: ecs::TaskDefinition| {
            let containers = d.container_definitions.unwrap_or_default();
            let ports = containers
                .into_iter()
                .flat_map(|c| c.port_mappings.unwrap_or_default());
            let ports = ports.filter_map(|p| {
                let udp = p.protocol.as_deref() == Some("udp");
                Some(format!(
                    "{}{}",
                    p.container_port?,
                    if udp { "/udp" } else { "" }
                ))
            });
            Some((d.task_definition_arn?, ports.collect()))
        };
        let ids = instances.iter().filter_map(|i| {
            Some((
                i.container_instance_arn.clone()?,
                i.ec2_instance_id.clone()?,
            ))
        });
        Known {
            ports: definitions.into_iter().filter_map(ports).collect(),
            instances: ids.collect(),
            addresses,
            usage,
        }
    }
}

/// A task, in the words of `--output json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub task_arn: String,
    pub task_id: String,
    pub cluster: String,
    pub group: String,
    pub task_definition_arn: String,
    pub last_status: String,
    pub desired_status: String,
    pub health_status: String,
    /// `FARGATE`, `EC2`, or the capacity provider's name.
    pub launch_type: Option<String>,
    pub capacity_provider_name: Option<String>,
    pub availability_zone: Option<String>,
    pub ec2_instance_id: Option<String>,
    pub address: Option<String>,
    /// `80` at the task's own address, `32768->80` at its instance's.
    pub ports: Vec<String>,
    #[serde(skip)]
    pub created_at: Option<Timestamp>,
    /// Seconds since the epoch, as ECS writes it.
    #[serde(rename = "createdAt")]
    pub created_at_secs: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub stopped_reason: Option<String>,
    pub exit_codes: Vec<(String, i32)>,
}

impl Row {
    pub fn new(cluster: &str, task: &ecs::Task, known: &Known) -> Row {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let task_arn = text(&task.task_arn);
        let task_id = last_part(&task_arn).to_owned();
        let containers = task.containers.as_deref().unwrap_or_default();
        let own = containers
            .iter()
            .flat_map(|c| c.network_interfaces.iter().flatten())
            .find_map(|i| i.private_ipv4_address.clone());
        let bound = containers
            .iter()
            .flat_map(|c| c.network_bindings.iter().flatten());
        let bound: Vec<String> = bound.filter_map(binding).collect();
        let instance = task.container_instance_arn.as_ref();
        let ec2_instance_id = instance.and_then(|arn| known.instances.get(arn)).cloned();
        let (address, ports) = match own {
            Some(own) => {
                let definition = task.task_definition_arn.as_ref();
                let ports = definition.and_then(|arn| known.ports.get(arn));
                (Some(own), ports.cloned().unwrap_or_default())
            }
            None => {
                let id = ec2_instance_id.as_ref();
                (id.and_then(|id| known.addresses.get(id)).cloned(), bound)
            }
        };
        let exits = containers.iter();
        Row {
            cluster: cluster.to_owned(),
            group: text(&task.group),
            task_definition_arn: text(&task.task_definition_arn),
            last_status: text(&task.last_status),
            desired_status: text(&task.desired_status),
            health_status: text(&task.health_status),
            launch_type: task.launch_type.clone(),
            capacity_provider_name: task.capacity_provider_name.clone(),
            availability_zone: task.availability_zone.clone(),
            ec2_instance_id,
            address,
            ports,
            created_at: task.created_at,
            created_at_secs: task.created_at.map(Timestamp::as_secs_f64),
            memory_bytes: known.usage.get(&task_id).map(|u| u.memory_bytes),
            stopped_reason: task.stopped_reason.clone(),
            exit_codes: exits
                .filter_map(|c| Some((c.name.clone()?, c.exit_code?)))
                .collect(),
            task_arn,
            task_id,
        }
    }

    pub fn cells(&self, with_cluster: bool, now: Timestamp) -> Vec<Cell> {
        let or_dash = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".into());
        let group = self.group.strip_prefix("service:").unwrap_or(&self.group);
        let health = match self.health_status.as_str() {
            "UNKNOWN" | "" => "-",
            known => known,
        };
        let place = self
            .ec2_instance_id
            .as_ref()
            .or(self.availability_zone.as_ref());
        let address = match (&self.address, self.ports.is_empty()) {
            (Some(address), false) => format!("{address}:{}", self.ports.join(",")),
            (Some(address), true) => address.clone(),
            (None, _) => self.ports.join(","),
        };
        let stopped = self.last_status == "STOPPED";
        vec![
            Cell::strong(short(&self.task_id)),
            if with_cluster {
                self.cluster.clone().into()
            } else {
                "-".into()
            },
            group.into(),
            Cell::state(self.status()),
            Cell::state(health),
            or_dash(
                &self
                    .capacity_provider_name
                    .clone()
                    .or(self.launch_type.clone()),
            )
            .into(),
            place.map_or("-", String::as_str).into(),
            if stopped { "-".into() } else { address.into() },
            age(self.created_at, now).into(),
            self.memory_bytes
                .map_or_else(|| "-".into(), |b| bytes(b).into()),
            self.why().into(),
        ]
    }

    /// The state, and where it goes if it goes anywhere.
    fn status(&self) -> String {
        let ends = self.desired_status == "STOPPED" && self.last_status == "RUNNING";
        if ends {
            format!("{} > STOPPED", self.last_status)
        } else {
            self.last_status.clone()
        }
    }

    fn why(&self) -> String {
        let failed = self.exit_codes.iter().filter(|(_, code)| *code != 0);
        let codes: Vec<String> = failed
            .map(|(name, code)| format!("{name}: {code}"))
            .collect();
        let reason = self.stopped_reason.clone().unwrap_or_default();
        if codes.is_empty() || self.last_status != "STOPPED" {
            reason
        } else {
            format!("{reason} (exit code of {})", codes.join(", "))
        }
    }
}

fn binding(bound: &ecs::NetworkBinding) -> Option<String> {
    let udp = bound.protocol.as_deref() == Some("udp");
    let protocol = if udp { "/udp" } else { "" };
    Some(format!(
        "{}->{}{protocol}",
        bound.host_port?, bound.container_port?
    ))
}
