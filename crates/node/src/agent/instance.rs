//! The network of a container instance as its agent needs it: `awsvpc` tasks in the VPC, `bridge`
//! and `host` ones on the instance's own network, and `none`.

use super::binding::proxied;
use super::command;
use super::operation::chain;
use super::seams::{Joined, LogReach, Plumb, TaskLinks};
use crate::net::{ConnectError, Instance, Share, resolv_conf_in_vpc};
use async_trait::async_trait;
use futures_util::future::join_all;
use neargate_domain::{
    Assignment, ContainerSpec, InstanceNetwork, NetworkBinding, NetworkInterface, PortMapping,
    TaskNetwork,
};
use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

/// What machine the container instance is.
#[derive(Debug, Clone)]
enum Machine {
    /// A slice: its id, under which its own interface is attached too, and that interface.
    Slice(String, Box<NetworkInterface>),
    /// This host.
    Host,
}

/// A container instance's networks.
#[derive(Debug)]
pub struct InstanceNetworks {
    vpc: Share,
    own: Arc<Instance>,
    machine: Machine,
}

impl InstanceNetworks {
    /// The networks of a slice with this id and primary interface, whose namespace was attached to
    /// `vpc` under the same id.
    pub fn of_slice(vpc: Share, own: Arc<Instance>, id: &str, eni: NetworkInterface) -> Self {
        let machine = Machine::Slice(id.to_owned(), Box::new(eni));
        InstanceNetworks { vpc, own, machine }
    }

    /// The networks of a host that is a container instance itself.
    pub fn of_host(vpc: Share, own: Arc<Instance>) -> Self {
        let machine = Machine::Host;
        InstanceNetworks { vpc, own, machine }
    }

    async fn bridged(&self, task: &Assignment, spec: &ContainerSpec) -> Result<TaskLink, String> {
        let ports = (&*spec.port_mappings, &*spec.network.port_ranges);
        let connected = self.own.connect(&task.task_id, &spec.name, ports).await;
        match connected {
            Ok(connected) => Ok(Ok(Joined {
                netns: Some(connected.namespace),
                address: Some(connected.address),
                bindings: connected.bindings,
                ..Joined::default()
            })),
            Err(ConnectError::Refused(why)) => Ok(Err(refusal(task, spec, &why))),
            Err(ConnectError::Network(e)) => Err(chain(&e)),
        }
    }

    fn hosted(&self, spec: &ContainerSpec) -> Joined {
        let (hostname, hosts) = match &self.machine {
            Machine::Slice(_, eni) => (
                eni.private_dns_name.clone(),
                format!(
                    "127.0.0.1 localhost\n{} {}\n",
                    eni.private_ipv4, eni.private_dns_name
                ),
            ),
            Machine::Host => (
                rustix::system::uname()
                    .nodename()
                    .to_string_lossy()
                    .into_owned(),
                fs::read_to_string("/etc/hosts")
                    .unwrap_or_else(|_| "127.0.0.1 localhost\n".to_owned()),
            ),
        };
        Joined {
            netns: Some(self.own.namespace()),
            hostname: Some(hostname),
            instance_hosts: Some(hosts),
            bindings: spec.port_mappings.iter().map(same_port).collect(),
            ..Joined::default()
        }
    }
}

type TaskLink = Result<Joined, String>;

/// In `host` mode a container's port is the instance's.
fn same_port(mapping: &PortMapping) -> NetworkBinding {
    NetworkBinding {
        bind_ip: "0.0.0.0".into(),
        container_port: mapping.container_port,
        host_port: mapping.container_port,
        protocol: mapping.protocol,
        length: None,
    }
}

/// What Docker's daemon says of a container that the ECS agent has named.
fn refusal(task: &Assignment, spec: &ContainerSpec, why: &str) -> String {
    let id = command::runtime_id(task, &spec.name);
    format!(
        "Error response from daemon: driver failed programming external connectivity on endpoint \
         {} ({id}): {why}",
        command::docker_name(task, &spec.name)
    )
}

#[async_trait]
impl Plumb for InstanceNetworks {
    async fn attach(&self, task: &Assignment) -> Result<TaskLinks, String> {
        let mode = match &task.network {
            TaskNetwork::Awsvpc(eni) => {
                let netns = self.vpc.attach(&task.task_id, eni).await;
                let netns = netns.map_err(|e| chain(&e))?;
                return proxied(task, eni, netns).await;
            }
            TaskNetwork::Instance(mode) => mode,
        };
        let links = task.containers.iter().map(|spec| async move {
            match mode {
                _ if spec.network.disabled => Ok(Ok(Joined::default())),
                InstanceNetwork::Bridge => self.bridged(task, spec).await,
                InstanceNetwork::Host => Ok(Ok(self.hosted(spec))),
                InstanceNetwork::None => Ok(Ok(Joined::default())),
            }
        });
        // Each to its end: none is under way when the task is told.
        join_all(links).await.into_iter().collect()
    }

    async fn detach(&self, task_id: &str) -> Result<(), String> {
        let (vpc, own) = tokio::join!(self.vpc.detach(task_id), self.own.disconnect(task_id));
        vpc.and(own).map_err(|e| chain(&e))
    }

    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), String> {
        let mut in_vpc = keep.clone();
        if let Machine::Slice(id, _) = &self.machine {
            in_vpc.insert(id.clone());
        }
        let (vpc, own) = tokio::join!(self.vpc.sweep(&in_vpc), self.own.sweep(keep));
        vpc.and(own).map_err(|e| chain(&e))
    }

    fn log_reach(&self, _: &str) -> LogReach {
        LogReach {
            netns: Some(self.own.namespace()),
            has_files: matches!(self.machine, Machine::Host),
        }
    }

    fn resolv_conf(&self, network: &TaskNetwork) -> String {
        let host_mode = *network == TaskNetwork::Instance(InstanceNetwork::Host);
        match (network, &self.machine) {
            (TaskNetwork::Awsvpc(interface), _) => resolv_conf_in_vpc(interface),
            (TaskNetwork::Instance(_), Machine::Slice(_, interface)) => {
                resolv_conf_in_vpc(interface)
            }
            // What the host asks on its loopback, its own namespace can ask, too.
            (_, Machine::Host) if host_mode => {
                fs::read_to_string("/etc/resolv.conf").unwrap_or_default()
            }
            (_, Machine::Host) => self.vpc.resolv_conf(),
        }
    }
}
