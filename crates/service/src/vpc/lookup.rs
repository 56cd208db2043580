//! What those who know subnets by their ids ask.

use super::{DhcpOptions, Subnet, Vpc, ensure_default};
use crate::{AwsError, House, Scope, Stored};
use std::collections::BTreeMap;

/// The domain of the VPC's own DHCP options, which its hosts complete names by; `None` where that is
/// Amazon's, or none
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html>).
///
/// # Errors
/// The store's.
pub async fn own_domain(
    house: &House,
    scope: &Scope,
    vpc: &Vpc,
) -> Result<Option<String>, AwsError> {
    let options = house.db.get::<DhcpOptions>(scope, &vpc.dhcp_options_id);
    let Some(options) = options.await? else {
        return Ok(None);
    };
    let named = options.value.configurations.get("domain-name");
    let named = named.and_then(|names| names.first());
    let amazons = ["ec2.internal", "compute.internal"];
    // It becomes a line of resolv.conf: nothing that could be a second one.
    let is_name = |name: &&String| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b' ');
        !name.trim().is_empty() && name.len() <= 1_024 && name.bytes().all(fits)
    };
    let own = named.filter(is_name);
    let own = own.filter(|name| !amazons.iter().any(|end| name.ends_with(end)));
    Ok(own.cloned())
}

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
