//! EBS volumes of tasks: a sparse file with a file system of its own, which a loop device shows.
//!
//! ```text
//! <dir>/<task>/<volume>    deleted when its task ends
//! <dir>/kept/<volume>      left when its task ends
//! ```
//! A volume is as large as was asked, and full when it is: the task gets ENOSPC. The programs that make
//! file systems are the host's (e2fsprogs, xfsprogs), and so is mount(8), whose loop devices go when
//! they are unmounted.

use super::{DATA, MOUNTED, directory, is_mounted, is_name};
use neargate_base::DiskSpace;
use neargate_domain::EbsVolume;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

/// No task has such an id.
const KEPT: &str = "kept";
/// Where the host has such programs, whatever the agent's own search path is.
pub(crate) const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the volume is, made and mounted if need be. `own` is the task's directory for it. Idempotent.
///
/// # Errors
/// The text after `ResourceInitializationError: `.
pub(super) fn ready(
    dir: &Path,
    own: &Path,
    task_id: &str,
    ebs: &EbsVolume,
) -> Result<PathBuf, String> {
    let failed = |why: &str| format!("EBS volume {}: {why}", ebs.volume_id);
    let io = |e: io::Error| failed(&e.to_string());
    if !is_name(&ebs.volume_id) || !is_name(task_id) {
        return Err(failed("no such volume"));
    }
    let at = directory(&own.join(DATA)).map_err(|why| failed(&why))?;
    // Two containers that start at once make and mount it once.
    let lock = File::open(own).map_err(io)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|e| io(e.into()))?;
    if is_mounted(&at) {
        return Ok(at);
    }
    let of = match ebs.delete_on_termination {
        true => task_id,
        false => KEPT,
    };
    let place = directory(&dir.join(of)).map_err(|why| failed(&why))?;
    let kind = file_system(ebs.file_system.as_deref());
    let image = place.join(&ebs.volume_id);
    if !image.exists() {
        make(&place, &image, kind, u64::from(ebs.size_gib) << 30).map_err(|why| failed(&why))?;
    }
    File::create(own.join(MOUNTED)).map_err(io)?;
    let mut mount = program("mount");
    mount
        .args(["-t", kind, "-o", "loop,nodev"])
        .arg(&image)
        .arg(&at);
    run(mount).map_err(|why| failed(&why))?;
    Ok(at)
}

/// What the task's volumes took, but for those that are left.
pub(super) fn release(dir: &Path, stays: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name != KEPT && !stays(&name) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// ECS's default is xfs; where the host cannot make one and none was asked for, ext4.
fn file_system(asked: Option<&str>) -> &'static str {
    match asked {
        Some("ext3") => "ext3",
        Some("ext4") => "ext4",
        Some(_) => "xfs",
        None if has_program("mkfs.xfs") => "xfs",
        None => "ext4",
    }
}

fn has_program(name: &str) -> bool {
    let dirs = PROGRAMS.split(':');
    dirs.into_iter()
        .any(|dir| Path::new(dir).join(name).exists())
}

/// Whole or not at all.
fn make(place: &Path, image: &Path, kind: &str, bytes: u64) -> Result<(), String> {
    let space = DiskSpace::at(place).map_err(|e| e.to_string())?;
    if !space.takes(bytes) {
        return Err(format!(
            "the disk of the host has no room for {} GiB",
            bytes >> 30
        ));
    }
    let new = image.with_extension("new");
    let file = File::create(&new).map_err(|e| e.to_string())?;
    file.set_len(bytes).map_err(|e| e.to_string())?;
    let mut mkfs = program(&format!("mkfs.{kind}"));
    match kind {
        "xfs" => mkfs.args(["-q", "-f"]),
        _ => mkfs.args(["-q", "-F", "-m", "0"]),
    };
    mkfs.arg(&new);
    run(mkfs)?;
    fs::rename(&new, image).map_err(|e| e.to_string())
}

fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", PROGRAMS);
    command
}

fn run(mut command: Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            tracing::warn!(name, %said, "a volume is not made");
            Err(format!("{name} failed on the host"))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Err(format!("the host has no {name}")),
        Err(e) => Err(format!("{name}: {e}")),
    }
}
