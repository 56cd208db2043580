//! What is mounted in the container beside its root.
//!
//! Host paths are opened as detached mounts before the root changes ([`HostMounts`]) and put in
//! place after it, so that no symbolic link of an image can lead a mount outside. Whatever was
//! asked for is mounted in the order of its depth: nothing hides what lies below it.

use super::super::sys::{self, MountAttributes};
use super::{devices, files, fill, place, setup, volumes};
use crate::runtime::{
    Bind, ContainerConfig, Namespace, ShownFile, StartFailure, StartFailureKind, Tmpfs,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_remount, move_mount,
    open_tree,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Kernel interfaces that tell of the host or change it: Docker's `MaskedPaths`.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Docker's `ReadonlyPaths`.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

const CLOSED: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// Parts of the host that the container shall see.
pub(super) struct HostMounts {
    /// (directory name below /sys/fs/cgroup, mount)
    cgroups: Vec<(String, OwnedFd)>,
    binds: Vec<(Bind, OwnedFd)>,
    devices: Vec<devices::Node>,
    /// The `/dev/shm` of whoever's IPC namespace it is in.
    shm: Option<OwnedFd>,
}

impl HostMounts {
    pub fn take(
        config: &ContainerConfig,
        cgroups: &[(String, PathBuf)],
    ) -> Result<HostMounts, StartFailure> {
        let take = |path: &Path, more: OpenTreeFlags| {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | more;
            let tree = open_tree(CWD, path, flags).map_err(std::io::Error::from)?;
            // It would be of the host's peer group, where that shares its mounts.
            sys::change_mount(&tree, MountAttributes::default())?;
            Ok(tree)
        };
        let cgroups = cgroups
            .iter()
            .map(|(controllers, path)| {
                let tree = take(path, OpenTreeFlags::empty()).map_err(setup(path.display()))?;
                Ok((controllers.clone(), tree))
            })
            .collect::<Result<_, StartFailure>>()?;
        let binds = config
            .binds
            .iter()
            .map(|bind| {
                // With all that is mounted below, as Docker has it. A path of the host is not told.
                let tree = match bind.beneath.as_str() {
                    "" => take(&bind.source, OpenTreeFlags::AT_RECURSIVE),
                    beneath => take_beneath(&bind.source, beneath),
                };
                Ok((
                    bind.clone(),
                    tree.map_err(setup(format!("what is mounted at {}", bind.target)))?,
                ))
            })
            .collect::<Result<_, StartFailure>>()?;
        let shm = match (&config.ipc, config.joined) {
            _ if config.without_shm => None,
            (Namespace::Host, _) => Some(take(Path::new(SHM), OpenTreeFlags::empty())),
            (Namespace::Of(_), Some(of)) => Some(of_other(of, || {
                take(Path::new(SHM), OpenTreeFlags::empty())
            })),
            _ => None,
        };
        let shm = shm.transpose().map_err(setup(SHM))?;
        let devices = devices::gather(config)?;
        Ok(HostMounts {
            cgroups,
            binds,
            devices,
            shm,
        })
    }
}

const SHM: &str = "/dev/shm";

/// Does it among the mounts of another process: the kernel copies none but those of whoever asks.
fn of_other<T>(process: i32, act: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let theirs = File::open(format!("/proc/{process}/ns/mnt"))?;
    let ours = File::open("/proc/self/ns/mnt")?;
    let enter = |namespace: &File| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
    };
    enter(&theirs)?;
    let done = act();
    enter(&ours)?;
    done
}

/// A part of a directory in which others may put links: it is not left by any.
fn take_beneath(root: &Path, path: &str) -> std::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let part = openat2(&root, path, flags, Mode::empty(), resolve)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(&part, "", flags)?;
    sys::change_mount(&tree, MountAttributes::default())?;
    Ok(tree)
}

/// What was asked for, by where it is mounted.
enum Wanted<'a> {
    Tmpfs(&'a Tmpfs),
    Bind(Bind, OwnedFd),
    Volume(OwnedFd),
    File(&'a ShownFile, OwnedFd),
    Secret(&'a ShownFile, OwnedFd),
}

pub(super) fn mount_all(config: &ContainerConfig, host: HostMounts) -> Result<(), StartFailure> {
    for path in ["/proc", "/dev", "/sys"] {
        plain_directory(path)?;
    }
    for (bind, tree) in host.binds.iter().filter(|(bind, _)| bind.fill) {
        fill::fill(bind, tree)?;
    }
    let secrets = files::of_secrets(config);
    let files = files::take(config.files.iter().chain(&secrets).collect(), "/dev")?;
    let volumes = volumes::take(config)?;
    let failed = |path: &'static str| move |e: Errno| setup(path)(e.into());
    mount("proc", "/proc", "proc", CLOSED, None).map_err(failed("/proc"))?;
    devices::mount_dev(config, &host.devices, host.shm)?;
    let sys_flags = match config.privileged {
        true => CLOSED,
        false => CLOSED | MountFlags::RDONLY,
    };
    mount("sysfs", "/sys", "sysfs", sys_flags, None).map_err(failed("/sys"))?;
    mount_cgroups(host.cgroups, sys_flags)?;

    let tmpfs = config.tmpfs.iter();
    let mut wanted: Vec<(PathBuf, Wanted<'_>)> = tmpfs
        .map(|tmpfs| (place::clean(&tmpfs.path), Wanted::Tmpfs(tmpfs)))
        .collect();
    wanted.extend(
        volumes
            .into_iter()
            .map(|(path, tree)| (path, Wanted::Volume(tree))),
    );
    wanted.extend(files.into_iter().map(|(file, tree)| {
        let what = match secrets.contains(file) {
            true => Wanted::Secret(file, tree),
            false => Wanted::File(file, tree),
        };
        (place::clean(&file.target), what)
    }));
    let binds = host.binds.into_iter();
    wanted.extend(binds.map(|(bind, tree)| (place::clean(&bind.target), Wanted::Bind(bind, tree))));
    wanted.sort_by_key(|(path, _)| path.components().count());
    let attributes = |read_only| {
        let devices = match config.privileged {
            true => MountAttributes::default(),
            // Device nodes in it do not work.
            false => MountAttributes::NODEV,
        };
        match read_only {
            true => devices.and(MountAttributes::RDONLY),
            false => devices,
        }
    };
    for (path, what) in wanted {
        outside_proc(&path)?;
        match what {
            Wanted::Tmpfs(tmpfs) => mount_tmpfs(tmpfs)?,
            Wanted::Bind(bind, tree) => {
                mount_part(&bind.target, &tree, attributes(bind.read_only))?
            }
            Wanted::Volume(tree) => mount_part(&path.to_string_lossy(), &tree, attributes(false))?,
            Wanted::File(file, tree) => {
                mount_part(&file.target, &tree, attributes(config.read_only_root))?;
            }
            Wanted::Secret(file, tree) => mount_part(&file.target, &tree, attributes(true))?,
        }
    }
    Ok(())
}

/// What is mounted there would take the place of what this process still reads and writes. The
/// words are runc's.
fn outside_proc(path: &Path) -> Result<(), StartFailure> {
    if !path.starts_with("/proc") {
        return Ok(());
    }
    let path = path.display();
    let text = format!("\"{path}\" cannot be mounted because it is inside /proc");
    Err(StartFailure::new(StartFailureKind::Config, text))
}

/// The last changes, after which kernel parameters and perhaps the root are read-only.
pub(super) fn close_off(config: &ContainerConfig) -> Result<(), StartFailure> {
    for path in MASKED.into_iter().filter(|_| !config.privileged) {
        mask(path).map_err(|e| setup(path)(e.into()))?;
    }
    for path in READ_ONLY.into_iter().filter(|_| !config.privileged) {
        let flags = MountFlags::BIND | MountFlags::RDONLY | CLOSED;
        match mount_bind(path, path).and_then(|()| mount_remount(path, flags, "")) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(setup(path)(e.into())),
        }
    }
    if config.read_only_root {
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NODEV;
        mount_remount("/", flags, "").map_err(|e| setup("read-only root")(e.into()))?;
    }
    Ok(())
}

/// A link in the image must not turn our own mounts elsewhere.
fn plain_directory(path: &str) -> Result<(), StartFailure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(StartFailure::new(
            StartFailureKind::Config,
            format!("the image's {path} is not a directory"),
        )),
        Err(_) => fs::create_dir(path).map_err(setup(path)),
    }
}

/// Files show up as `/dev/null`, directories as empty.
fn mask(path: &str) -> Result<(), Errno> {
    match mount_bind("/dev/null", path) {
        Err(Errno::NOTDIR) => {
            let flags = CLOSED | MountFlags::RDONLY;
            mount("tmpfs", path, "tmpfs", flags, c"size=4k,nr_inodes=1")
        }
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// The container's own group, read-only unless it is privileged: runtimes such as the JVM size
/// themselves by it.
fn mount_cgroups(cgroups: Vec<(String, OwnedFd)>, flags: MountFlags) -> Result<(), StartFailure> {
    let root = "/sys/fs/cgroup";
    let failed = |e: Errno| setup(root)(e.into());
    let flags = MountFlags::BIND | flags;
    if let [(controllers, tree)] = cgroups.as_slice()
        && controllers.is_empty()
    {
        return attach(tree, root)
            .and_then(|()| mount_remount(root, flags, ""))
            .map_err(failed);
    }
    mount("tmpfs", root, "tmpfs", CLOSED, c"mode=755,size=64k").map_err(failed)?;
    for (controllers, tree) in &cgroups {
        let path = format!("{root}/{controllers}");
        fs::create_dir(&path).map_err(setup(&path))?;
        attach(tree, &path)
            .and_then(|()| mount_remount(&path, flags, ""))
            .map_err(failed)?;
        // `cpu,cpuacct` is found under each of its names.
        for controller in controllers.split(',').filter(|name| name != controllers) {
            symlink(controllers, format!("{root}/{controller}")).map_err(setup(&path))?;
        }
    }
    mount_remount(root, flags, "").map_err(failed)
}

/// `path` has no link in it, or none is followed: one that a running container put there since, in a
/// volume that both have, leads nowhere.
pub(super) fn attach(tree: &OwnedFd, path: impl AsRef<Path>) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let root = rustix::fs::open("/", flags | OFlags::DIRECTORY, Mode::empty())?;
    let target = openat2(&root, path.as_ref(), flags, Mode::empty(), resolve)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", &target, "", flags)
}

fn mount_part(
    target: &str,
    tree: &OwnedFd,
    attributes: MountAttributes,
) -> Result<(), StartFailure> {
    let is_directory =
        fstat(tree).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    let path = match is_directory {
        true => place::directory(target),
        false => place::file(target),
    };
    let path = path.map_err(setup(target))?;
    outside_proc(&path)?;
    sys::change_mount(tree, attributes).map_err(setup(target))?;
    attach(tree, &path).map_err(|e| setup(target)(e.into()))
}

fn mount_tmpfs(tmpfs: &Tmpfs) -> Result<(), StartFailure> {
    if !tmpfs.path.starts_with('/') {
        let text = format!("tmpfs path {:?} is not absolute", tmpfs.path);
        return Err(StartFailure::new(StartFailureKind::Config, text));
    }
    let path = place::directory(&tmpfs.path).map_err(setup(&tmpfs.path))?;
    outside_proc(&path)?;
    let (flags, options) = tmpfs_options(tmpfs);
    let options = CString::new(options).map_err(|_| {
        StartFailure::new(
            StartFailureKind::Config,
            "a tmpfs option contains a zero byte",
        )
    })?;
    mount("tmpfs", &path, "tmpfs", flags, options.as_c_str()).map_err(|e| {
        let text = format!("tmpfs {}: {}", tmpfs.path, std::io::Error::from(e));
        StartFailure::new(StartFailureKind::Config, text)
    })
}

/// The values of `mountOptions` (API_Tmpfs.html). Docker's defaults first; `dev` stays refused.
pub(super) fn tmpfs_options(tmpfs: &Tmpfs) -> (MountFlags, String) {
    let mut flags = CLOSED;
    let mut options = vec!["mode=1777".to_owned()];
    if tmpfs.size_bytes > 0 {
        options.push(format!("size={}", tmpfs.size_bytes));
    }
    for option in &tmpfs.options {
        match option.as_str() {
            "ro" => flags |= MountFlags::RDONLY,
            "rw" => flags -= MountFlags::RDONLY,
            "suid" => flags -= MountFlags::NOSUID,
            "nosuid" => flags |= MountFlags::NOSUID,
            "exec" => flags -= MountFlags::NOEXEC,
            "noexec" => flags |= MountFlags::NOEXEC,
            "noatime" => flags |= MountFlags::NOATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            other => {
                let key = other.split('=').next().unwrap_or_default();
                // The others say what is so already, or concern disks.
                if matches!(
                    key,
                    "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" | "mpol"
                ) {
                    options.retain(|earlier| earlier.split('=').next() != Some(key));
                    options.push(other.to_owned());
                }
            }
        }
    }
    (flags, options.join(","))
}
