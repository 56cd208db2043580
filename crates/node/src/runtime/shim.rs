//! [`ShimRuntime`]: each container under a shim process.

use super::adopt;
use super::again;
use super::container::{Connection, ShimContainer};
use super::disk::{self, Disks};
use super::exe::ShimProgram;
use super::files::{self, Files};
use super::traffic::{self, Traffic};
use super::zygote::Zygote;
use super::{Adopted, Container, ContainerConfig, Namespace, Runtime, RuntimeError, TaskLimits};
use crate::cgroup::{Cgroup, GroupLimits, Hierarchy, Usage};
use crate::shim::{
    CONFIG, EXIT, SOCKET, STARTED, cgroup_path, is_there, read_json, secrets, write_json_quickly,
};
use async_trait::async_trait;
use neargate_base::Secret;
use neargate_base::task::spawn_blocking;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where and how shims run.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// A program whose `zygote` is [`crate::shim::zygote`]: our own binary.
    pub exe: PathBuf,
    /// Holds `<task>/<container>/`; on a file system that can be an overlay's upper layer.
    pub run_dir: PathBuf,
    /// Tells this node's cgroups from those of another on the same machine: letters, digits,
    /// `-` and `_`.
    pub cgroup_name: String,
}

/// Each container under a shim process of its own.
#[derive(Debug)]
pub struct ShimRuntime {
    config: RuntimeConfig,
    zygote: Arc<Zygote>,
    hierarchy: Hierarchy,
    /// What all tasks together may use.
    limits: GroupLimits,
    disks: Arc<Disks>,
}

impl ShimRuntime {
    /// Checks what the machine offers, with the remedy in the error. Blocking, but short.
    pub fn open(config: RuntimeConfig) -> Result<ShimRuntime, RuntimeError> {
        if !rustix::process::geteuid().is_root() {
            return Err(RuntimeError::Invalid(
                "containers need root: start it with sudo".into(),
            ));
        }
        let name_ok = is_name(&config.cgroup_name);
        if !name_ok {
            return Err(RuntimeError::Invalid(format!(
                "bad instance name {:?}",
                config.cgroup_name
            )));
        }
        let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !filesystems
            .lines()
            .any(|line| line.trim_start_matches("nodev").trim() == "overlay")
        {
            return Err(RuntimeError::Invalid(
                "the kernel has no overlay file system: load it with `modprobe overlay`".into(),
            ));
        }
        let run_dir = &config.run_dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(run_dir)
            .map_err(RuntimeError::io("create", run_dir))?;
        let hierarchy = Hierarchy::detect()?;
        let zygote = Arc::new(Zygote::new(ShimProgram::open(&config.exe)));
        Ok(ShimRuntime {
            config,
            zygote,
            hierarchy,
            limits: GroupLimits::default(),
            disks: Arc::default(),
        })
    }

    /// All tasks together get no more than this; 1024 CPU units are one core.
    #[must_use]
    pub fn limited(mut self, cpu_units: u32, memory_mib: u32) -> ShimRuntime {
        self.limits.cpu_units = Some(cpu_units);
        self.limits.memory_bytes = Some(u64::from(memory_mib) << 20);
        self
    }

    /// All tasks together use no more memory than this.
    #[must_use]
    pub fn with_memory(mut self, memory_mib: u32) -> ShimRuntime {
        self.limits.memory_bytes = Some(u64::from(memory_mib) << 20);
        self
    }

    /// Makes ready what disks of tasks are made from, so that the first task does not wait for it.
    /// Blocking.
    pub fn prepare_disks(&self, gib: u32) {
        self.disks.prepare(gib);
    }

    /// What went over the task's interfaces; `None` when it has none of its own, but those of
    /// `shared` (a namespace's file) or of this process.
    ///
    /// # Errors
    /// A task id that can be none.
    pub async fn traffic(
        &self,
        task_id: &str,
        shared: Option<PathBuf>,
    ) -> Result<Option<Traffic>, RuntimeError> {
        let task = self.task_cgroup(task_id)?;
        blocking(move || {
            let containers = task.children();
            let groups = containers.iter().map(|name| task.child(name));
            let processes: Vec<i32> = groups.flat_map(|c| c.processes()).collect();
            Ok(traffic::of(&processes, shared.as_deref()))
        })
        .await
    }

    /// The process that its shims are forked from, if there was need for one yet.
    pub fn zygote(&self) -> Option<u32> {
        self.zygote.pid()
    }

    fn task_cgroup(&self, task_id: &str) -> Result<Cgroup, RuntimeError> {
        check_name("task id", task_id)?;
        Ok(self.root_cgroup().child(task_id))
    }

    fn root_cgroup(&self) -> Cgroup {
        Cgroup::at(
            &self.hierarchy,
            &format!("neargate-{}", self.config.cgroup_name),
        )
    }

    /// Removes the cgroup of the whole installation if no task is in it.
    ///
    /// # Errors
    /// When a cgroup cannot be removed for another reason than its children.
    pub async fn tidy(&self) -> Result<(), RuntimeError> {
        let root = self.root_cgroup();
        blocking(move || Ok(root.remove_empty()?)).await
    }

    pub(super) fn container_cgroup(&self, task_id: &str, name: &str) -> Cgroup {
        Cgroup::at(
            &self.hierarchy,
            &cgroup_path(&self.config.cgroup_name, task_id, name),
        )
    }

    fn task_dir(&self, task_id: &str) -> PathBuf {
        self.config.run_dir.join(task_id)
    }

    /// Starts the shim of a container in a directory without one.
    async fn launch(
        &self,
        mut config: ContainerConfig,
    ) -> Result<Arc<dyn Container>, RuntimeError> {
        let dir = self.state_dir(&config.task_id, &config.name);
        let cgroup = self.container_cgroup(&config.task_id, &config.name);
        config.cgroup = cgroup.path().to_owned();
        config.own_disk |= disk::has_one(&self.task_dir(&config.task_id));
        for of in [&config.processes, &config.ipc] {
            if let Namespace::Of(other) = of {
                config.joined = Some(self.first_process(&config.task_id, other)?);
            }
        }
        let secrets = secrets::hidden(&config.secret_env);
        let secrets = secrets.map_err(RuntimeError::io("hand secrets to", &dir))?;
        let layout = dir.clone();
        let listener = blocking(move || lay_out(&layout, &config)).await?;
        // Before there is a shim: it may have come and gone by the time it is spawned.
        let mut connection = Connection::open(&dir)
            .await
            .map_err(RuntimeError::io("connect to", &dir))?;
        let (zygote, place) = (self.zygote.clone(), dir.clone());
        let path = self.zygote.path();
        let forked = blocking(move || {
            let forked = zygote.fork(&place, listener.into(), secrets);
            forked.map_err(RuntimeError::io("fork a shim of", path))
        })
        .await?;
        let shim = forked
            .look_after()
            .map_err(RuntimeError::io("watch the shim of", &dir))?;
        match connection.greeting().await {
            Some(Ok(started)) => {
                for warning in &started.warnings {
                    tracing::info!(container = %dir.display(), "{warning}");
                }
                let container = ShimContainer::watch(dir, cgroup, started, connection, Some(shim));
                Ok(Arc::new(container))
            }
            Some(Err(failure)) => {
                connection.ended().await;
                shim.wait().await;
                Err(RuntimeError::Start(failure.message))
            }
            None => {
                let status = shim.wait().await;
                let exit = read_json::<super::Exit>(&dir.join(EXIT)).ok();
                if let Some(error) = exit.and_then(|exit| exit.error) {
                    return Err(RuntimeError::Start(error));
                }
                adopt::clean_up(cgroup).await?;
                Err(adopt::silent(&dir, status).await)
            }
        }
    }

    /// Of a container that has started, as the host numbers it.
    fn first_process(&self, task_id: &str, name: &str) -> Result<i32, RuntimeError> {
        Self::check(task_id, name)?;
        let path = self.state_dir(task_id, name).join(STARTED);
        let started: super::Started = read_json(&path).map_err(RuntimeError::io("read", path))?;
        if !is_there(&started) {
            let text = format!("the namespaces of {name} are gone");
            return Err(RuntimeError::Start(text));
        }
        Ok(started.pid)
    }

    pub(super) fn check(task_id: &str, name: &str) -> Result<(), RuntimeError> {
        check_name("task id", task_id)?;
        check_name("container name", name)
    }
}

fn check_name(what: &str, name: &str) -> Result<(), RuntimeError> {
    match is_name(name) {
        true => Ok(()),
        false => Err(RuntimeError::Invalid(format!("bad {what} {name:?}"))),
    }
}

/// The container that holds namespaces of its task, as the ECS agent names it: no definition can.
pub const PAUSE: &str = "~internal~ecs~pause";

/// ECS's letters for names, none of which can leave a directory.
fn is_name(name: &str) -> bool {
    if name == PAUSE {
        return true;
    }
    (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Work that may block, off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}

/// Writes the configuration and makes the control socket, so that it can be connected to even
/// before the shim runs.
fn lay_out(dir: &Path, config: &ContainerConfig) -> Result<UnixListener, RuntimeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(RuntimeError::io("create", dir))?;
    if dir.join(CONFIG).exists() {
        return Err(RuntimeError::Invalid(format!(
            "container {} of task {} was started before",
            config.name, config.task_id
        )));
    }
    // Left by an agent that was killed just here.
    let _ = fs::remove_file(dir.join(SOCKET));
    let listener = socket_path(dir)
        .and_then(|(_guard, path)| UnixListener::bind(path))
        .map_err(RuntimeError::io("listen on", dir.join(SOCKET)))?;
    write_json_quickly(dir, CONFIG, config).map_err(RuntimeError::io("write", dir.join(CONFIG)))?;
    Ok(listener)
}

/// A path short enough for a socket address, whatever the directory's own length.
pub(super) fn socket_path(dir: &Path) -> std::io::Result<(File, PathBuf)> {
    let guard = File::open(dir)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", guard.as_raw_fd());
    Ok((guard, path.into()))
}

#[async_trait]
impl Runtime for ShimRuntime {
    async fn prepare_task(&self, task_id: &str, limits: &TaskLimits) -> Result<(), RuntimeError> {
        let cgroup = self.task_cgroup(task_id)?;
        let disk_gib = limits.disk_gib;
        let limits = GroupLimits {
            cpu_units: limits.cpu_units.filter(|&units| units > 0),
            cpu_shares: limits.cpu_shares,
            memory_bytes: limits
                .memory_mib
                .filter(|&mib| mib > 0)
                .map(|mib| u64::from(mib) << 20),
            ..GroupLimits::default()
        };
        let (root, of_all) = (self.root_cgroup(), self.limits);
        let group = blocking(move || {
            cgroup.create()?;
            // Whoever removed the last task has removed this group with it.
            root.limit(&of_all)?;
            Ok(cgroup.limit(&limits)?)
        });
        let (disks, dir) = (Arc::clone(&self.disks), self.task_dir(task_id));
        let disk = blocking(move || {
            if let Some(gib) = disk_gib
                && let Err(why) = disks.make(&dir, gib)
            {
                tracing::debug!(dir = %dir.display(), why, "no disk of its own");
            }
            Ok(())
        });
        tokio::try_join!(group, disk).map(drop)
    }

    async fn remove_task(&self, task_id: &str) -> Result<(), RuntimeError> {
        let (cgroup, dir) = (self.task_cgroup(task_id)?, self.task_dir(task_id));
        let disks = Arc::clone(&self.disks);
        blocking(move || {
            // The shims see their containers end and write that down; what they write into is
            // removed once they are gone.
            adopt::end_all(&dir, &cgroup)?;
            cgroup.remove()?;
            crate::volume::unmount_below(&dir).map_err(RuntimeError::io("unmount", &dir))?;
            disks
                .take_off(&dir)
                .map_err(RuntimeError::io("take the disk off", &dir))?;
            match fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    Err(RuntimeError::io("remove", dir)(e))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    fn state_dir(&self, task_id: &str, name: &str) -> PathBuf {
        self.task_dir(task_id).join(name)
    }

    fn writable_dir(&self, task_id: &str) -> PathBuf {
        disk::place(&self.task_dir(task_id))
    }

    async fn start(&self, config: &ContainerConfig) -> Result<Arc<dyn Container>, RuntimeError> {
        Self::check(&config.task_id, &config.name)?;
        self.launch(config.clone()).await
    }

    async fn restart(
        &self,
        task_id: &str,
        name: &str,
        secret_env: Vec<Secret<String>>,
    ) -> Result<Arc<dyn Container>, RuntimeError> {
        Self::check(task_id, name)?;
        let dir = self.state_dir(task_id, name);
        let mut config = blocking(move || again::clear(&dir)).await?;
        config.secret_env = secret_env;
        self.launch(config).await
    }

    async fn adopt(&self, task_id: &str, name: &str) -> Result<Adopted, RuntimeError> {
        Self::check(task_id, name)?;
        let cgroup = self.container_cgroup(task_id, name);
        adopt::adopt(self.state_dir(task_id, name), cgroup).await
    }

    async fn files(&self, task_id: &str) -> Result<Files, RuntimeError> {
        let (task, dir) = (self.task_cgroup(task_id)?, self.task_dir(task_id));
        blocking(move || {
            let containers = task.children();
            let groups = containers.iter().map(|name| task.child(name));
            let processes: Vec<i32> = groups.flat_map(|c| c.processes()).collect();
            let named = files::under(&dir);
            match named.bounded {
                // The disk's file has grown by what has no name, too.
                true => Ok(named),
                false => Ok(named.and(files::unlinked(&processes))),
            }
        })
        .await
    }

    async fn room(&self, task_id: &str) -> Result<Option<(u64, u64)>, RuntimeError> {
        check_name("task id", task_id)?;
        let dir = self.task_dir(task_id);
        blocking(move || Ok(disk::room(&dir))).await
    }

    async fn promised(&self) -> u64 {
        let disks = Arc::clone(&self.disks);
        spawn_blocking(move || disks.promised())
            .await
            .unwrap_or_default()
    }

    async fn allow_growth(&self, bytes: u64) {
        let disks = Arc::clone(&self.disks);
        // It only fails when this process ends.
        let _ = spawn_blocking(move || disks.allow(bytes)).await;
    }

    async fn discard(&self, task_id: &str, name: &str) -> Result<(), RuntimeError> {
        Self::check(task_id, name)?;
        let dirs = [
            self.state_dir(task_id, name),
            self.task_dir(task_id).join(disk::DIR).join(name),
        ];
        blocking(move || {
            dirs.into_iter()
                .try_for_each(|dir| files::discard(&dir).map_err(RuntimeError::io("free", dir)))
        })
        .await
    }

    async fn usage(&self, task_id: &str) -> Result<Usage, RuntimeError> {
        let cgroup = self.task_cgroup(task_id)?;
        blocking(move || Ok(cgroup.usage())).await
    }

    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), RuntimeError> {
        let (root, run_dir) = (self.root_cgroup(), self.config.run_dir.clone());
        let found = blocking(move || {
            let mut found: HashSet<String> = root.children().into_iter().collect();
            let entries = fs::read_dir(&run_dir).map_err(RuntimeError::io("read", &run_dir))?;
            found.extend(
                entries
                    .flatten()
                    .filter_map(|e| e.file_name().into_string().ok()),
            );
            Ok(found)
        })
        .await?;
        for task_id in found.iter().filter(|id| !keep.contains(*id) && is_name(id)) {
            self.remove_task(task_id).await?;
        }
        if keep.is_empty() {
            // Fails, and rightly so, when a task was prepared meanwhile.
            let _ = self.tidy().await;
        }
        Ok(())
    }
}
