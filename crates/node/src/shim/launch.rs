//! Making the container's cgroup, pipes and first process.

use super::{init, setup, sys};
use crate::cgroup::{Cgroup, CgroupError, Entrance, GroupLimits, Hierarchy};
use crate::runtime::{ContainerConfig, Namespace, StartFailure, StartFailureKind};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Room for output while the shim is busy writing; the default is a quarter of it.
const PIPE_BYTES: usize = 256 * 1024;

/// Processes and threads of a container that states no limit.
const DEFAULT_PIDS: u32 = 4096;

/// A container whose first process exists and sets itself up.
#[derive(Debug)]
pub(super) struct Launched {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub cgroup: Cgroup,
    /// Its reports, one JSON line each; closed when its program is executed.
    pub report: Option<OwnedFd>,
    /// Absent with a terminal, whose master end comes through `terminal` instead.
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    pub terminal: Option<OwnedFd>,
    /// Kept open so that an interactive container's input does not end.
    #[allow(dead_code, reason = "held, never written to")]
    pub stdin: Option<OwnedFd>,
}

/// The first process's ends.
#[derive(Debug)]
pub(super) struct ChildEnds {
    pub report: OwnedFd,
    /// `None`: `/dev/null` of the container.
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    pub terminal: Option<OwnedFd>,
    /// Writing `0` to each joins the container's cgroup; empty when it was made inside it.
    pub cgroup: Vec<File>,
    /// The container's directory in each hierarchy: (controllers, path).
    pub cgroup_directories: Vec<(String, std::path::PathBuf)>,
}

pub(super) fn launch(config: &ContainerConfig, dir: &Path) -> Result<Launched, StartFailure> {
    let cgroup = make_cgroup(config)?;
    match fork(config, dir, &cgroup) {
        Ok(launched) => Ok(launched),
        Err(failure) => {
            let _ = cgroup.remove();
            Err(failure)
        }
    }
}

fn cgroup_failure(e: CgroupError) -> StartFailure {
    let source = std::error::Error::source(&e)
        .map(|s| format!(": {s}"))
        .unwrap_or_default();
    StartFailure::new(StartFailureKind::Setup, format!("{e}{source}"))
}

fn make_cgroup(config: &ContainerConfig) -> Result<Cgroup, StartFailure> {
    let limits = &config.limits;
    let mib = |mib: Option<u32>| mib.filter(|&mib| mib > 0).map(|mib| u64::from(mib) << 20);
    let cgroup = Cgroup::at(
        &Hierarchy::detect().map_err(cgroup_failure)?,
        &config.cgroup,
    );
    cgroup.create().map_err(cgroup_failure)?;
    cgroup
        .limit(&GroupLimits {
            cpu_units: limits.cpu_quota_units.filter(|&units| units > 0),
            // ECS: no or zero CPU units for a container mean the least weight Linux allows.
            cpu_shares: Some(limits.cpu_shares.unwrap_or(0).max(2)),
            memory_bytes: mib(limits.memory_mib),
            memory_reservation_bytes: mib(limits.memory_reservation_mib),
            swap_bytes: mib(limits.swap_mib),
            swappiness: limits.swappiness,
            pids: Some(limits.pids.unwrap_or(DEFAULT_PIDS)),
        })
        .map_err(|e| {
            let _ = cgroup.remove();
            cgroup_failure(e)
        })?;
    Ok(cgroup)
}

fn fork(config: &ContainerConfig, dir: &Path, cgroup: &Cgroup) -> Result<Launched, StartFailure> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| setup("pipe")(e.into()));
    let output = || {
        let (read, write) = pipe()?;
        // May exceed the user's pipe allowance; the default size does as well.
        let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
        rustix::io::ioctl_fionbio(&read, true).map_err(|e| setup("pipe")(e.into()))?;
        Ok((Some(read), Some(write)))
    };
    let (report, report_child) = pipe()?;
    rustix::io::ioctl_fionbio(&report, true).map_err(|e| setup("pipe")(e.into()))?;
    let (mut stdout, mut stderr, mut terminal) = ((None, None), (None, None), (None, None));
    if config.terminal {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| setup("socketpair")(e.into()))?;
        terminal = (Some(ours), Some(theirs));
    } else {
        stdout = output()?;
        stderr = output()?;
    }
    let (stdin_child, stdin) = match config.interactive && !config.terminal {
        true => pipe().map(|(read, write)| (Some(read), Some(write)))?,
        false => (None, None),
    };
    let entrance = cgroup.entrance().map_err(cgroup_failure)?;
    let (tasks, into) = match entrance {
        Entrance::WriteZero(tasks) => (tasks, None),
        Entrance::CloneInto(directory) => (Vec::new(), Some(OwnedFd::from(directory))),
    };
    let ends = ChildEnds {
        report: report_child,
        stdin: stdin_child,
        stdout: stdout.1,
        stderr: stderr.1,
        terminal: terminal.1,
        cgroup: tasks,
        cgroup_directories: cgroup
            .directories()
            .into_iter()
            .map(|(controllers, path)| (controllers.to_owned(), path))
            .collect(),
    };
    let namespaces = sys::Namespaces {
        processes: config.processes == Namespace::Own,
        ipc: config.ipc == Namespace::Own,
    };
    let clone = || {
        let child = || init::run(config, dir, ends);
        sys::clone_container(namespaces, into.as_ref(), child).map_err(setup("clone"))
    };
    let (pid, pidfd) = match (&config.processes, config.joined) {
        (Namespace::Of(_), Some(of)) => {
            let namespace = format!("/proc/{of}/ns/pid");
            let theirs = File::open(&namespace).map_err(setup(&namespace))?;
            let ours = File::open("/proc/self/ns/pid").map_err(setup("/proc/self/ns/pid"))?;
            let enter = |namespace: &File| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::ProcessID))
                    .map_err(|e| setup("joining the namespace of processes")(e.into()))
            };
            // It holds for children that are made from then on; others are to be this process's own.
            enter(&theirs)?;
            let cloned = clone();
            enter(&ours)?;
            cloned?
        }
        _ => clone()?,
    };
    Ok(Launched {
        pid,
        pidfd,
        cgroup: cgroup.clone(),
        report: Some(report),
        stdout: stdout.0,
        stderr: stderr.0,
        terminal: terminal.0,
        stdin,
    })
}
