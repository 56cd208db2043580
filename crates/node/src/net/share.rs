//! One agent's part of the host's network, when several agents use it: what it attaches is its
//! own, and its sweeps spare everything else.

use super::error::NetworkError;
use super::{Network, names, netns_dir};
use neargate_domain::NetworkInterface;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The owner of load balancers' interfaces.
pub(super) const LOAD_BALANCERS: &str = "load-balancer";

/// See [`Network::attach`] and its neighbours; here they concern one owner's tasks only.
#[derive(Debug, Clone)]
pub struct Share {
    network: Arc<Network>,
    owner: String,
}

impl Share {
    /// `owner` names an agent, and is the same after a restart: letters, digits, `-` and `_`.
    /// Empty, it is the host's first agent, which calls [`Network`] itself.
    pub fn new(network: Arc<Network>, owner: &str) -> Result<Share, NetworkError> {
        if !owner.is_empty() && !names::is_task_id(owner) {
            return Err(NetworkError::TaskId(owner.into()));
        }
        let owner = owner.to_owned();
        Ok(Share { network, owner })
    }

    /// The interfaces of load balancers, each by its own id.
    pub fn of_load_balancers(network: Arc<Network>) -> Share {
        let owner = LOAD_BALANCERS.to_owned();
        Share { network, owner }
    }

    /// What a namespace's path begins with; the id that was attached ends it.
    pub fn namespaces(run_dir: &Path) -> PathBuf {
        netns_dir(run_dir).join(names::owned(LOAD_BALANCERS, ""))
    }

    pub async fn attach(
        &self,
        task_id: &str,
        eni: &NetworkInterface,
    ) -> Result<PathBuf, NetworkError> {
        self.network.attach_for(&self.owner, task_id, eni).await
    }

    pub async fn detach(&self, task_id: &str) -> Result<(), NetworkError> {
        self.network.detach_for(&self.owner, task_id).await
    }

    pub async fn sweep(&self, keep: &HashSet<String>) -> Result<(), NetworkError> {
        self.network
            .sweep_unless(|owner, task| owner != self.owner || keep.contains(task))
            .await
    }

    pub fn resolv_conf(&self) -> String {
        self.network.resolv_conf()
    }
}
