//! Container instances: registration, and the way out of the cluster.
//!
//! Invariants: a machine is at most one container instance of a cluster that is not `INACTIVE`;
//! registering again changes what the machine says of itself and nothing that was set through
//! the API (tags, custom attributes, `DRAINING`); a cluster that is deleted has none.

mod attributes;
mod deregister;

pub use attributes::{is_reserved, valid_name, valid_value};
pub use deregister::{Deregistration, deregister};

use crate::model::{
    Arrivals, CapacityProvider, Cluster, ContainerInstance, InstanceStatus, Registered,
};
use crate::{clusters, error};
use neargate_domain::{LaunchType, Resources};
use neargate_service::db::{self, Committed};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, House, Scope, Stored};
use std::collections::BTreeMap;

/// A machine, or a slice of one, that is to run a cluster's tasks.
#[derive(Debug, Clone)]
pub struct Registration {
    pub scope: Scope,
    /// The cluster's name. `default` is made when it does not exist.
    pub cluster: String,
    /// The node that will run its tasks; `None`: an agent that is not ours.
    pub node: Option<String>,
    /// `i-…`, or `mi-…` for an external instance.
    pub ec2_instance_id: String,
    /// EC2 or EXTERNAL.
    pub launch_type: LaunchType,
    pub resources: Resources,
    /// What the machine says of itself, such as `ecs.instance-type`, and custom ones, which
    /// count at the first registration only.
    pub attributes: BTreeMap<String, Option<String>>,
    pub versions: Versions,
    /// Count at the first registration only.
    pub tags: Tags,
    /// The name of a capacity provider that exists.
    pub capacity_provider: Option<String>,
}

/// What runs a machine's tasks; empty where it is not known.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    pub agent: String,
    /// The commit that the agent was built from.
    pub agent_hash: String,
    /// The container runtime's, as the ECS agent says it: `DockerVersion: 25.0.13`.
    pub docker: String,
}

impl Versions {
    /// Neargate is both, the agent and the runtime.
    pub fn of_neargate(version: &str) -> Versions {
        Versions {
            agent: version.to_owned(),
            agent_hash: String::new(),
            docker: format!("DockerVersion: neargate {version}"),
        }
    }
}

/// Make the machine a container instance of its cluster, or bring the one that it is up to date.
///
/// # Errors
/// `ClusterNotFoundException`; `InvalidParameterException` for attributes that cannot be or a
/// capacity provider that does not exist.
pub async fn register(
    house: &House,
    registration: Registration,
) -> Result<Stored<ContainerInstance>, AwsError> {
    register_as(house, registration, None).await
}

/// As [`register`], for a machine that says which container instance it is.
///
/// # Errors
/// Besides those of [`register`], `ClientException` when it is not that one.
pub async fn register_as(
    house: &House,
    registration: Registration,
    id: Option<&str>,
) -> Result<Stored<ContainerInstance>, AwsError> {
    let r = &registration;
    attributes::check(&r.attributes)?;
    if let Some(provider) = &r.capacity_provider {
        let found = house.db.get::<CapacityProvider>(&r.scope, provider).await?;
        found.ok_or_else(error::capacity_provider_not_found)?;
    }
    let machine = r.node.as_deref().unwrap_or(&r.ec2_instance_id);
    let at = db::key::<Registered>(&r.scope, &format!("{}/{machine}", r.cluster));
    loop {
        let cluster = clusters::to_register_in(house, &r.scope, &r.cluster).await?;
        let slot = house.db.get_key::<Registered>(&at).await?;
        let found = match &slot {
            Some(slot) => {
                let id = ContainerInstance::key_id(&cluster.name, &slot.instance);
                house.db.get::<ContainerInstance>(&r.scope, &id).await?
            }
            None => None,
        };
        let known =
            found.filter(|i| matches!(i.status, InstanceStatus::Active | InstanceStatus::Draining));
        if id.is_some() && known.as_ref().map(|i| i.id.as_str()) != id {
            return Err(error::not_that_instance());
        }
        // Anybody may call the operation with a machine's id: only its node speaks for it.
        if r.node.is_none() && known.as_ref().is_some_and(|i| i.node.is_some()) {
            return Err(error::not_that_instance());
        }
        let last_at = house.now();
        let arrivals = db::key::<Arrivals>(&r.scope, &cluster.name);
        let tx = house.db.tx().unchanged(&cluster);
        // A deletion of the cluster that crosses this conflicts.
        let tx = tx.put(arrivals, &Arrivals { last_at });
        let (key, value, tx) = match &known {
            Some(read) => {
                let value = again(&read.value, r);
                if value == read.value {
                    return Ok(read.clone());
                }
                (read.key.clone(), value.clone(), tx.update(read, &value))
            }
            None => {
                let value = new(house, r, &cluster).await?;
                let id = ContainerInstance::key_id(&cluster.name, &value.id);
                let key = db::key::<ContainerInstance>(&r.scope, &id);
                let is = Registered {
                    instance: value.id.clone(),
                };
                let tx = match &slot {
                    Some(slot) => tx.update(slot, &is),
                    None => tx.create(at.clone(), &is),
                };
                (key.clone(), value.clone(), tx.create(key, &value))
            }
        };
        if let Committed::At(revision) = tx.commit().await? {
            return Ok(Stored {
                key,
                revision,
                value,
            });
        }
    }
}

/// The known instance with what the machine says of itself now.
fn again(known: &ContainerInstance, r: &Registration) -> ContainerInstance {
    let mut now = known.clone();
    now.attributes.retain(|name, _| {
        !is_reserved(name) || (attributes::is_place(name) && !r.attributes.contains_key(name))
    });
    let said = r.attributes.iter().filter(|(name, _)| is_reserved(name));
    now.attributes
        .extend(said.map(|(n, v)| (n.clone(), v.clone())));
    now.ec2_instance_id.clone_from(&r.ec2_instance_id);
    now.registered = r.resources.clone();
    now.agent_version.clone_from(&r.versions.agent);
    now.agent_hash.clone_from(&r.versions.agent_hash);
    now.docker_version.clone_from(&r.versions.docker);
    if r.capacity_provider.is_some() {
        now.capacity_provider.clone_from(&r.capacity_provider);
    }
    if now != *known {
        now.version += 1;
    }
    now
}

async fn new(
    house: &House,
    r: &Registration,
    cluster: &Cluster,
) -> Result<ContainerInstance, AwsError> {
    let id = house.rng.hex(32);
    let mut attributes = r.attributes.clone();
    if r.launch_type == LaunchType::Ec2 {
        attributes::place(house, &r.scope, &cluster.name, &mut attributes).await?;
    }
    Ok(ContainerInstance {
        arn: r
            .scope
            .arn("ecs", format!("container-instance/{}/{id}", cluster.name)),
        id,
        cluster: cluster.name.clone(),
        node: r.node.clone(),
        ec2_instance_id: r.ec2_instance_id.clone(),
        launch_type: r.launch_type,
        status: InstanceStatus::Active,
        status_reason: None,
        registered: r.resources.clone(),
        attributes,
        agent_version: r.versions.agent.clone(),
        agent_hash: r.versions.agent_hash.clone(),
        docker_version: r.versions.docker.clone(),
        capacity_provider: r.capacity_provider.clone(),
        version: 1,
        tags: r.tags.clone(),
        registered_at: house.now(),
        left_at: None,
        agent_update_status: None,
    })
}
