//! [`ShimContainer`]: a container as seen through its shim's control socket.

use super::adopt;
use super::hung;
use super::shim::{blocking, socket_path};
use super::zygote::Shim;
use super::{Container, Executed, Exit, RuntimeError, StartFailure, Started};
use crate::cgroup::{Cgroup, Usage};
use crate::shim::{ExecRequest, Greeting, Reply, Request};
use async_trait::async_trait;
use neargate_base::{Timestamp, task::spawn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How long a shim may take to pass a signal on; one that is stopped takes for ever.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const SIGKILL: i32 = 9;

/// How much later than its time is up an exec'd program may be answered for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container that was started, by this agent or an earlier one.
#[derive(Debug)]
pub struct ShimContainer {
    dir: PathBuf,
    cgroup: Cgroup,
    started: Started,
    exit: watch::Receiver<Option<Exit>>,
    /// Told when the container was killed without its shim, which may never tell of the end.
    killed: Arc<Notify>,
    watcher: JoinHandle<()>,
}

impl Drop for ShimContainer {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl ShimContainer {
    /// Follows the container to its end in the background.
    pub(super) fn watch(
        dir: PathBuf,
        cgroup: Cgroup,
        started: Started,
        mut connection: Connection,
        shim: Option<Shim>,
    ) -> ShimContainer {
        let (sender, exit) = watch::channel(None);
        let killed = Arc::new(Notify::new());
        let without_shim = killed.clone();
        let (directory, group, begun) = (dir.clone(), cgroup.clone(), started.clone());
        let watcher = spawn("container", async move {
            let ended = async {
                connection.ended().await;
                if let Some(shim) = shim {
                    shim.wait().await;
                }
            };
            tokio::select! {
                () = ended => {}
                () = without_shim.notified() => {}
            }
            let exit = adopt::exit_of(&directory, group, &begun).await;
            sender.send_replace(Some(exit));
        });
        ShimContainer {
            dir,
            cgroup,
            started,
            exit,
            killed,
            watcher,
        }
    }

    fn misbehaves(&self, problem: impl Into<String>) -> RuntimeError {
        RuntimeError::Shim {
            container: self.dir.display().to_string(),
            problem: problem.into(),
        }
    }

    /// Does what [`Container::signal`] does when the shim does not. After SIGKILL nobody waits for
    /// what the shim saw; it is ended itself when the task's files go.
    async fn signal_past_shim(&self, signal: i32) -> Result<(), RuntimeError> {
        let (dir, group, pid) = (self.dir.clone(), self.cgroup.clone(), self.started.pid);
        tracing::warn!(dir = %dir.display(), signal, "a shim does not answer; its container gets the signal");
        if signal == SIGKILL {
            blocking(move || Ok(group.kill()?)).await?;
            self.killed.notify_one();
            return Ok(());
        }
        blocking(move || hung::signal(pid, &group, signal).map_err(RuntimeError::io("signal", dir)))
            .await
    }

    /// Things that were not done as asked, in words.
    pub fn warnings(&self) -> &[String] {
        &self.started.warnings
    }
}

#[async_trait]
impl Container for ShimContainer {
    fn pid(&self) -> i32 {
        self.started.pid
    }

    fn started_at(&self) -> Timestamp {
        self.started.started_at
    }

    async fn signal(&self, signal: i32) -> Result<(), RuntimeError> {
        let ask = async {
            match Connection::open(&self.dir).await {
                Ok(mut connection) => connection.ask(&Request::Signal(signal)).await,
                // So many wait for it that no more may: as good as no answer.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::future::pending().await,
                Err(_) => None,
            }
        };
        match tokio::time::timeout(ANSWER_LIMIT, ask).await {
            // It ended before it could answer.
            Ok(Some(Reply::Done) | None) => Ok(()),
            Ok(Some(Reply::Refused(problem))) => {
                Err(self.misbehaves(format!("signal {signal}: {problem}")))
            }
            Ok(Some(Reply::Executed(_) | Reply::Terminal)) => {
                Err(self.misbehaves("it answers what was not asked"))
            }
            Err(_) => self.signal_past_shim(signal).await,
        }
    }

    async fn exec(
        &self,
        args: &[String],
        timeout: Duration,
    ) -> Result<Option<Executed>, RuntimeError> {
        let Ok(mut connection) = Connection::open(&self.dir).await else {
            return Ok(None);
        };
        let request = Request::Exec(ExecRequest {
            args: args.to_vec(),
            timeout_millis: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            terminal: false,
        });
        match tokio::time::timeout(timeout + PATIENCE, connection.ask(&request)).await {
            Ok(Some(Reply::Executed(executed))) => Ok(Some(executed)),
            Ok(Some(Reply::Refused(problem))) => Err(self.misbehaves(format!("exec: {problem}"))),
            Ok(Some(Reply::Done | Reply::Terminal)) => {
                Err(self.misbehaves("it answers what was not asked"))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(self.misbehaves("it does not answer")),
        }
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|exit| exit.clone());
        match ended {
            Some(exit) => exit,
            // Only at the runtime's shutdown is the watcher gone before it has sent.
            None => std::future::pending().await,
        }
    }

    async fn usage(&self) -> Result<Usage, RuntimeError> {
        let cgroup = self.cgroup.clone();
        blocking(move || Ok(cgroup.usage())).await
    }
}

/// One stream to a shim. Every failure to read means that the shim is gone.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub async fn open(dir: &Path) -> io::Result<Connection> {
        let (_guard, path) = socket_path(dir)?;
        let stream = UnixStream::connect(path).await?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    async fn line<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(n) if n > 0 => serde_json::from_str(&line).ok(),
            _ => None,
        }
    }

    /// Comes when the start is decided; `None`: the shim ended before.
    pub async fn greeting(&mut self) -> Option<Result<Started, StartFailure>> {
        match self.line().await? {
            Greeting::Started(started) => Some(Ok(started)),
            Greeting::Failed(failure) => Some(Err(failure)),
        }
    }

    /// Signals may be sent before the start is decided.
    async fn ask(&mut self, request: &Request) -> Option<Reply> {
        let mut line = serde_json::to_vec(request).expect("plain data always serialises");
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await.ok()?;
        loop {
            let answer: Answer = self.line().await?;
            if let Answer::Reply(reply) = answer {
                return Some(reply);
            }
        }
    }

    /// Waits for the shim to end.
    pub async fn ended(&mut self) {
        let mut rest = Vec::new();
        while matches!(self.stream.read_until(b'\n', &mut rest).await, Ok(n) if n > 0) {
            rest.clear();
        }
    }
}

/// Any line a shim sends.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Answer {
    Reply(Reply),
    #[allow(dead_code, reason = "skipped, whatever it says")]
    Greeting(Greeting),
}

/// Keeps the trait object's type in one place.
pub(super) fn shared(container: ShimContainer) -> Arc<dyn Container> {
    Arc::new(container)
}
