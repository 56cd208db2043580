//! The container's root: an overlay of the image's layers, mounted in the container's own mount
//! namespace only, so that it is gone with the container's last process.

use super::setup;
use crate::runtime::{ContainerConfig, StartFailure, disk};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::process::{chdir, pivot_root};
use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes the overlay and moves into it; the host's files are out of reach afterwards.
pub(super) fn enter(config: &ContainerConfig, dir: &Path) -> Result<(), StartFailure> {
    // Nothing we mount may reach the host, nor its later mounts us.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| setup("making mounts private")(e.into()))?;
    chdir(dir).map_err(|e| setup(dir.display())(e.into()))?;
    let lower = link_layers(config).map_err(setup("linking the image's layers"))?;
    let place = match config.own_disk {
        true => format!("../{}/{}/", disk::DIR, config.name),
        false => String::new(),
    };
    if config.own_disk {
        make_directory(&place).map_err(setup("the task's disk"))?;
    }
    for directory in [&*format!("{place}upper"), &format!("{place}work"), "rootfs"] {
        make_directory(directory).map_err(setup(directory))?;
    }
    // Device nodes work in /dev only: with CAP_MKNOD, a default, a container could otherwise make
    // itself the host's disk.
    let flags = match config.privileged {
        true => MountFlags::empty(),
        false => MountFlags::NODEV,
    };
    mount_overlay(&lower, &place, flags).map_err(|e| setup("mounting the overlay")(e.into()))?;
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up on top, and is taken off.
    chdir("rootfs")
        .and_then(|()| pivot_root(".", "."))
        .and_then(|()| unmount(".", UnmountFlags::DETACH))
        .and_then(|()| chdir("/"))
        .map_err(|e| setup("changing the root")(e.into()))
}

/// Short links `l/0`, `l/1` … in place of the layers' long paths: mount options must fit into
/// one page, and images have up to 500 layers. Answers the overlay's `lowerdir`, topmost first.
///
/// The kernel takes no directory twice (`ELOOP`), and images have one layer twice, empty ones
/// above all. Only the topmost counts then: it hides whatever the lower one would show.
fn link_layers(config: &ContainerConfig) -> std::io::Result<String> {
    make_directory("l")?;
    let mut lower = Vec::with_capacity(config.layers.len() + 1);
    let mut above = HashSet::new();
    for (index, layer) in config.layers.iter().enumerate().rev() {
        if !above.insert(layer) {
            continue;
        }
        let link = format!("l/{index}");
        match symlink(layer, &link) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => lower.push(link),
        }
    }
    if lower.is_empty() {
        make_directory("l/none")?;
        lower.push("l/none".to_owned());
    }
    Ok(lower.join(":"))
}

fn make_directory(path: &str) -> std::io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn mount_overlay(lower: &str, place: &str, flags: MountFlags) -> Result<(), Errno> {
    let attempt = |extra: &str| {
        let options = format!("lowerdir={lower},upperdir={place}upper,workdir={place}work{extra}");
        let options = CString::new(options).map_err(|_| Errno::INVAL)?;
        mount("overlay", "rootfs", "overlay", flags, options.as_c_str())
    };
    // Nothing written here outlives the task, so nothing need be synced: fsync costs the
    // container nothing. Since kernel 5.10.
    match attempt(",index=off,volatile") {
        Err(Errno::INVAL) => attempt(""),
        other => other,
    }
}
