//! Which control group hierarchies this machine has, from `/proc/self/mountinfo`.
//!
//! When the memory controller is mounted as v1, v1 is used even though an (empty) v2 hierarchy
//! is there as well: on such hybrid machines v2 has no controllers.

use super::CgroupError;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Which interface the kernel offers for the controllers we need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `memory`, `cpu,cpuacct` and so on; empty for v2, which has all of them.
    pub controllers: String,
    pub path: PathBuf,
}

/// The hierarchies in use. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    version: Version,
    mounts: Arc<[Mount]>,
}

/// The v1 controllers we put processes under.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];

impl Hierarchy {
    pub fn detect() -> Result<Hierarchy, CgroupError> {
        let mountinfo =
            fs::read_to_string("/proc/self/mountinfo").map_err(|source| CgroupError::Io {
                what: "read",
                path: "/proc/self/mountinfo".into(),
                source,
            })?;
        Hierarchy::from_mountinfo(&mountinfo).ok_or(CgroupError::Missing)
    }

    /// `None` when neither v1's memory controller nor v2 is mounted.
    pub(crate) fn from_mountinfo(mountinfo: &str) -> Option<Hierarchy> {
        let mut v1: Vec<Mount> = Vec::new();
        let mut v2 = None;
        for line in mountinfo.lines() {
            // proc_pid_mountinfo(5): `id parent dev root mount-point options … - type source super`
            let Some((left, right)) = line.split_once(" - ") else {
                continue;
            };
            let Some(path) = left.split(' ').nth(4) else {
                continue;
            };
            let mut right = right.split(' ');
            let (kind, super_options) = (right.next(), right.nth(1).unwrap_or_default());
            let path = PathBuf::from(path);
            match kind {
                Some("cgroup2") => v2 = v2.or(Some(path)),
                Some("cgroup") => {
                    let controllers: Vec<&str> = super_options
                        .split(',')
                        .filter(|option| CONTROLLERS.contains(option))
                        .collect();
                    let controllers = controllers.join(",");
                    let seen = v1.iter().any(|mount| mount.controllers == controllers);
                    if !controllers.is_empty() && !seen {
                        v1.push(Mount { controllers, path });
                    }
                }
                _ => {}
            }
        }
        let is_v1 = v1
            .iter()
            .any(|mount| mount.controllers.split(',').any(|c| c == "memory"));
        if is_v1 {
            return Some(Hierarchy {
                version: Version::V1,
                mounts: v1.into(),
            });
        }
        let mounts = [Mount {
            controllers: String::new(),
            path: v2?,
        }];
        Some(Hierarchy {
            version: Version::V2,
            mounts: mounts.into(),
        })
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The hierarchy that serves `controller`.
    pub(super) fn mount_of(&self, controller: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| {
            mount.controllers.is_empty() || mount.controllers.split(',').any(|c| c == controller)
        })
    }
}
