//! The files of a container's state directory, and its cgroup's name.

use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// [`crate::runtime::ContainerConfig`]; the agent writes it.
pub(crate) const CONFIG: &str = "config.json";
/// [`crate::runtime::Started`]; the shim writes it, for an agent that it cannot greet.
pub(crate) const STARTED: &str = "started.json";
/// [`crate::runtime::Exit`]; the shim writes it.
pub(crate) const EXIT: &str = "exit.json";
/// Locked by the shim while it lives.
pub(crate) const LOCK: &str = "shim.lock";
/// The control socket; the agent makes it, the shim listens.
pub(crate) const SOCKET: &str = "shim.sock";
/// The container's output.
pub(crate) const LOG: &str = "log";

/// The user it runs as, once that is decided; its first process writes it.
pub(crate) const USER: &str = "user.json";

/// The cgroup of a container. The prefix keeps names such as `tasks` apart from the kernel's
/// own files; a name of more than 200 bytes is cut and made unique again by its hash.
pub(crate) fn cgroup_path(cgroup_name: &str, task_id: &str, name: &str) -> String {
    let mut group = format!("c-{name}");
    if group.len() > 200 {
        // FNV-1a: stable across versions, which the standard hasher is not.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        group.truncate(200);
        group = format!("{group}-{hash:016x}");
    }
    format!("neargate-{cgroup_name}/{task_id}/{group}")
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// Takes the disk space for `dir/name`, so that a later [`write_json`] succeeds on a full disk.
pub(crate) fn reserve(dir: &Path, name: &str) -> io::Result<()> {
    fs::write(dir.join(format!("{name}.new")), [b' '; 4096])
}

/// Writes `dir/name` whole or not at all, and durably. Uses reserved space where it is.
pub(crate) fn write_json<T: Serialize>(dir: &Path, name: &str, value: &T) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let bytes = serde_json::to_vec(value)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&temporary)?;
    file.write_all(&bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_data()?;
    fs::rename(&temporary, dir.join(name))
}

/// Writes `dir/name` whole or not at all; it may be gone after a power cut.
pub(crate) fn write_json_quickly<T: Serialize>(
    dir: &Path,
    name: &str,
    value: &T,
) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    fs::write(&temporary, serde_json::to_vec(value)?)?;
    fs::rename(&temporary, dir.join(name))
}
