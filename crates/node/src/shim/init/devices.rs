//! `/dev`, and the container's terminal.
//!
//! `/dev` is a tmpfs on which device nodes do not work; the few that shall are mounted onto
//! themselves first, as mounts of their own on which they do. They are the container's own
//! nodes: changing their mode changes nothing on the host.

use super::super::message::send;
use super::setup;
use crate::runtime::{ContainerConfig, StartFailure};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;

/// (name, major, minor), from the kernel's `Documentation/admin-guide/devices.txt`.
const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 6] = [
    ("pts/ptmx", "ptmx"),
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
];

const DEFAULT_SHM_BYTES: u64 = 64 << 20;

pub(super) fn mount_dev(config: &ContainerConfig) -> Result<(), StartFailure> {
    let failed = |what: &str| {
        let what = format!("/dev/{what}");
        move |e: rustix::io::Errno| setup(what)(e.into())
    };
    let plain = MountFlags::NOSUID | MountFlags::NOEXEC;
    let nodev = plain | MountFlags::NODEV;
    mount("tmpfs", "/dev", "tmpfs", plain, c"mode=755,size=65536k").map_err(failed(""))?;
    let previous = rustix::process::umask(Mode::empty());
    for (name, major, minor) in NODES {
        let path = format!("/dev/{name}");
        let mode = Mode::from_raw_mode(0o666);
        mknodat(
            CWD,
            &path,
            FileType::CharacterDevice,
            mode,
            makedev(major, minor),
        )
        .and_then(|()| mount_bind(&path, &path))
        .map_err(failed(name))?;
    }
    rustix::process::umask(previous);
    mount_remount("/dev", MountFlags::BIND | nodev, "").map_err(failed(""))?;
    for (target, name) in LINKS {
        symlink(target, format!("/dev/{name}")).map_err(setup(format!("/dev/{name}")))?;
    }
    for name in ["pts", "shm", "mqueue"] {
        fs::create_dir(format!("/dev/{name}")).map_err(setup(format!("/dev/{name}")))?;
    }
    let options = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount("devpts", "/dev/pts", "devpts", plain, options).map_err(failed("pts"))?;
    let shm_bytes = config.shm_size_bytes.unwrap_or(DEFAULT_SHM_BYTES);
    let options = CString::new(format!("mode=1777,size={shm_bytes}")).expect("digits");
    mount("shm", "/dev/shm", "tmpfs", nodev, options.as_c_str()).map_err(failed("shm"))?;
    mount("mqueue", "/dev/mqueue", "mqueue", nodev, None).map_err(failed("mqueue"))
}

/// A terminal of the container's own `/dev/pts`; the shim gets its other end.
pub(super) fn open_terminal(socket: &OwnedFd) -> Result<OwnedFd, StartFailure> {
    let failed = |e: rustix::io::Errno| setup("terminal")(e.into());
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty()).map_err(failed)?;
    rustix::pty::unlockpt(&master).map_err(failed)?;
    let name = rustix::pty::ptsname(&master, Vec::new()).map_err(failed)?;
    let slave = rustix::fs::open(&name, flags, Mode::empty()).map_err(failed)?;
    File::create("/dev/console").map_err(setup("/dev/console"))?;
    mount_bind(&name, "/dev/console").map_err(failed)?;
    send(socket, b"t", &[master.as_fd()]).map_err(|e| setup("terminal")(e.into()))?;
    Ok(slave)
}
