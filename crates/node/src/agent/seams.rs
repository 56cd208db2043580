//! What the agent needs of images and network, in its own words ([`crate::runtime::Runtime`]
//! already is such a seam). The real ones are bound in [`super::binding`]; tests bind fakes.

use crate::upstream::ImageSource;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_domain::{Assignment, NetworkBinding, PortMapping, RegistryLogin, TaskNetwork};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// A pulled and unpacked image: what starting a container of it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PulledImage {
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// Unpacked layers, bottom first.
    pub layers: Vec<PathBuf>,
    /// `NAME=value`, in the image's order.
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    /// `SIGQUIT`, `QUIT` or `3` (OCI image configuration, `StopSignal`).
    pub stop_signal: Option<String>,
    /// Paths.
    pub volumes: Vec<String>,
}

/// Gets images and forgets unused ones.
#[async_trait]
pub trait Pull: Debug + Send + Sync {
    /// The error is the text after `CannotPullContainerError: `.
    /// `login` is for the registry that `name` tells, where it is none of ours.
    async fn pull(
        &self,
        name: &str,
        source: ImageSource,
        login: Option<RegistryLogin>,
    ) -> Result<PulledImage, String>;

    /// Note which manifest digests the task's containers use from now on; none: it is over.
    /// Other agents of the host may use the same images, and must not collect these.
    fn hold(&self, task_id: &str, digests: &[String]);

    /// Delete what no task uses and policy no longer keeps. `in_use` holds manifest digests.
    async fn collect(&self, in_use: &HashSet<String>, now: Timestamp);
}

/// What one container has of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// `None`: a new one, with a loopback interface only.
    pub netns: Option<PathBuf>,
    pub address: Option<Ipv4Addr>,
    /// Its name, unless its definition has one; `None`: as Docker names it.
    pub hostname: Option<String>,
    /// In `host` mode: the `/etc/hosts` of the instance, whose namespace this is.
    pub instance_hosts: Option<String>,
    /// Ports published on the instance, in the definition's order.
    pub bindings: Vec<NetworkBinding>,
    /// Filled in before it starts.
    pub linked: Vec<Linked>,
}

/// A container that another one of its task is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    pub name: String,
    pub alias: String,
    pub address: Ipv4Addr,
    pub hostname: String,
    pub environment: BTreeMap<String, String>,
    pub ports: Vec<PortMapping>,
}

/// A task's network, for each container in the definition's order; the error is that container's
/// own, the text after `CannotStartContainerError: `.
pub type TaskLinks = Vec<Result<Joined, String>>;

/// From where a task's log drivers reach their receivers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogReach {
    /// The network namespace; `None`: the agent's own.
    pub netns: Option<PathBuf>,
    /// Sockets among the host's files are the task's instance's.
    pub has_files: bool,
}

/// Builds and removes task networks. Every call is idempotent.
#[async_trait]
pub trait Plumb: Debug + Send + Sync {
    /// What the task's containers need to start. An error concerns the whole task.
    async fn attach(&self, task: &Assignment) -> Result<TaskLinks, String>;
    async fn detach(&self, task_id: &str) -> Result<(), String>;
    /// Remove every task network of this agent but those of `keep`.
    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), String>;
    /// From where the task's log drivers go out, whether its network is there yet or not.
    fn log_reach(&self, _task_id: &str) -> LogReach {
        LogReach::default()
    }
    /// The text of `/etc/resolv.conf` for containers with such a network.
    fn resolv_conf(&self, network: &TaskNetwork) -> String;
}
