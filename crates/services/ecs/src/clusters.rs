//! The clusters that callers name, and the cluster `default`, which is made when it is first used.
//!
//! Why a lookup found no active cluster is a value ([`NotActive`]); which error it is, the caller
//! says.

use crate::model::{CapacityProvider, Cluster};
use crate::{error, reference, settings};
use neargate_api_ecs as api;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Db, House, Scope, Stored};
use neargate_wire::json::Json;

/// The cluster that exists as soon as something runs in it.
const DEFAULT: &str = "default";

/// Why a name is no active cluster's.
enum NotActive {
    /// It was deleted, but can still be described.
    Deleted,
    Missing,
}

impl From<NotActive> for AwsError {
    fn from(why: NotActive) -> Self {
        match why {
            NotActive::Deleted => error::cluster_inactive(),
            NotActive::Missing => error::cluster_not_found(),
        }
    }
}

/// The active cluster of that name.
async fn find(
    db: &Db,
    scope: &Scope,
    name: &str,
) -> Result<Result<Stored<Cluster>, NotActive>, AwsError> {
    let found = db.get::<Cluster>(scope, name).await?;
    let cluster = found.ok_or(NotActive::Missing);
    Ok(cluster.and_then(|c| {
        if c.active {
            Ok(c)
        } else {
            Err(NotActive::Deleted)
        }
    }))
}

/// The active cluster that a call names, by name or ARN.
///
/// # Errors
/// `ClusterNotFoundException`.
pub(crate) async fn active(
    db: &Db,
    scope: &Scope,
    named: Option<&str>,
) -> Result<Stored<Cluster>, AwsError> {
    let name = reference::cluster(scope, named)?;
    Ok(find(db, scope, &name).await??)
}

/// As [`active`], for what may be the first to use the cluster `default`.
///
/// # Errors
/// `ClusterNotFoundException`.
pub(crate) async fn active_or_default(
    house: &House,
    scope: &Scope,
    named: Option<&str>,
) -> Result<Stored<Cluster>, AwsError> {
    let name = reference::cluster(scope, named)?;
    match find(&house.db, scope, &name).await? {
        Ok(cluster) => Ok(cluster),
        Err(_) if name == DEFAULT => create_default(house, scope).await,
        Err(why) => Err(why.into()),
    }
}

/// The active cluster of the name that a container instance registers with. For the machine there
/// is no difference between one that was deleted and one that never was.
///
/// # Errors
/// `ClusterNotFoundException`.
pub(crate) async fn to_register_in(
    house: &House,
    scope: &Scope,
    name: &str,
) -> Result<Stored<Cluster>, AwsError> {
    match find(&house.db, scope, name).await? {
        Ok(cluster) => Ok(cluster),
        Err(_) if name == DEFAULT => create_default(house, scope).await,
        Err(_) => Err(error::cluster_not_found()),
    }
}

async fn create_default(house: &House, scope: &Scope) -> Result<Stored<Cluster>, AwsError> {
    let wanted = Cluster {
        arn: scope.arn("ecs", format!("cluster/{DEFAULT}")),
        name: DEFAULT.to_owned(),
        active: true,
        settings: default_settings(house, scope, "").await?,
        configuration: None,
        capacity_providers: Vec::new(),
        default_strategy: Vec::new(),
        service_connect_namespace: None,
        tags: Default::default(),
        created_at: house.now(),
    };
    loop {
        if let Some(cluster) = create(house, scope, &wanted, &[]).await? {
            return Ok(cluster);
        }
    }
}

/// The active cluster of that name, made unless it is there; `None` when something changed
/// meanwhile. `providers`: those of the account's own that it names.
pub(crate) async fn create(
    house: &House,
    scope: &Scope,
    wanted: &Cluster,
    providers: &[Stored<CapacityProvider>],
) -> Result<Option<Stored<Cluster>>, AwsError> {
    let key = db::key::<Cluster>(scope, &wanted.name);
    let found = house.db.get_key::<Cluster>(&key).await?;
    let mut tx = match &found {
        Some(cluster) if cluster.active => return Ok(Some(cluster.clone())),
        Some(deleted) => house.db.tx().update(deleted, wanted),
        None => house.db.tx().create(key.clone(), wanted),
    };
    for provider in providers {
        // Rewritten as it is: a deletion that crosses this conflicts.
        tx = tx.update(provider, &provider.value);
    }
    Ok(match tx.commit().await? {
        Committed::At(revision) => Some(Stored {
            key,
            revision,
            value: wanted.clone(),
        }),
        Committed::Conflict => None,
    })
}

/// Container Insights as the account setting of that name has it.
pub(crate) async fn default_settings(
    house: &House,
    scope: &Scope,
    principal: &str,
) -> Result<Vec<Json<api::ClusterSetting>>, AwsError> {
    let name = "containerInsights";
    let value = settings::effective(house, scope, name, principal).await?;
    Ok(vec![Json(api::ClusterSetting {
        name: Some(name.into()),
        value: Some(value),
    })])
}
