//! [`Extents`]: files of bytes under random names, each owned by exactly one record.
//!
//! Objects that change often fit content addresses badly: every byte would be hashed for its name,
//! and what two records share could only be deleted after a search for others who refer to it. An
//! extent has one owner, so it goes when its record goes. A copy is a hard link under a name of its
//! own.
//!
//! ```text
//! <root>/ab/<name>   `ab` the first two digits of the name
//! ```
//! An extent is written under its final name: it means nothing until a record names it. Whoever
//! made one holds it ([`Held`]) until that record is durable; what is let go before is removed.
//! What a crash leaves is found by [`Extents::sweep`]. Readers [`lease`](Extents::lease) what they
//! read: a deletion waits for them.

use crate::BlobError;
use crate::disk::{blocking, read_dir, require_room, sync_dir};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files of bytes under names that their owners chose.
#[derive(Debug)]
pub struct Extents {
    root: PathBuf,
    /// Whether the directory of the names that begin with a byte is there, durably.
    homes: [AtomicBool; 256],
    uses: Mutex<Uses>,
}

/// What may not be removed now.
#[derive(Debug, Default)]
struct Uses {
    /// Made, and not yet in a record.
    held: HashSet<String>,
    /// How many read each.
    leases: HashMap<String, usize>,
    /// Deleted, as soon as nobody reads them any more.
    doomed: HashSet<String>,
}

/// An extent that no record names yet. Dropping it removes it.
#[derive(Debug)]
pub struct Held {
    extents: Arc<Extents>,
    name: String,
    kept: bool,
}

/// An extent that is being written. Call it from threads that may block.
#[derive(Debug)]
pub struct ExtentWriter {
    held: Held,
    file: File,
    path: PathBuf,
}

/// Holds back the deletion of what somebody reads.
#[derive(Debug)]
pub struct Lease {
    extents: Arc<Extents>,
    names: Vec<String>,
}

impl Extents {
    /// Open what lies under `root`, made when absent.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(root: &Path) -> Result<Arc<Extents>, BlobError> {
        fs::create_dir_all(root).map_err(|e| BlobError::io(root, e))?;
        let homes = [const { AtomicBool::new(false) }; 256];
        for home in read_dir(root)? {
            let name = home.file_name().and_then(|n| n.to_str());
            if let Some(prefix) = name.and_then(|n| u8::from_str_radix(n, 16).ok()) {
                homes[usize::from(prefix)].store(true, Ordering::Relaxed);
            }
        }
        sync_dir(root)?;
        Ok(Arc::new(Extents {
            root: root.to_path_buf(),
            homes,
            uses: Mutex::default(),
        }))
    }

    /// Do `bytes` more fit, and leave the disk its reserve?
    ///
    /// # Errors
    /// [`BlobError::NoSpace`] when they do not.
    pub fn require_room(&self, bytes: u64) -> Result<(), BlobError> {
        require_room(&self.root, bytes)
    }

    /// Begin an extent. `name` is of lower-case hexadecimal digits, two or more. Blocks.
    ///
    /// # Errors
    /// When the name is taken, or the file cannot be made.
    pub fn create(self: &Arc<Self>, name: &str) -> Result<ExtentWriter, BlobError> {
        let held = self.hold(name);
        let path = self.home(name)?.join(name);
        let file = File::create_new(&path).map_err(|e| BlobError::io(&path, e))?;
        Ok(ExtentWriter { held, file, path })
    }

    /// The same bytes once more, under another name, durably. Blocks.
    ///
    /// # Errors
    /// When `from` is no more, or the link cannot be made.
    pub fn link(self: &Arc<Self>, from: &str, name: &str) -> Result<Held, BlobError> {
        let held = self.hold(name);
        let home = self.home(name)?;
        let path = home.join(name);
        fs::hard_link(self.place(from), &path).map_err(|e| BlobError::io(&path, e))?;
        sync_dir(&home)?;
        Ok(held)
    }

    /// Keep these from being removed for as long as the lease lives. That they are there is to be
    /// looked at after that.
    pub fn lease(self: &Arc<Self>, names: Vec<String>) -> Lease {
        let mut uses = self.uses();
        for name in &names {
            *uses.leases.entry(name.clone()).or_default() += 1;
        }
        drop(uses);
        let extents = self.clone();
        Lease { extents, names }
    }

    /// Blocks.
    ///
    /// # Errors
    /// When the extent is not there.
    pub fn read(&self, name: &str) -> Result<File, BlobError> {
        let path = self.place(name);
        File::open(&path).map_err(|e| BlobError::io(&path, e))
    }

    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_file()
    }

    /// Remove extents whose records are gone; those that are read go when they are not any more.
    pub async fn delete(self: &Arc<Self>, mut names: Vec<String>) {
        {
            let mut uses = self.uses();
            let Uses { leases, doomed, .. } = &mut *uses;
            names.retain(|name| {
                let read = leases.contains_key(name);
                if read {
                    doomed.insert(name.clone());
                }
                !read
            });
        }
        if names.is_empty() {
            return;
        }
        let extents = self.clone();
        let removed = blocking(move || {
            names.iter().for_each(|name| extents.remove(name));
            Ok(())
        });
        // What stays is found by the sweep.
        let _ = removed.await;
    }

    /// Every extent that somebody might forget: not those that are being made.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub async fn list(self: &Arc<Self>) -> Result<Vec<String>, BlobError> {
        let extents = self.clone();
        blocking(move || {
            let mut found = Vec::new();
            for home in read_dir(&extents.root)? {
                for path in read_dir(&home)? {
                    let name = path.file_name().and_then(|n| n.to_str());
                    found.extend(name.map(str::to_owned));
                }
            }
            // Asked afterwards: what is held by then was there before, or is not listed.
            let uses = extents.uses();
            found.retain(|name| !uses.held.contains(name));
            Ok(found)
        })
        .await
    }

    /// Remove everything: the development-mode reset.
    pub async fn wipe(self: &Arc<Self>) -> Result<(), BlobError> {
        let all = self.list().await?;
        self.delete(all).await;
        Ok(())
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(self: &Arc<Self>, name: &str) -> Held {
        self.uses().held.insert(name.to_owned());
        Held {
            extents: self.clone(),
            name: name.to_owned(),
            kept: false,
        }
    }

    fn remove(&self, name: &str) {
        let path = self.place(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                // It is swept later.
            }
            _ => {}
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.root.join(name.get(..2).unwrap_or("00")).join(name)
    }

    fn home(&self, name: &str) -> Result<PathBuf, BlobError> {
        let place = self.place(name);
        let home = place.parent().expect("an extent lies in a directory");
        let prefix = name.get(..2).and_then(|p| u8::from_str_radix(p, 16).ok());
        let Some(prefix) = prefix else {
            return Err(BlobError::io(&place, io::ErrorKind::InvalidInput.into()));
        };
        let made = &self.homes[usize::from(prefix)];
        if !made.load(Ordering::Relaxed) {
            match fs::create_dir(home) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(BlobError::io(home, e));
                }
                _ => sync_dir(&self.root)?,
            }
            made.store(true, Ordering::Relaxed);
        }
        Ok(home.to_owned())
    }
}

impl ExtentWriter {
    /// # Errors
    /// [`BlobError::NoSpace`] when it does not fit on the disk beside the reserve.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        require_room(&self.path, bytes.len() as u64)?;
        let written = self.file.write_all(bytes);
        written.map_err(|e| BlobError::io(&self.path, e))
    }

    /// Make it durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish(self) -> Result<Held, BlobError> {
        let synced = self.file.sync_all();
        synced.map_err(|e| BlobError::io(&self.path, e))?;
        sync_dir(self.path.parent().expect("an extent lies in a directory"))?;
        Ok(self.held)
    }
}

impl Held {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A durable record names it now.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.kept {
            self.extents.remove(&self.name);
        }
        self.extents.uses().held.remove(&self.name);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut gone = Vec::new();
        {
            let mut uses = self.extents.uses();
            for name in &self.names {
                let Some(count) = uses.leases.get_mut(name) else {
                    continue;
                };
                *count -= 1;
                if *count == 0 {
                    uses.leases.remove(name);
                    if uses.doomed.remove(name) {
                        gone.push(name);
                    }
                }
            }
        }
        gone.into_iter().for_each(|name| self.extents.remove(name));
    }
}

#[cfg(test)]
mod tests {
    use super::Extents;

    #[tokio::test]
    async fn an_extent_goes_with_its_owner_and_not_before() {
        let scratch = tempfile::tempdir().unwrap();
        let extents = Extents::open(scratch.path()).unwrap();
        let mut writer = extents.create("abcd").unwrap();
        writer.write(b"hello").unwrap();
        assert!(extents.list().await.unwrap().is_empty(), "held");
        writer.finish().unwrap().keep();
        assert_eq!(extents.list().await.unwrap(), ["abcd"]);

        let copy = extents.link("abcd", "ffee").unwrap();
        drop(copy);
        assert!(!extents.has("ffee"), "nobody kept it");

        let lease = extents.lease(vec!["abcd".into()]);
        extents.delete(vec!["abcd".into()]).await;
        assert!(extents.has("abcd"), "somebody reads it");
        drop(lease);
        assert!(!extents.has("abcd"));
    }
}
