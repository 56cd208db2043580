//! The node's view of the control plane. The binary wires it to the real one; tests fake it.

use async_trait::async_trait;
use neargate_base::{AccountId, Region};
use neargate_blob::Digest;
use neargate_domain::flow::FlowReport;
use neargate_domain::usage::TaskUsage;
use neargate_domain::{
    Assignment, LogLine, LogTarget, ProtectionAnswer, ProtectionChange, RoleCredentials,
    TaskReport, TaskSecrets, TaskTags,
};
use std::ops::Range;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// A change of what this node should run.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "few exist at a time")]
pub enum AssignmentChange {
    /// Everything assigned to this node now; tasks not in it are gone.
    Snapshot(Vec<Assignment>),
    /// A new or newer assignment, whole.
    Changed(Assignment),
    /// The control plane has recorded the task as released; its ledger entry can go.
    Removed(String),
}

/// Where the bytes of an image come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// Our own registry holds it: read straight from the blob store.
    Own { digest: Digest },
    /// Our own registry would hold it but does not: the text after `CannotPullContainerError: `.
    Missing { message: String },
    /// Some other registry: pull over HTTP.
    Remote,
}

/// Why the control plane did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It cannot answer now; the node keeps what it knows and asks again.
    #[error("the control plane is unavailable: {0}")]
    Unavailable(String),
    /// It never will: the same request would be refused again. The text is as AWS shows it, such
    /// as `ResourceNotFoundException: The specified log group does not exist.`
    #[error("{0}")]
    Refused(String),
}

/// What a node asks of the control plane.
#[async_trait]
pub trait Upstream: std::fmt::Debug + Send + Sync {
    /// First a snapshot, then changes; after a gap another snapshot. Ends at shutdown.
    async fn assignments(&self) -> mpsc::Receiver<AssignmentChange>;

    /// Durable once it answers.
    async fn report(&self, report: TaskReport) -> Result<(), UpstreamError>;

    /// Durable once it answers. `source` names the container's output (task id and container
    /// name), `span` the part of it that `lines` are. Answers how far the output is recorded then,
    /// which is where the next batch must begin: a batch that begins elsewhere, or does not lead
    /// further, is ignored. With no `lines` and an empty span it makes the stream (and the group,
    /// if the target says so) or is refused, which is how a node checks a target before it starts
    /// a container.
    async fn put_logs(
        &self,
        target: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, UpstreamError>;

    /// The offset recorded for `source`; 0 when nothing of it was stored.
    async fn log_offset(&self, target: &LogTarget, source: &str) -> Result<u64, UpstreamError>;

    /// Where an image named in a task of this account and region is found.
    async fn resolve_image(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<ImageSource, UpstreamError>;

    /// Keys of the task's role, newer ones each time.
    async fn role_credentials(&self, task_id: &str) -> Result<RoleCredentials, UpstreamError>;

    /// What the containers' definitions name as secret, read as the task's execution role. What is
    /// refused is the text after `ResourceInitializationError: `.
    async fn secrets(&self, task_id: &str) -> Result<TaskSecrets, UpstreamError>;

    /// The tags of one of this node's tasks, and of what it runs on.
    async fn tags(&self, _task_id: &str) -> Result<TaskTags, UpstreamError> {
        Err(UpstreamError::Refused("no tags are known here".into()))
    }

    /// Asks for the protection of one of this node's tasks, as its role, or changes it.
    async fn protection(
        &self,
        _task_id: &str,
        _change: Option<ProtectionChange>,
    ) -> Result<ProtectionAnswer, UpstreamError> {
        Err(UpstreamError::Refused("no task is protected here".into()))
    }

    /// A connection of the proxy in a container of one of this node's tasks: the control plane speaks with it
    /// until either ends.
    async fn proxy(
        &self,
        _task_id: &str,
        _container: &str,
        _stream: UnixStream,
    ) -> Result<(), UpstreamError> {
        let why = "Neargate does not configure proxies on nodes of other hosts yet.";
        Err(UpstreamError::Refused(why.into()))
    }

    /// What tasks use. Nothing depends on it: it may be lost.
    async fn usage(&self, _: Vec<TaskUsage>) -> Result<(), UpstreamError> {
        Ok(())
    }

    /// What the kernel counted of flows, for flow logs.
    async fn flows(&self, _: &[FlowReport]) -> Result<(), UpstreamError> {
        Ok(())
    }
}
