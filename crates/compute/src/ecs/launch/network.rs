//! The network of a task that is about to be written.

use super::Launch;
use super::place::Placed;
use crate::ecs::error;
use neargate_domain::{InstanceNetwork, TaskNetwork};
use neargate_service::{AwsError, Fault, House, eni};
use std::net::Ipv4Addr;

/// Where a task's own interface goes
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awsvpc {
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub assign_public_ip: bool,
}

/// What the transaction has to write for it.
pub(super) enum Reserved {
    Interface(eni::Reservation),
    Instance(TaskNetwork),
}

/// `held`: addresses prepared for the same transaction.
pub(super) async fn reserve(
    house: &House,
    launch: &Launch,
    placed: &Placed,
    task_id: &str,
    held: &[Ipv4Addr],
) -> Result<Reserved, AwsError> {
    let shared = |network| Ok(Reserved::Instance(TaskNetwork::Instance(network)));
    match launch.definition.network_mode.as_deref() {
        Some("host") => return shared(InstanceNetwork::Host),
        Some("none") => return shared(InstanceNetwork::None),
        Some("awsvpc") => {}
        _ => return shared(InstanceNetwork::Bridge),
    }
    let vpc = launch.network.as_ref();
    let groups = vpc.map_or(&[][..], |v| &v.security_groups);
    let arn = launch
        .scope
        .arn("ecs", format!("task/{}/{task_id}", launch.cluster.name));
    let subnet = placed.subnet.as_deref().unwrap_or_default();
    let reserved = eni::reserve(house, &launch.scope, subnet, groups, &arn, held).await;
    reserved
        .map(Reserved::Interface)
        .map_err(|e| match e.fault {
            Fault::Client => error::invalid_parameter(e.message),
            Fault::Server => e,
        })
}
