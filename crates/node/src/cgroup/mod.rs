//! Control groups, v1 and v2 behind one small type: [`Cgroup`].
//!
//! Owns the layout `/neargate-<installation>/<task>/<container>` and the files in it. A task's
//! group holds the task's limits and no process, a container's group its processes. Knows
//! nothing of tasks or shims. Everything here is blocking; call it from a blocking thread or a
//! process that may block.
//!
//! Invariants: only paths below `/neargate-…` are ever made, killed or removed; out-of-memory
//! counters are read before a group is removed, since they go with it.
//! Source: the kernel's `Documentation/admin-guide/cgroup-v1/` and `cgroup-v2.rst`.

mod hierarchy;
mod kill;
mod limits;
mod part;
#[cfg(test)]
mod tests;
mod usage;

pub use hierarchy::{Hierarchy, Version};
pub use limits::GroupLimits;
pub use usage::Usage;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A cgroup file or directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "no usable control groups: mount cgroup2 on /sys/fs/cgroup, or the v1 controllers \
         memory, cpu and pids below it"
    )]
    Missing,
    #[error("processes in {} do not end", path.display())]
    Stuck { path: PathBuf },
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError::Io { what, path, source }
}

/// How a single-threaded process gets into a group.
#[derive(Debug)]
pub enum Entrance {
    /// v1: it writes `0` to each of these `tasks` files. To `cgroup.procs`, the kernel would
    /// hold up every fork on the machine for a grace period of some milliseconds.
    WriteZero(Vec<File>),
    /// v2: it is made with `CLONE_INTO_CGROUP` and this directory (kernel 5.7).
    CloneInto(File),
}

/// One group: the same relative path in every hierarchy that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    hierarchy: Hierarchy,
    /// Without a leading slash: `neargate-x/<task>/<container>`.
    path: String,
}

impl Cgroup {
    /// Names a group; makes nothing.
    ///
    /// # Panics
    /// When `path` does not start with `neargate-` or climbs with `..`: that would name
    /// someone else's group.
    pub fn at(hierarchy: &Hierarchy, path: &str) -> Cgroup {
        assert!(
            path.starts_with("neargate-") && path.split('/').all(|p| !matches!(p, "" | "." | "..")),
            "{path} is no group of ours"
        );
        Cgroup {
            hierarchy: hierarchy.clone(),
            path: path.to_owned(),
        }
    }

    /// The paths of all groups of ours that are in no other.
    pub fn roots(hierarchy: &Hierarchy) -> Vec<String> {
        let mounts = hierarchy.mounts().iter().map(|mount| mount.path.clone());
        subdirectories(mounts)
            .into_iter()
            .filter(|name| name.starts_with("neargate-"))
            .collect()
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The group `name` inside this one.
    pub fn child(&self, name: &str) -> Cgroup {
        Cgroup::at(&self.hierarchy, &format!("{}/{name}", self.path))
    }

    /// Every directory of the group, one per hierarchy: (controllers, directory).
    pub fn directories(&self) -> Vec<(&str, PathBuf)> {
        self.hierarchy
            .mounts()
            .iter()
            .map(|mount| (mount.controllers.as_str(), mount.path.join(&self.path)))
            .collect()
    }

    /// The directory whose files `controller` serves.
    fn directory(&self, controller: &str) -> Option<PathBuf> {
        self.hierarchy
            .mount_of(controller)
            .map(|mount| mount.path.join(&self.path))
    }

    fn read(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.directory(controller)?.join(file)).ok()
    }

    fn write(&self, controller: &str, file: &str, value: &str) -> Result<(), CgroupError> {
        let Some(directory) = self.directory(controller) else {
            return Ok(());
        };
        let path = directory.join(file);
        fs::write(&path, value).map_err(io_error("write", &path))
    }

    /// Makes the group and its parents, with the controllers it needs. Idempotent.
    pub fn create(&self) -> Result<(), CgroupError> {
        match self.hierarchy.version() {
            Version::V1 => {
                for (_, directory) in self.directories() {
                    fs::create_dir_all(&directory).map_err(io_error("create", &directory))?;
                }
            }
            Version::V2 => {
                let root = &self.hierarchy.mounts()[0].path;
                let mut directory = root.clone();
                for part in self.path.split('/') {
                    enable_controllers(&directory);
                    directory.push(part);
                    match fs::create_dir(&directory) {
                        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                            return Err(io_error("create", &directory)(e));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    pub fn exists(&self) -> bool {
        self.directories()
            .iter()
            .any(|(_, directory)| directory.is_dir())
    }

    /// Opens the way in for a process that is about to be made.
    pub fn entrance(&self) -> Result<Entrance, CgroupError> {
        let directories = self.directories();
        if self.hierarchy.version() == Version::V2 {
            let path = &directories[0].1;
            let directory = File::open(path).map_err(io_error("open", path))?;
            return Ok(Entrance::CloneInto(directory));
        }
        let open = |(_, directory): (&str, PathBuf)| {
            let path = directory.join("tasks");
            OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(io_error("open", &path))
        };
        Ok(Entrance::WriteZero(
            directories
                .into_iter()
                .map(open)
                .collect::<Result<_, _>>()?,
        ))
    }

    /// How many processes of this group the kernel has killed for memory.
    pub fn oom_kills(&self) -> u64 {
        let file = match self.hierarchy.version() {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = self.read("memory", file).unwrap_or_default();
        field(&text, "oom_kill").unwrap_or(0)
    }

    /// Host pids of the processes in this group, those of its children left out.
    pub fn processes(&self) -> Vec<i32> {
        let text = self.read("pids", "cgroup.procs").unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Names of the groups directly inside this one, in any hierarchy.
    pub fn children(&self) -> Vec<String> {
        subdirectories(
            self.directories()
                .into_iter()
                .map(|(_, directory)| directory),
        )
    }
}

/// Their names, each once.
fn subdirectories(directories: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let mut names: Vec<String> = directories
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Hands the controllers we use to the children of a v2 group. Each for itself: a missing one
/// must not keep the others away, and its limit then fails with the path in the message.
fn enable_controllers(directory: &Path) {
    let path = directory.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&path).unwrap_or_default();
    for controller in ["cpu", "memory", "pids"] {
        if !enabled.split_whitespace().any(|name| name == controller) {
            let _ = fs::write(&path, format!("+{controller}"));
        }
    }
}

/// The value in a `name value` file such as `memory.stat`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}
