//! Sessions of Session Manager with containers: somebody's terminal, or a port that is forwarded.
//!
//! Whoever is allowed to begins one ([`Sessions::begin`]: ECS's `ExecuteCommand`, SSM's
//! `StartSession`); SSM's data channel carries it; how a container is reached is the host's to know
//! ([`Containers`]). A session lives in memory, with the process that its program would end with
//! anyway.

use crate::ctx::{House, Scope};
use async_trait::async_trait;
use neargate_base::{Secret, Timestamp};
use neargate_domain::{TerminalInput, TerminalOutput};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};

/// How long a token is good for its one connection.
const TOKEN_LIFE: Duration = Duration::from_secs(300);
/// How many sessions that are over are remembered.
const REMEMBERED: usize = 1000;
/// How many there may be at once.
const MOST: usize = 500;

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node that runs it.
    pub node: String,
    pub task_id: String,
    /// The container's name.
    pub container: String,
}

/// What a session is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A program on a terminal.
    Command { args: Vec<String> },
    /// A TCP port, of the container or of a host that it reaches.
    Port {
        host: Option<String>,
        port: u16,
        /// What the client is told of its own side, as the caller gave it.
        local_port: Option<String>,
    },
}

/// Where what a session shows is written down when it is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// The role under which that is done.
    pub role: String,
    pub log_group: Option<String>,
    pub bucket: Option<Bucket>,
}

/// Where in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// Without a slash at its end.
    pub prefix: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub id: String,
    pub scope: Scope,
    /// Whose it is: an ARN.
    pub owner: String,
    /// `ecs:CLUSTER_TASK_RUNTIMEID`.
    pub target: String,
    pub document: String,
    pub reason: Option<String>,
    pub place: Place,
    pub purpose: Purpose,
    pub audit: Option<Audit>,
    pub encryption: Option<Encryption>,
}

/// What passes is encrypted under a data key that the client has KMS make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    pub key_id: String,
    /// The role under which the container's side has it decrypted.
    pub role: String,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has connected yet.
    Connecting,
    Connected,
    /// Its client is away, and may come back.
    Disconnected,
    Terminated,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    pub wanted: Wanted,
    pub started_at: Timestamp,
    state: Mutex<State>,
    /// Somebody wants it to end.
    terminating: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    token: Option<(Secret<String>, Timestamp)>,
    ended_at: Option<Timestamp>,
}

impl Session {
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    pub fn ended_at(&self) -> Option<Timestamp> {
        self.state.lock().ended_at
    }

    /// Written by the data channel; what is over stays over.
    pub fn enter(&self, phase: Phase, now: Timestamp) {
        let mut state = self.state.lock();
        if state.phase == Phase::Terminated {
            return;
        }
        state.phase = phase;
        if phase == Phase::Terminated {
            state.ended_at = Some(now);
            state.token = None;
        }
    }

    /// A new token, in place of the one before; `None`: it is over.
    pub fn token(&self, house: &House) -> Option<String> {
        let mut state = self.state.lock();
        if state.phase == Phase::Terminated {
            return None;
        }
        let token = house.rng.hex(96);
        state.token = Some((Secret::new(token.clone()), house.now() + TOKEN_LIFE));
        Some(token)
    }

    /// Is it the token? It is good once.
    pub fn admits(&self, token: &str, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        let is_it = state.token.as_ref().is_some_and(|(known, until)| {
            now < *until && equal(known.expose().as_bytes(), token.as_bytes())
        });
        if is_it {
            state.token = None;
        }
        is_it
    }

    /// Nobody connects any more once its first token is no longer good.
    fn expire(&self, now: Timestamp) {
        if self.phase() == Phase::Connecting && now > self.started_at + TOKEN_LIFE {
            self.enter(Phase::Terminated, now);
        }
    }

    /// Asks for its end.
    pub fn terminate(&self, now: Timestamp) {
        self.terminating.send_replace(true);
        if matches!(self.phase(), Phase::Connecting) {
            self.enter(Phase::Terminated, now);
        }
    }

    /// Waits until its end is asked for.
    pub async fn terminating(&self) {
        let mut asked = self.terminating.subscribe();
        // The sender lives as long as `self`.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}

/// Compares in a time that tells nothing.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Both directions of a terminal; its program ends with them.
#[derive(Debug)]
pub struct Terminal {
    pub input: mpsc::Sender<TerminalInput>,
    pub output: mpsc::Receiver<TerminalOutput>,
}

/// A byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Reaches into containers, wherever they run.
#[async_trait]
pub trait Containers: Debug + Send + Sync {
    /// The container that an SSM target names, which sessions may be begun with.
    async fn find(&self, house: &House, scope: &Scope, target: &str) -> Option<Place>;

    /// May a session be begun with what runs on this node? Why not, in words.
    fn is_within_reach(&self, node: &str) -> Result<(), String>;

    /// Runs a program on a terminal, as root and confined as the container. The error is what its
    /// user is told.
    async fn terminal(&self, place: &Place, args: &[String]) -> Result<Terminal, String>;

    /// A connection from inside the container's network.
    async fn connect(
        &self,
        place: &Place,
        host: Option<&str>,
        port: u16,
    ) -> Result<Box<dyn Stream>, String>;
}

/// Every session there is, and some that were.
#[derive(Debug, Default)]
pub struct Sessions {
    containers: OnceLock<Arc<dyn Containers>>,
    all: Mutex<BTreeMap<String, Arc<Session>>>,
}

/// What a caller connects with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub session_id: String,
    pub stream_url: String,
    pub token: String,
}

impl Sessions {
    /// # Panics
    /// When somebody has taken the seat.
    pub fn seat(&self, containers: Arc<dyn Containers>) {
        self.containers
            .set(containers)
            .expect("one host reaches containers");
    }

    /// `None`: this process runs no containers.
    pub fn containers(&self) -> Option<&Arc<dyn Containers>> {
        self.containers.get()
    }

    /// Begins a session; `None`: there are too many.
    pub fn begin(&self, house: &House, wanted: Wanted) -> Option<Begun> {
        let mut all = self.all.lock();
        all.values().for_each(|s| s.expire(house.now()));
        let over = |s: &Arc<Session>| s.phase() == Phase::Terminated;
        if all.values().filter(|s| !over(s)).count() >= MOST {
            return None;
        }
        while all.len() >= REMEMBERED {
            let oldest = all
                .values()
                .filter(|s| over(s))
                .min_by_key(|s| s.started_at);
            let oldest = oldest.map(|s| s.wanted.id.clone())?;
            all.remove(&oldest);
        }
        let (terminating, _) = watch::channel(false);
        let session = Arc::new(Session {
            started_at: house.now(),
            state: Mutex::new(State {
                phase: Phase::Connecting,
                token: None,
                ended_at: None,
            }),
            terminating,
            wanted,
        });
        let token = session.token(house)?;
        let session_id = session.wanted.id.clone();
        all.insert(session_id.clone(), session);
        Some(Begun {
            stream_url: stream_url(house, &session_id),
            session_id,
            token,
        })
    }

    /// Ends every session, and forgets them.
    pub fn reset(&self, now: Timestamp) {
        let all = std::mem::take(&mut *self.all.lock());
        all.values().for_each(|session| session.terminate(now));
    }

    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.all.lock().get(id).cloned()
    }

    /// Those of an account and region, newest first.
    pub fn of(&self, house: &House, scope: &Scope) -> Vec<Arc<Session>> {
        let all = self.all.lock();
        all.values().for_each(|s| s.expire(house.now()));
        let mut of: Vec<_> = all
            .values()
            .filter(|s| s.wanted.scope == *scope)
            .cloned()
            .collect();
        of.sort_by(|a, b| {
            b.started_at
                .cmp(&a.started_at)
                .then(a.wanted.id.cmp(&b.wanted.id))
        });
        of
    }
}

/// Where a session's data channel is: on the API's own port, as clients on this host reach it.
pub fn stream_url(house: &House, id: &str) -> String {
    let scheme = if house.settings.tls { "wss" } else { "ws" };
    let endpoint = &house.settings.registry_endpoint;
    format!("{scheme}://{endpoint}/v1/data-channel/{id}?role=publish_subscribe")
}
