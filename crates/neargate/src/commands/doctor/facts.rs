//! What is observed of a host. Each fact is read once, and nothing is changed by looking.

use crate::config::Config;
use crate::running::Records;
use crate::{environment, installation, machine, task_network};
use neargate_base::Clock;
use neargate_base::time::SystemClock;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// All that checks are made from. `None`: it cannot be told.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub is_root: bool,
    /// Such as `6.1.0-18-amd64`.
    pub kernel: String,
    pub architecture: String,
    /// The effective capabilities, as a mask.
    pub capabilities: u64,
    /// What kind of container this is, if it is one.
    pub container: Option<String>,
    pub cgroup: Cgroup,
    /// What `/proc/filesystems` has, and modules that could be loaded.
    pub overlay: bool,
    pub overlay_loadable: bool,
    /// Why `nft` cannot list tables; `Some("")` where it is missing.
    pub nft: Option<String>,
    /// Programs that some services need, and are not there.
    pub missing_programs: BTreeSet<String>,
    pub max_user_namespaces: Option<u64>,
    /// AppArmor's restriction of user namespaces.
    pub apparmor_restricts: bool,
    /// `enforcing` or `permissive`.
    pub selinux: Option<String>,
    pub ip_forward: Option<bool>,
    /// The range that is kept, or would be chosen; an error: none is free.
    pub range: Option<Result<String, String>>,
    /// The port of the API, and why it cannot be had.
    pub port: u16,
    pub port_taken: Option<String>,
    /// The Neargate that runs here: its address.
    pub running: Option<String>,
    pub disk: Option<Disk>,
    pub open_files: Option<u64>,
    /// Seconds since 1970, and the latest time the state was written.
    pub now: i64,
    pub written: Option<i64>,
    pub kvm: bool,
    pub loop_devices: bool,
    pub memory_mib: Option<u64>,
    /// What is left of installations whose data is gone.
    pub leftovers: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Version {
    #[default]
    None,
    One,
    Two,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cgroup {
    pub version: Version,
    pub controllers: BTreeSet<String>,
    pub writable: bool,
}

/// Where the state is.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    pub path: String,
    pub free_bytes: u64,
    pub size_bytes: u64,
    pub free_inodes: u64,
    pub inodes: u64,
}

fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

impl Facts {
    /// Looks at this host, as it is for a Neargate of this configuration.
    pub async fn observe(config: &Config) -> Facts {
        let filesystems = text("/proc/filesystems").unwrap_or_default();
        let kernel = text("/proc/sys/kernel/osrelease").unwrap_or_default();
        let modules = format!("/lib/modules/{kernel}/modules.dep");
        let loadable = text(&modules).is_some_and(|all| all.contains("/overlay.ko"));
        let records = Records::of_this_host();
        let running = records.here();
        let port = config.listen.port();
        Facts {
            is_root: rustix::process::geteuid().is_root(),
            architecture: std::env::consts::ARCH.into(),
            capabilities: capabilities(),
            container: container(),
            cgroup: cgroup(),
            overlay: filesystems.contains("overlay"),
            overlay_loadable: loadable,
            nft: nft(),
            missing_programs: missing_programs(),
            max_user_namespaces: text("/proc/sys/user/max_user_namespaces")
                .and_then(|t| t.parse().ok()),
            apparmor_restricts: text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
                .as_deref()
                == Some("1"),
            selinux: text("/sys/fs/selinux/enforce").map(|t| match t.as_str() {
                "1" => "enforcing".into(),
                _ => "permissive".into(),
            }),
            ip_forward: text("/proc/sys/net/ipv4/ip_forward").map(|t| t == "1"),
            range: task_network::would_be(&config.data).await,
            port,
            port_taken: match &running {
                Some(_) => None,
                None => TcpListener::bind(config.listen)
                    .err()
                    .map(|e| e.to_string()),
            },
            running: running.as_ref().map(environment::endpoint),
            disk: disk(&config.data),
            open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
            now: SystemClock.now().as_millis() / 1_000,
            written: written(&config.data),
            kvm: Path::new("/dev/kvm").exists(),
            loop_devices: Path::new("/dev/loop-control").exists(),
            memory_mib: memory(),
            leftovers: leftovers(&records),
            kernel,
        }
    }
}

fn capabilities() -> u64 {
    let status = text("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn container() -> Option<String> {
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    let environment = fs::read("/proc/1/environ").unwrap_or_default();
    let mut all = environment.split(|byte| *byte == 0);
    let named = all.find_map(|variable| variable.strip_prefix(b"container="));
    named.map(|name| String::from_utf8_lossy(name).into_owned())
}

/// As the node chooses: v1 where its memory controller is mounted, else v2.
fn cgroup() -> Cgroup {
    let root = Path::new("/sys/fs/cgroup");
    let v2 = text("/sys/fs/cgroup/cgroup.controllers");
    let v1: BTreeSet<String> = [
        "memory", "cpu", "pids", "cpuset", "blkio", "freezer", "devices",
    ]
    .into_iter()
    .filter(|name| root.join(name).join("cgroup.procs").exists())
    .map(str::to_owned)
    .collect();
    let (version, controllers, probe) = if v1.contains("memory") {
        (Version::One, v1, root.join("memory"))
    } else if let Some(all) = v2 {
        let all = all.split_whitespace().map(str::to_owned).collect();
        (Version::Two, all, root.to_owned())
    } else {
        return Cgroup::default();
    };
    let writable = rustix::fs::access(&probe, rustix::fs::Access::WRITE_OK).is_ok()
        && rustix::fs::statvfs(&probe)
            .is_ok_and(|s| !s.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    Cgroup {
        version,
        controllers,
        writable,
    }
}

fn nft() -> Option<String> {
    let listed = Command::new("nft")
        .args(["list", "tables"])
        .stdin(Stdio::null())
        .output();
    match listed {
        Ok(done) if done.status.success() => None,
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Some(said.lines().next().unwrap_or("it fails").to_owned())
        }
        Err(_) => Some(String::new()),
    }
}

fn missing_programs() -> BTreeSet<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    ["git", "mke2fs"]
        .into_iter()
        .filter(|name| !is_there(name))
        .map(str::to_owned)
        .collect()
}

/// Of the directory, or the nearest above it that is there.
fn disk(data: &Path) -> Option<Disk> {
    let there = data.ancestors().find(|dir| dir.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(Disk {
        path: data.display().to_string(),
        free_bytes: stat.f_bavail * stat.f_frsize,
        size_bytes: stat.f_blocks * stat.f_frsize,
        free_inodes: stat.f_favail,
        inodes: stat.f_files,
    })
}

fn written(data: &Path) -> Option<i64> {
    let about = fs::metadata(data.join("state.redb")).ok()?;
    Some(std::os::unix::fs::MetadataExt::mtime(&about))
}

fn memory() -> Option<u64> {
    let all = text("/proc/meminfo")?;
    let line = all.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib >> 10)
}

/// Directories of installations that nobody knows any more: their data was removed while something of
/// theirs was left.
fn leftovers(records: &Records) -> Vec<String> {
    let known: BTreeSet<String> = records
        .all()
        .iter()
        .filter_map(|r| text(&r.config.data.join(installation::FILE).to_string_lossy()))
        .collect();
    let all = fs::read_dir(machine::RUN_DIR)
        .into_iter()
        .flatten()
        .flatten();
    let mut left: Vec<String> = all
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.len() == 8 && name.bytes().all(|b| b.is_ascii_hexdigit()))
        .filter(|name| !known.contains(name))
        .map(|name| format!("{}/{name}", machine::RUN_DIR))
        .collect();
    left.sort();
    left
}
