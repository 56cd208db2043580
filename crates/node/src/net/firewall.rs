//! Running `nft`; and the one task that changes the firewall of a container instance. It knows which sender each port has, and gathers the
//! changes that arrive while `nft` runs into its next run: starting the process costs far more
//! than an element does.

use super::error::NetworkError;
use super::netns::Place;
use super::ruleset::{self, Sender};
use neargate_base::task::spawn;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The most changes in one run of `nft`.
const BATCH: usize = 256;

#[derive(Debug)]
enum Change {
    Allow(Sender),
    Deny(String),
    Remove,
}

#[derive(Debug)]
struct Request {
    change: Change,
    done: oneshot::Sender<Result<(), String>>,
}

/// The way to the firewall's task, which ends with the last of these.
#[derive(Debug, Clone)]
pub(super) struct Firewall {
    requests: mpsc::Sender<Request>,
    senders: Senders,
}

/// The senders, keyed by port. Only the firewall's task changes them.
type Senders = Arc<Mutex<HashMap<String, Sender>>>;

impl Firewall {
    /// Takes over a table of `place` that [`ruleset::instance`] was loaded into.
    pub(super) fn start(table: String, place: Place, senders: Vec<Sender>) -> Firewall {
        let (requests, inbox) = mpsc::channel(BATCH);
        let senders = senders.into_iter().map(|s| (s.veth.clone(), s)).collect();
        let senders: Senders = Arc::new(Mutex::new(senders));
        let state = State {
            table,
            place,
            senders: Arc::clone(&senders),
        };
        spawn("firewall", state.run(inbox));
        Firewall { requests, senders }
    }

    /// The ports that may send something now.
    pub(super) fn veths(&self) -> Vec<String> {
        self.senders.lock().keys().cloned().collect()
    }

    /// The port may send as this, and as nothing else.
    pub(super) async fn allow(&self, sender: Sender) -> Result<(), NetworkError> {
        self.request(Change::Allow(sender)).await
    }

    /// The port may send nothing.
    pub(super) async fn deny(&self, veth: String) -> Result<(), NetworkError> {
        self.request(Change::Deny(veth)).await
    }

    /// Removes the tables.
    pub(super) async fn remove(&self) -> Result<(), NetworkError> {
        self.request(Change::Remove).await
    }

    async fn request(&self, change: Change) -> Result<(), NetworkError> {
        let (done, result) = oneshot::channel();
        let sent = self.requests.send(Request { change, done }).await;
        sent.map_err(|_| NetworkError::Thread)?;
        result
            .await
            .map_err(|_| NetworkError::Thread)?
            .map_err(NetworkError::Nft)
    }
}

struct State {
    table: String,
    place: Place,
    senders: Senders,
}

impl State {
    async fn run(self, mut inbox: mpsc::Receiver<Request>) {
        let mut batch = Vec::new();
        while inbox.recv_many(&mut batch, BATCH).await > 0 {
            let script: String = batch.iter().map(|r| self.apply(&r.change)).collect();
            let result = run_async(&self.place, script).await;
            if result.is_ok() || batch.len() == 1 {
                for r in batch.drain(..) {
                    let _ = r.done.send(result.clone());
                }
                continue;
            }
            // A transaction is all or nothing: find the one that is at fault.
            for r in batch.drain(..) {
                let script = self.apply(&r.change);
                let _ = r.done.send(run_async(&self.place, script).await);
            }
        }
    }

    /// The text that makes the change, whatever the state before it; and the state after it.
    fn apply(&self, change: &Change) -> String {
        match change {
            Change::Allow(sender) => {
                let old = self
                    .senders
                    .lock()
                    .insert(sender.veth.clone(), sender.clone());
                let old = old.filter(|old| old != sender);
                let delete = old
                    .map(|old| ruleset::delete(&self.table, &old))
                    .unwrap_or_default();
                delete + &ruleset::add(&self.table, sender)
            }
            Change::Deny(veth) => {
                let gone = self.senders.lock().remove(veth);
                gone.map(|s| ruleset::delete(&self.table, &s))
                    .unwrap_or_default()
            }
            Change::Remove => {
                self.senders.lock().clear();
                ruleset::remove(&["bridge", "inet"], &self.table)
            }
        }
    }
}

async fn run_async(place: &Place, script: String) -> Result<(), String> {
    if script.is_empty() {
        return Ok(());
    }
    let run = place.clone().run(move || run(&script)).await;
    run.map_err(|e| e.to_string())
}

/// Runs one script, all or nothing.
pub(super) fn run(script: &str) -> Result<(), NetworkError> {
    nft(&["-f", "-"], script).map(|_| ())
}

/// The tables that there are, each with its family.
pub(super) fn tables() -> Result<Vec<(String, String)>, NetworkError> {
    let listing = nft(&["list", "tables"], "")?;
    let table = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["table", family, name] => Some((family.to_owned(), name.to_owned())),
        _ => None,
    };
    Ok(listing.lines().filter_map(table).collect())
}

/// The senders a table holds.
pub(super) fn senders(table: &str) -> Result<Vec<Sender>, NetworkError> {
    nft(&["list", "set", "bridge", table, "senders"], "").map(|text| ruleset::parse(&text))
}

/// The senders an instance's table holds, with the ports published to each.
pub(super) fn publishers(table: &str) -> Result<Vec<Sender>, NetworkError> {
    let mut all = senders(table)?;
    let listing = nft(&["list", "map", "inet", table, "published"], "")?;
    for (address, port) in ruleset::parse_published(&listing) {
        if let Some(sender) = all.iter_mut().find(|s| s.address == address) {
            sender.published.push(port);
        }
    }
    all.iter_mut().for_each(|s| s.published.sort());
    Ok(all)
}

/// What `nft` prints; its first line of complaint if it fails.
pub(super) fn nft(args: &[&str], input: &str) -> Result<String, NetworkError> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => NetworkError::NftMissing,
        _ => NetworkError::Nft(e.to_string()),
    };
    let mut child = Command::new("nft")
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // A script is far smaller than what nft prints before it has read it, so this cannot block.
    let written = child
        .stdin
        .take()
        .expect("stdin is piped")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(NetworkError::Nft(
            text.lines().next().unwrap_or("failed").to_owned(),
        ));
    }
    written.map_err(failed)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
