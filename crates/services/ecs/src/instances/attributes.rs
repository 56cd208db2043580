//! Attributes of container instances: which names and values can be, and where a machine is
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Attribute.html>).

use crate::error;
use crate::model::{ContainerInstance, InstanceStatus};
use neargate_service::{AwsError, House, Scope, db, vpc};
use std::collections::BTreeMap;

const ZONE: &str = "ecs.availability-zone";
const SUBNET: &str = "ecs.subnet-id";
const VPC: &str = "ecs.vpc-id";

/// Names that ECS and its agents give; all others are custom.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("ecs.") || name.starts_with("com.amazonaws.ecs.")
}

/// Whether the attribute is one of those that [`place`] gives.
pub(super) fn is_place(name: &str) -> bool {
    matches!(name, ZONE | SUBNET | VPC)
}

/// 1 to 128 letters, digits, hyphens, underscores, slashes, backslashes and periods.
pub fn valid_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./\\".contains(&b))
}

/// 1 to 128 letters, digits, spaces (not at the ends) and `- . _ @ : / \`.
pub fn valid_value(value: &str) -> bool {
    (1..=128).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._@:/\\ ".contains(&b))
        && value.trim() == value
}

/// What a machine says of itself.
pub(super) fn check(given: &BTreeMap<String, Option<String>>) -> Result<(), AwsError> {
    for (name, value) in given {
        if !valid_name(name) {
            return Err(error::invalid_attribute_name());
        }
        if !value.as_deref().is_none_or(valid_value) {
            return Err(error::invalid_attribute_value());
        }
    }
    Ok(())
}

/// The zone, subnet and VPC of a machine that does not name its zone: that with the fewest of
/// the cluster's instances. Tasks with an interface of their own have it in that subnet.
pub(super) async fn place(
    house: &House,
    scope: &Scope,
    cluster: &str,
    attributes: &mut BTreeMap<String, Option<String>>,
) -> Result<(), AwsError> {
    if attributes.get(ZONE).cloned().flatten().is_none() {
        let prefix = ContainerInstance::key_id(cluster, "");
        let prefix = db::key::<ContainerInstance>(scope, &prefix);
        let others = house.db.list_prefix::<ContainerInstance>(&prefix).await?;
        let count = |zone: &str| {
            let here = others.iter().filter(|i| {
                i.status != InstanceStatus::Inactive && i.attribute(ZONE) == Some(zone)
            });
            here.count()
        };
        let zones = scope.region.zones().into_iter();
        let least = zones.min_by_key(|zone| (count(zone), zone.clone()));
        attributes.insert(ZONE.into(), least);
    }
    let zone = attributes.get(ZONE).cloned().flatten();
    let subnet = match &zone {
        Some(zone) => vpc::default_subnet(house, scope, zone).await?,
        None => None,
    };
    if let Some(subnet) = subnet {
        let mut default = |name: &str, value: &str| {
            let value = || Some(value.to_owned());
            attributes.entry(name.to_owned()).or_insert_with(value);
        };
        default(SUBNET, subnet.id());
        default(VPC, &subnet.vpc_id);
    }
    Ok(())
}
