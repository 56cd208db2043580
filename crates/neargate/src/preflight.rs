//! What the host must offer, checked before anything is touched; each failure names its remedy.

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;

pub fn check() -> Result<()> {
    if !is_root() {
        bail!("Neargate runs containers and needs root: start it with sudo.");
    }
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let v1 = Path::new("/sys/fs/cgroup/memory").exists();
    if !v1 && !v2 {
        bail!(
            "No cgroups are mounted under /sys/fs/cgroup: mount them (mount -t cgroup2 none /sys/fs/cgroup)."
        );
    }
    let overlay = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !overlay.contains("overlay") {
        bail!("The kernel has no overlay file system: load it (modprobe overlay).");
    }
    if which("nft").is_none() {
        bail!("The program nft is missing: install it (apt-get install nftables).");
    }
    Ok(())
}

/// Lets this process open as many files as it may have: each connection is one. The soft limit of
/// a shell is 1,024, for the sake of programs that use select(2).
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// When memory is short the kernel takes a task (`node::shim`), or whatever else is largest, rather
/// than what looks after all tasks. Root may lack the capability for that: then it stays as it is.
pub fn protect_from_oom() {
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "-999") {
        tracing::debug!(%error, "the OOM killer may choose this process");
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status
        .lines()
        .find_map(|l| l.strip_prefix("Uid:"))
        .unwrap_or_default();
    uids.split_whitespace().nth(1) == Some("0")
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_may_be_open_can_be() {
        let before = getrlimit(Resource::Nofile);
        let low = Rlimit {
            current: Some(1_024),
            ..before
        };
        setrlimit(Resource::Nofile, low).unwrap();
        raise_file_limit();
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.current, before.maximum);
    }
}
