//! The network of a task that is about to be written.

use super::place::Placed;
use super::{Launch, Unplaced, failure};
use crate::connect;
use crate::{error, settings};
use neargate_domain::{InstanceNetwork, TaskNetwork};
use neargate_service::eni::{self, Unreserved};
use neargate_service::{AwsError, Fault, House, vpc};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Where a task's own interface goes
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awsvpc {
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub assign_public_ip: bool,
    /// The zones of the subnets, by their ids: see [`Launch::locate`].
    pub zones: BTreeMap<String, String>,
}

impl Awsvpc {
    pub(super) fn zone(&self, subnet: &str) -> Option<&str> {
        self.zones.get(subnet).map(String::as_str)
    }
}

impl Launch {
    /// Learns where the subnets are that the tasks may be in, and what the account settings say of them
    /// (`defaultLogDriverMode`).
    ///
    /// # Errors
    /// The store's.
    pub async fn locate(&mut self, house: &House) -> Result<(), AwsError> {
        let (name, root) = ("defaultLogDriverMode", settings::root(&self.scope));
        let mode = settings::effective(house, &self.scope, name, &root).await?;
        self.blocking_logs = mode == "blocking";
        if let Some(network) = &mut self.network {
            network.zones = vpc::zones(house, &self.scope, &network.subnets).await?;
        }
        if let Some(task) = &mut self.connect {
            task.aliases = connect::aliases(house, &self.scope, &task.connect).await?;
        }
        Ok(())
    }
}

/// What the transaction has to write for it.
pub(super) enum Reserved {
    Interface(eni::Reservation),
    Instance(TaskNetwork),
}

/// `held`: addresses prepared for the same transaction. A subnet without a free address is passed
/// over where another one was given.
pub(super) async fn reserve(
    house: &House,
    launch: &Launch,
    placed: &mut Placed,
    task_id: &str,
    held: &[Ipv4Addr],
) -> Result<Result<Reserved, Unplaced>, AwsError> {
    let shared = |network| Ok(Ok(Reserved::Instance(TaskNetwork::Instance(network))));
    match launch.definition.network_mode.as_deref() {
        Some("host") => return shared(InstanceNetwork::Host),
        Some("none") => return shared(InstanceNetwork::None),
        Some("awsvpc") => {}
        _ => return shared(InstanceNetwork::Bridge),
    }
    let network = launch.network.as_ref();
    let arn = launch
        .scope
        .arn("ecs", format!("task/{}/{task_id}", launch.cluster.name));
    let chosen = placed.subnet.clone().unwrap_or_default();
    for subnet in subnets(launch, placed, &chosen) {
        let wanted = eni::Wanted {
            subnet_id: &subnet,
            security_groups: network.map_or(&[][..], |n| &n.security_groups),
            public: network.is_some_and(|n| n.assign_public_ip),
            owner: &arn,
            held,
        };
        match eni::reserve(house, &launch.scope, wanted).await {
            Ok(reservation) => {
                placed.availability_zone = reservation.interface.availability_zone.clone();
                placed.subnet = Some(subnet);
                return Ok(Ok(Reserved::Interface(reservation)));
            }
            Err(Unreserved::NoFreeAddress { .. }) => {}
            Err(Unreserved::NoPublicAddress) => return Ok(Err(failure::no_public_address())),
            Err(Unreserved::Refused(e)) => return Err(as_ecs_says(e)),
        }
    }
    Ok(Err(failure::no_address(&chosen)))
}

/// EC2's refusal of a subnet or a security group as ECS passes it on.
pub(crate) fn as_ecs_says(e: AwsError) -> AwsError {
    match e.fault {
        Fault::Client => error::invalid_parameter(e.message),
        Fault::Server => e,
    }
}

/// The chosen one, then the others the interface may be in: that of a container instance's task
/// is in the instance's zone.
fn subnets(launch: &Launch, placed: &Placed, chosen: &str) -> Vec<String> {
    let zone = |id: &String| launch.network.as_ref()?.zone(id);
    let may = |id: &&String| {
        placed.instance.is_none() || zone(id) == Some(placed.availability_zone.as_str())
    };
    let given = launch.network.iter().flat_map(|n| &n.subnets);
    let others = given.filter(|id| *id != chosen).filter(may).cloned();
    std::iter::once(chosen.to_owned()).chain(others).collect()
}
