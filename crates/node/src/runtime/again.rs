//! Making room for a further run of a container that has ended.
//!
//! Its configuration is set aside before the traces of its last run go, one by one: wherever
//! the agent is killed, what is left reads as "never started" or as that run's end (the table in
//! `adopt.rs`), and this can be done again. The container's own files and its log stay.

use super::{ContainerConfig, RuntimeError, disk};
use crate::shim::{CONFIG, EXIT, LOCK, STARTED, read_json};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The configuration of a container that is about to run again.
const AGAIN: &str = "again.json";

/// Answers the configuration to start it with. Blocking.
pub(super) fn clear(dir: &Path) -> Result<ContainerConfig, RuntimeError> {
    let (config, again) = (dir.join(CONFIG), dir.join(AGAIN));
    let was_started = config.exists();
    if was_started && !dir.join(EXIT).exists() {
        return Err(RuntimeError::Invalid(format!(
            "{} has not ended",
            dir.display()
        )));
    }
    // It has said how its container ended, and is about to end itself.
    super::adopt::wait_for_shim(dir)?;
    if was_started {
        fs::rename(&config, &again).map_err(RuntimeError::io("set aside", config))?;
    }
    for name in [EXIT, STARTED, LOCK] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(RuntimeError::io("remove", path)(e));
            }
            _ => {}
        }
    }
    // An overlay that was mounted without syncing is not mounted again over the same files:
    // they could be half-written after a power cut, of which this machine's boot saw none.
    let config: ContainerConfig = read_json(&again).map_err(RuntimeError::io("read", again))?;
    let work = match config.own_disk {
        true => dir
            .with_file_name(disk::DIR)
            .join(&config.name)
            .join("work"),
        false => dir.join("work"),
    };
    match fs::remove_dir_all(&work) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(RuntimeError::io("remove", work)(e)),
        _ => Ok(config),
    }
}
