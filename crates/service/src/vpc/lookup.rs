//! What those who know subnets by their ids ask.

use super::{Subnet, ensure_default};
use crate::{AwsError, House, Scope, Stored};
use std::collections::BTreeMap;

/// The Availability Zones of these subnets, by their ids; without those that do not exist.
///
/// # Errors
/// The store's.
pub async fn zones(
    house: &House,
    scope: &Scope,
    subnets: &[String],
) -> Result<BTreeMap<String, String>, AwsError> {
    ensure_default(house, scope).await?;
    let mut zones = BTreeMap::new();
    for id in subnets {
        if let Some(subnet) = house.db.get::<Subnet>(scope, id).await? {
            zones.insert(id.clone(), subnet.value.availability_zone);
        }
    }
    Ok(zones)
}

/// The default subnet of a zone; `None` where somebody deleted it.
///
/// # Errors
/// The store's.
pub async fn default_subnet(
    house: &House,
    scope: &Scope,
    zone: &str,
) -> Result<Option<Stored<Subnet>>, AwsError> {
    ensure_default(house, scope).await?;
    let all = house.db.list::<Subnet>(scope).await?;
    let is_it = |s: &Stored<Subnet>| s.default_for_az && s.availability_zone == zone;
    Ok(all.into_iter().find(is_it))
}
