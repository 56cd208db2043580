//! One task's owner: it takes in events, plans, begins the planned actions and carries each out
//! in an operation of its own, whose outcome comes back as an event. Nobody else touches the
//! task's state; nothing here decides.

use super::endpoint::{Seen, TaskEndpoint};
use super::ledger::{Entry, Ledger};
use super::observe::Event;
use super::operation;
use super::plan::{Action, begin, plan};
use super::route::Carrier;
use super::seams::{Plumb, Pull};
use super::shipper::{LogWatch, Shipper, discard_bytes, first_line};
use super::state::{Network, Phase, TaskState};
use crate::capability::Allowed;
use crate::runtime::{Container, Runtime};
use crate::upstream::Upstream;
use crate::volume::Volumes;
use neargate_base::backoff::Backoff;
use neargate_base::{Clock, Rng, task};
use neargate_domain::LogTarget;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// The longest sleep: the wall clock may be set forward meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How long a receiver that is not our own may leave the last lines of a container waiting.
const RECEIVER_DRAIN: Duration = Duration::from_secs(10);
/// How long a shutdown waits for containers that are just being started.
const SETTLE: Duration = Duration::from_secs(5);
const SIGKILL: i32 = 9;

/// What all drivers share; none of it changes.
#[derive(Debug)]
pub struct Shared {
    /// This node's id.
    pub node: Arc<str>,
    pub endpoint: Arc<TaskEndpoint>,
    /// Where tasks find AWS's services, unless their names lead there.
    pub api_url: Option<String>,
    pub builders: Option<super::builder::Builders>,
    pub proxies: super::proxy::Proxies,
    pub upstream: Arc<dyn Upstream>,
    pub images: Arc<dyn Pull>,
    pub network: Arc<dyn Plumb>,
    pub runtime: Arc<dyn Runtime>,
    pub ledger: Ledger,
    pub watch: Arc<LogWatch>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<Rng>,
    pub pulls: Semaphore,
    pub starts: Semaphore,
    pub log_drain_limit: Duration,
    pub allowed: Allowed,
    pub volumes: Volumes,
    /// One task's namespaces are made at a time.
    pub pauses: tokio::sync::Mutex<()>,
    pub shutdown: CancellationToken,
}

/// What reaches a driver.
#[derive(Debug)]
pub enum Message {
    Event(Event),
    /// Container `0` runs; then as [`Event::Started`].
    Live(usize, Arc<dyn Container>),
    /// What is known of the task now is asked for.
    Describe(oneshot::Sender<Box<Seen>>),
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Message::Event(event)
    }
}

/// Where a driver's messages go.
pub type Sender = mpsc::UnboundedSender<Message>;

/// What the driver holds of one container besides its state.
#[derive(Debug, Default)]
struct Slot {
    container: Option<Arc<dyn Container>>,
    /// Its log file is complete.
    log_end: CancellationToken,
    shipping: bool,
    /// Its pull and log check, which end with the container.
    preparing: Vec<AbortHandle>,
}

/// The owner of one task.
#[derive(Debug)]
pub struct Driver {
    pub shared: Arc<Shared>,
    pub state: TaskState,
    slots: Vec<Slot>,
    tx: Sender,
    rx: mpsc::UnboundedReceiver<Message>,
    /// Manifest digests that image collection must spare.
    images_in_use: watch::Sender<Vec<String>>,
    operations: Vec<AbortHandle>,
    /// What of the clock's being set the state knows already.
    set_by_millis: i64,
    report_backoff: Backoff,
    save_backoff: Backoff,
}

/// A driver's outside.
#[derive(Debug)]
pub struct Handle {
    pub tx: Sender,
    pub images_in_use: watch::Receiver<Vec<String>>,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, state: TaskState) -> (Driver, Handle) {
        let (tx, rx) = mpsc::unbounded_channel();
        let (images_in_use, images_rx) = watch::channel(Vec::new());
        let slots = state.containers.iter().map(|_| Slot::default()).collect();
        let handle = Handle {
            tx: tx.clone(),
            images_in_use: images_rx,
        };
        let set_by_millis = shared.clock.set_by_millis();
        let driver = Driver {
            shared,
            state,
            slots,
            tx,
            rx,
            images_in_use,
            operations: Vec::new(),
            set_by_millis,
            report_backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            save_backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
        };
        (driver, handle)
    }

    /// Drive the task to its end. True: it is forgotten; false: the agent shuts down.
    pub async fn run(mut self) -> bool {
        let shutdown = self.shared.shutdown.clone();
        for i in 0..self.slots.len() {
            self.ship(i);
        }
        while !shutdown.is_cancelled() {
            let wake_at = self.act();
            self.note_images();
            if self.state.forgetting == super::state::Once::Done {
                self.shared.endpoint.remove(&self.state.assignment);
                self.abort();
                return true;
            }
            let now = self.now();
            let sleep = wake_at.map_or(LOOK_AGAIN, |at| at.since(now).min(LOOK_AGAIN));
            tokio::select! {
                message = self.rx.recv() => {
                    if let Some(message) = message {
                        self.take(message);
                    }
                }
                () = tokio::time::sleep(sleep) => {}
                () = shutdown.cancelled() => {}
            }
            while let Ok(message) = self.rx.try_recv() {
                self.take(message);
            }
        }
        self.settle().await;
        false
    }

    /// What the clock shows; when it was set, what the task waits for moves along.
    fn now(&mut self) -> neargate_base::Timestamp {
        let by = self.shared.clock.set_by_millis() - self.set_by_millis;
        if by != 0 {
            self.set_by_millis += by;
            self.state.clock_set(by);
        }
        self.shared.clock.now()
    }

    /// Plan and begin until there is nothing to begin; answers when to think again.
    fn act(&mut self) -> Option<neargate_base::Timestamp> {
        loop {
            let now = self.now();
            let plan = plan(&self.state, now);
            if plan.actions.is_empty() {
                return plan.wake_at;
            }
            for action in plan.actions {
                // What the action needs is taken before it is marked as begun.
                let prepared = operation::prepare(&self.state, &action);
                begin(&mut self.state, &action, now);
                tracing::debug!(task_id = self.state.assignment.task_id, ?action, "act");
                self.carry_out(action, prepared);
            }
        }
    }

    fn carry_out(&mut self, action: Action, prepared: operation::Prepared) {
        let shared = Arc::clone(&self.shared);
        let task_id = self.state.assignment.task_id.clone();
        match action {
            Action::Save { version, durable } => {
                let entry = Entry::of(&self.state, shared.ledger.boot_id());
                let retry = self.save_backoff.next_delay(&shared.rng);
                let what = (version, durable);
                let tx = self.tx.clone();
                self.spawn(
                    "ledger-save",
                    operation::save(shared, tx, entry, what, retry),
                );
            }
            Action::AttachNetwork => {
                let assignment = operation::with_kept_ports(&self.state);
                self.spawn("attach", operation::attach(shared, assignment));
            }
            Action::ReadSecrets => {
                self.spawn("secrets", operation::secrets(shared, task_id));
            }
            Action::Pull(i) => {
                let handle = self.spawn("pull", operation::pull(shared, prepared, i));
                self.slots[i].preparing.push(handle);
            }
            Action::CheckLogs(i) => {
                let handle = self.spawn("log-check", operation::check_logs(shared, prepared, i));
                self.slots[i].preparing.push(handle);
            }
            Action::Start(i) => {
                self.spawn("start", operation::start(shared, prepared, i));
            }
            Action::Restart(i) => {
                self.spawn("restart", operation::restart(shared, prepared, i));
            }
            Action::Check(i) => self.check(i),
            Action::GiveUp(i, _) => {
                self.slots[i].preparing.drain(..).for_each(|op| op.abort());
                self.ship_the_rest(i);
            }
            Action::Signal(i, signal) => self.signal(i, signal),
            Action::Kill(i) => self.signal(i, SIGKILL),
            Action::Discard(i) => {
                let name = self.state.assignment.containers[i].name.clone();
                self.spawn("discard", operation::discard(shared, task_id, name, i));
            }
            Action::ReleaseNetwork => {
                self.spawn("detach", operation::release_network(shared, task_id));
            }
            Action::RemoveTask => {
                // Nothing is left to read, or nobody to read it.
                self.slots.iter().for_each(|s| s.log_end.cancel());
                self.spawn("remove-task", operation::remove_task(shared, task_id));
            }
            Action::Report(report) => {
                let retry = self.report_backoff.next_delay(&shared.rng);
                self.spawn("report", operation::report(shared, report, retry));
            }
            Action::Forget => {
                self.spawn("forget", operation::forget(shared, task_id));
            }
        }
    }

    fn check(&mut self, i: usize) {
        let spec = &self.state.assignment.containers[i];
        let what = format!("{}/{}", self.state.assignment.task_id, spec.name);
        let check = spec.health_check.clone();
        if check.as_ref().is_some_and(super::proxy::is_own_check) {
            let (spec, netns) = (spec.clone(), self.netns(i));
            self.spawn("proxy-check", async move {
                let is_ready = match netns {
                    Some(netns) => super::proxy::is_ready(&netns, &spec).await,
                    None => false,
                };
                Some(Event::Checked(i, Some(is_ready)).into())
            });
            return;
        }
        match (self.slots[i].container.clone(), check) {
            (Some(container), Some(check)) => {
                self.spawn("health-check", operation::check(container, check, i, what));
            }
            _ => self.take(Event::Checked(i, None).into()),
        }
    }

    fn netns(&self, i: usize) -> Option<PathBuf> {
        let Network::Ready(links) = &self.state.network else {
            return None;
        };
        let joined = links.get(i)?.as_ref().ok()?;
        joined.netns.clone()
    }

    fn signal(&mut self, i: usize, signal: i32) {
        if let Some(container) = self.slots[i].container.clone() {
            let what = format!(
                "{}/{}",
                self.state.assignment.task_id, self.state.assignment.containers[i].name
            );
            let proxy = match signal {
                SIGKILL => None,
                _ => super::proxy::Ending::of(&self.state.assignment, i),
            };
            let (netns, clock) = (self.netns(i), Arc::clone(&self.shared.clock));
            self.spawn("signal", async move {
                if let (Some(proxy), Some(netns)) = (proxy, netns) {
                    proxy.wait(&*clock, &netns).await;
                }
                if let Err(error) = container.signal(signal).await {
                    tracing::warn!(
                        what,
                        signal,
                        error = &error as &dyn std::error::Error,
                        "signal not sent"
                    );
                }
                None
            });
        }
    }

    /// Run an operation; the message it ends with, if any, comes back here.
    fn spawn<F>(&mut self, name: &'static str, operation: F) -> AbortHandle
    where
        F: Future<Output = Option<Message>> + Send + 'static,
    {
        let tx = self.tx.clone();
        let running = task::spawn(name, async move {
            if let Some(message) = operation.await {
                // The driver is gone only at shutdown; the ledger and the shims know the rest.
                let _ = tx.send(message);
            }
        });
        self.operations.retain(|op| !op.is_finished());
        self.operations.push(running.abort_handle());
        running.abort_handle()
    }

    fn take(&mut self, message: Message) {
        let now = self.now();
        let event = match message {
            Message::Live(i, container) => {
                let started_at = container.started_at();
                self.hold(i, container);
                self.ship(i);
                Event::Started(i, started_at)
            }
            Message::Event(event) => event,
            Message::Describe(to) => {
                let running = self.slots.iter().map(|slot| slot.container.clone());
                let seen = Seen {
                    state: self.state.clone(),
                    running: running.collect(),
                };
                // Who has asked may be gone.
                let _ = to.send(Box::new(seen));
                return;
            }
        };
        let mut may_end = None;
        match &event {
            Event::Exited(i, _) | Event::Lost(i) => {
                self.slots[*i].container = None;
                may_end = Some(*i);
            }
            Event::StartFailed(i, _) | Event::ResourceFailed(i, _) => may_end = Some(*i),
            Event::Saved { .. } => self.save_backoff.reset(),
            Event::Reported(_) => self.report_backoff.reset(),
            _ => {}
        }
        let has_secrets = matches!(event, Event::SecretsRead(_));
        self.state.on(event, now);
        if let Some(i) = may_end {
            self.ship_the_rest(i);
        }
        if has_secrets {
            (0..self.slots.len()).for_each(|i| self.ship(i));
        }
    }

    /// The log of a container that has ended for good is complete.
    fn ship_the_rest(&mut self, i: usize) {
        if let Phase::Ended(_) = self.state.containers[i].phase {
            self.slots[i].log_end.cancel();
            self.ship(i);
        }
    }

    /// Keep a running container and wait for its end.
    pub fn hold(&mut self, i: usize, container: Arc<dyn Container>) {
        self.slots[i].container = Some(Arc::clone(&container));
        self.spawn("container-wait", async move {
            Some(Event::Exited(i, container.wait().await).into())
        });
    }

    /// Ship the container's output, if it has any and it is not being shipped yet.
    fn ship(&mut self, i: usize) {
        let (spec, c) = (
            &self.state.assignment.containers[i],
            &self.state.containers[i],
        );
        let ended = matches!(c.phase, Phase::Ended(_));
        let ran = ended || self.slots[i].container.is_some();
        if !ran || c.drained || self.slots[i].shipping || !spec.keeps_output() {
            return;
        }
        if ended {
            self.slots[i].log_end.cancel();
        }
        if let Some(target) = spec.log.clone() {
            let shipper = self.shipper(i, target);
            self.slots[i].shipping = true;
            self.spawn("ship-logs", async move {
                shipper.run().await;
                Some(Event::Drained(i).into())
            });
            return;
        }
        let wrote = !matches!(&c.phase, Phase::Ended(e) if e.started_at.is_none());
        if wrote && spec.has_secret_route() && !self.state.secrets.are_ready() {
            // Once they are read.
            return;
        }
        let carrier = wrote.then(|| self.carrier(i)).flatten();
        self.slots[i].shipping = true;
        self.spawn("carry-logs", async move {
            if let Some(carrier) = carrier {
                carrier.run().await;
            }
            Some(Event::Drained(i).into())
        });
    }

    fn log_of(&self, i: usize) -> (PathBuf, String) {
        let task_id = &self.state.assignment.task_id;
        let name = &self.state.assignment.containers[i].name;
        let dir = self.shared.runtime.state_dir(task_id, name);
        (dir.join("log"), format!("{task_id}/{name}"))
    }

    fn shipper(&self, i: usize, target: LogTarget) -> Shipper {
        let (path, source) = self.log_of(i);
        let spec = &self.state.assignment.containers[i];
        Shipper {
            path,
            source,
            upstream: Arc::clone(&self.shared.upstream),
            watch: Arc::clone(&self.shared.watch),
            rng: Arc::clone(&self.shared.rng),
            ended: self.slots[i].log_end.clone(),
            drain_limit: self.shared.log_drain_limit,
            // One that is no pattern was refused before the container's start.
            first_line: target.multiline.as_ref().and_then(|of| first_line(of).ok()),
            discard_bytes: discard_bytes(spec.log_buffer),
            target,
        }
    }

    /// `None`: its driver cannot be had, which was said before the container's start.
    fn carrier(&self, i: usize) -> Option<Carrier> {
        let (path, source) = self.log_of(i);
        let spec = &self.state.assignment.containers[i];
        let digest = self.state.containers[i].image_digest.as_deref();
        let secrets = self.state.secrets.of(&spec.name);
        let outlet = operation::outlet(&self.shared, &self.state.assignment, spec, digest, secrets);
        let outlet = match outlet? {
            Ok(outlet) => outlet,
            Err(why) => {
                tracing::warn!(source, why, "output is dropped");
                return None;
            }
        };
        Some(Carrier {
            path,
            outlet,
            source,
            watch: Arc::clone(&self.shared.watch),
            rng: Arc::clone(&self.shared.rng),
            ended: self.slots[i].log_end.clone(),
            drain_limit: self.shared.log_drain_limit.min(RECEIVER_DRAIN),
            discard_bytes: discard_bytes(spec.log_buffer),
        })
    }

    fn note_images(&self) {
        let digest = |c: &super::state::ContainerState| {
            c.image_digest
                .clone()
                .filter(|_| !matches!(c.phase, Phase::Ended(_)))
        };
        let digests: Vec<String> = self.state.containers.iter().filter_map(digest).collect();
        self.images_in_use.send_if_modified(|noted| {
            let changed = *noted != digests;
            if changed {
                let task_id = &self.state.assignment.task_id;
                self.shared.images.hold(task_id, &digests);
                *noted = digests;
            }
            changed
        });
    }

    /// At shutdown: let starts under way and ledger writes finish, then leave everything as is.
    async fn settle(mut self) {
        let under_way = |s: &TaskState| {
            s.saving.in_flight || s.containers.iter().any(|c| c.phase.is_starting())
        };
        let settled = async {
            while under_way(&self.state) {
                let Some(message) = self.rx.recv().await else {
                    return;
                };
                self.take(message);
            }
        };
        if tokio::time::timeout(SETTLE, settled).await.is_err() {
            tracing::warn!(
                task_id = self.state.assignment.task_id,
                "shut down while starting"
            );
        }
        self.abort();
        let saving = &self.state.saving;
        if saving.written > 0 && saving.written < saving.version {
            let entry = Entry::of(&self.state, self.shared.ledger.boot_id());
            let shared = Arc::clone(&self.shared);
            let save = move || shared.ledger.save(&entry, true, || ());
            if let Ok(Err(error)) = task::spawn_blocking(save).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "ledger not written"
                );
            }
        }
    }

    fn abort(&self) {
        self.operations.iter().for_each(AbortHandle::abort);
    }
}
