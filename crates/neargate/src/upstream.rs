//! Joins the node to the control plane of the same process.

use async_trait::async_trait;
use neargate_base::{AccountId, Region, task};
use neargate_control::NodePort;
use neargate_control::node_port::Change;
use neargate_domain::flow::FlowReport;
use neargate_domain::link::SecretsAnswer;
use neargate_domain::usage::TaskUsage;
use neargate_domain::{
    LogLine, LogTarget, ProtectionAnswer, ProtectionChange, RoleCredentials, TaskReport,
    TaskSecrets, TaskTags,
};
use neargate_ecr::Resolved;
use neargate_node::upstream::{AssignmentChange, ImageSource, Upstream, UpstreamError};
use neargate_service::{AwsError, Fault};
use std::ops::Range;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// A [`NodePort`] as the agent wants it.
#[derive(Debug)]
pub struct Local(pub NodePort);

/// A client fault is a final answer; anything else may pass.
fn error(e: AwsError) -> UpstreamError {
    match e.fault {
        Fault::Client => UpstreamError::Refused(e.to_string()),
        Fault::Server => UpstreamError::Unavailable(e.to_string()),
    }
}

#[async_trait]
impl Upstream for Local {
    async fn assignments(&self) -> mpsc::Receiver<AssignmentChange> {
        let mut changes = self.0.assignments();
        let (sender, receiver) = mpsc::channel(16);
        task::spawn("upstream", async move {
            while let Some(change) = changes.recv().await {
                let change = match change {
                    Change::Snapshot(all) => AssignmentChange::Snapshot(all),
                    Change::Changed(one) => AssignmentChange::Changed(*one),
                    Change::Removed(id) => AssignmentChange::Removed(id),
                };
                if sender.send(change).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }

    async fn report(&self, report: TaskReport) -> Result<(), UpstreamError> {
        self.0.report(&report).await.map_err(error)
    }

    async fn usage(&self, used: Vec<TaskUsage>) -> Result<(), UpstreamError> {
        self.0.usage(&used);
        Ok(())
    }

    async fn flows(&self, reports: &[FlowReport]) -> Result<(), UpstreamError> {
        self.0.flows_of_this_host(reports);
        Ok(())
    }

    async fn put_logs(
        &self,
        target: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, UpstreamError> {
        self.0
            .put_logs(target, source, span, lines)
            .await
            .map_err(error)
    }

    async fn log_offset(&self, target: &LogTarget, source: &str) -> Result<u64, UpstreamError> {
        self.0.log_offset(target, source).await.map_err(error)
    }

    async fn resolve_image(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<ImageSource, UpstreamError> {
        let resolved = self
            .0
            .resolve_image(account, region, name)
            .await
            .map_err(error)?;
        Ok(match resolved {
            Resolved::Own { digest } => ImageSource::Own { digest },
            Resolved::Missing { message } => ImageSource::Missing { message },
            Resolved::Elsewhere => ImageSource::Remote,
        })
    }

    async fn role_credentials(&self, task_id: &str) -> Result<RoleCredentials, UpstreamError> {
        self.0.role_credentials(task_id).await.map_err(error)
    }

    async fn tags(&self, task_id: &str) -> Result<TaskTags, UpstreamError> {
        self.0.tags(task_id).await.map_err(error)
    }

    async fn protection(
        &self,
        task_id: &str,
        change: Option<ProtectionChange>,
    ) -> Result<ProtectionAnswer, UpstreamError> {
        self.0.protection(task_id, change).await.map_err(error)
    }

    async fn proxy(
        &self,
        task_id: &str,
        container: &str,
        stream: UnixStream,
    ) -> Result<(), UpstreamError> {
        let served = self.0.proxy(task_id, container, stream);
        served.await.map_err(error)
    }

    async fn secrets(&self, task_id: &str) -> Result<TaskSecrets, UpstreamError> {
        match self.0.secrets(task_id).await.map_err(error)? {
            SecretsAnswer::Read(secrets) => Ok(secrets),
            SecretsAnswer::Missing { message } => Err(UpstreamError::Refused(message)),
        }
    }
}
