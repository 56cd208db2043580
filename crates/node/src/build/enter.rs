//! A builder's process goes where what it builds for is: into a task's cgroup and network. Call these
//! while the process has one thread.

use crate::cgroup::{Cgroup, CgroupError, Entrance, Hierarchy};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// The group of builders among those of a task's containers: no container is called so.
const GROUP: &str = "~builder";

/// Into the task's group: what the builder uses, the task uses; it is ended with the task.
///
/// # Errors
/// The group cannot be made or entered.
pub fn cgroup(name: &str, task_id: &str) -> Result<(), CgroupError> {
    let path = format!("neargate-{name}/{task_id}/{GROUP}");
    let group = Cgroup::at(&Hierarchy::detect()?, &path);
    group.create()?;
    let failed = |path: &Path, source: io::Error| CgroupError::Io {
        what: "write",
        path: path.to_owned(),
        source,
    };
    match group.entrance()? {
        Entrance::WriteZero(files) => {
            for mut file in files {
                file.write_all(b"0")
                    .map_err(|e| failed(Path::new("tasks"), e))?;
            }
        }
        Entrance::CloneInto(_) => {
            for (_, directory) in group.directories() {
                let path = directory.join("cgroup.procs");
                std::fs::write(&path, "0").map_err(|e| failed(&path, e))?;
            }
        }
    }
    Ok(())
}

/// Into a network: what the builder reaches is what the task reaches. Names are looked up as the given
/// files say, in place of the host's.
///
/// # Errors
/// The namespace or a file is not there.
pub fn network(netns: &Path, resolv_conf: Option<&Path>, hosts: Option<&Path>) -> io::Result<()> {
    let namespace = File::open(netns)?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    // SAFETY: the process has one thread, and nothing in it relies on mounts that it shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    for (shown, target) in [(resolv_conf, "/etc/resolv.conf"), (hosts, "/etc/hosts")] {
        let Some(shown) = shown else { continue };
        // A host without the file looks nothing up by it.
        if rustix::fs::openat(CWD, target, OFlags::PATH, Mode::empty()).is_ok() {
            mount_bind(shown, target)?;
        }
    }
    Ok(())
}
