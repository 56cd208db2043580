//! Container instances that are slices of this host: their records. `RunInstances` would be
//! AWS's call; ours exists because the machine is here already.
//!
//! This module writes what is asked for; the host that keeps the slices follows the records,
//! runs them, and calls [`forget`] once nothing of a removed one is left.

mod remove;

pub use remove::{forget, remove, scope_of, set_problem};

use crate::instances::{is_reserved, valid_name, valid_value};
use crate::model::{CapacityProvider, Cluster, InstanceSlice};
use crate::{clusters, error};
use neargate_domain::Resources;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, House, Scope, Stored, eni, vpc};
use std::collections::BTreeMap;

/// How many slices one request may make: a typing error must not fill the host.
const MAX_AT_ONCE: u32 = 100;

/// What a new slice shall be.
#[derive(Debug, Clone, Default)]
pub struct NewSlices {
    pub cluster: Option<String>,
    pub instance_type: String,
    pub resources: Resources,
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
) -> Result<Vec<InstanceSlice>, AwsError> {
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

async fn add_one(house: &House, scope: &Scope, new: &NewSlices) -> Result<InstanceSlice, AwsError> {
    let id = format!("i-{}", house.rng.hex(17));
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
        let wanted = eni::Wanted {
            subnet_id: subnet.id(),
            security_groups: &[],
            public: subnet.map_public_ip_on_launch,
            owner: &id,
            held: &[],
        };
        let reserved = eni::reserve(house, scope, wanted).await?;
        let slice = InstanceSlice {
            id: id.clone(),
            cluster: cluster.name.clone(),
            instance_type: new.instance_type.clone(),
            resources: new.resources.clone(),
            interface: reserved.interface,
            attributes: new.attributes.clone(),
            capacity_provider: new.capacity_provider.clone(),
            created_at: house.now(),
            removing: false,
            problem: None,
        };
        // A deletion of the cluster that crosses this conflicts with it.
        let tx = house.db.tx().unchanged(&cluster);
        let tx = tx.with(reserved.compares, reserved.ops);
        let tx = tx.create(db::key::<InstanceSlice>(scope, &id), &slice);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(slice);
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

/// Every slice of the scope.
///
/// # Errors
/// The store's.
pub async fn list(house: &House, scope: &Scope) -> Result<Vec<Stored<InstanceSlice>>, AwsError> {
    house.db.list::<InstanceSlice>(scope).await
}

/// The zone with the fewest slices of the cluster; the first of several.
fn emptiest(all: &[Stored<InstanceSlice>], cluster: &str, zones: &[String; 3]) -> String {
    let used = |zone: &&String| {
        let there = |s: &&Stored<InstanceSlice>| {
            s.cluster == cluster && s.interface.availability_zone == **zone
        };
        all.iter().filter(there).count()
    };
    zones.iter().min_by_key(used).expect("three zones").clone()
}
