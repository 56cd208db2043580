//! A part of a container's processes: a group inside the container's own that sets no limit and
//! only tells those processes from the others.
//!
//! On v2 the part is a child group without controllers, so that everything still counts for the
//! container. On v1 only the hierarchy that counts processes gets one; for all others the part's
//! processes are the container's.

use super::{Cgroup, CgroupError, Entrance, Version};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;

/// How often leftovers are moved before they count as growing faster than that.
const PASSES: u32 = 50;
/// After so many passes nothing in the part may fork any more, where the kernel can see to that.
const PATIENCE: u32 = 3;
/// How many are moved at most, however fast they come: whoever calls does nothing else meanwhile.
const MOST_MOVED: usize = 8_192;

impl Cgroup {
    /// Makes the part `name` of this group.
    pub fn part(&self, name: &str) -> Result<Cgroup, CgroupError> {
        let part = self.child(name);
        if let Some(directory) = part.directory("pids") {
            match fs::create_dir(&directory) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                    return Err(super::io_error("create", &directory)(e));
                }
                _ => {}
            }
        }
        Ok(part)
    }

    /// The way into the part `part` of this group, as [`Cgroup::entrance`].
    pub fn part_entrance(&self, part: &Cgroup) -> Result<Entrance, CgroupError> {
        if self.hierarchy.version() == Version::V2 {
            let path = &part.directories()[0].1;
            let directory = File::open(path).map_err(super::io_error("open", path))?;
            return Ok(Entrance::CloneInto(directory));
        }
        let own = part.directory("pids");
        let mut files = Vec::new();
        for (_, directory) in part.directories() {
            let directory = match &own {
                Some(own) if *own == directory => directory,
                _ => directory.parent().unwrap_or(&directory).to_owned(),
            };
            let path = directory.join("tasks");
            let file = OpenOptions::new().write(true).open(&path);
            files.push(file.map_err(super::io_error("open", &path))?);
        }
        Ok(Entrance::WriteZero(files))
    }

    /// Kills what is in the group now, waiting for nothing; true when nothing was.
    pub fn kill_now(&self) -> bool {
        if self.processes().is_empty() {
            return true;
        }
        match self.hierarchy.version() {
            // Since kernel 5.14; before that the loop below does it alone.
            Version::V2 => drop(self.write("", "cgroup.kill", "1")),
            // Nothing can fork any more, so the list of processes can only shrink.
            Version::V1 => drop(self.write("pids", "pids.max", "0")),
        }
        for pid in self.processes().into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        false
    }

    /// Takes the processes of the part into this group itself. False when some are left: they
    /// multiply faster than they can be moved.
    pub fn take_in(&self, part: &Cgroup) -> bool {
        let mut moves = 0..MOST_MOVED;
        for pass in 0..PASSES {
            let processes = part.processes();
            if processes.is_empty() {
                return true;
            }
            // A part has a limit of its own on v1 only.
            if pass == PATIENCE && self.hierarchy.version() == Version::V1 {
                let _ = part.write("pids", "pids.max", "0");
            }
            for pid in processes {
                if moves.next().is_none() {
                    return false;
                }
                // One that has just ended cannot be moved.
                let _ = self.write("pids", "cgroup.procs", &pid.to_string());
            }
        }
        false
    }

    /// Removes an empty part; false while the kernel still holds it.
    pub fn remove_part(&self) -> bool {
        match self.directory("pids").map(fs::remove_dir) {
            None | Some(Ok(())) => true,
            Some(Err(e)) => e.kind() == ErrorKind::NotFound,
        }
    }
}
