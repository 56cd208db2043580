//! Limits as ECS states them, written as the kernel wants them.

use super::{Cgroup, CgroupError, Version};

/// Limits of one group; `None` leaves the parent's in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupLimits {
    /// Hard cap on processor time, 1024 being one core.
    pub cpu_units: Option<u32>,
    /// Weight among siblings: Docker's `--cpu-shares`, 2 to 262144.
    pub cpu_shares: Option<u32>,
    /// Hard limit; there is no swap beyond it but [`GroupLimits::swap_bytes`].
    pub memory_bytes: Option<u64>,
    pub swap_bytes: Option<u64>,
    /// How eagerly the kernel uses it, 0 to 100; v2 knows no such setting.
    pub swappiness: Option<u32>,
    /// Soft limit.
    pub memory_reservation_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

const PERIOD_MICROS: u64 = 100_000;
/// The kernel refuses quotas below 1 ms.
const LEAST_QUOTA_MICROS: u64 = 1_000;

fn quota_micros(cpu_units: u32) -> u64 {
    (u64::from(cpu_units) * PERIOD_MICROS / 1024).max(LEAST_QUOTA_MICROS)
}

/// A v2 weight (1–10000) for a v1 share (2–262144): the mapping runc and crun share.
pub(super) fn weight(shares: u32) -> u64 {
    1 + (u64::from(shares.clamp(2, 262_144)) - 2) * 9_999 / 262_142
}

impl Cgroup {
    /// Sets the limits of a group that exists.
    pub fn limit(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        match self.hierarchy.version() {
            Version::V1 => self.limit_v1(limits),
            Version::V2 => self.limit_v2(limits),
        }
    }

    fn limit_v1(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        if let Some(units) = limits.cpu_units {
            self.write("cpu", "cpu.cfs_period_us", &PERIOD_MICROS.to_string())?;
            self.write("cpu", "cpu.cfs_quota_us", &quota_micros(units).to_string())?;
        }
        if let Some(shares) = limits.cpu_shares {
            self.write("cpu", "cpu.shares", &shares.clamp(2, 262_144).to_string())?;
        }
        if let Some(bytes) = limits.memory_bytes {
            self.write("memory", "memory.limit_in_bytes", &bytes.to_string())?;
            // Memory plus swap: absent where swap accounting is off. It may not be below the
            // memory limit at any moment, hence the order.
            let both = bytes.saturating_add(limits.swap_bytes.unwrap_or(0));
            let _ = self.write("memory", "memory.memsw.limit_in_bytes", &both.to_string());
        }
        if let Some(swappiness) = limits.swappiness {
            self.write("memory", "memory.swappiness", &swappiness.to_string())?;
        }
        if let Some(bytes) = limits.memory_reservation_bytes {
            let _ = self.write("memory", "memory.soft_limit_in_bytes", &bytes.to_string());
        }
        if let Some(pids) = limits.pids {
            self.write("pids", "pids.max", &pids.to_string())?;
        }
        Ok(())
    }

    fn limit_v2(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        if let Some(units) = limits.cpu_units {
            self.write(
                "cpu",
                "cpu.max",
                &format!("{} {PERIOD_MICROS}", quota_micros(units)),
            )?;
        }
        if let Some(shares) = limits.cpu_shares {
            self.write("cpu", "cpu.weight", &weight(shares).to_string())?;
        }
        if let Some(bytes) = limits.memory_bytes {
            self.write("memory", "memory.max", &bytes.to_string())?;
            // Absent where the kernel has no swap.
            let swap = limits.swap_bytes.unwrap_or(0);
            let _ = self.write("memory", "memory.swap.max", &swap.to_string());
        }
        if let Some(bytes) = limits.memory_reservation_bytes {
            self.write("memory", "memory.low", &bytes.to_string())?;
        }
        if let Some(pids) = limits.pids {
            self.write("pids", "pids.max", &pids.to_string())?;
        }
        Ok(())
    }
}
