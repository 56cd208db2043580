//! Volumes: what is behind the mounts of a task's containers on this machine.
//!
//! ```text
//! <task>/.volumes/own/<volume>/_data         gone with the task
//! <task>/.volumes/of/<container>/<path>      an image's `VOLUME` that other containers have too
//! <task>/.disk/.volumes/…                    both, where a task has a disk of its own (`runtime::disk`)
//! <block>/…                                 see `block`
//! <shared>/<volume>/{_data,volume.json,users/<task>}   outlives tasks (`scope: shared`)
//! ```
//! It owns those directories, and what is mounted on a `_data`. What there is on the disk is all that
//! it knows: it may be killed anywhere. It mounts nothing in containers; their first process does.
//! What reaches the machine itself needs its operator's word ([`Allowed::host`]). All of it blocks.

mod block;
mod file_system;
mod local;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use block::PROGRAMS;
pub use file_system::FileSystems;

use crate::capability::Allowed;
use crate::runtime::{Bind, disk};
use local::Backing;
use neargate_domain::{Assignment, DockerVolume, LaunchType, VolumeSource};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

/// No container has such a name.
pub(crate) const DIR: &str = ".volumes";
/// What is mounted of a volume, as Docker names it.
const DATA: &str = "_data";
/// A file beside it: something is mounted there. Whoever only looks need not touch that, since a server
/// may take its time to answer.
const MOUNTED: &str = "mounted";

/// The volumes of a node.
#[derive(Debug, Clone)]
pub(crate) struct Volumes {
    shared: PathBuf,
    block: PathBuf,
    allowed: Allowed,
    file_systems: FileSystems,
}

/// Why a container cannot have its volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unready {
    /// The text after `CannotStartContainerError: `.
    Container(String),
    /// The text after `ResourceInitializationError: `: none of the task's containers can start.
    Task(String),
}

impl From<String> for Unready {
    fn from(why: String) -> Self {
        Unready::Container(why)
    }
}

/// A volume that is there.
struct Source {
    path: PathBuf,
    /// A path in it, of which others make what they like.
    beneath: String,
    read_only: bool,
    /// Docker fills it from the image while it is empty.
    fills: bool,
}

impl Volumes {
    /// `shared`: where those are kept that outlive tasks; `block`: where EBS volumes are.
    pub(crate) fn new(
        shared: PathBuf,
        block: PathBuf,
        allowed: Allowed,
        file_systems: FileSystems,
    ) -> Volumes {
        Volumes {
            shared,
            block,
            allowed,
            file_systems,
        }
    }

    /// What container `i` mounts, made ready. `task_dir` has the task's files, `declared` are the
    /// volumes of the container's image. Idempotent.
    ///
    /// # Errors
    /// [`Unready`].
    pub(crate) fn binds(
        &self,
        task_dir: &Path,
        task: &Assignment,
        i: usize,
        declared: &[String],
    ) -> Result<Vec<Bind>, Unready> {
        let spec = &task.containers[i];
        let mut binds = self.own(task_dir, task, i, declared)?;
        let others = task.containers.iter().flat_map(|c| &c.volumes_from);
        if others.into_iter().any(|from| from.container == spec.name) {
            let tmpfs = spec.tmpfs.iter().map(|(path, ..)| clean(path));
            let mut taken: HashSet<PathBuf> = tmpfs.collect();
            taken.extend(binds.iter().map(|bind| clean(&bind.target)));
            for path in declared {
                if taken.insert(clean(path)) {
                    binds.push(image_volume(task_dir, &spec.name, path)?);
                }
            }
        }
        let mut seen = HashSet::from([spec.name.as_str()]);
        self.inherited(task_dir, task, i, &mut seen, &mut binds)?;
        Ok(binds)
    }

    /// By its own mount points.
    fn own(
        &self,
        task_dir: &Path,
        task: &Assignment,
        i: usize,
        declared: &[String],
    ) -> Result<Vec<Bind>, Unready> {
        // Fargate fills a volume where the image has a `VOLUME`
        // (docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html), Docker wherever
        // the image has a directory.
        let fills = |path: &str| {
            task.launch_type != LaunchType::Fargate
                || declared.iter().any(|d| clean(d) == clean(path))
        };
        let mut binds: Vec<Bind> = Vec::new();
        for mount in &task.containers[i].mounts {
            let target = &mount.container_path;
            if !target.starts_with('/') {
                return Err(format!(
                    "Error response from daemon: invalid volume specification: '{}:{target}': \
                     invalid mount config for type \"volume\": invalid mount path: '{target}' mount \
                     path must be absolute",
                    mount.volume
                ).into());
            }
            if clean(target) == Path::new("/") {
                return Err(format!(
                    "Error response from daemon: invalid volume specification: '{}:{target}': \
                     invalid mount config for type \"volume\": invalid specification: destination \
                     can't be '/'",
                    mount.volume
                )
                .into());
            }
            if binds.iter().any(|b| clean(&b.target) == clean(target)) {
                return Err(
                    format!("Error response from daemon: Duplicate mount point: {target}").into(),
                );
            }
            let source = self.source(task_dir, task, &mount.volume)?;
            binds.push(Bind {
                source: source.path,
                beneath: source.beneath,
                target: target.clone(),
                read_only: mount.read_only || source.read_only,
                fill: source.fills && fills(target),
            });
        }
        Ok(binds)
    }

    /// What the containers of `volumesFrom` have, and those that these have it from.
    fn inherited<'a>(
        &self,
        task_dir: &Path,
        task: &'a Assignment,
        i: usize,
        seen: &mut HashSet<&'a str>,
        binds: &mut Vec<Bind>,
    ) -> Result<(), Unready> {
        for from in &task.containers[i].volumes_from {
            let all = &task.containers;
            let Some(other) = all.iter().position(|c| c.name == from.container) else {
                return Err(format!("No such container: {}", from.container).into());
            };
            if !seen.insert(&from.container) {
                continue;
            }
            let mut theirs = self.own(task_dir, task, other, &[])?;
            theirs.extend(image_volumes(task_dir, &from.container));
            self.inherited(task_dir, task, other, seen, &mut theirs)?;
            for mut bind in theirs {
                bind.read_only |= from.read_only;
                // The container that it is of has filled it.
                bind.fill = false;
                if binds
                    .iter()
                    .all(|b| clean(&b.target) != clean(&bind.target))
                {
                    binds.push(bind);
                }
            }
        }
        Ok(())
    }

    fn source(&self, task_dir: &Path, task: &Assignment, name: &str) -> Result<Source, Unready> {
        let volume = task.volumes.iter().find(|volume| volume.name == name);
        let Some(volume) = volume.filter(|volume| is_name(&volume.name)) else {
            return Err(format!("the task has no volume {name}").into());
        };
        let own = task_dir.join(DIR).join("own").join(name);
        match &volume.source {
            VolumeSource::Task => Ok(Source {
                path: directory(&writable(task_dir).join("own").join(name).join(DATA))?,
                beneath: String::new(),
                read_only: false,
                fills: true,
            }),
            VolumeSource::Host { path } => Ok(self.host(path)?),
            VolumeSource::Ebs(ebs) => {
                let path = block::ready(&self.block, &own, &task.task_id, ebs);
                Ok(Source {
                    path: path.map_err(Unready::Task)?,
                    beneath: String::new(),
                    read_only: false,
                    fills: false,
                })
            }
            VolumeSource::Efs(efs) => {
                let place = self.file_systems.place(&own, task, efs);
                let place = place.map_err(Unready::Task)?;
                Ok(Source {
                    path: place.root,
                    beneath: place.beneath,
                    read_only: false,
                    fills: false,
                })
            }
            VolumeSource::Docker(docker) => {
                if docker.driver != "local" {
                    return Err(format!(
                        "Error response from daemon: create {name}: error looking up volume plugin \
                         {driver}: plugin \"{driver}\" not found",
                        driver = docker.driver
                    )
                    .into());
                }
                Ok(self.docker(&own, task, name, docker)?)
            }
        }
    }

    /// A path of the machine. Docker makes a directory where there is nothing.
    fn host(&self, path: &str) -> Result<Source, String> {
        self.allowed.host("volumes.host.sourcePath")?;
        if !path.starts_with('/') {
            return Err(format!(
                "Error response from daemon: create {path}: \"{path}\" includes invalid characters \
                 for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you \
                 intended to pass a host directory, use absolute path"
            ));
        }
        let source = PathBuf::from(path);
        let path = match fs::metadata(&source) {
            Ok(_) => source,
            Err(_) => directory(&source)?,
        };
        Ok(Source {
            path,
            beneath: String::new(),
            read_only: false,
            fills: false,
        })
    }

    fn docker(
        &self,
        own: &Path,
        task: &Assignment,
        name: &str,
        docker: &DockerVolume,
    ) -> Result<Source, String> {
        let backing = Backing::of(&docker.options)
            .map_err(|why| format!("Error response from daemon: create {name}: {why}"))?;
        if backing.reaches_host() {
            self.allowed
                .host("volumes.dockerVolumeConfiguration.driverOpts.device")?;
        }
        let place = match docker.shared {
            true => shared::take(&self.shared, name, &task.task_id, docker)?,
            false => directory(own)?,
        };
        let source = backing.ready(&place)?;
        Ok(Source {
            path: source.0,
            beneath: String::new(),
            read_only: source.1,
            fills: true,
        })
    }

    /// The task has ended, and takes no more of what outlives it.
    pub(crate) fn release(&self, task_id: &str) -> io::Result<()> {
        block::release(&self.block, |task| task != task_id)?;
        shared::release(&self.shared, |user| user != task_id)
    }

    /// As [`Volumes::release`], for all tasks but those of `keep`.
    pub(crate) fn sweep(&self, keep: &HashSet<String>) -> io::Result<()> {
        block::release(&self.block, |task| keep.contains(task))?;
        shared::release(&self.shared, |user| keep.contains(user))
    }
}

/// Takes whatever is mounted for a task off again: before its files are removed, or those of others
/// would be.
///
/// # Errors
/// Something is still mounted: nothing may be removed.
pub(crate) fn unmount_below(task_dir: &Path) -> io::Result<()> {
    unmount_all(&task_dir.join(DIR).join("own"))
}

/// What of the task's volumes is on its own disk.
pub(crate) fn own_files(task_dir: &Path) -> Vec<PathBuf> {
    let below = |name: &str| {
        let entries = fs::read_dir(task_dir.join(DIR).join(name));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let own = below("own").filter(|volume| !volume.join(MOUNTED).exists());
    own.chain(below("of")).collect()
}

/// As [`unmount_below`], for volumes that outlive tasks, whose directory is to be removed.
pub(crate) fn unmount_all(volumes: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(volumes) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        unmount_data(&entry?.path().join(DATA))?;
    }
    Ok(())
}

/// Whatever is mounted there, however often.
fn unmount_data(data: &Path) -> io::Result<()> {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    loop {
        match unmount(data, flags) {
            Ok(()) => {}
            // Nothing is mounted there.
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether it is where something is mounted.
pub(crate) fn is_mounted(path: &Path) -> bool {
    let mount = |path: &Path| {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        statx(CWD, path, flags, StatxFlags::MNT_ID).map(|found| found.stx_mnt_id)
    };
    let above = path.parent().unwrap_or(path);
    matches!((mount(path), mount(above)), (Ok(own), Ok(other)) if own != other)
}

/// An image's `VOLUME` that other containers of the task have, too.
fn image_volume(task_dir: &Path, container: &str, path: &str) -> Result<Bind, String> {
    let path = clean(path);
    let of = writable(task_dir).join("of").join(container);
    let source = directory(&of.join(escaped(&path.to_string_lossy())))?;
    Ok(Bind {
        source,
        beneath: String::new(),
        target: path.to_string_lossy().into_owned(),
        read_only: false,
        fill: true,
    })
}

/// Those that there are of the container.
fn image_volumes(task_dir: &Path, container: &str) -> Vec<Bind> {
    let entries = fs::read_dir(writable(task_dir).join("of").join(container));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            Some(Bind {
                source: entry.path(),
                beneath: String::new(),
                target: unescaped(&entry.file_name().into_string().ok()?),
                read_only: false,
                fill: false,
            })
        })
        .collect()
}

/// Where those volumes of a task are that count in its storage.
fn writable(task_dir: &Path) -> PathBuf {
    disk::place(task_dir).join(DIR)
}

/// A path as the name of a directory.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('/', "%2F")
}

fn unescaped(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

/// ECS's letters for names of volumes, none of which can leave a directory.
fn is_name(name: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=255).contains(&name.len()) && name.bytes().all(is_letter)
}

/// `path` as it would be without links, for comparing.
fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// The directory, made with all above it that is missing.
fn directory(path: &Path) -> Result<PathBuf, String> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    // The words are Docker's. Of our own directories nobody need know.
    made.map_err(|e| format!("error while creating mount source path: {}", e.kind()))?;
    Ok(path.to_owned())
}
