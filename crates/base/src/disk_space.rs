//! Space on the data disk, and the part of it that is kept.
//!
//! The last of the disk is a **reserve**: what only adds (tasks' files, pushes, log events) ends
//! before it, so that what frees space, such as stopping a task, still has some.

use std::io;
use std::path::Path;

/// How much is kept, unless the disk is small.
pub const RESERVE_BYTES: u64 = 64 << 20;
/// No more than this part of a small disk is kept.
const RESERVE_PART: u64 = 16;

/// What one look at a file system found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    pub total_bytes: u64,
    /// What an ordinary user could still write.
    pub free_bytes: u64,
    /// Files that could still be made; `None` where the file system does not count them.
    pub free_files: Option<u64>,
}

impl DiskSpace {
    /// On the file system that holds `path`.
    ///
    /// # Errors
    /// When there is no such path.
    pub fn at(path: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace::from(rustix::fs::statvfs(path)?))
    }

    /// The last bytes of this disk, kept for what frees space.
    pub fn reserve_bytes(&self) -> u64 {
        RESERVE_BYTES.min(self.total_bytes / RESERVE_PART)
    }

    /// Do `bytes` more fit without touching the reserve?
    pub fn takes(&self, bytes: u64) -> bool {
        self.free_bytes >= self.reserve_bytes().saturating_add(bytes)
    }

    /// Much of the reserve itself is gone: only what frees space may go on.
    pub fn is_low(&self) -> bool {
        self.free_bytes < self.reserve_bytes() / 4
    }
}

impl From<rustix::fs::StatVfs> for DiskSpace {
    fn from(stat: rustix::fs::StatVfs) -> DiskSpace {
        DiskSpace {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            free_files: (stat.f_files > 0).then_some(stat.f_favail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(total_bytes: u64, free_bytes: u64) -> DiskSpace {
        DiskSpace {
            total_bytes,
            free_bytes,
            free_files: None,
        }
    }

    #[test]
    fn the_reserve_is_kept_and_small_on_small_disks() {
        let large = space(100 << 30, 65 << 20);
        assert_eq!(large.reserve_bytes(), 64 << 20);
        assert!(large.takes(1 << 20) && !large.takes(2 << 20) && !large.takes(u64::MAX));
        let small = space(160 << 20, 9 << 20);
        assert_eq!(small.reserve_bytes(), 10 << 20);
        assert!(!small.takes(0) && !small.is_low());
        assert!(space(160 << 20, 2 << 20).is_low());
    }

    #[test]
    fn a_real_disk_has_space() {
        let space = DiskSpace::at(Path::new("/")).unwrap();
        assert!(space.total_bytes >= space.free_bytes && space.total_bytes > 0);
    }
}
