//! Names of images, as one builder knows them.

use crate::image::{InvalidName, Reference};
use neargate_blob::Digest;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Of the manifest.
    pub digest: Digest,
    /// It was built here, and is at no registry before it is pushed.
    pub built: bool,
}

/// All of them, on disk.
#[derive(Debug)]
pub struct Tags {
    path: PathBuf,
    all: Mutex<BTreeMap<String, Tag>>,
}

impl Tags {
    pub(super) fn open(path: PathBuf) -> Tags {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let all = serde_json::from_slice(&bytes).unwrap_or_default();
        Tags {
            path,
            all: Mutex::new(all),
        }
    }

    /// # Errors
    /// No name of an image.
    pub fn find(&self, name: &str) -> Result<Option<Tag>, InvalidName> {
        let name = name.parse::<Reference>()?.to_string();
        Ok(self.all.lock().get(&name).cloned())
    }

    /// Every name, in full, and what it leads to.
    pub fn all(&self) -> BTreeMap<String, Tag> {
        self.all.lock().clone()
    }

    /// # Errors
    /// No name of an image, or the disk.
    pub fn set(&self, name: &str, tag: Tag) -> io::Result<()> {
        let name = name.parse::<Reference>().map_err(io::Error::other)?;
        let mut all = self.all.lock();
        all.insert(name.to_string(), tag);
        self.write(&all)
    }

    /// Forgets a name; `false`: it was not known.
    ///
    /// # Errors
    /// No name of an image, or the disk.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let name = name.parse::<Reference>().map_err(io::Error::other)?;
        let mut all = self.all.lock();
        let was_there = all.remove(&name.to_string()).is_some();
        self.write(&all)?;
        Ok(was_there)
    }

    fn write(&self, all: &BTreeMap<String, Tag>) -> io::Result<()> {
        let bytes = serde_json::to_vec(all).map_err(io::Error::other)?;
        write_whole(&self.path, &bytes)
    }
}

/// A file that is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::rename(new, path)
}

/// A full name as people write it: without Docker's own host and folder.
pub fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}
