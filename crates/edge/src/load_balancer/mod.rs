//! Load balancers: what stands between clients and targets.
//!
//! A control thread opens ports and checks targets; workers, one for each processor, carry traffic.
//! There is no thread before there is a load balancer. HTTP is read and written by our own code: it
//! answers with AWS's status codes and pages, refuses what two readers could understand in two ways,
//! and holds no buffer for a connection that waits.
//!
//! Invariants: a request sees one state of its listener from its beginning to its end; a port stays
//! open while what is behind it changes; a connection to a target carries one request at a time, and
//! none after anything doubtful.

#![expect(dead_code, reason = "logs, cookies and TLS will read it")]

mod client_certificate;
mod control;
mod health;
mod http;
mod http2;
mod listener;
mod observed;
mod pattern;
mod place;
mod route;
mod settings;
mod stream;
mod target;
mod tcp;
mod tls;
mod token;
mod udp;
mod worker;

#[cfg(test)]
mod tests;

use control::{ToControl, Watch};
use neargate_base::Rng;
use neargate_domain::load_balancer::{LoadBalancerChange, TargetHealth};
pub use observed::counts::{Counted, Totals};
use observed::files::Logs;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

/// How a load balancer is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancerState {
    /// All its listeners take connections on all its nodes.
    pub is_listening: bool,
    /// Why not.
    pub problems: Vec<String>,
    pub targets: Vec<TargetHealth>,
}

/// By ARN.
pub type LoadBalancerStates = BTreeMap<String, Arc<LoadBalancerState>>;

/// Sockets that one process hands to another, each under a name that both make in the same way.
pub type HandedSockets = BTreeMap<String, OwnedFd>;

/// All load balancers of this process.
#[derive(Debug)]
pub struct LoadBalancers {
    interfaces: Option<PathBuf>,
    rng: Arc<Rng>,
    control: Mutex<Option<mpsc::UnboundedSender<ToControl>>>,
    states: watch::Sender<LoadBalancerStates>,
    watched: Mutex<Watch>,
    logs: Option<PathBuf>,
}

impl LoadBalancers {
    /// Nothing is started yet. `interfaces` is what the paths of interfaces' namespaces begin
    /// with; the interface's id ends it. Without it nodes are in this process's own namespace.
    /// Logs are written below the directory `logs`; without it none are.
    pub fn new(interfaces: Option<PathBuf>, logs: Option<PathBuf>, rng: Arc<Rng>) -> LoadBalancers {
        LoadBalancers {
            interfaces,
            rng,
            control: Mutex::new(None),
            states: watch::Sender::new(LoadBalancerStates::new()),
            watched: Mutex::default(),
            logs,
        }
    }

    /// Has a change happen. `known` is what an earlier process found of targets: it holds until they
    /// are checked.
    pub fn tell(&self, change: LoadBalancerChange, known: Vec<TargetHealth>) {
        let mut control = self.control.lock();
        let is_nothing = match &change {
            LoadBalancerChange::Snapshot(all) => all.is_empty(),
            LoadBalancerChange::LoadBalancer(_) => false,
            LoadBalancerChange::Gone(_) => true,
        };
        if control.is_none() && !is_nothing {
            match self.start() {
                Ok(started) => *control = Some(started),
                Err(error) => tracing::error!(%error, "load balancers cannot be started"),
            }
        }
        drop(control);
        self.send(ToControl::Change { change, known });
    }

    fn send(&self, news: ToControl) {
        if let Some(control) = &*self.control.lock() {
            // It ends after this.
            let _ = control.send(news);
        }
    }

    /// Takes over ports of another process, for what is told next.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn take(&self, sockets: HandedSockets) -> io::Result<()> {
        let mut control = self.control.lock();
        if control.is_none() && !sockets.is_empty() {
            *control = Some(self.start()?);
        }
        drop(control);
        self.send(ToControl::Take(sockets));
        Ok(())
    }

    /// The open ports, for another process to take: from now on nothing is accepted here and no
    /// target is checked. What is under way goes on. [`LoadBalancers::resume`] or
    /// [`LoadBalancers::leave`] follows.
    pub async fn offer(&self) -> HandedSockets {
        let (tell, told) = oneshot::channel();
        self.send(ToControl::Offer(tell));
        // Without a thread for load balancers there are none.
        told.await.unwrap_or_default()
    }

    /// Nobody took the ports.
    pub fn resume(&self) {
        self.send(ToControl::Resume);
    }

    /// Another process has the ports: connections end as soon as their clients can be told so.
    pub fn leave(&self) {
        self.send(ToControl::Leave);
    }

    /// How the process that has the ports finds targets.
    pub fn set_health(&self, found: Vec<TargetHealth>) {
        self.send(ToControl::Health(found));
    }

    /// How many connections clients have.
    pub fn connections(&self) -> usize {
        self.watched.lock().connections.count()
    }

    /// What was counted since this process began.
    pub fn counted(&self) -> Vec<Counted> {
        self.watched.lock().table.now()
    }

    /// Nothing was told that is to be carried.
    pub fn are_none(&self) -> bool {
        self.control.lock().is_none()
    }

    pub fn states(&self) -> watch::Receiver<LoadBalancerStates> {
        self.states.subscribe()
    }

    fn start(&self) -> io::Result<mpsc::UnboundedSender<ToControl>> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..count).map(|_| worker::start(Arc::clone(&self.rng)));
        let workers: Arc<[_]> = workers.collect::<io::Result<Vec<_>>>()?.into();
        let (tell, told) = mpsc::unbounded_channel();
        let (interfaces, states) = (self.interfaces.clone(), self.states.clone());
        let mut watched = self.watched.lock();
        if let (Some(dir), None) = (&self.logs, &watched.logs) {
            watched.logs = Some(Logs::start(dir.clone(), Arc::clone(&self.rng))?);
        }
        let watched = watched.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new().name("load-balancers".into());
        thread.spawn(move || {
            let run = control::run(interfaces, workers, told, states, watched);
            LocalSet::new().block_on(&runtime, run);
        })?;
        Ok(tell)
    }
}
