//! What a node asks of the control plane. On one host the binary calls it directly, for nodes
//! elsewhere the [`crate::node_api`] does.
//!
//! A node acts for its own tasks only: it reports on them, writes to their log streams and looks
//! for their images. What they entitle it to is a [`Grant`] each.

mod endpoint;
mod grant;
#[cfg(test)]
mod tests;

use self::grant::{Grant, Grants};
use crate::ControlPlane;
use neargate_base::backoff::Backoff;
use neargate_base::{AccountId, Region, task};
use neargate_domain::dns::ZoneChange;
use neargate_domain::flow::FlowReport;
use neargate_domain::link::SecretsAnswer;
use neargate_domain::usage::TaskUsage;
use neargate_domain::vpc_network::NetworkChange;
use neargate_domain::{
    Assignment, LogLine, LogTarget, NodeKind, ProtectionAnswer, ProtectionChange, RoleCredentials,
    TaskReport, TaskStatus, TaskTags,
};
use neargate_ecr::{self as ecr, Resolved};
use neargate_ecs::secrets::{self, Unread};
use neargate_ecs::{fleet::Fleet, model::Task, observe};
use neargate_service::identity::session;
use neargate_service::{AwsError, Db, Resource, Scope, db};
use neargate_store::Event;
use neargate_xds::Proxy;
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// Between an error of the watch and the next reading of everything.
const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);

/// How long keys of a task's role are good, as on AWS.
const ROLE_SESSION: Duration = Duration::from_secs(6 * 3600);

/// A change of what a node should run.
#[derive(Debug, Clone)]
pub enum Change {
    /// Everything assigned to the node now.
    Snapshot(Vec<Assignment>),
    Changed(Box<Assignment>),
    /// The task of this id is recorded as ended.
    Removed(String),
}

/// The control plane as the node `node` sees it. While it exists the node counts as connected.
#[derive(Debug)]
pub struct NodePort {
    control_plane: Arc<ControlPlane>,
    node: String,
    grants: Arc<Grants>,
}

impl Drop for NodePort {
    fn drop(&mut self) {
        self.control_plane.ecs.nodes.disconnect(&self.node);
    }
}

impl NodePort {
    pub fn connect(control_plane: Arc<ControlPlane>, node: &str, kind: NodeKind) -> Self {
        control_plane.ecs.nodes.connect(node, kind);
        NodePort {
            control_plane,
            node: node.to_owned(),
            grants: Arc::default(),
        }
    }

    /// The node that it belongs to.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// A snapshot, then every change; a gap in the watch gives another snapshot.
    pub fn assignments(&self) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(256);
        let follower = Follower {
            db: self.control_plane.house.db.clone(),
            fleet: self.control_plane.ecs.fleet.clone(),
            node: self.node.clone(),
            grants: self.grants.clone(),
            sender,
        };
        let rng = self.control_plane.house.rng.clone();
        task::spawn("assignments", async move {
            let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
            while let Err(error) = follower.follow(&mut backoff).await {
                tracing::warn!(%error, "assignments are read again");
                tokio::time::sleep(backoff.next_delay(&rng)).await;
            }
        });
        receiver
    }

    /// Every network, then every change; a reader that falls behind gets a new snapshot.
    pub fn networks(&self) -> mpsc::Receiver<NetworkChange> {
        let (sender, receiver) = mpsc::channel(256);
        let networks = self.control_plane.ec2.networks.clone();
        task::spawn("node-networks", async move {
            loop {
                let mut changes = networks.subscribe().await;
                while let Some(change) = changes.recv().await {
                    if sender.send(change).await.is_err() {
                        return;
                    }
                }
            }
        });
        receiver
    }

    /// Every hosted zone, then every change; a reader that falls behind gets a new snapshot.
    pub fn zones(&self) -> mpsc::Receiver<ZoneChange> {
        let (sender, receiver) = mpsc::channel(256);
        let zones = self.control_plane.route53.zones.clone();
        task::spawn("node-zones", async move {
            loop {
                let mut changes = zones.subscribe().await;
                while let Some(change) = changes.recv().await {
                    if sender.send(change).await.is_err() {
                        return;
                    }
                }
            }
        });
        receiver
    }

    /// Durable once it answers. A report of a task nobody knows any more is dropped.
    pub async fn report(&self, report: &TaskReport) -> Result<(), AwsError> {
        match self.grant(&report.task_id).await? {
            Some(grant) => observe::report(&self.control_plane.house, &grant.key, report).await,
            None => {
                tracing::warn!(
                    task = report.task_id,
                    "a report of an unknown task is dropped"
                );
                Ok(())
            }
        }
    }

    /// What tasks of this node use becomes metrics; of others nothing is believed.
    pub fn usage(&self, used: &[TaskUsage]) {
        for used in used {
            let row = self.control_plane.ecs.fleet.find(&used.task_id);
            if let Some(row) = row.filter(|row| row.node == self.node) {
                let ControlPlane { house, ecs, .. } = &*self.control_plane;
                ecs.usages.told(house, &row, used);
            }
        }
    }

    /// What this host saw of flows, whose interfaces are its tasks', instances' and load balancers'.
    pub fn flows_of_this_host(&self, seen: &[FlowReport]) {
        self.control_plane.ec2.flow_logs.told(seen.iter().cloned());
    }

    /// What another host saw of the flows of its tasks; of others nothing is believed.
    ///
    /// # Errors
    /// The store's.
    pub async fn flows(&self, seen: Vec<FlowReport>) -> Result<(), AwsError> {
        let ControlPlane {
            house, ecs, ec2, ..
        } = &*self.control_plane;
        let mut own = BTreeSet::new();
        for row in ecs.fleet.of_node(&self.node) {
            let task = house.db.get_key::<Task>(&row.key).await?;
            let interface = task
                .as_ref()
                .and_then(|t| t.spec.assignment.network.interface());
            own.extend(interface.map(|i| (i.vpc_id.clone(), i.private_ipv4)));
        }
        let own = seen.into_iter().map(|mut report| {
            let vpc_id = report.vpc_id.clone();
            let is_own = |address: &Ipv4Addr| own.contains(&(vpc_id.clone(), *address));
            report.interfaces.retain(is_own);
            report.flows.retain(|flow| is_own(&flow.interface()));
            report
        });
        ec2.flow_logs.told(own);
        Ok(())
    }

    /// Where tasks are looked up.
    fn known(&self) -> (&Db, &Fleet) {
        (&self.control_plane.house.db, &self.control_plane.ecs.fleet)
    }

    /// What a task of this node entitles it to; `None` when nobody knows the task any more.
    async fn grant(&self, task_id: &str) -> Result<Option<Arc<Grant>>, AwsError> {
        self.grants.of(self.known(), &self.node, task_id).await
    }

    /// The output named `source` of one of this node's tasks goes to `target`.
    async fn check_logs(&self, target: &LogTarget, source: &str) -> Result<(), AwsError> {
        let (task_id, container) = source.split_once('/').unwrap_or((source, ""));
        match self.grant(task_id).await? {
            Some(grant) if grant.logs_to(container, target) => Ok(()),
            _ => Err(grant::denied(
                "No task of this node writes to this log stream.",
            )),
        }
    }

    /// Store a container's output; see [`neargate_logs::Logs::ingest`].
    pub async fn put_logs(
        &self,
        target: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, AwsError> {
        self.check_logs(target, source).await?;
        self.control_plane
            .logs
            .ingest(&self.control_plane.house, target, source, span, lines)
            .await
    }

    /// How much of a container's output is stored.
    pub async fn log_offset(&self, target: &LogTarget, source: &str) -> Result<u64, AwsError> {
        self.check_logs(target, source).await?;
        self.control_plane
            .logs
            .offset(&self.control_plane.house, target, source)
            .await
    }

    /// New keys of the role of one of this node's tasks, whose session bears the task's id.
    pub async fn role_credentials(&self, task_id: &str) -> Result<RoleCredentials, AwsError> {
        let task = self.task(task_id).await?;
        let role = task.spec.assignment.task_role_arn.as_deref();
        let role = role.ok_or_else(|| grant::denied("The task has no role."))?;
        let house = &self.control_plane.house;
        let issued_at = house.now();
        let keys = session::of_role(house, role, task_id, ROLE_SESSION).ok_or_else(|| {
            grant::denied("The task's role does not exist, or nobody may assume it.")
        })?;
        Ok(RoleCredentials {
            role_arn: role.to_owned(),
            access_key_id: keys.access_key,
            secret_access_key: keys.secret_key,
            token: keys.token,
            issued_at,
            expires_at: keys.expires_at,
        })
    }

    /// The tags of one of this node's tasks.
    pub async fn tags(&self, task_id: &str) -> Result<TaskTags, AwsError> {
        let task = self.task(task_id).await?.spec.assignment;
        endpoint::tags(&self.control_plane.house, &task).await
    }

    /// The protection of one of this node's tasks.
    pub async fn protection(
        &self,
        task_id: &str,
        change: Option<ProtectionChange>,
    ) -> Result<ProtectionAnswer, AwsError> {
        let task = self.task(task_id).await?.spec.assignment;
        let role = task.task_role_arn.as_deref();
        let role = role.ok_or_else(|| grant::denied("The task has no role."))?;
        endpoint::protection(&self.control_plane.house, &task, role, change).await
    }

    /// The secrets of one of this node's tasks.
    pub async fn secrets(&self, task_id: &str) -> Result<SecretsAnswer, AwsError> {
        let task = self.task(task_id).await?;
        let read = secrets::read(&self.control_plane.house, &task.spec.assignment).await;
        match read {
            Ok(secrets) => Ok(SecretsAnswer::Read(secrets)),
            Err(Unread::Missing(message)) => Ok(SecretsAnswer::Missing { message }),
            Err(Unread::Failed(error)) => Err(error),
        }
    }

    /// Configures the proxy in a container of one of this node's tasks, until either ends.
    ///
    /// # Errors
    /// The task is none of this node's.
    pub async fn proxy<I>(&self, task_id: &str, container: &str, io: I) -> Result<(), AwsError>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let unknown = || grant::denied("The task is not assigned to this node.");
        let grant = self.grant(task_id).await?.ok_or_else(unknown)?;
        let task = self.task(task_id).await?.spec.assignment;
        let proxy = Proxy {
            account: task.account,
            region: task.region,
            task_id: task.task_id,
            task_arn: task.task_arn,
            task_key: grant.key.clone(),
            task_role_arn: task.task_role_arn,
            container: container.to_owned(),
            // It says itself what it stands for.
            resource: String::new(),
        };
        neargate_xds::serve(io, proxy, self.control_plane.proxies.clone()).await;
        Ok(())
    }

    async fn task(&self, task_id: &str) -> Result<Task, AwsError> {
        let unknown = || grant::denied("The task is not assigned to this node.");
        let grant = self.grant(task_id).await?.ok_or_else(unknown)?;
        let task = self.control_plane.house.db.get_key::<Task>(&grant.key);
        let task = task.await?.ok_or_else(unknown)?;
        Ok(task.value)
    }

    /// Where an image named by a task of this account and region is.
    pub async fn resolve_image(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Resolved, AwsError> {
        let scope = Scope {
            account: account.clone(),
            region: region.clone(),
        };
        let known = self.known();
        if !self
            .grants
            .has_image(known, &self.node, &scope, name)
            .await?
        {
            return Err(grant::denied("No task of this node has this image."));
        }
        ecr::resolve(&self.control_plane.house, &scope, name).await
    }
}

/// Turns the store's task records into a node's changes. Which tasks are a node's the index
/// knows: the records of all the others, most of them, are not even decoded.
struct Follower {
    db: Db,
    fleet: Arc<Fleet>,
    node: String,
    grants: Arc<Grants>,
    sender: mpsc::Sender<Change>,
}

impl Follower {
    /// Ends well when the node stops listening.
    async fn follow(&self, backoff: &mut Backoff) -> Result<(), AwsError> {
        let prefix = format!("{}/", Task::KIND);
        // Asked for first: a change in between is seen twice, not lost.
        let revision = self.db.store().revision().await?;
        self.fleet.at(revision).await;
        let mut snapshot = Vec::new();
        for row in self.fleet.of_node(&self.node) {
            let task = self.db.get_key::<Task>(&row.key).await?;
            if let Some(task) = task.filter(|task| self.is_ours(task)) {
                self.grants.add(&task.key, &task.value);
                snapshot.push(task.value.spec.assignment);
            }
        }
        self.grants.complete();
        if self.sender.send(Change::Snapshot(snapshot)).await.is_err() {
            return Ok(());
        }
        let mut sent: HashMap<String, u64> = HashMap::new();
        let mut watch = self.db.store().watch(&prefix, Some(revision + 1)).await?;
        loop {
            let batch = tokio::select! {
                batch = watch.next() => batch?,
                () = self.sender.closed() => return Ok(()),
            };
            backoff.reset();
            for event in batch.events {
                let Some(change) = self.change(&event, &mut sent)? else {
                    continue;
                };
                if self.sender.send(change).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    /// What an event means to the node: nothing, when only the status changed.
    fn change(
        &self,
        event: &Event,
        sent: &mut HashMap<String, u64>,
    ) -> Result<Option<Change>, AwsError> {
        let entry = match event {
            Event::Put(entry) => entry,
            Event::Delete { key, .. } => {
                let id = key.rsplit('/').next().unwrap_or_default().to_owned();
                let known = self.grants.remove(&id);
                sent.remove(&id);
                return Ok(known.then_some(Change::Removed(id)));
            }
        };
        // A task's node never changes once it has one. One that the index does not have yet, or has
        // without a node, may be anybody's.
        let row = self.fleet.task(&entry.key);
        if row.is_some_and(|row| !row.node.is_empty() && row.node != self.node) {
            return Ok(None);
        }
        let task = db::decode::<Task>(entry)?.value;
        if task.spec.node != self.node {
            return Ok(None);
        }
        let id = task.spec.assignment.task_id.clone();
        if task.status.last_status == TaskStatus::Stopped {
            sent.remove(&id);
            // What it wrote may still be on its way: its grant stays until it is forgotten.
            return Ok(Some(Change::Removed(id)));
        }
        self.grants.add(&entry.key, &task);
        let generation = task.spec.assignment.generation;
        if sent.insert(id, generation) == Some(generation) {
            return Ok(None);
        }
        Ok(Some(Change::Changed(Box::new(task.spec.assignment))))
    }

    fn is_ours(&self, task: &Task) -> bool {
        task.spec.node == self.node && task.status.last_status != TaskStatus::Stopped
    }
}
