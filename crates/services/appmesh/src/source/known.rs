//! A mesh and its surroundings, as one look found them.

use crate::api;
use crate::model::{Mesh, Object};
use crate::plan::compile::{Lookup, Pair, Surroundings, wanted};
use crate::plan::world::World;
use neargate_api_servicediscovery as cloud_map;
use neargate_service::{AwsError, Caller, House, Scope, certificate};
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Debug)]
pub struct Known {
    pub world: World,
    pub around: Surroundings,
}

/// `None`: there is no such mesh.
pub async fn read(
    house: &Arc<House>,
    scope: &Scope,
    mesh: &str,
) -> Result<Option<Known>, AwsError> {
    let Some(mesh) = house.db.get::<Object<Mesh>>(scope, mesh).await? else {
        return Ok(None);
    };
    let world = api::world(&house.db, scope, mesh.value).await?;
    let wanted = wanted(&world);
    let mut around = Surroundings::default();
    for lookup in wanted.lookups {
        let found = instances(house, scope, &lookup).await?;
        around.instances.insert(lookup, found);
    }
    for arn in wanted.certificates {
        if let Some(pair) = pair(house, scope, &arn).await? {
            around.certificates.insert(arn, pair);
        }
    }
    if wanted.authority {
        around.authority = Some(house.authority.root(house).await?);
    }
    Ok(Some(Known { world, around }))
}

/// The healthy instances that Cloud Map has. A service that is not there, or not yet, has none.
async fn instances(
    house: &Arc<House>,
    scope: &Scope,
    lookup: &Lookup,
) -> Result<Vec<IpAddr>, AwsError> {
    let input = cloud_map::DiscoverInstancesInput {
        namespace_name: lookup.namespace.clone(),
        service_name: lookup.service.clone(),
        query_parameters: Some(lookup.attributes.clone()),
        health_status: Some("HEALTHY".into()),
        max_results: Some(1_000),
        ..cloud_map::DiscoverInstancesInput::default()
    };
    let role = format!(
        "arn:aws:iam::{}:role/aws-service-role/appmesh.amazonaws.com/AWSServiceRoleForAppMesh",
        scope.account
    );
    let found =
        Caller::call::<cloud_map::ops::DiscoverInstances>(house, scope, &role, &input).await;
    let found = match found {
        Ok(found) => found.instances.unwrap_or_default(),
        Err(error) if error.status < 500 => Vec::new(),
        Err(error) => return Err(error),
    };
    let addresses = found.into_iter().flat_map(|instance| {
        let attributes = instance.attributes.unwrap_or_default();
        let of = ["AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6"];
        of.map(|name| {
            attributes
                .get(name)
                .and_then(|text| text.parse::<IpAddr>().ok())
        })
    });
    let mut addresses: Vec<IpAddr> = addresses.flatten().collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

async fn pair(house: &House, scope: &Scope, arn: &str) -> Result<Option<Pair>, AwsError> {
    let Some(found) = certificate::find(house, scope, arn).await? else {
        return Ok(None);
    };
    let key = found.private_key.open(&house.root_key, &found.key);
    Ok(key.map(|key| Pair {
        chain: found.full_chain(),
        key: key.expose().clone(),
    }))
}
