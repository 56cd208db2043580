//! Ending whatever runs in a group, and removing groups.

use super::{Cgroup, CgroupError, Version};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often, and how far apart, the kernel is asked again. A killed process leaves its group
/// once it is dead, which takes longer when it has much memory to give back.
const TRIES: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(5);

impl Cgroup {
    /// Kills everything in the group and its children, and waits until it is gone.
    pub fn kill(&self) -> Result<(), CgroupError> {
        for child in self.children() {
            self.child(&child).kill()?;
        }
        if self.hierarchy.version() == Version::V2 {
            // Since kernel 5.14; before that the loop below does it alone.
            let _ = self.write("", "cgroup.kill", "1");
        } else if !self.processes().is_empty() {
            // Nothing can fork any more, so the list of processes can only shrink.
            let _ = self.write("pids", "pids.max", "0");
        }
        for attempt in 0..TRIES {
            let processes = self.processes();
            if processes.is_empty() {
                return Ok(());
            }
            for pid in processes.into_iter().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
        }
        Err(CgroupError::Stuck {
            path: self.path.clone().into(),
        })
    }

    /// Removes the group and its children from every hierarchy. Idempotent. Fails while
    /// processes are in it.
    pub fn remove(&self) -> Result<(), CgroupError> {
        for child in self.children() {
            self.child(&child).remove()?;
        }
        for (_, directory) in self.directories() {
            remove_directory(&directory)?;
        }
        Ok(())
    }

    /// Removes the group if nothing is in it.
    pub fn remove_empty(&self) -> Result<(), CgroupError> {
        for (_, directory) in self.directories() {
            match fs::remove_dir(&directory) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(super::io_error("remove", &directory)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Kills and removes every group inside this one that is not in `keep`.
    pub fn sweep(&self, keep: &HashSet<String>) -> Result<(), CgroupError> {
        for name in self
            .children()
            .into_iter()
            .filter(|name| !keep.contains(name))
        {
            let child = self.child(&name);
            child.kill()?;
            child.remove()?;
        }
        Ok(())
    }
}

/// A group stays busy for a moment after its last process has died.
fn remove_directory(directory: &Path) -> Result<(), CgroupError> {
    let mut last = None;
    for _ in 0..TRIES {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == ErrorKind::ResourceBusy => last = Some(e),
            Err(e) => return Err(super::io_error("remove", directory)(e)),
        }
        thread::sleep(PAUSE);
    }
    let e = last.unwrap_or_else(|| ErrorKind::ResourceBusy.into());
    Err(super::io_error("remove", directory)(e))
}
