//! Container instances that are slices of this host, made without `RunInstances`: an instance whose
//! agent is told its cluster (`neargate_service::instance`).
//!
//! This module writes what is asked for; the host that keeps the instances follows the records and
//! runs them.

mod remove;
mod upgrade;

pub use remove::remove;
pub use upgrade::upgrade;

use crate::instances::{is_reserved, valid_name, valid_value};
use crate::model::{CapacityProvider, Cluster};
use crate::{clusters, error};
use neargate_domain::{instance_type, machine_image};
use neargate_service::db::Committed;
use neargate_service::instance::{self, Agent, Instance, NewInstance};
use neargate_service::{AwsError, House, Scope, Stored, vpc};
use std::collections::BTreeMap;

/// How many slices one request may make: a typing error must not fill the host.
const MAX_AT_ONCE: u32 = 100;

/// What a new slice shall be.
#[derive(Debug, Clone, Default)]
pub struct NewSlices {
    pub cluster: Option<String>,
    pub instance_type: String,
    /// `None`: the zone with the fewest slices of the cluster.
    pub availability_zone: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub capacity_provider: Option<String>,
    pub count: u32,
}

/// Writes the records of new slices; all checks come before the first.
///
/// # Errors
/// `ClusterNotFoundException`; `InvalidParameterException` for a zone that is not of the region,
/// an attribute that can be none, or a count out of range.
pub async fn add(
    house: &House,
    scope: &Scope,
    new: &NewSlices,
) -> Result<Vec<(String, Instance)>, AwsError> {
    if !(1..=MAX_AT_ONCE).contains(&new.count) {
        let text = format!("count must be between 1 and {MAX_AT_ONCE}");
        return Err(error::invalid_parameter(text));
    }
    for (name, value) in &new.attributes {
        if !valid_name(name) {
            return Err(error::invalid_attribute_name());
        }
        if !valid_value(value) {
            return Err(error::invalid_attribute_value());
        }
        if is_reserved(name) {
            let text = format!("The attribute {name} is ECS's own to set.");
            return Err(error::invalid_parameter(text));
        }
    }
    if let Some(provider) = &new.capacity_provider {
        let found = house.db.get::<CapacityProvider>(scope, provider).await?;
        found.ok_or_else(error::capacity_provider_not_found)?;
    }
    let zones = scope.region.zones();
    if let Some(zone) = &new.availability_zone
        && !zones.contains(zone)
    {
        let text = format!(
            "{zone:?} is not an Availability Zone of {}; it has {}",
            scope.region,
            zones.join(", ")
        );
        return Err(error::invalid_parameter(text));
    }
    let mut made = Vec::new();
    for _ in 0..new.count {
        made.push(add_one(house, scope, new).await?);
    }
    Ok(made)
}

/// The image of instances that were made without one: what ECS recommends for the type.
fn image(scope: &Scope, instance_type: &str) -> String {
    let kind = instance_type::find(instance_type);
    let architecture = kind.map_or("x86_64", |kind| kind.architecture);
    let image = machine_image::ecs_optimized(&scope.region, architecture);
    image.map(|image| image.id).unwrap_or_default()
}

/// The instance and its id.
async fn add_one(
    house: &House,
    scope: &Scope,
    new: &NewSlices,
) -> Result<(String, Instance), AwsError> {
    let id = instance::new_id(house);
    let reservation_id = format!("r-{}", house.rng.hex(17));
    loop {
        let cluster = cluster(house, scope, new.cluster.as_deref()).await?;
        let zone = match &new.availability_zone {
            Some(zone) => zone.clone(),
            None => emptiest(
                &list(house, scope).await?,
                &cluster.name,
                &scope.region.zones(),
            ),
        };
        let subnet = vpc::default_subnet(house, scope, &zone).await?;
        let subnet = subnet.ok_or_else(|| error::no_default_subnet(&zone))?;
        let asked = NewInstance {
            instance_type: new.instance_type.clone(),
            image_id: image(scope, &new.instance_type),
            subnet_id: subnet.id().to_owned(),
            public: subnet.map_public_ip_on_launch,
            agent: Some(Agent {
                cluster: cluster.name.clone(),
                attributes: new.attributes.clone(),
                capacity_provider: new.capacity_provider.clone(),
            }),
            reservation_id: reservation_id.clone(),
            ..NewInstance::default()
        };
        // A deletion of the cluster that crosses this conflicts with it.
        let tx = house.db.tx().unchanged(&cluster);
        let (tx, made) = instance::create(house, scope, tx, &id, asked, &[]).await?;
        if let Committed::At(_) = tx.commit().await? {
            return Ok((id, made));
        }
    }
}

/// The cluster `default` is made by its first instance, as by any agent that registers.
async fn cluster(
    house: &House,
    scope: &Scope,
    named: Option<&str>,
) -> Result<Stored<Cluster>, AwsError> {
    match named {
        None | Some("default") => clusters::active_or_default(house, scope, named).await,
        Some(_) => clusters::active(&house.db, scope, named).await,
    }
}

/// Every container instance of the scope that has not ended.
///
/// # Errors
/// The store's.
pub async fn list(house: &House, scope: &Scope) -> Result<Vec<Stored<Instance>>, AwsError> {
    let mut all = instance::list(house, scope).await?;
    all.retain(|i| i.agent.is_some() && !i.has_ended());
    Ok(all)
}

/// The zone with the fewest slices of the cluster; the first of several.
fn emptiest(all: &[Stored<Instance>], cluster: &str, zones: &[String; 3]) -> String {
    let used = |zone: &&String| {
        let there = |i: &&Stored<Instance>| {
            i.agent.as_ref().is_some_and(|a| a.cluster == cluster)
                && i.interface.availability_zone == **zone
        };
        all.iter().filter(there).count()
    };
    zones.iter().min_by_key(used).expect("three zones").clone()
}
