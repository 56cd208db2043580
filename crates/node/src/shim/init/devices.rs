//! `/dev`, and the container's terminal.
//!
//! `/dev` is a tmpfs on which device nodes do not work; the few that shall are mounted onto
//! themselves first, as mounts of their own on which they do. They are the container's own
//! nodes: changing their mode changes nothing on the host.

use super::super::message::send;
use super::{mounts, place, setup};
use crate::runtime::{ContainerConfig, StartFailure, StartFailureKind};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

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

/// A device of the host as the container gets it.
#[derive(Debug)]
pub(super) struct Node {
    /// Beneath `/dev`.
    path: PathBuf,
    kind: FileType,
    mode: Mode,
    owner: (u32, u32),
    device: u64,
}

/// What Docker leaves out of the host's `/dev`: the container has its own.
const OWN: [&str; 9] = [
    "pts",
    "shm",
    "fd",
    "mqueue",
    "console",
    "ptmx",
    ".lxc",
    ".lxd-mounts",
    "core",
];

/// The devices of the host that it shall have. Call it while the host's files are there.
pub(super) fn gather(config: &ContainerConfig) -> Result<Vec<Node>, StartFailure> {
    let mut nodes = Vec::new();
    if config.privileged {
        gather_below(Path::new("/dev"), Path::new("/dev"), &mut nodes);
    }
    for device in &config.devices {
        let (source, target) = (&device.source, place::clean(&device.target));
        let failed = |why: &str| {
            let text = format!(
                "error gathering device information while adding custom device \"{}\": {why}",
                source.display()
            );
            StartFailure::new(StartFailureKind::Config, text)
        };
        if !target.starts_with("/dev") || target == Path::new("/dev") {
            return Err(failed("its path in the container is not beneath /dev"));
        }
        let found = fs::metadata(source).map_err(|_| failed("no such file or directory"))?;
        if found.is_dir() {
            gather_below(source, &target, &mut nodes);
        } else {
            nodes.push(node(&found, target).ok_or_else(|| failed("not a device node"))?);
        }
    }
    Ok(nodes)
}

fn gather_below(source: &Path, target: &Path, nodes: &mut Vec<Node>) {
    for entry in fs::read_dir(source).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), target.join(entry.file_name()));
        // Not what links lead to: it is there under its own name.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        if found.is_dir() {
            gather_below(&entry.path(), &path, nodes);
        } else {
            nodes.extend(node(&found, path));
        }
    }
}

fn node(found: &fs::Metadata, path: PathBuf) -> Option<Node> {
    let kind = FileType::from_raw_mode(found.mode());
    let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
    is_device.then(|| Node {
        path,
        kind,
        mode: Mode::from_raw_mode(found.mode()),
        owner: (found.uid(), found.gid()),
        device: found.rdev(),
    })
}

pub(super) fn mount_dev(
    config: &ContainerConfig,
    nodes: &[Node],
    shm: Option<OwnedFd>,
) -> Result<(), StartFailure> {
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
    for node in nodes {
        make(node, !config.privileged).map_err(setup(node.path.display()))?;
    }
    rustix::process::umask(previous);
    if !config.privileged {
        mount_remount("/dev", MountFlags::BIND | nodev, "").map_err(failed(""))?;
    }
    for (target, name) in LINKS {
        symlink(target, format!("/dev/{name}")).map_err(setup(format!("/dev/{name}")))?;
    }
    for name in ["pts", "shm", "mqueue"] {
        if name == "shm" && config.without_shm {
            continue;
        }
        fs::create_dir(format!("/dev/{name}")).map_err(setup(format!("/dev/{name}")))?;
    }
    let options = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount("devpts", "/dev/pts", "devpts", plain, options).map_err(failed("pts"))?;
    mount("mqueue", "/dev/mqueue", "mqueue", nodev, None).map_err(failed("mqueue"))?;
    if config.without_shm {
        return Ok(());
    }
    if let Some(theirs) = shm {
        return mounts::attach(&theirs, "/dev/shm").map_err(failed("shm"));
    }
    let shm_bytes = config.shm_size_bytes.unwrap_or(DEFAULT_SHM_BYTES);
    let options = CString::new(format!("mode=1777,size={shm_bytes}")).expect("digits");
    mount("shm", "/dev/shm", "tmpfs", nodev, options.as_c_str()).map_err(failed("shm"))
}

/// `bound`: as a mount of its own, on which it works although `/dev` has no devices.
fn make(node: &Node, bound: bool) -> std::io::Result<()> {
    let path = &node.path;
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match mknodat(CWD, path, node.kind, node.mode, node.device) {
        // One of the container's own.
        Err(rustix::io::Errno::EXIST) => return Ok(()),
        made => made?,
    }
    chown(path, Some(node.owner.0), Some(node.owner.1))?;
    if bound {
        mount_bind(path, path)?;
    }
    Ok(())
}

/// A terminal of the container's own `/dev/pts`; the shim gets its other end.
pub(super) fn open_terminal(socket: &OwnedFd) -> Result<OwnedFd, StartFailure> {
    let failed = |e: rustix::io::Errno| setup("terminal")(e.into());
    let (master, slave, name) = new_terminal().map_err(failed)?;
    File::create("/dev/console").map_err(setup("/dev/console"))?;
    mount_bind(&name, "/dev/console").map_err(failed)?;
    send(socket, b"t", &[master.as_fd()]).map_err(|e| setup("terminal")(e.into()))?;
    Ok(slave)
}

/// As [`open_terminal`], for a further program: `/dev/console` stays what it is.
pub(super) fn lend_terminal(socket: BorrowedFd<'_>) -> Result<OwnedFd, StartFailure> {
    let failed = |e: rustix::io::Errno| setup("terminal")(e.into());
    let (master, slave, _) = new_terminal().map_err(failed)?;
    send(socket, b"\n", &[master.as_fd()]).map_err(failed)?;
    Ok(slave)
}

/// Both ends of a new terminal, and the name of the program's.
fn new_terminal() -> rustix::io::Result<(OwnedFd, OwnedFd, CString)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
    // Nothing but a terminal has a number.
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(&name, flags, Mode::empty())?;
    Ok((master, slave, name))
}
