//! The processes before this one: another build's, which has the sockets, and those that have nothing
//! left but connections.
//!
//! Each is told everything that this process is told of load balancers for as long as it is there, so
//! that its last requests go where they should.

use super::keeper::kill;
use super::server::line;
use super::sockets::Received;
use super::told::{Sockets, Told};
use crate::load_balancer::{HandedSockets, LoadBalancerStates};
use neargate_base::task::spawn;
use neargate_domain::load_balancer::TargetHealth;
use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// How long one of them may take for anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Before {
    all: Vec<mpsc::UnboundedSender<Ask>>,
    asked_for_resolver: Cell<bool>,
    asked_for_load_balancers: Cell<bool>,
}

#[derive(Debug)]
enum Ask {
    Tell(Vec<u8>),
    Sockets(Sockets, oneshot::Sender<(HandedSockets, Vec<TargetHealth>)>),
}

impl Before {
    /// Those whose sockets are in `dir`, each named by its process's number. `word` is in the
    /// command line of each.
    pub(super) async fn find(dir: &Path, word: &Path) -> Before {
        let mut before = Before::default();
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            match UnixStream::connect(&path).await {
                Ok(stream) => {
                    let (ask, asks) = mpsc::unbounded_channel();
                    spawn("edge-before", follow(stream, path, word.to_owned(), asks));
                    before.all.push(ask);
                }
                Err(_) => {
                    // It ended.
                    let _ = fs::remove_file(&path);
                }
            }
        }
        before
    }

    /// Has each be told how this process finds targets.
    pub(super) fn tell_health(&self, mut states: watch::Receiver<LoadBalancerStates>) {
        let all = self.all.clone();
        if all.is_empty() {
            return;
        }
        spawn("edge-before-health", async move {
            while states.changed().await.is_ok() {
                let found = states.borrow_and_update();
                let found = found.values().flat_map(|state| state.targets.clone());
                let Ok(line) = line(&Told::Health(found.collect())) else {
                    return;
                };
                for one in &all {
                    // It ended.
                    let _ = one.send(Ask::Tell(line.clone()));
                }
            }
        });
    }

    /// The resolver's sockets of those that have some, once.
    pub(super) async fn resolver(&self) -> HandedSockets {
        match self.asked_for_resolver.replace(true) {
            true => HandedSockets::new(),
            false => self.sockets(Sockets::Resolver).await.0,
        }
    }

    /// Load balancers' sockets of those that have some, and how they found targets, once.
    pub(super) async fn load_balancers(&self) -> (HandedSockets, Vec<TargetHealth>) {
        match self.asked_for_load_balancers.replace(true) {
            true => Default::default(),
            false => self.sockets(Sockets::LoadBalancers).await,
        }
    }

    async fn sockets(&self, which: Sockets) -> (HandedSockets, Vec<TargetHealth>) {
        let (mut sockets, mut known) = (HandedSockets::new(), Vec::new());
        for one in &self.all {
            let (tell, told) = oneshot::channel();
            let _ = one.send(Ask::Sockets(which, tell));
            let (more, health) = told.await.unwrap_or_default();
            sockets.extend(more);
            known.extend(health);
        }
        (sockets, known)
    }

    /// Has each be told a line that this process was told.
    pub(super) fn tell(&self, told: &str) {
        for one in &self.all {
            // It ended.
            let _ = one.send(Ask::Tell(format!("{told}\n").into_bytes()));
        }
    }
}

/// Follows one until it ends. One that hangs is ended, for it has what others need.
async fn follow(
    mut stream: UnixStream,
    path: PathBuf,
    word: PathBuf,
    mut asks: mpsc::UnboundedReceiver<Ask>,
) {
    let mut received = Received::default();
    loop {
        let done = tokio::select! {
            ask = asks.recv() => match ask {
                Some(Ask::Tell(line)) => timeout(PATIENCE, stream.write_all(&line)).await,
                Some(Ask::Sockets(which, tell)) => {
                    let handed = timeout(PATIENCE, take(&mut stream, &mut received, which)).await;
                    handed.map(|handed| handed.map(|handed| {
                        // Whoever asked is gone.
                        let _ = tell.send(handed);
                    }))
                }
                None => return,
            },
            // What it says of itself is not needed, but that it is there.
            line = received.line(&stream) => Ok(line.map(drop)),
        };
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the process before ended");
                break;
            }
            Err(_) => {
                let name = path.file_name().and_then(|name| name.to_str());
                kill(name.and_then(|name| name.parse().ok()), &word).await;
                break;
            }
        }
    }
    let _ = fs::remove_file(&path);
}

async fn take(
    stream: &mut UnixStream,
    received: &mut Received,
    which: Sockets,
) -> io::Result<(HandedSockets, Vec<TargetHealth>)> {
    stream.write_all(&line(&Told::Offer(which))?).await?;
    let handed = received.sockets(stream).await?;
    stream.write_all(&line(&Told::Taken)?).await?;
    Ok(handed)
}
