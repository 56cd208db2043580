//! Fakes of the control plane, images, network and runtime. Tests wait for what they observe,
//! never for time.

use super::super::seams::{Joined, Plumb, Pull, PulledImage, TaskLinks};
use crate::cgroup::Usage;
use crate::runtime::{
    Adopted, Container, ContainerConfig, ExecEnd, Executed, Exit, Files, Runtime, RuntimeError,
    TaskLimits,
};
use crate::upstream::{AssignmentChange, ImageSource, Upstream, UpstreamError};
use async_trait::async_trait;
use neargate_base::{AccountId, Clock, Region, Secret, Timestamp, time::SystemClock};
use neargate_domain::{
    Assignment, LogLine, LogTarget, NetworkBinding, RegistryLogin, RoleCredentials, TaskNetwork,
    TaskReport, TaskSecrets,
};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{mpsc, watch};

#[derive(Debug)]
pub struct FakeUpstream {
    pub changes: mpsc::Sender<AssignmentChange>,
    changes_rx: Mutex<Option<mpsc::Receiver<AssignmentChange>>>,
    /// The newest report of each task.
    pub reports: watch::Sender<HashMap<String, TaskReport>>,
    /// Offset and lines by source.
    pub logs: watch::Sender<HashMap<String, (u64, Vec<String>)>>,
    pub away: AtomicBool,
    pub no_group: AtomicBool,
    /// How often keys of a role were asked for.
    pub issued: AtomicUsize,
    /// What tasks' secrets are, or why not.
    pub secrets: Mutex<Result<TaskSecrets, String>>,
}

impl FakeUpstream {
    pub fn new() -> Arc<FakeUpstream> {
        let (changes, rx) = mpsc::channel(16);
        Arc::new(FakeUpstream {
            changes,
            changes_rx: Mutex::new(Some(rx)),
            reports: watch::Sender::default(),
            logs: watch::Sender::default(),
            away: AtomicBool::new(false),
            no_group: AtomicBool::new(false),
            issued: AtomicUsize::new(0),
            secrets: Mutex::new(Ok(TaskSecrets::default())),
        })
    }

    /// The agent comes back: a new stream of changes.
    pub fn again(&self) -> Arc<FakeUpstream> {
        let next = FakeUpstream::new();
        next.reports.send_replace(self.reports.borrow().clone());
        next.logs.send_replace(self.logs.borrow().clone());
        next
    }

    pub async fn report_where(&self, task: &str, seen: impl Fn(&TaskReport) -> bool) -> TaskReport {
        let mut rx = self.reports.subscribe();
        let found = rx.wait_for(|all| all.get(task).is_some_and(&seen)).await;
        found
            .expect("the sender lives")
            .get(task)
            .expect("just seen")
            .clone()
    }

    pub async fn lines_where(&self, source: &str, seen: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut rx = self.logs.subscribe();
        let found = rx
            .wait_for(|all| all.get(source).is_some_and(|(_, lines)| seen(lines)))
            .await;
        found
            .expect("the sender lives")
            .get(source)
            .expect("just seen")
            .1
            .clone()
    }

    fn answer(&self) -> Result<(), UpstreamError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(UpstreamError::Unavailable("away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Upstream for FakeUpstream {
    async fn assignments(&self) -> mpsc::Receiver<AssignmentChange> {
        let rx = self.changes_rx.lock().take();
        rx.unwrap_or_else(|| mpsc::channel(1).1)
    }

    async fn report(&self, report: TaskReport) -> Result<(), UpstreamError> {
        self.answer()?;
        self.reports.send_modify(|all| {
            let newest = all.get(&report.task_id).map_or(0, |r| r.sequence);
            if report.sequence > newest {
                all.insert(report.task_id.clone(), report);
            }
        });
        Ok(())
    }

    async fn put_logs(
        &self,
        target: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, UpstreamError> {
        self.answer()?;
        if self.no_group.load(Ordering::SeqCst) && !target.create_group {
            let text = "ResourceNotFoundException: The specified log group does not exist.";
            return Err(UpstreamError::Refused(text.into()));
        }
        let mut recorded = 0;
        self.logs.send_modify(|all| {
            let (offset, stored) = all.entry(source.into()).or_default();
            if span.end > *offset && span.start == *offset {
                *offset = span.end;
                stored.extend(lines.into_iter().map(|l| l.message));
            }
            recorded = *offset;
        });
        Ok(recorded)
    }

    async fn log_offset(&self, _: &LogTarget, source: &str) -> Result<u64, UpstreamError> {
        self.answer()?;
        Ok(self
            .logs
            .borrow()
            .get(source)
            .map_or(0, |(offset, _)| *offset))
    }

    async fn role_credentials(&self, task_id: &str) -> Result<RoleCredentials, UpstreamError> {
        self.answer()?;
        let issued_at = SystemClock.now();
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        Ok(RoleCredentials {
            role_arn: format!("arn:aws:iam::000000000000:role/{task_id}"),
            access_key_id: format!("ASIA{number}"),
            secret_access_key: Secret::new("key".into()),
            token: Secret::new("token".into()),
            issued_at,
            expires_at: issued_at + std::time::Duration::from_secs(6 * 3600),
        })
    }

    async fn secrets(&self, _: &str) -> Result<TaskSecrets, UpstreamError> {
        self.answer()?;
        let secrets = self.secrets.lock();
        secrets.clone().map_err(UpstreamError::Refused)
    }

    async fn resolve_image(
        &self,
        _: &AccountId,
        _: &Region,
        name: &str,
    ) -> Result<ImageSource, UpstreamError> {
        self.answer()?;
        if name.starts_with("missing") {
            return Ok(ImageSource::Missing {
                message: format!("{name}: not found"),
            });
        }
        Ok(ImageSource::Remote)
    }
}

#[derive(Debug, Default)]
pub struct FakeImages;

#[async_trait]
impl Pull for FakeImages {
    async fn pull(
        &self,
        name: &str,
        _: ImageSource,
        _: Option<RegistryLogin>,
    ) -> Result<PulledImage, String> {
        let cmd = vec!["/run".into()];
        Ok(PulledImage {
            digest: format!("sha256:{name}"),
            cmd,
            ..PulledImage::default()
        })
    }

    fn hold(&self, _: &str, _: &[String]) {}

    async fn collect(&self, _: &HashSet<String>, _: Timestamp) {}
}

#[derive(Debug, Default)]
pub struct FakeNetwork {
    pub attached: Mutex<HashSet<String>>,
}

#[async_trait]
impl Plumb for FakeNetwork {
    /// Ports asked for are granted but port 1; those to be picked are 32768 and on.
    async fn attach(&self, task: &Assignment) -> Result<TaskLinks, String> {
        self.attached.lock().insert(task.task_id.clone());
        let link = |spec: &neargate_domain::ContainerSpec| {
            let bindings: Vec<NetworkBinding> = (32_768..)
                .zip(&spec.port_mappings)
                .map(|(picked, mapping)| NetworkBinding {
                    bind_ip: "0.0.0.0".into(),
                    container_port: mapping.container_port,
                    host_port: mapping.host_port.unwrap_or(picked),
                    protocol: mapping.protocol,
                    length: None,
                })
                .collect();
            if bindings.iter().any(|b| b.host_port == 1) {
                return Err("port is already allocated".into());
            }
            Ok(Joined {
                netns: Some(Path::new("/run/netns").join(&task.task_id)),
                bindings,
                ..Joined::default()
            })
        };
        Ok(task.containers.iter().map(link).collect())
    }

    async fn detach(&self, task_id: &str) -> Result<(), String> {
        self.attached.lock().remove(task_id);
        Ok(())
    }

    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), String> {
        self.attached.lock().retain(|id| keep.contains(id));
        Ok(())
    }

    fn resolv_conf(&self, _: &TaskNetwork) -> String {
        "nameserver 10.0.0.2\n".into()
    }
}

/// A container that ends when told or when signalled (unless it ignores SIGTERM).
#[derive(Debug)]
pub struct FakeContainer {
    pub config: ContainerConfig,
    pub signals: Mutex<Vec<i32>>,
    /// What every check answers.
    pub check: Mutex<ExecEnd>,
    /// The checks run so far.
    pub checks: watch::Sender<Vec<Vec<String>>>,
    started_at: Timestamp,
    exit: watch::Sender<Option<Exit>>,
    dir: PathBuf,
}

impl FakeContainer {
    pub fn end(&self, code: i32) {
        let exit = Exit {
            code: Some(code),
            signal: None,
            oom_killed: false,
            started_at: Some(self.started_at),
            finished_at: SystemClock.now(),
            error: None,
            dropped_lines: 0,
        };
        self.exit
            .send_if_modified(|e| e.is_none() && e.replace(exit).is_none());
    }

    /// Write a line of output.
    pub fn print(&self, line: &str) {
        use std::io::Write as _;
        let mut log = std::fs::File::options()
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        let millis = SystemClock.now().as_millis();
        log.write_all(format!("{millis} o {}\n{line}\n", line.len()).as_bytes())
            .unwrap();
    }
}

#[async_trait]
impl Container for FakeContainer {
    fn pid(&self) -> i32 {
        1
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }

    async fn signal(&self, signal: i32) -> Result<(), RuntimeError> {
        self.signals.lock().push(signal);
        if signal == 9 || !self.config.args.contains(&"ignore-term".into()) {
            self.end(128 + signal);
        }
        Ok(())
    }

    async fn exec(
        &self,
        args: &[String],
        _: std::time::Duration,
    ) -> Result<Option<Executed>, RuntimeError> {
        self.checks.send_modify(|all| all.push(args.to_vec()));
        let end = self.check.lock().clone();
        let output = String::new();
        Ok(Some(Executed { end, output }))
    }

    async fn wait(&self) -> Exit {
        let mut rx = self.exit.subscribe();
        let exit = rx
            .wait_for(Option::is_some)
            .await
            .expect("the sender lives");
        exit.clone().expect("just seen")
    }

    async fn usage(&self) -> Result<Usage, RuntimeError> {
        Ok(Usage::default())
    }
}

#[derive(Debug)]
pub struct FakeRuntime {
    dir: tempfile::TempDir,
    /// By task id and name, in order of start.
    pub containers: watch::Sender<Vec<Arc<FakeContainer>>>,
    /// What every task's files take.
    pub files: Mutex<Files>,
}

impl FakeRuntime {
    pub fn new() -> Arc<FakeRuntime> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Arc::new(FakeRuntime {
            dir,
            containers: watch::Sender::default(),
            files: Mutex::default(),
        })
    }

    pub async fn started(&self, name: &str) -> Arc<FakeContainer> {
        let mut rx = self.containers.subscribe();
        let named = |c: &&Arc<FakeContainer>| c.config.name == name;
        let all = rx
            .wait_for(|all| all.iter().any(|c| named(&c)))
            .await
            .expect("the sender lives");
        Arc::clone(all.iter().find(named).expect("just seen"))
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn prepare_task(&self, _: &str, _: &TaskLimits) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn remove_task(&self, task_id: &str) -> Result<(), RuntimeError> {
        let _ = std::fs::remove_dir_all(self.dir.path().join(task_id));
        self.containers
            .send_modify(|all| all.retain(|c| c.config.task_id != task_id));
        Ok(())
    }

    fn writable_dir(&self, task_id: &str) -> PathBuf {
        self.state_dir(task_id, "")
    }

    fn state_dir(&self, task_id: &str, name: &str) -> PathBuf {
        self.dir.path().join(task_id).join(name)
    }

    async fn start(&self, config: &ContainerConfig) -> Result<Arc<dyn Container>, RuntimeError> {
        if config.args.contains(&"/missing".into()) {
            return Err(RuntimeError::Start(
                "exec: \"/missing\": no such file or directory".into(),
            ));
        }
        let dir = self.state_dir(&config.task_id, &config.name);
        std::fs::create_dir_all(&dir).unwrap();
        if config.log {
            let mut log = std::fs::File::options();
            log.append(true).create(true);
            log.open(dir.join("log")).unwrap();
        }
        let container = Arc::new(FakeContainer {
            config: config.clone(),
            signals: Mutex::default(),
            check: Mutex::new(ExecEnd::Exited(0)),
            checks: watch::Sender::default(),
            started_at: SystemClock.now(),
            exit: watch::Sender::new(None),
            dir,
        });
        self.containers
            .send_modify(|all| all.push(Arc::clone(&container)));
        Ok(container)
    }

    async fn restart(
        &self,
        task_id: &str,
        name: &str,
        secret_env: Vec<Secret<String>>,
    ) -> Result<Arc<dyn Container>, RuntimeError> {
        let mut config = None;
        self.containers.send_modify(|all| {
            let same =
                |c: &Arc<FakeContainer>| c.config.task_id == task_id && c.config.name == name;
            config = all.iter().find(|c| same(c)).map(|c| c.config.clone());
            all.retain(|c| !same(c));
        });
        let mut config = config.expect("it ran");
        config.secret_env = secret_env;
        self.start(&config).await
    }

    async fn adopt(&self, task_id: &str, name: &str) -> Result<Adopted, RuntimeError> {
        let all = self.containers.borrow().clone();
        let found = all
            .into_iter()
            .find(|c| c.config.task_id == task_id && c.config.name == name);
        Ok(match found {
            None => Adopted::Unknown,
            Some(c) => match c.exit.borrow().clone() {
                Some(exit) => Adopted::Exited(exit),
                None => Adopted::Running(Arc::clone(&c) as Arc<dyn Container>),
            },
        })
    }

    async fn files(&self, _: &str) -> Result<Files, RuntimeError> {
        Ok(*self.files.lock())
    }

    async fn room(&self, _: &str) -> Result<Option<(u64, u64)>, RuntimeError> {
        Ok(None)
    }

    async fn discard(&self, _: &str, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn usage(&self, _: &str) -> Result<Usage, RuntimeError> {
        Ok(Usage::default())
    }

    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), RuntimeError> {
        self.containers
            .send_modify(|all| all.retain(|c| keep.contains(&c.config.task_id)));
        Ok(())
    }
}
