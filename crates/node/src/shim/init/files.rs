//! Small files of our making that the container sees, such as `/etc/hosts`.
//!
//! They lie in a tmpfs of their own, of which nothing else can be reached. So what a container
//! writes into them is bounded, counts as its memory, and is gone with it; nothing of the host is
//! behind them.

use super::setup;
use crate::runtime::{ContainerConfig, ShownFile, StartFailure};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, OpenTreeFlags, UnmountFlags, mount, open_tree, unmount};
use std::fs;
use std::os::fd::OwnedFd;

/// Room for what the container adds, block lists in `/etc/hosts` for example.
const ROOM: &std::ffi::CStr = c"mode=755,size=4m,nr_inodes=1024";

/// The secrets that are files.
pub(super) fn of_secrets(config: &ContainerConfig) -> Vec<ShownFile> {
    let Some(files) = &config.secret_files else {
        return Vec::new();
    };
    let entries = config.secret_env.iter().map(|entry| entry.expose());
    let named = entries.filter_map(|entry| files.file(entry));
    named
        .map(|(name, text)| ShownFile {
            target: format!("{}/{name}", files.directory),
            text: text.to_owned(),
        })
        .collect()
}

/// Makes them in a mount over `place`, an existing directory, that is gone when this returns.
pub(super) fn take<'a>(
    shown: Vec<&'a ShownFile>,
    place: &str,
) -> Result<Vec<(&'a ShownFile, OwnedFd)>, StartFailure> {
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |e: rustix::io::Errno| setup("files of the container")(e.into());
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", place, "tmpfs", flags, ROOM).map_err(failed)?;
    let make = |(number, file): (usize, &'a ShownFile)| {
        let path = format!("{place}/{number}");
        fs::write(&path, &file.text).map_err(setup(&file.target))?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, &path, flags).map_err(failed)?;
        Ok((file, tree))
    };
    let made = shown.into_iter().enumerate().map(make).collect();
    unmount(place, UnmountFlags::DETACH).map_err(failed)?;
    made
}
