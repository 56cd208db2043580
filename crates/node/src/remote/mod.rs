//! The control plane on another host: [`Remote`] is the node's [`Upstream`] over mutual TLS 1.3
//! and HTTP/2, in the shapes of [`neargate_domain::link`].
//!
//! One connection carries everything; [`connection`] keeps it, and while there is none every
//! question answers [`UpstreamError::Unavailable`] at once: the node goes on with what it knows.
//! The assignment stream is opened again after each break and begins with a snapshot.

mod blobs;
mod call;
mod connection;
mod identity;
mod join;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod visit;

pub use blobs::RemoteBlobs;
pub use identity::{Identity, IdentityError, Key};
pub use join::{JoinError, join};
pub use visit::Visited;

use crate::upstream::{AssignmentChange, ImageSource, Upstream, UpstreamError};
use async_trait::async_trait;
use call::Caller;
use connection::Connection;
use neargate_base::{AccountId, Clock, Region, Rng, task};
use neargate_domain::dns::ZoneChange;
use neargate_domain::flow::FlowReport;
use neargate_domain::link::{
    Done, ImageAnswer, ImageQuestion, LogBatch, LogQuestion, Offset, Peer, SecretsAnswer,
    TaskQuestion,
};
use neargate_domain::usage::TaskUsage;
use neargate_domain::vpc_network::NetworkChange;
use neargate_domain::{
    LogLine, LogTarget, NodeAbout, ProtectionAnswer, ProtectionChange, ProtectionQuestion,
    RoleCredentials, TaskReport, TaskSecrets, TaskTags,
};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// An ordinary question is answered within this time, or not at all.
const ANSWER: Duration = Duration::from_secs(30);

/// What a remote control plane is reached with.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    pub identity: Identity,
    /// Where a renewed identity is kept.
    pub path: PathBuf,
    pub about: NodeAbout,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<Rng>,
}

/// How many changes of networks may wait for the host; then assignments wait, too.
const NETWORK_CHANGES: usize = 4096;
/// Tasks whose use is told in one message.
const USAGES: usize = 1_000;
/// The most flows in one call.
const FLOWS: usize = 1_000;

/// What the networks of VPCs are, as the control plane says with the assignments.
pub type NetworkChanges = mpsc::Receiver<NetworkChange>;
/// What the hosted zones are, as it says too.
pub type ZoneChanges = mpsc::Receiver<ZoneChange>;

/// The control plane elsewhere.
#[derive(Debug)]
pub struct Remote {
    caller: Arc<Caller>,
    about: NodeAbout,
    rng: Arc<Rng>,
    peers: watch::Sender<Vec<Peer>>,
    networks: mpsc::Sender<NetworkChange>,
    zones: mpsc::Sender<ZoneChange>,
    visited: Arc<OnceLock<Arc<dyn Visited>>>,
    dismissed: CancellationToken,
    _connection: AbortOnDropHandle<()>,
}

impl Remote {
    /// Begin to connect; ends when dropped. Whoever runs tasks reads the changes of networks and
    /// of zones.
    ///
    /// # Errors
    /// When the identity holds no usable key or certificate.
    pub fn start(
        config: RemoteConfig,
    ) -> Result<(Arc<Remote>, NetworkChanges, ZoneChanges), IdentityError> {
        let (rng, about) = (config.rng.clone(), config.about.clone());
        let dismissed = CancellationToken::new();
        let (connection, current) = Connection::new(config, dismissed.clone())?;
        let caller = Arc::new(Caller::new(current, rng.clone()));
        let keeping = task::spawn("control-plane", connection.keep(caller.clone()));
        let (networks, changes) = mpsc::channel(NETWORK_CHANGES);
        let (zones, zone_changes) = mpsc::channel(NETWORK_CHANGES);
        let remote = Arc::new(Remote {
            caller,
            about,
            rng,
            peers: watch::Sender::default(),
            networks,
            zones,
            visited: Arc::default(),
            dismissed,
            _connection: AbortOnDropHandle::new(keeping),
        });
        Ok((remote, changes, zone_changes))
    }

    /// The registry's blobs, through the same connection.
    pub fn blobs(&self) -> Arc<RemoteBlobs> {
        Arc::new(RemoteBlobs::new(self.caller.clone()))
    }

    /// Where visitors are let in from here on; the first stays.
    pub fn admit_to(&self, visited: Arc<dyn Visited>) {
        let _ = self.visited.set(visited);
    }

    /// The other nodes of the task network, as the control plane said last.
    pub fn peers(&self) -> watch::Receiver<Vec<Peer>> {
        self.peers.subscribe()
    }

    /// Cancelled when the control plane says that the node was removed for good.
    pub fn dismissed(&self) -> CancellationToken {
        self.dismissed.clone()
    }
}

#[async_trait]
impl Upstream for Remote {
    async fn assignments(&self) -> mpsc::Receiver<AssignmentChange> {
        let (sender, receiver) = mpsc::channel(64);
        let stream = stream::Stream {
            caller: self.caller.clone(),
            about: self.about.clone(),
            rng: self.rng.clone(),
            changes: sender,
            peers: self.peers.clone(),
            networks: self.networks.clone(),
            zones: self.zones.clone(),
            visited: self.visited.clone(),
            dismissed: self.dismissed.clone(),
        };
        task::spawn("assignment-stream", stream.follow());
        receiver
    }

    async fn report(&self, report: TaskReport) -> Result<(), UpstreamError> {
        let done = self.caller.post::<_, Done>("/v1/report", &report, ANSWER);
        done.await.map(|_| ())
    }

    async fn usage(&self, used: Vec<TaskUsage>) -> Result<(), UpstreamError> {
        for part in used.chunks(USAGES) {
            let told = self.caller.post::<_, Done>("/v1/usage", &part, ANSWER);
            told.await?;
        }
        Ok(())
    }

    async fn flows(&self, reports: &[FlowReport]) -> Result<(), UpstreamError> {
        for report in reports {
            // Of one look, however many parts it has.
            let parts = report.flows.chunks(FLOWS).map(<[_]>::to_vec);
            let none = report.flows.is_empty().then(Vec::new);
            for flows in parts.chain(none) {
                let part = FlowReport {
                    vpc_id: report.vpc_id.clone(),
                    interfaces: report.interfaces.clone(),
                    is_complete: report.is_complete,
                    flows,
                };
                let parts = [part];
                let told = self.caller.post::<_, Done>("/v1/flows", &parts, ANSWER);
                told.await?;
            }
        }
        Ok(())
    }

    async fn put_logs(
        &self,
        target: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, UpstreamError> {
        let batch = LogBatch {
            target: target.clone(),
            source: source.to_owned(),
            start: span.start,
            end: span.end,
            lines,
        };
        let put = self.caller.post::<_, Offset>("/v1/logs", &batch, ANSWER);
        put.await.map(|offset| offset.recorded)
    }

    async fn log_offset(&self, target: &LogTarget, source: &str) -> Result<u64, UpstreamError> {
        let question = LogQuestion {
            target: target.clone(),
            source: source.to_owned(),
        };
        let asked = self
            .caller
            .post::<_, Offset>("/v1/log-offset", &question, ANSWER);
        asked.await.map(|offset| offset.recorded)
    }

    async fn resolve_image(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<ImageSource, UpstreamError> {
        let question = ImageQuestion {
            account: account.clone(),
            region: region.clone(),
            name: name.to_owned(),
        };
        let asked = self
            .caller
            .post::<_, ImageAnswer>("/v1/image", &question, ANSWER);
        Ok(match asked.await? {
            ImageAnswer::Own { digest } => ImageSource::Own {
                digest: digest.parse().map_err(|_| {
                    UpstreamError::Unavailable(format!("it named {digest:?} as a digest"))
                })?,
            },
            ImageAnswer::Missing { message } => ImageSource::Missing { message },
            ImageAnswer::Elsewhere => ImageSource::Remote,
        })
    }

    async fn role_credentials(&self, task_id: &str) -> Result<RoleCredentials, UpstreamError> {
        let task_id = task_id.to_owned();
        let question = TaskQuestion { task_id };
        let path = "/v1/credentials";
        self.caller.post(path, &question, ANSWER).await
    }

    async fn tags(&self, task_id: &str) -> Result<TaskTags, UpstreamError> {
        let task_id = task_id.to_owned();
        let question = TaskQuestion { task_id };
        self.caller.post("/v1/tags", &question, ANSWER).await
    }

    async fn protection(
        &self,
        task_id: &str,
        change: Option<ProtectionChange>,
    ) -> Result<ProtectionAnswer, UpstreamError> {
        let task_id = task_id.to_owned();
        let question = ProtectionQuestion { task_id, change };
        self.caller.post("/v1/protection", &question, ANSWER).await
    }

    async fn secrets(&self, task_id: &str) -> Result<TaskSecrets, UpstreamError> {
        let task_id = task_id.to_owned();
        let question = TaskQuestion { task_id };
        let asked = self.caller.post("/v1/secrets", &question, ANSWER);
        match asked.await? {
            SecretsAnswer::Read(secrets) => Ok(secrets),
            SecretsAnswer::Missing { message } => Err(UpstreamError::Refused(message)),
        }
    }
}
