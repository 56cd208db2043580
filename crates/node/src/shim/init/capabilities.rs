//! Which capabilities a container has: Docker's default set, less and more as asked.

use crate::runtime::{StartFailure, StartFailureKind};

/// By number, from `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities; ECS's
/// `KernelCapabilities` starts from the same set.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The set as a bit mask. Names may carry the prefix `CAP_`; `ALL` is every capability.
pub(super) fn set(add: &[String], drop: &[String]) -> Result<u64, StartFailure> {
    let mut set = mask(&DEFAULT.map(str::to_owned))?;
    set &= !mask(drop)?;
    set |= mask(add)?;
    Ok(set)
}

fn mask(names: &[String]) -> Result<u64, StartFailure> {
    names.iter().try_fold(0, |mask, name| {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if short == "ALL" {
            return Ok((1 << NAMES.len()) - 1);
        }
        match NAMES.iter().position(|&known| known == short) {
            Some(number) => Ok(mask | 1 << number),
            None => Err(StartFailure::new(
                StartFailureKind::Config,
                format!("invalid capability: {name}"),
            )),
        }
    })
}
