//! What must be known again after this process: a directory for each kind of thing, a file for each
//! thing, which is whole or not there. It is lost with the machine's restart, as all that it is about.

use super::super::error::NetworkError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
}

/// What a name has until its file is whole.
const UNFINISHED: &str = "~";

impl Store {
    /// # Errors
    /// A directory cannot be made.
    pub(super) fn open(dir: PathBuf, kinds: &[&str]) -> Result<Store, NetworkError> {
        for kind in kinds {
            let dir = dir.join(kind);
            fs::create_dir_all(&dir).map_err(NetworkError::path("create", &dir))?;
        }
        Ok(Store { dir })
    }

    pub(super) fn put<T: Serialize>(
        &self,
        kind: &str,
        name: &str,
        value: &T,
    ) -> Result<(), NetworkError> {
        let path = self.path(kind, name);
        let unfinished = self.path(kind, &format!("{name}{UNFINISHED}"));
        let written = serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&unfinished, text))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(NetworkError::path("write", path))
    }

    /// Fine if it is gone already.
    pub(super) fn remove(&self, kind: &str, name: &str) -> Result<(), NetworkError> {
        let path = self.path(kind, name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(NetworkError::path("remove", path)(e))
            }
            _ => Ok(()),
        }
    }

    /// Everything of a kind, by name. What this version cannot read it does without, and says so.
    pub(super) fn all<T: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<BTreeMap<String, T>, NetworkError> {
        let dir = self.dir.join(kind);
        let entries = fs::read_dir(&dir).map_err(NetworkError::path("list", &dir))?;
        let mut all = BTreeMap::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.ends_with(UNFINISHED) {
                continue;
            }
            match read(&entry.path()) {
                Ok(value) => drop(all.insert(name, value)),
                Err(error) => {
                    let path = entry.path().display().to_string();
                    tracing::warn!(%error, path, "what was kept of the network is not readable");
                }
            }
        }
        Ok(all)
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.dir.join(kind).join(name)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
