//! Routing between this host's interfaces. Tasks need it; the host may not want it between its
//! other networks. So where it was off it is switched on for the tasks only
//! ([`super::ruleset::Guard`]), and off again with the last of them.
//!
//! Invariant: that it was off is noted before it is switched on, where it is lost when the setting
//! is, with the machine's restart; so a Neargate that was killed is followed by one that knows.

use super::error::NetworkError;
use super::sysctl;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn note(run_dir: &Path) -> PathBuf {
    run_dir.join("forwarding-was-off")
}

/// Is it, or will it be, on for the tasks' sake only?
pub(super) fn is_ours(run_dir: &Path) -> Result<bool, NetworkError> {
    let note = note(run_dir);
    if note.exists() {
        return Ok(true);
    }
    if sysctl::forwards()? {
        return Ok(false);
    }
    fs::write(&note, "").map_err(NetworkError::path("write", &note))?;
    Ok(true)
}

/// Makes forwarding as it was before the first task.
pub(super) fn put_back(run_dir: &Path) -> Result<(), NetworkError> {
    let note = note(run_dir);
    if !note.exists() {
        return Ok(());
    }
    sysctl::forward(false)?;
    match fs::remove_file(&note) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(NetworkError::path("remove", &note)(e))
        }
        _ => Ok(()),
    }
}
