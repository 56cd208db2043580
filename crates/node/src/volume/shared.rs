//! Volumes that outlive their tasks (`scope: shared`), and who has them now.
//!
//! What a driver's options mount is mounted while a task has the volume, as with Docker: a file says
//! which do.

use super::{DATA, directory, unmount_data};
use neargate_domain::DockerVolume;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How it was made: a [`DockerVolume`].
const MADE: &str = "volume.json";
const USERS: &str = "users";

/// The volume's directory, made if there is none and it may be, with `task_id` among its users.
///
/// # Errors
/// The ECS agent's words.
pub(super) fn take(
    all: &Path,
    name: &str,
    task_id: &str,
    wanted: &DockerVolume,
) -> Result<PathBuf, String> {
    let place = all.join(name);
    if !wanted.autoprovision {
        if !place.join(DATA).is_dir() {
            return Err(format!(
                "initialize volume: volume detection failed, volume '{name}' does not exist and \
                 autoprovision is set to false"
            ));
        }
    } else if let Ok(made) = fs::read(place.join(MADE)) {
        let made: DockerVolume = serde_json::from_slice(&made)
            .map_err(|e| format!("initialize volume: volume '{name}': {e}"))?;
        for (what, existing, expected) in [
            ("labels", &made.labels, &wanted.labels),
            ("options", &made.options, &wanted.options),
        ] {
            if existing != expected {
                return Err(format!(
                    "initialize volume: non-autoprovisioned volume does not match existing volume \
                     {what}: existing: {existing:?}, expected: {expected:?}"
                ));
            }
        }
    }
    let io = |e: io::Error| format!("initialize volume: volume '{name}': {}", e.kind());
    directory(&place.join(USERS))?;
    let _turn = turn(&place).map_err(io)?;
    fs::write(place.join(USERS).join(task_id), "").map_err(io)?;
    if !place.join(MADE).exists() {
        let bytes = serde_json::to_vec(wanted).expect("plain data always serialises");
        let new = place.join("volume.json.new");
        fs::write(&new, bytes)
            .and_then(|()| fs::rename(&new, place.join(MADE)))
            .map_err(io)?;
    }
    Ok(place)
}

/// Takes away the users for whom `stays` is false, and what is mounted where nobody is left.
pub(super) fn release(all: &Path, stays: impl Fn(&str) -> bool) -> io::Result<()> {
    for place in entries(all)? {
        let users = all.join(&place).join(USERS);
        let (left, gone): (Vec<String>, Vec<String>) =
            entries(&users)?.into_iter().partition(|user| stays(user));
        if gone.is_empty() {
            continue;
        }
        let _turn = turn(&all.join(&place))?;
        for user in gone {
            match fs::remove_file(users.join(user)) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        let data = all.join(&place).join(DATA);
        if left.is_empty() && entries(&users)?.is_empty() {
            unmount_data(&data)?;
        }
    }
    Ok(())
}

/// Nobody else takes or gives up the volume meanwhile.
fn turn(place: &Path) -> io::Result<File> {
    let users = File::open(place.join(USERS))?;
    flock(&users, FlockOperation::LockExclusive)?;
    Ok(users)
}

fn entries(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    Ok(names
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}
