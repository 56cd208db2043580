//! Where snapshots come from: what a service that compiles them is to the server that sends them.

use crate::Snapshot;
use async_trait::async_trait;
use neargate_base::{AccountId, Region};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::watch;

/// A proxy: an Envoy in a container of a task. All but `resource` is what the control plane knows of
/// whoever holds the other end of the socket, which only that container has; none of it is the proxy's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub account: AccountId,
    pub region: Region,
    pub task_id: String,
    pub task_arn: String,
    /// The key of the task's record in the store.
    pub task_key: String,
    /// What it may do, as its container may.
    pub task_role_arn: Option<String>,
    /// The container's name in the task definition, or that of one that ECS has put there.
    pub container: String,
    /// What the proxy says that it stands for, which its task may or may not be entitled to: Envoy's
    /// `node.id`, the value of `APPMESH_RESOURCE_ARN` (or `APPMESH_VIRTUAL_NODE_NAME`) as it is written
    /// there: an ARN, or `mesh/NAME/virtualNode/NAME`. With ECS Service Connect it is the ARN of the task.
    pub resource: String,
}

/// Why a proxy is not told anything: said to it as the stream's status, so that its own log shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It may not stand for what it says.
    #[error("{0}")]
    Denied(String),
    /// What it stands for is not there, or not yet: it asks again.
    #[error("{0}")]
    Absent(String),
    /// The control plane cannot answer now: it asks again.
    #[error("{0}")]
    Failed(String),
}

/// What kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Cluster,
    Endpoint,
    Listener,
    Route,
    Secret,
}

/// The proxy did not take what it was told (a NACK): it goes on with what it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub kind: Kind,
    /// Envoy's words.
    pub message: String,
}

/// Makes the snapshots of the proxies that are its own.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// Is the proxy one of this source's? Asked once for each of its streams, of one source after the other.
    fn knows(&self, proxy: &Proxy) -> bool;

    /// Changes when what a proxy is told may have changed: then [`Source::snapshot`] is asked again.
    /// Subscribed to before the first snapshot is asked for. To wake for nothing is cheap: a snapshot that
    /// equals the one before is not sent.
    async fn changes(&self, proxy: &Proxy) -> watch::Receiver<u64>;

    /// What the proxy is told now. A refusal ends its stream while it has been told nothing; afterwards it
    /// keeps what it has, and the source is asked again with the next change.
    async fn snapshot(&self, proxy: &Proxy) -> Result<Arc<Snapshot>, Refusal>;

    /// What became of a snapshot: everything was taken (`None`), or something was not.
    fn taken(&self, _proxy: &Proxy, _rejected: Option<&Rejected>) {}
}
