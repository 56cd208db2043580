//! How much memory this host has for tasks: all of it but a reserve for the host itself, and of that
//! what is free now. Processors are shared: a task gets what it asks for at the most, and less
//! when all want theirs.

use crate::cgroup::{Cgroup, CgroupError, Hierarchy};
use std::io;

/// The host's own part: a tenth, within these bounds.
const LEAST_RESERVE_MIB: u32 = 256;
const MOST_RESERVE_MIB: u32 = 4096;

/// What all tasks together may use, in MiB.
///
/// # Errors
/// `/proc/meminfo` is not what it is on Linux.
pub fn for_tasks_mib() -> io::Result<u32> {
    let total = read("MemTotal:").ok_or(io::ErrorKind::InvalidData)?;
    Ok(less_reserve(total))
}

pub(super) fn less_reserve(total_mib: u32) -> u32 {
    let reserve = (total_mib / 10).clamp(LEAST_RESERVE_MIB, MOST_RESERVE_MIB);
    total_mib.saturating_sub(reserve)
}

/// Tells, each time it is asked, how many MiB a further task of the installation can have: what
/// its tasks do not use of their part, as far as the host has it free.
///
/// # Errors
/// No control groups, or no `/proc/meminfo`.
pub fn free_mib(installation: &str) -> Result<impl Fn() -> u64 + Send + Sync + use<>, RoomError> {
    let part = u64::from(for_tasks_mib()?);
    let tasks = Cgroup::at(&Hierarchy::detect()?, &format!("neargate-{installation}"));
    Ok(move || {
        let used = tasks.usage().working_set_bytes >> 20;
        let free = read("MemAvailable:").map_or(u64::MAX, u64::from);
        part.saturating_sub(used).min(free)
    })
}

/// The host does not tell.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    #[error("cannot read the host's memory")]
    Memory(#[from] io::Error),
    #[error("cannot read what tasks use")]
    Cgroup(#[from] CgroupError),
}

/// A line of `/proc/meminfo`, in MiB.
fn read(field: &str) -> Option<u32> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    super::memory_mib(&meminfo, field)
}
