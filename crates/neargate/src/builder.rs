//! `neargate builder`: the Docker Engine API on a socket, for one task or one person; a process of its
//! own, which ends with them. A node starts it for a container that asks for it (`docs/building.md`).

use crate::view::say;
use anyhow::{Context, Result};
use neargate_node::build::engine::{Engine, EngineRegistries, Own};
use neargate_node::build::{Builder, BuilderConfig, enter};
use neargate_node::image::RegistryConfig;
use neargate_node::runtime::ShownFile;
use std::fs::File;
use std::fs::Permissions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixListener;

/// Serve the Docker Engine API's part that builds images on a socket.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Where clients find it
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Where it keeps what it works with
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// `host:port` of our own registry
    #[arg(long, value_name = "HOST:PORT")]
    registry: Option<String>,
    /// The node's cgroups, and the task in whose cgroup it and all it runs are
    #[arg(long, value_name = "NAME")]
    cgroup: Option<String>,
    #[arg(long, value_name = "ID", requires = "cgroup")]
    task: Option<String>,
    /// The network that it and all it runs are in [default: this process's]
    #[arg(long, value_name = "FILE")]
    netns: Option<PathBuf>,
    /// Shown as /etc/resolv.conf and /etc/hosts [default: the host's]
    #[arg(long, value_name = "FILE")]
    resolv_conf: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
}

/// Serves until it is ended.
pub fn main(serve: Serve) -> Result<()> {
    // Before there are threads, which would stay where they are.
    if let (Some(cgroup), Some(task)) = (&serve.cgroup, &serve.task) {
        enter::cgroup(cgroup, task).context("cannot enter the task's cgroup")?;
    }
    let mut files = Vec::new();
    for (file, target) in [
        (&serve.resolv_conf, "/etc/resolv.conf"),
        (&serve.hosts, "/etc/hosts"),
    ] {
        let path = file.clone().unwrap_or_else(|| target.into());
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let target = target.to_owned();
        files.push(ShownFile { target, text });
    }
    if let Some(netns) = &serve.netns {
        enter::network(netns, serve.resolv_conf.as_deref(), serve.hosts.as_deref())
            .context("cannot enter the task's network")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(serve, files))
}

async fn run(serve: Serve, files: Vec<ShownFile>) -> Result<()> {
    let mut registries = RegistryConfig::default();
    registries.insecure.extend(serve.registry.clone());
    let own = Own {
        endpoint: serve.registry,
    };
    let reach = Arc::new(EngineRegistries::new(own));
    let process = std::process::id();
    let builder = Builder::open(BuilderConfig {
        exe: std::env::current_exe().context("cannot find this program")?,
        in_task: serve.task.is_some(),
        cgroup_name: serve.cgroup.unwrap_or_else(|| format!("builder-{process}")),
        task_id: serve.task.unwrap_or_else(|| "build".to_owned()),
        netns: format!("/proc/{process}/ns/net").into(),
        files,
        memory: serve.dir.join("memory"),
        dir: serve.dir,
        registries,
        reach: reach.clone(),
    })
    .context("cannot set up the builder")?;
    builder.sweep().await?;
    // One that an earlier process left.
    let _ = std::fs::remove_file(&serve.socket);
    let socket = listen(&serve.socket)
        .with_context(|| format!("cannot listen at {}", serve.socket.display()))?;
    // In a task, whoever is there may use it: what it shows them is theirs.
    let mode = match builder.is_in_task() {
        true => 0o666,
        false => 0o660,
    };
    std::fs::set_permissions(&serve.socket, Permissions::from_mode(mode))?;
    // Whoever started this waits for it.
    say("ready");
    let engine = Engine::new(builder.clone(), reach);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let served = tokio::select! {
        served = engine.serve(socket) => served.context("the socket failed"),
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    let _ = std::fs::remove_file(&serve.socket);
    builder.sweep().await?;
    served
}

/// A socket's address must be short, whatever its directory's.
fn listen(path: &Path) -> std::io::Result<UnixListener> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let guard = File::open(dir.unwrap_or(Path::new(".")))?;
    let name = path.file_name().unwrap_or_default();
    let short = PathBuf::from(format!("/proc/self/fd/{}", guard.as_raw_fd())).join(name);
    UnixListener::bind(short)
}
