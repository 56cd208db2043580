//! A builder for a container: `neargate builder`, a process in the task's own cgroup and network, whose
//! socket the container finds where Docker's would be. It ends with the task, and outlives the agent.
//!
//! The container asks for it by a label, `neargate:docker` = `build` (`docs/building.md`); it is no more
//! privileged for it.

use super::driver::Shared;
use super::seams::Joined;
use crate::runtime::{Bind, ContainerConfig};
use neargate_base::task::spawn;
use neargate_domain::{Assignment, ContainerSpec};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

/// What asks for one.
const LABEL: (&str, &str) = ("neargate:docker", "build");
/// Where Docker's clients look.
const TARGET: &str = "/var/run/docker.sock";
const SOCKET: &str = "docker.sock";
/// How long one may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// How builders are started.
#[derive(Debug, Clone)]
pub struct Builders {
    /// Our own program.
    pub exe: PathBuf,
    /// That of the runtime, under which tasks' groups are.
    pub cgroup_name: String,
}

/// Does the container ask for one?
pub(super) fn is_wanted(spec: &ContainerSpec) -> bool {
    spec.labels
        .get(LABEL.0)
        .is_some_and(|value| value == LABEL.1)
}

/// Has one serve the container, which is shown its socket.
pub(super) async fn share(
    shared: &Shared,
    task: &Assignment,
    joined: &Joined,
    config: &mut ContainerConfig,
) -> Result<(), String> {
    let failed = |why: String| format!("unable to start the container's builder: {why}");
    let io = |e: io::Error| failed(e.to_string());
    let Some(builders) = &shared.builders else {
        return Err(failed("this node has none".to_owned()));
    };
    let Some(netns) = &joined.netns else {
        return Err(failed("the task has no network of its own".to_owned()));
    };
    let of_task = shared.runtime.writable_dir(&task.task_id).join(".builders");
    let dir = of_task.join(&config.name);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(io)?;
    // A container that starts again finds its builder.
    if connect(&dir).await.is_err() {
        let mut command = Command::new(&builders.exe);
        command.arg("builder");
        for file in &config.files {
            let flag = match file.target.as_str() {
                "/etc/resolv.conf" => "--resolv-conf",
                "/etc/hosts" => "--hosts",
                _ => continue,
            };
            let path = dir.join(flag);
            fs::write(&path, &file.text).map_err(io)?;
            command.arg(flag).arg(path);
        }
        if let Some(url) = &shared.api_url {
            let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            command.args(["--registry", authority.trim_end_matches('/')]);
        }
        command
            .args(["--cgroup", &builders.cgroup_name, "--task", &task.task_id])
            .arg("--netns")
            .arg(netns)
            .arg("--dir")
            .arg(dir.join("state"))
            .arg("--socket")
            .arg(dir.join(SOCKET));
        let log = File::options()
            .append(true)
            .create(true)
            .open(dir.join("log"));
        begin(command, log.map_err(io)?, &dir)
            .await
            .map_err(failed)?;
    }
    config.binds.push(Bind {
        source: dir.join(SOCKET),
        target: TARGET.to_owned(),
        ..Bind::default()
    });
    // A client without buildx says that it lacks that, before it looks what the engine speaks.
    if !config
        .env
        .iter()
        .any(|line| line.starts_with("DOCKER_BUILDKIT="))
    {
        config.env.push("DOCKER_BUILDKIT=0".to_owned());
    }
    Ok(())
}

async fn begin(mut command: Command, log: File, dir: &Path) -> Result<(), String> {
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log))
        // The terminal's signals are the agent's.
        .process_group(0);
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let said = child.stdout.take().ok_or("it has no output")?;
    let mut line = String::new();
    let mut said = BufReader::new(said);
    let ready = tokio::time::timeout(PATIENCE, said.read_line(&mut line)).await;
    let is_ready = matches!(ready, Ok(Ok(_))) && line.trim() == "ready";
    if !is_ready {
        // It has ended, or is of no use.
        let _ = child.kill().await;
        let words = fs::read_to_string(dir.join("log")).unwrap_or_default();
        let last = words.lines().last().unwrap_or("it does not answer");
        return Err(last.to_owned());
    }
    // It ends with its task's group; then it is reaped.
    drop(spawn("builder", async move {
        if let Ok(status) = child.wait().await {
            tracing::debug!(%status, "a builder has ended");
        }
    }));
    Ok(())
}

/// The socket's address must be short, whatever the directory's.
async fn connect(dir: &Path) -> io::Result<UnixStream> {
    let guard = File::open(dir)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", guard.as_raw_fd());
    UnixStream::connect(path).await
}
