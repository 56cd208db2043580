//! A control plane for one node process, over a Unix socket: one JSON document a line. The test
//! holds it; the node process, which may be killed at any time, connects to it.

use async_trait::async_trait;
use neargate_base::{AccountId, Region, task};
use neargate_blob::Digest;
use neargate_domain::{Assignment, LogLine, LogTarget, RoleCredentials, TaskReport, TaskSecrets};
use neargate_node::upstream::{AssignmentChange, ImageSource, Upstream, UpstreamError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};

#[derive(Debug, Serialize, Deserialize)]
enum Call {
    Report(Box<TaskReport>),
    PutLogs {
        source: String,
        span: Range<u64>,
        lines: Vec<LogLine>,
    },
    LogOffset {
        source: String,
    },
    Resolve {
        name: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Done,
    Offset(u64),
    Own(String),
    Missing(String),
}

#[derive(Debug, Serialize, Deserialize)]
enum Down {
    Answer(u64, Answer),
    Snapshot(Vec<Assignment>),
    Changed(Box<Assignment>),
    Removed(String),
}

/// The test's side.
#[derive(Debug)]
pub struct ControlPlane {
    tasks: Mutex<BTreeMap<String, Assignment>>,
    images: HashMap<String, Digest>,
    node: Mutex<Option<mpsc::UnboundedSender<Down>>>,
    pub reports: watch::Sender<HashMap<String, TaskReport>>,
    /// Offset and lines by `task/container`.
    pub logs: watch::Sender<HashMap<String, (u64, Vec<LogLine>)>>,
}

impl ControlPlane {
    pub fn start(socket: &Path, images: HashMap<String, Digest>) -> Arc<ControlPlane> {
        let listener = UnixListener::bind(socket).unwrap();
        let plane = Arc::new(ControlPlane {
            tasks: Mutex::default(),
            images,
            node: Mutex::default(),
            reports: watch::Sender::default(),
            logs: watch::Sender::default(),
        });
        let serving = Arc::clone(&plane);
        task::spawn("control-plane", async move {
            while let Ok((stream, _)) = listener.accept().await {
                task::spawn("serve-node", Arc::clone(&serving).serve(stream));
            }
        });
        plane
    }

    async fn serve(self: Arc<Self>, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let (tx, mut rx) = mpsc::unbounded_channel();
        {
            let tasks = self.tasks.lock();
            tx.send(Down::Snapshot(tasks.values().cloned().collect()))
                .unwrap();
            *self.node.lock() = Some(tx.clone());
        }
        task::spawn("to-node", async move {
            while let Some(down) = rx.recv().await {
                let mut line = serde_json::to_vec(&down).unwrap();
                line.push(b'\n');
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // A killed node may leave half a line.
            let Ok((id, call)) = serde_json::from_str::<(u64, Call)>(&line) else {
                return;
            };
            let _ = tx.send(Down::Answer(id, self.answer(call)));
        }
    }

    fn answer(&self, call: Call) -> Answer {
        match call {
            Call::Report(report) => {
                self.reports.send_modify(|all| {
                    let newest = all.get(&report.task_id).map_or(0, |r| r.sequence);
                    if report.sequence > newest {
                        all.insert(report.task_id.clone(), *report);
                    }
                });
                Answer::Done
            }
            Call::PutLogs {
                source,
                span,
                lines,
            } => {
                let mut recorded = 0;
                self.logs.send_modify(|all| {
                    let (offset, stored) = all.entry(source).or_default();
                    if span.end > *offset && span.start == *offset {
                        *offset = span.end;
                        stored.extend(lines);
                    }
                    recorded = *offset;
                });
                Answer::Offset(recorded)
            }
            Call::LogOffset { source } => Answer::Offset(
                self.logs
                    .borrow()
                    .get(&source)
                    .map_or(0, |(offset, _)| *offset),
            ),
            Call::Resolve { name } => match self.images.get(&name) {
                Some(digest) => Answer::Own(digest.to_string()),
                None => Answer::Missing(format!("{name}: not found")),
            },
        }
    }

    pub fn assign(&self, assignment: &Assignment) {
        let mut tasks = self.tasks.lock();
        tasks.insert(assignment.task_id.clone(), assignment.clone());
        self.tell(Down::Changed(Box::new(assignment.clone())));
    }

    pub fn remove(&self, task_id: &str) {
        self.tasks.lock().remove(task_id);
        self.reports.send_modify(|all| drop(all.remove(task_id)));
        self.tell(Down::Removed(task_id.into()));
    }

    fn tell(&self, down: Down) {
        if let Some(node) = &*self.node.lock() {
            // Lost when the node is away: the next snapshot tells it.
            let _ = node.send(down);
        }
    }

    pub async fn report_where(&self, task: &str, seen: impl Fn(&TaskReport) -> bool) -> TaskReport {
        let mut rx = self.reports.subscribe();
        let waiting = rx.wait_for(|all| all.get(task).is_some_and(&seen));
        match tokio::time::timeout(crate::PATIENCE, waiting).await {
            Ok(all) => all.unwrap()[task].clone(),
            Err(_) => panic!(
                "waited in vain; last: {:#?}",
                self.reports.borrow().get(task)
            ),
        }
    }

    pub async fn lines_where(
        &self,
        source: &str,
        seen: impl Fn(&[LogLine]) -> bool,
    ) -> Vec<String> {
        let mut rx = self.logs.subscribe();
        let waiting = rx.wait_for(|all| all.get(source).is_some_and(|(_, lines)| seen(lines)));
        match tokio::time::timeout(crate::PATIENCE, waiting).await {
            Ok(all) => all.unwrap()[source]
                .1
                .iter()
                .map(|l| l.message.clone())
                .collect(),
            Err(_) => panic!(
                "waited in vain; so far: {:#?}",
                self.logs.borrow().get(source)
            ),
        }
    }

    pub fn lines(&self, source: &str) -> Vec<String> {
        let all = self.logs.borrow();
        let lines = all
            .get(source)
            .map(|(_, lines)| lines.as_slice())
            .unwrap_or_default();
        lines.iter().map(|l| l.message.clone()).collect()
    }
}

/// The node's side.
#[derive(Debug)]
pub struct Remote {
    calls: mpsc::UnboundedSender<(Call, oneshot::Sender<Answer>)>,
    changes: Mutex<Option<mpsc::Receiver<AssignmentChange>>>,
}

impl Remote {
    pub async fn connect(socket: &Path) -> Arc<Remote> {
        let (read, mut write) = UnixStream::connect(socket).await.unwrap().into_split();
        let (calls, mut calls_rx) = mpsc::unbounded_channel::<(Call, oneshot::Sender<Answer>)>();
        let (changes_tx, changes) = mpsc::channel(64);
        let waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>> = Arc::default();
        task::spawn(
            "from-control-plane",
            receive(read, changes_tx, Arc::clone(&waiting)),
        );
        task::spawn("to-control-plane", async move {
            let mut id = 0;
            while let Some((call, answer)) = calls_rx.recv().await {
                id += 1;
                waiting.lock().insert(id, answer);
                let mut line = serde_json::to_vec(&(id, call)).unwrap();
                line.push(b'\n');
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        Arc::new(Remote {
            calls,
            changes: Mutex::new(Some(changes)),
        })
    }

    async fn call(&self, call: Call) -> Result<Answer, UpstreamError> {
        let away = || UpstreamError::Unavailable("the test is gone".into());
        let (tx, rx) = oneshot::channel();
        self.calls.send((call, tx)).map_err(|_| away())?;
        rx.await.map_err(|_| away())
    }
}

async fn receive(
    read: OwnedReadHalf,
    changes: mpsc::Sender<AssignmentChange>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>,
) {
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let change = match serde_json::from_str(&line).unwrap() {
            Down::Answer(id, answer) => {
                if let Some(tx) = waiting.lock().remove(&id) {
                    // Whoever asked may have given up.
                    let _ = tx.send(answer);
                }
                continue;
            }
            Down::Snapshot(all) => AssignmentChange::Snapshot(all),
            Down::Changed(assignment) => AssignmentChange::Changed(*assignment),
            Down::Removed(task_id) => AssignmentChange::Removed(task_id),
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Upstream for Remote {
    async fn assignments(&self) -> mpsc::Receiver<AssignmentChange> {
        let changes = self.changes.lock().take();
        changes.unwrap_or_else(|| mpsc::channel(1).1)
    }

    async fn report(&self, report: TaskReport) -> Result<(), UpstreamError> {
        self.call(Call::Report(Box::new(report))).await.map(drop)
    }

    async fn put_logs(
        &self,
        _: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, UpstreamError> {
        let source = source.to_owned();
        let call = Call::PutLogs {
            source,
            span,
            lines,
        };
        match self.call(call).await? {
            Answer::Offset(recorded) => Ok(recorded),
            _ => Err(UpstreamError::Unavailable("it spoke in riddles".into())),
        }
    }

    async fn log_offset(&self, _: &LogTarget, source: &str) -> Result<u64, UpstreamError> {
        match self
            .call(Call::LogOffset {
                source: source.to_owned(),
            })
            .await?
        {
            Answer::Offset(offset) => Ok(offset),
            other => panic!("{other:?}"),
        }
    }

    async fn role_credentials(&self, _: &str) -> Result<RoleCredentials, UpstreamError> {
        Err(UpstreamError::Refused("no role is known here".into()))
    }

    async fn secrets(&self, _: &str) -> Result<TaskSecrets, UpstreamError> {
        Err(UpstreamError::Refused("no secret is known here".into()))
    }

    async fn resolve_image(
        &self,
        _: &AccountId,
        _: &Region,
        name: &str,
    ) -> Result<ImageSource, UpstreamError> {
        match self
            .call(Call::Resolve {
                name: name.to_owned(),
            })
            .await?
        {
            Answer::Own(digest) => Ok(ImageSource::Own {
                digest: digest.parse().unwrap(),
            }),
            Answer::Missing(message) => Ok(ImageSource::Missing { message }),
            other => panic!("{other:?}"),
        }
    }
}
