//! A task's own disk: a sparse file with a file system of its own, which a loop device shows. What the
//! task writes has that much room and no more: then it gets ENOSPC, and so it does when it is out of
//! inodes. The file takes of the host's disk only what is in use, later than it is written: so that
//! nothing is acknowledged that the host has no room for, each disk is told what it may still grow by
//! ([`Disks::allow`]), and says that it is full beyond that.
//!
//! ```text
//! <task>/.disk.ext4                  the file: takes of the host's disk what is in use
//! <task>/.disk/<container>/          upper and work directories of the container's root
//! <task>/.disk/{.volumes,.firelens}  as where a task has no disk of its own
//! ```
//! What is known of a task's run, and its containers' output, are not on it: they are still written
//! when it is full. The file system has no journal, for nobody reads it after the machine has stopped.
//! All of it blocks.

mod loop_device;
mod template;

use crate::volume::is_mounted;
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use template::Template;

/// No container and no task has such names.
pub(crate) const DIR: &str = ".disk";
const FILE: &str = ".disk.ext4";
/// Without a journal the kernel would zero inode tables behind the task's back, which a sparse file is
/// anyhow; what is deleted is given back to the host's disk.
const OPTIONS: &std::ffi::CStr = c"noinit_itable,discard";

/// Makes tasks' disks.
#[derive(Debug, Default)]
pub(super) struct Disks {
    /// By size in GiB; `Err`: why this machine makes none.
    templates: Mutex<HashMap<u32, Result<Arc<Template>, String>>>,
    /// Those that are mounted, by their task's directory.
    mounted: Mutex<HashMap<PathBuf, Mounted>>,
}

/// A disk in use.
#[derive(Debug, Clone)]
struct Mounted {
    file: PathBuf,
    dir: PathBuf,
    /// Where the kernel is told how many blocks nobody may have.
    held: PathBuf,
    /// What that is.
    held_blocks: u64,
    /// What ext4 holds back by itself.
    least_held: u64,
}

impl Disks {
    /// Makes a template before somebody waits for it.
    pub(super) fn prepare(&self, gib: u32) {
        let _ = self.template(gib);
    }

    /// Makes the task's disk and mounts it, unless it is there. Idempotent.
    ///
    /// # Errors
    /// This machine cannot: its kernel has no loop devices, it has no mke2fs, it may not mount. The
    /// task does without.
    pub(super) fn make(&self, task_dir: &Path, gib: u32) -> Result<(), String> {
        let (file, dir) = (task_dir.join(FILE), task_dir.join(DIR));
        if is_mounted(&dir) {
            self.keep(task_dir);
            return Ok(());
        }
        if began_without(task_dir, &file) {
            return Ok(());
        }
        let template = self.template(gib)?;
        let made = (|| {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&dir)?;
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(true);
            let image = options.mode(0o600).open(&file)?;
            template.write_to(&image)?;
            let device = loop_device::show(&image, &file)?;
            mount(
                device.path.as_str(),
                &dir,
                "ext4",
                MountFlags::NODEV,
                OPTIONS,
            )?;
            Ok(())
        })();
        let made = made.map_err(|e: io::Error| {
            let _ = fs::remove_file(&file);
            let _ = fs::remove_dir(&dir);
            e.to_string()
        });
        if made.is_ok() {
            self.keep(task_dir);
        }
        made
    }

    fn keep(&self, task_dir: &Path) {
        match Mounted::of(task_dir) {
            Ok(disk) => drop(self.mounted.lock().insert(task_dir.to_owned(), disk)),
            Err(error) => {
                tracing::warn!(%error, dir = %task_dir.display(), "a disk's growth is not watched")
            }
        }
    }

    /// As [`take_off`].
    ///
    /// # Errors
    /// It is still mounted.
    pub(super) fn take_off(&self, task_dir: &Path) -> io::Result<()> {
        self.mounted.lock().remove(task_dir);
        take_off(task_dir)
    }

    /// What all disks have taken that the host's does not show yet: what is written but still in memory,
    /// and what was set aside.
    pub(super) fn promised(&self) -> u64 {
        self.mounted.lock().values().map(Mounted::promised).sum()
    }

    /// No disk grows by more than so much until the next call.
    pub(super) fn allow(&self, bytes: u64) {
        for disk in self.mounted.lock().values_mut() {
            if let Err(error) = disk.allow(bytes) {
                tracing::debug!(%error, dir = %disk.dir.display(), "a disk's growth is not bounded");
            }
        }
    }

    fn template(&self, gib: u32) -> Result<Arc<Template>, String> {
        // Whoever else needs one waits for it.
        let mut templates = self.templates.lock();
        if let Some(made) = templates.get(&gib) {
            return made.clone();
        }
        let made = Template::make(gib).map(Arc::new);
        if let Err(why) = &made {
            tracing::warn!(
                why,
                "tasks have no disks of their own on this machine: one that takes more than its \
                 ephemeral storage is stopped"
            );
        }
        templates.insert(gib, made.clone());
        made
    }
}

impl Mounted {
    fn of(task_dir: &Path) -> io::Result<Mounted> {
        let dir = task_dir.join(DIR);
        let held = loop_device::settings(&dir)?.join("reserved_clusters");
        let text = fs::read_to_string(&held)?;
        let held_blocks = text.trim().parse().map_err(io::Error::other)?;
        Ok(Mounted {
            file: task_dir.join(FILE),
            dir,
            held,
            held_blocks,
            least_held: least_held(held_blocks),
        })
    }

    fn promised(&self) -> u64 {
        let (Ok(inside), Ok(outside)) = (rustix::fs::statvfs(&self.dir), fs::metadata(&self.file))
        else {
            return 0;
        };
        let used = inside.f_blocks.saturating_sub(inside.f_bfree) * inside.f_frsize;
        used.saturating_sub(outside.blocks() * 512)
    }

    fn allow(&mut self, bytes: u64) -> io::Result<()> {
        let inside = rustix::fs::statvfs(&self.dir)?;
        let may = bytes / inside.f_frsize.max(1);
        let held = inside.f_bfree.saturating_sub(may).max(self.least_held);
        let held = held.min(inside.f_blocks.saturating_sub(1));
        if held != self.held_blocks {
            fs::write(&self.held, held.to_string())?;
            self.held_blocks = held;
        }
        Ok(())
    }
}

/// ext4's own is 4,096 blocks at most; more is what an agent that was killed has said.
fn least_held(found: u64) -> u64 {
    found.min(4_096)
}

/// Its containers write elsewhere since an earlier version started them.
fn began_without(task_dir: &Path, file: &Path) -> bool {
    let entries = fs::read_dir(task_dir).into_iter().flatten().flatten();
    let mut entries = entries.filter(|entry| entry.file_name() != DIR);
    !file.exists() && entries.next().is_some()
}

/// Where a task's writable files are: on its own disk, if it has one.
pub(crate) fn place(task_dir: &Path) -> PathBuf {
    let disk = task_dir.join(DIR);
    match is_mounted(&disk) {
        true => disk,
        false => task_dir.to_owned(),
    }
}

pub(super) fn has_one(task_dir: &Path) -> bool {
    is_mounted(&task_dir.join(DIR))
}

/// What the task's own disk holds and may hold, in bytes. What is written but still in memory counts.
pub(super) fn room(task_dir: &Path) -> Option<(u64, u64)> {
    let stat = has_one(task_dir).then(|| rustix::fs::statvfs(task_dir.join(DIR)).ok())??;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    Some((used * stat.f_frsize, stat.f_blocks * stat.f_frsize))
}

/// What the disk's file takes of the host's.
pub(super) fn file_bytes(task_dir: &Path) -> u64 {
    fs::metadata(task_dir.join(FILE)).map_or(0, |file| file.blocks() * 512)
}

/// Takes the disk off, whose task has ended: call it before the task's files are removed.
///
/// # Errors
/// It is still mounted.
fn take_off(task_dir: &Path) -> io::Result<()> {
    let (dir, file) = (task_dir.join(DIR), task_dir.join(FILE));
    if is_mounted(&dir) {
        // What is not written yet need not be.
        loop_device::give_up(&dir, &file);
    }
    loop {
        match unmount(&dir, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // Nothing is mounted there.
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => break,
            Err(e) => return Err(e.into()),
        }
    }
    match fs::remove_file(&file) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
