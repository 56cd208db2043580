//! What the agent needs of images and network, in its own words ([`crate::runtime::Runtime`]
//! already is such a seam). The real ones are bound in [`super::binding`]; tests bind fakes.

use crate::upstream::ImageSource;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_domain::NetworkInterface;
use std::collections::HashSet;
use std::fmt::Debug;
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
}

/// Gets images and forgets unused ones.
#[async_trait]
pub trait Pull: Debug + Send + Sync {
    /// The error is the text after `CannotPullContainerError: `.
    async fn pull(&self, name: &str, source: ImageSource) -> Result<PulledImage, String>;

    /// Delete what no task uses and policy no longer keeps. `in_use` holds manifest digests.
    async fn collect(&self, in_use: &HashSet<String>, now: Timestamp);
}

/// Builds and removes task networks. Every call is idempotent.
#[async_trait]
pub trait Plumb: Debug + Send + Sync {
    /// The path of the task's network namespace.
    async fn attach(&self, task_id: &str, eni: &NetworkInterface) -> Result<PathBuf, String>;
    async fn detach(&self, task_id: &str) -> Result<(), String>;
    /// Remove every task network but those of `keep`.
    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), String>;
    /// The text of `/etc/resolv.conf` for tasks.
    fn resolv_conf(&self) -> String;
}
