//! How sessions reach containers: those of this host's own node and of its slices by their shims, those of
//! other hosts through the nodes' connections.

use crate::slices::Running;
use async_trait::async_trait;
use neargate_control::NodeApi;
use neargate_domain::{ContainerStatus, TaskStatus};
use neargate_ecs::model::Task;
use neargate_node::runtime::ShimRuntime;
use neargate_service::session::{Containers, Place, Stream, Terminal};
use neargate_service::{House, Scope};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, OnceLock};

/// The runtimes of this process.
#[derive(Debug)]
pub struct HostContainers {
    /// The host's own node.
    pub node: &'static str,
    pub runtime: Arc<ShimRuntime>,
    pub slices: Running,
    /// Nodes of other hosts, where there may be some.
    pub nodes: OnceLock<Arc<NodeApi>>,
}

impl HostContainers {
    fn runtime(&self, node: &str) -> Option<Arc<ShimRuntime>> {
        if node == self.node {
            return Some(self.runtime.clone());
        }
        let slices = self.slices.containers();
        slices.get(node).map(|slice| slice.runtime.clone())
    }

    /// From here on containers of other hosts are reached, too.
    pub fn reach_into(&self, nodes: Arc<NodeApi>) {
        let _ = self.nodes.set(nodes);
    }

    fn elsewhere(&self, node: &str) -> Result<&Arc<NodeApi>, String> {
        let nodes = self.nodes.get();
        nodes.ok_or_else(|| format!("The container runs on {node}, which is not connected."))
    }
}

/// The address of a host by its name, as this host resolves it: names that only the container's VPC
/// knows are not found.
async fn address_of(host: &str, port: u16) -> Result<Ipv4Addr, String> {
    let found = tokio::net::lookup_host((host, port)).await;
    let mut found = found.map_err(|error| error.to_string())?;
    let first = found.find_map(|address| match address {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    });
    first.ok_or_else(|| format!("{host} has no IPv4 address"))
}

#[async_trait]
impl Containers for HostContainers {
    async fn find(&self, house: &House, scope: &Scope, target: &str) -> Option<Place> {
        // Names of clusters may have underscores; ids have none.
        let mut parts = target.strip_prefix("ecs:")?.rsplitn(3, '_');
        let (runtime_id, task_id, cluster) = (parts.next()?, parts.next()?, parts.next()?);
        let found = house
            .db
            .get::<Task>(scope, &Task::id(cluster, task_id))
            .await;
        let task = found.ok()??;
        let runs = task.status.last_status == TaskStatus::Running;
        let enabled = runs && task.spec.enable_execute_command;
        let report = task.status.report.as_ref().filter(|_| enabled)?;
        let mut containers = report.containers.iter();
        let container = containers.find(|c| {
            c.runtime_id.as_deref() == Some(runtime_id) && c.status == ContainerStatus::Running
        })?;
        Some(Place {
            node: task.spec.node.clone(),
            task_id: task_id.to_owned(),
            container: container.name.clone(),
        })
    }

    fn is_within_reach(&self, node: &str) -> Result<(), String> {
        match self.runtime(node) {
            Some(_) => Ok(()),
            None => self.elsewhere(node)?.may_visit(node),
        }
    }

    async fn terminal(&self, place: &Place, args: &[String]) -> Result<Terminal, String> {
        let Some(runtime) = self.runtime(&place.node) else {
            return self.elsewhere(&place.node)?.terminal(place, args).await;
        };
        let opened = runtime
            .terminal(&place.task_id, &place.container, args)
            .await;
        let terminal = opened.map_err(|error| error.told())?;
        Ok(Terminal {
            input: terminal.input,
            output: terminal.output,
        })
    }

    async fn connect(
        &self,
        place: &Place,
        host: Option<&str>,
        port: u16,
    ) -> Result<Box<dyn Stream>, String> {
        let address = match host {
            None | Some("localhost") => Ipv4Addr::LOCALHOST,
            Some(host) => address_of(host, port).await?,
        };
        let to = SocketAddrV4::new(address, port);
        let Some(runtime) = self.runtime(&place.node) else {
            return self.elsewhere(&place.node)?.connect(place, to).await;
        };
        let connected = runtime.connect(&place.task_id, &place.container, to).await;
        match connected {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(error.to_string()),
        }
    }
}
