//! What containers ask of the node that runs them, at 169.254.170.2: the keys of their task's role, and
//! the task's metadata and statistics
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html>).
//!
//! It is one for all agents of a host, since a VPC has one such address, whichever agent a task of it
//! is of. It keeps no task's state: it asks the task's driver. Invariants: an answer is for who has the
//! task's address *and* knows an id that nobody else is told; the ids are the same after a restart, for
//! they are made from a key of this host.

mod agent_api;
mod credentials;
mod fault;
mod introspection;
mod metadata;
mod serve;
mod stats;
#[cfg(test)]
mod tests;

pub use serve::{At, Served};

use self::credentials::Credentials;
use super::driver::{Message, Sender, Shared};
use super::seams::Joined;
use super::state::{Network, TaskState};
use crate::runtime::{Container, Runtime};
use crate::upstream::Upstream;
use neargate_base::{Rng, uuid};
use neargate_domain::{Assignment, InstanceNetwork, TaskNetwork};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;

const KEY: &str = "endpoint.key";

/// What a driver tells of its task.
#[derive(Debug)]
pub struct Seen {
    pub state: TaskState,
    /// Those that run, at their index in the assignment.
    pub running: Vec<Option<Arc<dyn Container>>>,
}

/// Who is meant by an id.
#[derive(Debug, Clone)]
struct Resident {
    driver: Sender,
    /// The node that the task is on.
    node: Arc<str>,
    runtime: Arc<dyn Runtime>,
    upstream: Arc<dyn Upstream>,
    /// Which VPC the task is in, and its address there.
    address: Option<(Arc<str>, Ipv4Addr)>,
    /// The task's id, and which of its containers; `None`: it is the task's keys that are meant.
    task_id: Arc<str>,
    container: Option<usize>,
}

/// A task that was asked for.
struct Found {
    seen: Box<Seen>,
    container: usize,
    resident: Resident,
}

/// What all containers of this host may ask.
#[derive(Debug)]
pub struct TaskEndpoint {
    key: ring::hmac::Key,
    residents: RwLock<HashMap<String, Resident>>,
    credentials: Arc<Credentials>,
    samples: stats::Samples,
    /// Held while a fault is looked at and changed.
    faults: tokio::sync::Mutex<()>,
    places: serve::Places,
}

impl TaskEndpoint {
    /// `dir` holds the key that ids are made from; it is made where there is none.
    ///
    /// # Errors
    /// The key cannot be read or kept.
    pub fn open(dir: &Path, rng: &Rng) -> io::Result<Arc<TaskEndpoint>> {
        let path = dir.join(KEY);
        let bytes = match fs::read(&path) {
            Ok(bytes) if bytes.len() == 32 => bytes,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // One that was cut short by a crash was in no container's environment yet.
            _ => {
                let mut bytes = vec![0; 32];
                rng.fill(&mut bytes);
                fs::create_dir_all(dir)?;
                let temporary = path.with_extension("tmp");
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o600);
                let mut file = options.open(&temporary)?;
                file.write_all(&bytes)?;
                file.sync_all()?;
                fs::rename(&temporary, &path)?;
                bytes
            }
        };
        let credentials = Arc::default();
        Credentials::keep_fresh(&credentials);
        Ok(Arc::new(TaskEndpoint {
            key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes),
            residents: RwLock::default(),
            credentials,
            samples: stats::Samples::default(),
            faults: tokio::sync::Mutex::default(),
            places: serve::Places::default(),
        }))
    }

    /// The id by which a container asks for itself: 128 bits that nobody guesses.
    pub(super) fn id(&self, task_id: &str, container: &str) -> String {
        hex::encode(self.bits(&format!("v4/{task_id}/{container}")))
    }

    /// The id by which a task's containers ask for its role's keys.
    pub(super) fn credentials_id(&self, task_id: &str) -> String {
        uuid::text(self.bits(&format!("v2/credentials/{task_id}")), 4)
    }

    fn bits(&self, what: &str) -> [u8; 16] {
        let tag = ring::hmac::sign(&self.key, what.as_bytes());
        tag.as_ref()[..16].try_into().expect("a tag has 32 bytes")
    }

    /// From here on the task's containers are answered.
    pub(super) fn add(&self, task: &Assignment, shared: &Shared, driver: &Sender) {
        let task_id: Arc<str> = task.task_id.as_str().into();
        let interface = task.network.interface();
        let address = interface.map(|eni| (eni.vpc_id.as_str().into(), eni.private_ipv4));
        let resident = |container| Resident {
            driver: driver.clone(),
            node: Arc::clone(&shared.node),
            runtime: Arc::clone(&shared.runtime),
            upstream: Arc::clone(&shared.upstream),
            address: address.clone(),
            task_id: Arc::clone(&task_id),
            container,
        };
        let ids = self.ids(task).into_iter().enumerate();
        let ids = ids.map(|(container, id)| (id, resident(Some(container))));
        self.residents.write().extend(ids);
        if task.task_role_arn.is_some() {
            let id = self.credentials_id(&task.task_id);
            self.residents.write().insert(id, resident(None));
            let upstream = Arc::clone(&shared.upstream);
            self.credentials
                .add(&task.task_id, upstream, Arc::clone(&shared.clock));
        }
    }

    /// The task is over.
    pub(super) fn remove(&self, task: &Assignment) {
        self.credentials.remove(&task.task_id);
        let ids = self.ids(task);
        let mut residents = self.residents.write();
        residents.remove(&self.credentials_id(&task.task_id));
        for id in &ids {
            residents.remove(id);
            self.samples.forget(id);
        }
    }

    fn ids(&self, task: &Assignment) -> Vec<String> {
        let containers = task.containers.iter();
        containers
            .map(|c| self.id(&task.task_id, &c.name))
            .collect()
    }

    /// Whether an id that is no container's leads to keys that this caller may have: whose.
    async fn find_role(&self, id: &str, caller: &Caller) -> Option<Arc<str>> {
        let resident = self.residents.read().get(id).cloned()?;
        let seen = resident.seen(caller).await?;
        let is_stopped = seen.state.all_ended();
        (resident.container.is_none() && !is_stopped).then_some(resident.task_id)
    }

    /// The task of an id, as it is now, and which of its containers is meant.
    async fn find(&self, id: &str, caller: &Caller) -> Option<Found> {
        let resident = self.residents.read().get(id).cloned()?;
        let container = resident.container?;
        let seen = resident.seen(caller).await?;
        Some(Found {
            seen,
            container,
            resident,
        })
    }

    /// The task that has the caller's address, as version 2 finds it: in a VPC, where nobody else has it.
    async fn find_by_address(&self, caller: &Caller) -> Option<Found> {
        let At::Vpc(vpc_id) = &caller.at else {
            return None;
        };
        let of_caller = |resident: &&Resident| {
            let address = resident.address.as_ref();
            let (vpc, address) = match address {
                Some((vpc, address)) => (vpc, address),
                None => return false,
            };
            resident.container == Some(0) && **vpc == **vpc_id && *address == caller.address
        };
        let resident = self.residents.read().values().find(of_caller).cloned()?;
        let seen = resident.seen(caller).await?;
        Some(Found {
            seen,
            container: 0,
            resident,
        })
    }

    /// Every task of a node, as it is now.
    async fn all_of(&self, node: &str) -> Vec<Box<Seen>> {
        let first = |resident: &&Resident| &*resident.node == node && resident.container == Some(0);
        let residents: Vec<Resident> = self
            .residents
            .read()
            .values()
            .filter(first)
            .cloned()
            .collect();
        let mut all = Vec::with_capacity(residents.len());
        for resident in residents {
            all.extend(resident.told().await);
        }
        all.sort_by(|a, b| a.state.assignment.task_id.cmp(&b.state.assignment.task_id));
        all
    }
}

impl Resident {
    /// Its task as it is now, when the caller is of it.
    async fn seen(&self, caller: &Caller) -> Option<Box<Seen>> {
        let seen = self.told().await?;
        caller.is_of(&seen.state, &self.node).then_some(seen)
    }

    async fn told(&self) -> Option<Box<Seen>> {
        let (tell, told) = oneshot::channel();
        self.driver.send(Message::Describe(tell)).ok()?;
        // A driver that ends meanwhile answers nobody.
        told.await.ok()
    }
}

/// Who asks, as the connection shows.
#[derive(Debug, Clone)]
struct Caller {
    at: At,
    address: Ipv4Addr,
    /// Which of our addresses was called.
    called: Ipv4Addr,
}

impl Caller {
    /// Nobody sends as somebody else: the networks see to it. In `host` mode whoever is in the
    /// instance's own namespace is as good as another, as on EC2.
    fn is_of(&self, task: &TaskState, node: &str) -> bool {
        match (&task.assignment.network, &self.at) {
            (TaskNetwork::Awsvpc(eni), At::Vpc(vpc_id)) => {
                eni.vpc_id == *vpc_id && eni.private_ipv4 == self.address
            }
            (TaskNetwork::Instance(InstanceNetwork::Bridge), At::Instance(id)) => {
                let links = match &task.network {
                    Network::Ready(links) => links.as_slice(),
                    _ => &[],
                };
                let mut joined = links.iter().flatten();
                id == node && joined.any(|joined: &Joined| joined.address == Some(self.address))
            }
            (TaskNetwork::Instance(InstanceNetwork::Host), At::Instance(id)) => {
                id == node && self.address == self.called
            }
            _ => false,
        }
    }
}
