//! Resource limits, kernel parameters and the out-of-memory score.

use super::setup;
use crate::runtime::{StartFailure, StartFailureKind, Ulimit};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::fs;

/// Fargate's default for open files, soft and hard
/// (docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html).
const DEFAULT_NOFILE: u64 = 65_535;

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

/// `-1` in an API means unlimited.
fn value(limit: u64) -> Option<u64> {
    (limit != u64::MAX).then_some(limit)
}

/// A limit above what this process may set is lowered to that, with a warning.
pub(super) fn apply_ulimits(
    ulimits: &[Ulimit],
    warnings: &mut Vec<String>,
) -> Result<(), StartFailure> {
    if !ulimits.iter().any(|limit| limit.name == "nofile") {
        let limit = Some(DEFAULT_NOFILE);
        let _ = set(
            Resource::Nofile,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        );
    }
    for limit in ulimits {
        let name = &limit.name;
        let Some(resource) = resource(name) else {
            let text = format!("invalid ulimit type: {name}");
            return Err(StartFailure::new(StartFailureKind::Config, text));
        };
        let wanted = Rlimit {
            current: value(limit.soft),
            maximum: value(limit.hard),
        };
        if let Some(lowered) = set(resource, wanted).map_err(setup(format!("ulimit {name}")))? {
            warnings.push(format!(
                "ulimit {name} was lowered to the host's limit of {lowered}"
            ));
        }
    }
    Ok(())
}

/// Answers the value it had to be lowered to.
fn set(resource: Resource, wanted: Rlimit) -> std::io::Result<Option<u64>> {
    match setrlimit(resource, wanted) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::PERM) => {
            let Some(host) = getrlimit(resource).maximum else {
                return Ok(None);
            };
            let lower = |limit: Option<u64>| Some(limit.map_or(host, |limit| limit.min(host)));
            let lowered = Rlimit {
                current: lower(wanted.current),
                maximum: lower(wanted.maximum),
            };
            setrlimit(resource, lowered)?;
            Ok(Some(host))
        }
        Err(e) => Err(e.into()),
    }
}

/// Kernel parameters that belong to a namespace of the container or its task.
fn is_namespaced(name: &str) -> bool {
    name.starts_with("net.")
        || name.starts_with("fs.mqueue.")
        || matches!(
            name,
            "kernel.msgmax"
                | "kernel.msgmnb"
                | "kernel.msgmni"
                | "kernel.sem"
                | "kernel.shmall"
                | "kernel.shmmax"
                | "kernel.shmmni"
                | "kernel.shm_rmid_forced"
        )
}

pub(super) fn apply_sysctls(sysctls: &BTreeMap<String, String>) -> Result<(), StartFailure> {
    for (name, value) in sysctls {
        if !is_namespaced(name) || name.contains('/') || name.contains("..") {
            let text = format!("sysctl {name:?} is not in a separate kernel namespace");
            return Err(StartFailure::new(StartFailureKind::Config, text));
        }
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::write(&path, value).map_err(|e| {
            StartFailure::new(StartFailureKind::Config, format!("sysctl {name}: {e}"))
        })?;
    }
    Ok(())
}

/// Before any program of the host: the kernel takes a task when memory is short, and a container
/// cannot take that back. Among the containers, which all have it, their memory decides.
const OOM_SCORE: &str = "500";

/// The agent and the shim are protected; containers do not inherit that.
pub(super) fn set_oom_score() {
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
}
