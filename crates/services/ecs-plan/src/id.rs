//! The ids of what is named within a cluster.

use crate::model::Service;
use neargate_service::{Resource, Scope, db};

/// A cluster, by account, region and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId {
    pub scope: Scope,
    pub name: String,
}

impl ClusterId {
    pub fn new(scope: &Scope, name: &str) -> Self {
        ClusterId {
            scope: scope.clone(),
            name: name.to_owned(),
        }
    }

    /// The store key of `T` named `id` within the cluster.
    pub fn key<T: Resource>(&self, id: &str) -> String {
        db::key::<T>(&self.scope, &format!("{}/{id}", self.name))
    }
}

/// A service, by cluster and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    pub cluster: ClusterId,
    pub name: String,
}

impl ServiceId {
    pub fn new(scope: &Scope, cluster: &str, name: &str) -> Self {
        ServiceId {
            cluster: ClusterId::new(scope, cluster),
            name: name.to_owned(),
        }
    }

    /// The store key of the service's `T` named `id`.
    pub fn key<T: Resource>(&self, id: &str) -> String {
        self.cluster.key::<T>(&format!("{}/{id}", self.name))
    }

    /// The service's own store key.
    pub fn store_key(&self) -> String {
        self.cluster.key::<Service>(&self.name)
    }
}
