//! What a shim is told about its container: one [`ContainerConfig`], written to `config.json` in the
//! container's state directory before the shim starts, but for what is secret.
//!
//! It knows nothing of ECS: the agent has already merged task definition and image.

use neargate_base::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One container, in terms of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerConfig {
    /// The task it belongs to: hexadecimal digits, letters, `-` and `_`.
    pub task_id: String,
    /// ECS's container name: letters, digits, `-` and `_`, 255 at most.
    pub name: String,
    /// Unpacked image layers, lowest first. They are only read, and shared by containers.
    pub layers: Vec<PathBuf>,
    /// The program and its arguments; a program without `/` is searched in the container's PATH.
    pub args: Vec<String>,
    /// `KEY=value`; of doubled keys the last one counts. PATH, HOSTNAME and HOME get Docker's
    /// defaults when absent.
    pub env: Vec<String>,
    /// As `env`, after it; handed to the shim in memory, and never written.
    #[serde(skip)]
    pub secret_env: Vec<Secret<String>>,
    /// Some of these are files instead of variables.
    pub secret_files: Option<SecretFiles>,
    /// Absolute; empty means `/`. Made (owned by root) when the image lacks it.
    pub cwd: String,
    /// `user`, `uid`, `user:group` and so on, by the image's own files; empty means root.
    pub user: String,
    pub hostname: String,
    /// The task's network namespace; `None`: a new one with only `lo`.
    pub netns: Option<PathBuf>,
    pub limits: Limits,
    /// The container's control group; the runtime fills it in.
    pub cgroup: String,
    /// It writes to its task's own disk (`disk`); the runtime fills it in.
    pub own_disk: bool,
    /// `SYS_PTRACE` or `CAP_SYS_PTRACE`, or `ALL`; added to Docker's default set.
    pub cap_add: Vec<String>,
    /// Removed from Docker's default set; `ALL` removes all of it.
    pub cap_drop: Vec<String>,
    /// Every capability, every device, every system call, and nothing of the kernel's files hidden.
    pub privileged: bool,
    /// Any system call.
    pub seccomp_unconfined: bool,
    /// No program gives more powers than whoever executes it has.
    pub no_new_privileges: bool,
    /// Further devices.
    pub devices: Vec<Device>,
    pub processes: Namespace,
    pub ipc: Namespace,
    /// No `/dev/shm`.
    pub without_shm: bool,
    /// It runs no program, but holds namespaces that others of its task join ([`Namespace::Of`]).
    pub pause: bool,
    /// The first process of the container whose namespaces it joins; the runtime fills it in.
    pub joined: Option<i32>,
    pub read_only_root: bool,
    pub tmpfs: Vec<Tmpfs>,
    pub ulimits: Vec<Ulimit>,
    /// Only namespaced ones are taken: `net.*`, `fs.mqueue.*`, `kernel.shm*`, `kernel.msg*`,
    /// `kernel.sem`.
    pub sysctls: BTreeMap<String, String>,
    /// Size of `/dev/shm`; `None`: 64 MiB.
    pub shm_size_bytes: Option<u64>,
    /// Files and directories of the host shown in the container.
    pub binds: Vec<Bind>,
    /// Small files of our making, such as `/etc/resolv.conf`; read-only if the root is.
    pub files: Vec<ShownFile>,
    /// The image's: directories that can be written to even if the root cannot.
    pub volumes: Vec<String>,
    /// A pseudo terminal instead of pipes; all output then counts as stdout.
    pub terminal: bool,
    /// Keep stdin open (and silent) instead of `/dev/null`.
    pub interactive: bool,
    /// A tiny reaper as pid 1 (Docker's `--init`).
    pub init_process: bool,
    /// Keep output in the file `log` of the state directory; otherwise it is read and dropped.
    pub log: bool,
    /// Lines beyond this many unconsumed bytes are dropped and counted; `None`: 1 GiB.
    pub log_limit_bytes: Option<u64>,
    /// What is beyond that is not read from the container, which waits once its pipe is full.
    pub log_blocks: bool,
}

/// Limits of one task, inside its node's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskLimits {
    /// Hard cap on processor time, 1024 being one core.
    pub cpu_units: Option<u32>,
    /// Weight among the node's tasks; `None`: the kernel's default, 1024.
    pub cpu_shares: Option<u32>,
    /// Hard limit.
    pub memory_mib: Option<u32>,
    /// A disk of its own for what its containers write, where the machine can make one; `None`: they
    /// write to the machine's.
    pub disk_gib: Option<u32>,
}

/// Limits of one container, inside its task's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Weight among the task's containers (Docker's `--cpu-shares`); `None`: 2, the least.
    pub cpu_shares: Option<u32>,
    /// Hard cap on processor time, 1024 being one core; `None`: the task's.
    pub cpu_quota_units: Option<u32>,
    /// Hard limit.
    pub memory_mib: Option<u32>,
    /// Soft limit.
    pub memory_reservation_mib: Option<u32>,
    /// Beyond the hard limit of memory; `None`: none.
    pub swap_mib: Option<u32>,
    /// How eagerly the kernel uses it: 0 to 100 (cgroup v1).
    pub swappiness: Option<u32>,
    /// Processes and threads; `None`: 4096.
    pub pids: Option<u32>,
}

/// A tmpfs mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    pub path: String,
    pub size_bytes: u64,
    /// ECS's `mountOptions`, such as `noexec` or `mode=1770`.
    pub options: Vec<String>,
}

/// A resource limit by Docker's name: `nofile`, `nproc`, `core`, and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

/// A device of the host, or a directory of some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    pub source: PathBuf,
    /// Beneath `/dev`.
    pub target: String,
}

/// Whose namespace of a kind a container is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    /// One of its own.
    #[default]
    Own,
    Host,
    /// That of a container of its task, which has started.
    Of(String),
}

/// A file or directory of the host shown in the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bind {
    pub source: PathBuf,
    /// A path in it, without links; empty: all of it. Others may change what is there.
    pub beneath: String,
    /// Absolute path in the container; made when the image lacks it.
    pub target: String,
    pub read_only: bool,
    /// A directory that gets what the image has at the target, while it is empty.
    pub fill: bool,
}

/// Which of a container's secrets are files, each named as its variable would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFiles {
    /// An absolute path in the container; made when the image lacks it.
    pub directory: String,
    pub names: Vec<String>,
}

impl SecretFiles {
    /// Name and content, if this `NAME=value` is to be one.
    pub fn file<'a>(&self, entry: &'a str) -> Option<(&'a str, &'a str)> {
        let entry = entry.split_once('=')?;
        self.names
            .iter()
            .any(|name| name == entry.0)
            .then_some(entry)
    }
}

/// A small file that the container sees in place of the image's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShownFile {
    /// Absolute path in the container; made when the image lacks it.
    pub target: String,
    /// What is in it at every start.
    pub text: String,
}
