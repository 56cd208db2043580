//! The image's volumes (`VOLUME`): directories that can be written to whatever its root is.
//!
//! Docker copies what the image has at a volume's path into a directory of the host and mounts
//! that. Here it stays where it is, among the container's own files, and is mounted onto itself:
//! content, owner, mode and attributes are the image's without a copy; what is written counts in
//! the task's storage and goes with it.

use super::{place, setup};
use crate::runtime::{ContainerConfig, StartFailure, StartFailureKind};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Takes them out of the container's root: call it before anything is mounted over that. What is
/// mounted explicitly at a volume's path is there instead of it.
pub(super) fn take(config: &ContainerConfig) -> Result<Vec<(PathBuf, OwnedFd)>, StartFailure> {
    let explicit = config.tmpfs.iter().map(|tmpfs| &tmpfs.path);
    let explicit = explicit.chain(config.binds.iter().map(|bind| &bind.target));
    let explicit: BTreeSet<PathBuf> = explicit.map(|path| place::clean(path)).collect();
    let wanted: BTreeSet<PathBuf> = config.volumes.iter().map(|v| place::clean(v)).collect();
    wanted
        .difference(&explicit)
        .map(|path| Ok((path.clone(), take_one(path)?)))
        .collect()
}

fn take_one(path: &Path) -> Result<OwnedFd, StartFailure> {
    let refused = |why: String| StartFailure::new(StartFailureKind::Config, why);
    let shown = path.display();
    if path == Path::new("/") {
        let why = "invalid volume specification: '/': destination can't be '/'";
        return Err(refused(why.to_owned()));
    }
    let directory = place::directory(path).map_err(|e| match e.kind() {
        ErrorKind::NotADirectory => refused(format!(
            "cannot mount volume over existing file, file exists {shown}"
        )),
        _ => setup(format!("volume {shown}"))(e),
    })?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, &directory, flags).map_err(|e| setup(format!("volume {shown}"))(e.into()))
}
