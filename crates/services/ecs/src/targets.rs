//! Where a service's tasks are reached: what published ports and load balancers lead to.

use crate::fleet::{Fleet, Row, ServiceId};
use crate::model::Task;
use neargate_domain::{
    Assignment, DesiredState, Health, InstanceNetwork, Protocol, TaskNetwork, TaskStatus,
};
use neargate_service::instance::Instance;
use neargate_service::{AwsError, House};
use std::net::SocketAddrV4;

/// A port of a running container, within its VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub task_id: String,
    /// The node that the task runs on.
    pub node: String,
    pub vpc_id: String,
    pub address: SocketAddrV4,
}

/// Which port of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Port {
    /// `None`: the first container that has one.
    pub container: Option<String>,
    /// `None`: the container's first one.
    pub container_port: Option<u16>,
}

/// The TCP targets of a service's tasks that run and are not unhealthy; none where the tasks have no
/// such port.
///
/// # Errors
/// The store's.
pub async fn of_service(
    fleet: &Fleet,
    house: &House,
    service: &ServiceId,
    port: &Port,
) -> Result<Vec<Target>, AwsError> {
    let serves = |row: &Row| {
        row.last_status == TaskStatus::Running
            && row.desired == DesiredState::Running
            && row.health != Health::Unhealthy
    };
    let mut targets = Vec::new();
    for row in fleet.of_service(service).iter().filter(|row| serves(row)) {
        if let Some(task) = house.db.get_key::<Task>(&row.key).await? {
            targets.extend(of_task(house, &task, port).await?);
        }
    }
    Ok(targets)
}

/// Where a task's port is reached; `None`: it is not open.
pub(crate) async fn of_task(
    house: &House,
    task: &Task,
    port: &Port,
) -> Result<Option<Target>, AwsError> {
    let assignment = &task.spec.assignment;
    let Some((container, container_port)) = port_of(assignment, port) else {
        return Ok(None);
    };
    let target = |vpc_id: &str, address: SocketAddrV4| Target {
        task_id: assignment.task_id.clone(),
        node: task.spec.node.clone(),
        vpc_id: vpc_id.to_owned(),
        address,
    };
    let mode = match &assignment.network {
        TaskNetwork::Awsvpc(eni) => {
            let address = SocketAddrV4::new(eni.private_ipv4, container_port);
            return Ok(Some(target(&eni.vpc_id, address)));
        }
        TaskNetwork::Instance(mode) => *mode,
    };
    let host_port = match mode {
        InstanceNetwork::None => None,
        InstanceNetwork::Host => Some(container_port),
        InstanceNetwork::Bridge => {
            let report = task.status.report.iter().flat_map(|r| &r.containers);
            let bindings = report
                .filter(|c| c.name == container)
                .flat_map(|c| &c.network_bindings);
            let mut bindings = bindings.filter(|b| b.protocol == Protocol::Tcp);
            let binding = bindings.find(|b| b.container_port == container_port);
            binding.map(|b| b.host_port)
        }
    };
    let scope = neargate_service::Scope {
        account: assignment.account.clone(),
        region: assignment.region.clone(),
    };
    let instance = house.db.get::<Instance>(&scope, &task.spec.node).await?;
    let at = instance.zip(host_port).map(|(instance, host_port)| {
        let eni = &instance.interface;
        target(&eni.vpc_id, SocketAddrV4::new(eni.private_ipv4, host_port))
    });
    Ok(at)
}

/// The container and its port.
fn port_of(assignment: &Assignment, port: &Port) -> Option<(String, u16)> {
    let named = assignment
        .containers
        .iter()
        .filter(|c| port.container.as_ref().is_none_or(|name| *name == c.name));
    let mut ports = named.flat_map(|c| {
        let tcp = c
            .port_mappings
            .iter()
            .filter(|m| m.protocol == Protocol::Tcp);
        tcp.map(|m| (c.name.clone(), m.container_port))
    });
    match port.container_port {
        None => ports.next(),
        Some(wanted) => ports.find(|(_, port)| *port == wanted),
    }
}
