//! What the host must offer, checked before anything is touched; each failure names its remedy.

use anyhow::{Result, bail};
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
