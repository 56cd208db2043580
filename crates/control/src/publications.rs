//! Ports of this host that lead to the tasks of a service or to a load balancer: what `neargate publish`
//! asks for. The host listens on them as long as their records exist.

use crate::error;
use neargate_base::Timestamp;
use neargate_ecs::model::Service;
use neargate_elbv2::Elbv2;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, House, Resource, Scope, Stored};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// `neargate/publication/…/<port>`. Written by the operator's command; `problem` by the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub listen: SocketAddr,
    #[serde(flatten)]
    pub to: Destination,
    pub created_at: Timestamp,
    /// Why the host does not listen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Resource for Publication {
    const KIND: &'static str = "neargate/publication";
}

/// Where a published port leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Destination {
    LoadBalancer {
        /// By its name.
        load_balancer: String,
        /// Of one of its listeners.
        port: u16,
    },
    Service {
        cluster: String,
        service: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container_port: Option<u16>,
    },
}

impl Destination {
    /// As the command line calls it.
    pub fn name(&self) -> String {
        match self {
            Destination::LoadBalancer { load_balancer, .. } => {
                format!("load-balancer/{load_balancer}")
            }
            Destination::Service { service, .. } => service.clone(),
        }
    }
}

/// Every one of the installation: a host port has one use, whoever asked for it.
///
/// # Errors
/// The store's.
pub async fn all(house: &House) -> Result<Vec<Stored<Publication>>, AwsError> {
    let prefix = format!("{}/", Publication::KIND);
    house.db.list_prefix::<Publication>(&prefix).await
}

/// Publishes; the same again changes what the port leads to.
///
/// # Errors
/// There is no such service or load balancer, or somebody else published the port.
pub async fn publish(
    house: &House,
    elbv2: &Elbv2,
    scope: &Scope,
    asked: Publication,
) -> Result<Publication, AwsError> {
    match &asked.to {
        Destination::LoadBalancer { load_balancer, .. } => {
            let found = elbv2.load_balancers.named(scope, load_balancer);
            found.ok_or_else(|| error::no_such_load_balancer(load_balancer))?;
        }
        Destination::Service {
            cluster, service, ..
        } => {
            let key = db::key::<Service>(scope, &Service::key_id(cluster, service));
            let found = house.db.get_key::<Service>(&key).await?;
            if !found.is_some_and(|s| s.is_active()) {
                return Err(error::no_such_service(cluster, service));
            }
        }
    }
    let key = db::key::<Publication>(scope, &asked.listen.port().to_string());
    loop {
        let others = all(house).await?;
        let same_port = |p: &&Stored<Publication>| p.listen.port() == asked.listen.port();
        let tx = match others.iter().find(same_port) {
            Some(other) if other.key != key => {
                return Err(error::port_published(asked.listen.port(), &other.to.name()));
            }
            Some(before) => house.db.tx().update(before, &asked),
            None => house.db.tx().create(key.clone(), &asked),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(asked);
        }
    }
}

/// Takes a port back.
///
/// # Errors
/// It is not published.
pub async fn unpublish(house: &House, scope: &Scope, port: u16) -> Result<Publication, AwsError> {
    loop {
        let found = house
            .db
            .get::<Publication>(scope, &port.to_string())
            .await?;
        let found = found.ok_or_else(|| error::port_not_published(port))?;
        if let Committed::At(_) = house.db.tx().delete(&found).commit().await? {
            return Ok(found.value);
        }
    }
}

/// Says why the host does not listen, or that nothing is wrong any more.
///
/// # Errors
/// The store's.
pub async fn set_problem(house: &House, key: &str, problem: Option<&str>) -> Result<(), AwsError> {
    let change = house.db.modify::<Publication, _>(key, |p| {
        let changed = p.problem.as_deref() != problem;
        p.problem = problem.map(str::to_owned);
        Ok(changed)
    });
    change.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stored_form_is_pinned() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        neargate_service::golden::check::<super::Publication>(dir);
    }
}
