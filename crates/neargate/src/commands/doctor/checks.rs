//! What the facts of a host mean for Neargate: one small function a question. Pure.

use super::facts::{Facts, Version};
use crate::view::bytes;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Good,
    /// Something that some tasks miss.
    Note,
    /// It works, and something is odd.
    Warning,
    /// Neargate does not start, or runs no task.
    Wrong,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub level: Level,
    pub found: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

type Check = fn(&Facts) -> Answer;

struct Answer(Level, String, Option<String>);

fn good(found: impl Into<String>) -> Answer {
    Answer(Level::Good, found.into(), None)
}

fn bad(level: Level, found: impl Into<String>, remedy: impl Into<String>) -> Answer {
    Answer(level, found.into(), Some(remedy.into()))
}

const CHECKS: [(&str, Check); 18] = [
    ("root", root),
    ("kernel", kernel),
    ("container", container),
    ("cgroups", cgroups),
    ("overlay", overlay),
    ("nftables", nftables),
    ("user namespaces", user_namespaces),
    ("security modules", security_modules),
    ("forwarding", forwarding),
    ("address range", address_range),
    ("port", port),
    ("disk", disk),
    ("inodes", inodes),
    ("memory", memory),
    ("open files", open_files),
    ("clock", clock),
    ("devices and programs", devices),
    ("leftovers", leftovers),
];

/// The answers to all questions.
pub fn all(facts: &Facts) -> Vec<Finding> {
    let found = CHECKS.into_iter().map(|(check, of)| {
        let Answer(level, found, remedy) = of(facts);
        Finding {
            check,
            level,
            found,
            remedy,
        }
    });
    found.collect()
}

fn root(facts: &Facts) -> Answer {
    match facts.is_root {
        true => good("this is root"),
        false => bad(
            Level::Wrong,
            "this is not root",
            "Neargate runs containers and needs root: start it with sudo.",
        ),
    }
}

/// Major and minor.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// openat2 and clone3 with a cgroup came with 5.6 and 5.7, overlays in user namespaces with 5.11.
const OLDEST: (u32, u32) = (5, 11);

fn kernel(facts: &Facts) -> Answer {
    let release = &facts.kernel;
    if release.to_ascii_lowercase().contains("microsoft")
        && !release.to_ascii_lowercase().contains("wsl2")
    {
        return bad(
            Level::Wrong,
            format!("{release}: WSL 1 has no Linux kernel"),
            "Convert the distribution: wsl --set-version NAME 2",
        );
    }
    match version(release) {
        Some(found) if found < OLDEST => bad(
            Level::Wrong,
            format!("{release} is older than {}.{}", OLDEST.0, OLDEST.1),
            "Boot a newer kernel: Debian 12 and Ubuntu 22.04 have one.",
        ),
        Some(_) if release.contains("WSL2") => bad(
            Level::Note,
            format!("{release}: WSL 2"),
            "Ports are reached from Windows at localhost; set `systemd=true` in /etc/wsl.conf for the service.",
        ),
        Some(_) => good(format!("{release} on {}", facts.architecture)),
        None => bad(
            Level::Warning,
            format!("{release:?} is no version"),
            "Neargate is tested on Debian's kernels.",
        ),
    }
}

const NET_ADMIN: u64 = 1 << 12;
const SYS_ADMIN: u64 = 1 << 21;

fn container(facts: &Facts) -> Answer {
    let privileged = facts.capabilities & (NET_ADMIN | SYS_ADMIN) == NET_ADMIN | SYS_ADMIN;
    match (&facts.container, privileged) {
        (None, true) => good("this is no container"),
        (None, false) if !facts.is_root => Answer(
            Level::Note,
            "this is no container; what root may do is not known".into(),
            None,
        ),
        (None, false) => bad(
            Level::Wrong,
            "root lacks CAP_SYS_ADMIN or CAP_NET_ADMIN",
            "Start it where root has all capabilities.",
        ),
        (Some(kind), true) => Answer(
            Level::Note,
            format!("in a privileged container ({kind})"),
            None,
        ),
        (Some(kind), false) => bad(
            Level::Wrong,
            format!("in a container ({kind}) without privileges"),
            "Start the container with --privileged: Neargate makes namespaces, mounts and networks.",
        ),
    }
}

fn cgroups(facts: &Facts) -> Answer {
    let version = match facts.cgroup.version {
        Version::None => {
            return bad(
                Level::Wrong,
                "none are mounted under /sys/fs/cgroup",
                "Mount them: mount -t cgroup2 none /sys/fs/cgroup",
            );
        }
        Version::One => "version 1",
        Version::Two => "version 2",
    };
    let lacking: Vec<&str> = ["memory", "cpu", "pids"]
        .into_iter()
        .filter(|name| !facts.cgroup.controllers.contains(*name))
        .collect();
    if !lacking.is_empty() {
        let what = lacking.join(", ");
        return bad(
            Level::Wrong,
            format!("{version} without {what}"),
            format!(
                "Have the kernel's command line enable it (cgroup_enable=memory), or delegate {what} to this service (Delegate=yes)."
            ),
        );
    }
    if !facts.cgroup.writable && facts.is_root {
        return bad(
            Level::Wrong,
            format!("{version}, which is read-only here"),
            "Start the container with --privileged, or mount /sys/fs/cgroup read-write.",
        );
    }
    good(format!("{version} with memory, cpu and pids"))
}

fn overlay(facts: &Facts) -> Answer {
    match (facts.overlay, facts.overlay_loadable) {
        (true, _) => good("the kernel has it"),
        (false, true) => bad(
            Level::Wrong,
            "the module is not loaded",
            "Load it: modprobe overlay (and `echo overlay > /etc/modules-load.d/neargate.conf`)",
        ),
        (false, false) => bad(
            Level::Wrong,
            "the kernel has no overlay file system",
            "Boot a kernel with CONFIG_OVERLAY_FS: Debian's have it.",
        ),
    }
}

fn nftables(facts: &Facts) -> Answer {
    match facts.nft.as_deref() {
        None => good("nft lists tables"),
        Some("") => bad(
            Level::Wrong,
            "the program nft is missing",
            "Install it: apt-get install nftables",
        ),
        Some(_) if !facts.is_root => Answer(Level::Note, "only root may ask nft".into(), None),
        Some(why) => bad(
            Level::Wrong,
            format!("nft fails: {why}"),
            "Load nf_tables (modprobe nf_tables); in a container, start it with --privileged.",
        ),
    }
}

fn user_namespaces(facts: &Facts) -> Answer {
    match facts.max_user_namespaces {
        None => bad(
            Level::Warning,
            "the kernel has none",
            "Boot a kernel with CONFIG_USER_NS: images that are built need them.",
        ),
        Some(0) => bad(
            Level::Warning,
            "none may be made",
            "Allow them: sysctl -w user.max_user_namespaces=65536",
        ),
        Some(n) if n < 1_024 => bad(
            Level::Note,
            format!("{n} may be made"),
            "Allow more for many tasks: sysctl -w user.max_user_namespaces=65536",
        ),
        Some(n) => good(format!("{n} may be made")),
    }
}

fn security_modules(facts: &Facts) -> Answer {
    match (facts.selinux.as_deref(), facts.apparmor_restricts) {
        (Some("enforcing"), _) => bad(
            Level::Warning,
            "SELinux enforces",
            "Neargate has no policy of its own: run it unconfined (the package's service is), and look for denials with ausearch -m avc.",
        ),
        (_, true) => Answer(
            Level::Note,
            "AppArmor restricts user namespaces of unprivileged programs; root's are not".into(),
            None,
        ),
        _ => good("none is in the way"),
    }
}

fn forwarding(facts: &Facts) -> Answer {
    match facts.ip_forward {
        Some(true) => good("IPv4 packets are forwarded"),
        Some(false) => Answer(
            Level::Note,
            "IPv4 packets are not forwarded yet: `neargate up` turns it on".into(),
            None,
        ),
        None => bad(
            Level::Warning,
            "cannot be told",
            "Neargate must be able to write /proc/sys/net/ipv4/ip_forward.",
        ),
    }
}

fn address_range(facts: &Facts) -> Answer {
    match &facts.range {
        None => Answer(Level::Note, "cannot be told".into(), None),
        Some(Ok(range)) => good(format!("tasks have addresses in {range}")),
        Some(Err(why)) => bad(
            Level::Wrong,
            why,
            "Name a /16 that this host does not use: neargate up --vpc-cidr 10.77.0.0/16",
        ),
    }
}

fn port(facts: &Facts) -> Answer {
    match (&facts.running, &facts.port_taken) {
        (Some(at), _) => good(format!("Neargate runs at {at}")),
        (None, None) => good(format!("{} is free", facts.port)),
        (None, Some(why)) => bad(
            Level::Wrong,
            format!("{} cannot be had: {why}", facts.port),
            format!(
                "See who has it (ss -ltnp 'sport = :{}'), or choose another: neargate up --listen 127.0.0.1:4567",
                facts.port
            ),
        ),
    }
}

const GIB: u64 = 1 << 30;

fn disk(facts: &Facts) -> Answer {
    let Some(disk) = &facts.disk else {
        return Answer(Level::Note, "cannot be told".into(), None);
    };
    let found = format!(
        "{} free of {} for {}",
        bytes(disk.free_bytes),
        bytes(disk.size_bytes),
        disk.path
    );
    match disk.free_bytes {
        n if n < GIB => bad(
            Level::Wrong,
            found,
            "Free some: images, logs and tasks' files need it; or choose another disk with --data.",
        ),
        n if n < 5 * GIB => bad(
            Level::Warning,
            found,
            "A few images fill it: free some, or choose another disk with --data.",
        ),
        _ => good(found),
    }
}

fn inodes(facts: &Facts) -> Answer {
    let Some(disk) = facts.disk.as_ref().filter(|disk| disk.inodes > 0) else {
        return good("this file system does not count them");
    };
    let found = format!("{} free of {}", disk.free_inodes, disk.inodes);
    match disk.free_inodes {
        n if n < 10_000 => bad(
            Level::Wrong,
            found,
            "Remove small files, or choose another file system with --data: an image has tens of thousands.",
        ),
        n if n < 200_000 => bad(Level::Warning, found, "A few images use them up."),
        _ => good(found),
    }
}

fn memory(facts: &Facts) -> Answer {
    match facts.memory_mib {
        None => Answer(Level::Note, "cannot be told".into(), None),
        Some(n) if n < 512 => bad(
            Level::Warning,
            format!("{n} MiB available"),
            "The smallest Fargate task has 512 MiB: it waits for room.",
        ),
        Some(n) => good(format!("{n} MiB available")),
    }
}

fn open_files(facts: &Facts) -> Answer {
    match facts.open_files {
        None => good("as many as wanted"),
        Some(n) if n < 4_096 => bad(
            Level::Warning,
            format!("{n} at the most"),
            "Raise the limit: LimitNOFILE=1048576 in the service, or ulimit -Hn.",
        ),
        Some(n) if n < 65_536 => bad(
            Level::Note,
            format!("{n} at the most"),
            "Raise it for thousands of connections: LimitNOFILE=1048576 in the service.",
        ),
        Some(n) => good(format!("{n} at the most")),
    }
}

/// The first day of 2025.
const PAST: i64 = 1_735_689_600;
/// Clocks may differ by so many seconds.
const SLACK: i64 = 120;

fn clock(facts: &Facts) -> Answer {
    let remedy = "Set it (timedatectl set-ntp true): signatures and certificates go by it.";
    match facts.written {
        _ if facts.now < PAST => bad(Level::Wrong, "it is before 2025", remedy),
        Some(written) if written > facts.now + SLACK => bad(
            Level::Warning,
            format!(
                "the state was written {} s from now: the clock was set back",
                written - facts.now
            ),
            remedy,
        ),
        _ => good("it is after what was written last"),
    }
}

fn devices(facts: &Facts) -> Answer {
    let mut lacks: Vec<String> = Vec::new();
    for program in &facts.missing_programs {
        lacks.push(match program.as_str() {
            "git" => "git (CodeCommit needs it)".into(),
            "mke2fs" => "mke2fs (tasks' disks are not of their own size without it)".into(),
            other => other.to_owned(),
        });
    }
    if !facts.loop_devices {
        lacks.push("/dev/loop-control (tasks' disks are not of their own size without it)".into());
    }
    let kvm = match facts.kvm {
        true => "/dev/kvm is there",
        false => "no /dev/kvm, which nothing needs",
    };
    match lacks.is_empty() {
        true => good(format!("all are there; {kvm}")),
        false => bad(
            Level::Note,
            format!("missing: {}", lacks.join(", ")),
            "apt-get install git e2fsprogs; modprobe loop",
        ),
    }
}

fn leftovers(facts: &Facts) -> Answer {
    match &facts.leftovers[..] {
        [] => good("nothing is left of installations that are gone"),
        all => bad(
            Level::Warning,
            format!(
                "left of installations whose data is gone: {}",
                all.join(", ")
            ),
            "A restart of the host removes it all; processes of theirs are in the cgroups of the same name.",
        ),
    }
}
