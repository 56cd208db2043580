//! The second thread of a layer: writes what the archive lists into a fresh directory.
//!
//! Directories get their owner, mode and times at the end: earlier, setgid or default ACLs would
//! leak into what is created in them, and their times would change.

use super::content::Pieces;
use super::special::{self, Mark};
use super::tar::{Archive, Entry, Kind, Meta, malformed};
use super::tree::{Occupant, Tree, components, io, set_meta, timestamps};
use super::{LayerError, Unpacked, lower};
use crate::image::options::Limits;
use neargate_blob::Digest;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, SeekFrom, chmodat, chownat, fchown, ftruncate, linkat,
    makedev, mkdirat, mknodat, openat, seek, symlinkat, utimensat,
};
use rustix::io::{Errno, write};
use rustix::process::{Gid, Uid};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names and attributes of directories kept in memory until the end.
const MAX_DEFERRED_BYTES: usize = 256 << 20;
/// Free space is looked at whenever so much was written.
const SPACE_CHECK_BYTES: u64 = 32 << 20;

/// Unpack into `dir` (empty, existing): the layer's root is `dir/fs`. `lower` are the layers
/// below, bottom first; `None`: not known yet, [`LayerError::NeedsLower`] asks for them.
pub(in crate::image) fn apply(
    content: Pieces,
    dir: &Path,
    lower: Option<&[PathBuf]>,
    limits: &Limits,
    diff_id: &Digest,
) -> Result<Unpacked, LayerError> {
    let mut archive = Archive::new(content);
    let mut layer = Layer {
        tree: Tree::create(dir)?,
        lower,
        limits,
        deferred: Vec::new(),
        deferred_bytes: 0,
        unchecked: SPACE_CHECK_BYTES,
        copied_up: 0,
    };
    let mut entries = 0;
    while let Some(entry) = archive.next()? {
        entries += 1;
        if entries > limits.max_layer_entries {
            let max = limits.max_layer_entries;
            return Err(LayerError::TooLarge(format!(
                "the layer has more than the {max} files allowed"
            )));
        }
        // An inode costs space, too.
        layer.account(4096)?;
        layer.entry(&mut archive, entry)?;
    }
    layer.settle_directories()?;
    let (actual, size_bytes) = archive.finish()?;
    if actual != *diff_id {
        return Err(LayerError::DiffId { actual });
    }
    let opaque_root = layer.tree.opaque_root;
    let implied = layer.tree.implied.into_iter().collect();
    Ok(Unpacked {
        diff_id: actual,
        size_bytes,
        entries,
        implied,
        opaque_root,
    })
}

struct Layer<'a> {
    tree: Tree,
    lower: Option<&'a [PathBuf]>,
    limits: &'a Limits,
    deferred: Vec<(Vec<u8>, Meta)>,
    deferred_bytes: usize,
    /// Written since free space was last looked at.
    unchecked: u64,
    copied_up: u64,
}

impl Layer<'_> {
    fn entry(&mut self, archive: &mut Archive, entry: Entry) -> Result<(), LayerError> {
        let parts = components(&entry.path)?;
        match special::mark(&parts)? {
            Mark::None => {}
            Mark::Ignored => return Ok(()),
            Mark::Opaque => return special::opaque(&mut self.tree, &parts),
            Mark::Whiteout(hidden) => return special::whiteout(&mut self.tree, &parts, hidden),
        }
        let Some(name) = parts.last() else {
            // The root itself: only its description counts.
            return match entry.kind {
                Kind::Directory => self.defer(Vec::new(), entry.meta),
                _ => Err(LayerError::Hostile {
                    path: entry.path,
                    why: "the root is not a directory",
                }),
            };
        };
        let parent = self.tree.parent(&parts)?;
        match entry.kind {
            Kind::Directory => {
                self.make_directory(&parent, name)?;
                let path = parts.join(&b'/');
                self.tree.implied.remove(&path);
                self.defer(path, entry.meta)
            }
            Kind::File => {
                let file = self.create(&parent, name, |parent, name| {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    openat(parent, name, flags, Mode::from_raw_mode(0o600))
                })?;
                self.write(archive, &entry, file.as_fd())?;
                set_meta(file.as_fd(), &entry.meta, &entry.path)
            }
            Kind::Symlink => {
                if entry.link.is_empty() {
                    return Err(malformed("a symbolic link leads nowhere"));
                }
                let target = entry.link.as_slice();
                self.create(&parent, name, |parent, name| {
                    symlinkat(target, parent, name)
                })?;
                set_link_meta(parent.as_fd(), name, &entry.meta)
            }
            Kind::Hardlink => self.hardlink(&parent, name, &entry),
            Kind::Char => self.node(&parent, name, &entry, FileType::CharacterDevice),
            Kind::Block => self.node(&parent, name, &entry, FileType::BlockDevice),
            Kind::Fifo => self.node(&parent, name, &entry, FileType::Fifo),
        }
    }

    /// Create something at `name`; what an earlier entry put there makes way.
    fn create<T>(
        &mut self,
        parent: &Arc<OwnedFd>,
        name: &[u8],
        make: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, LayerError> {
        let made = match make(parent.as_fd(), name) {
            Err(Errno::EXIST) => {
                self.tree.clear(parent.as_fd(), name)?;
                make(parent.as_fd(), name)
            }
            made => made,
        };
        made.map_err(|e| io("create", name, e))
    }

    fn make_directory(&mut self, parent: &Arc<OwnedFd>, name: &[u8]) -> Result<(), LayerError> {
        let make = || mkdirat(&**parent, name, Mode::from_raw_mode(0o755));
        match make() {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => match self.tree.make_room(parent.as_fd(), name)? {
                Occupant::Directory => Ok(()),
                was => {
                    make().map_err(|e| io("mkdir", name, e))?;
                    match was {
                        Occupant::Whiteout => self.tree.set_opaque(parent.as_fd(), name),
                        _ => Ok(()),
                    }
                }
            },
            Err(e) => Err(io("mkdir", name, e)),
        }
    }

    fn write(
        &mut self,
        archive: &mut Archive,
        entry: &Entry,
        file: BorrowedFd<'_>,
    ) -> Result<(), LayerError> {
        let failed = |e| io("write", &entry.path, e);
        let Some((segments, size)) = &entry.sparse else {
            while archive
                .take_content(u64::MAX, |bytes| self.write_some(file, bytes, &entry.path))?
            {
            }
            return Ok(());
        };
        for segment in segments {
            seek(file, SeekFrom::Start(segment.offset)).map_err(failed)?;
            let mut left = segment.length;
            while left > 0 {
                let more = archive.take_content(left, |bytes| {
                    let written = self.write_some(file, bytes, &entry.path)?;
                    left -= written as u64;
                    Ok(written)
                })?;
                if !more {
                    return Err(malformed("a sparse file is truncated"));
                }
            }
        }
        ftruncate(file, *size).map_err(failed)
    }

    fn write_some(
        &mut self,
        file: BorrowedFd<'_>,
        bytes: &[u8],
        path: &[u8],
    ) -> Result<usize, LayerError> {
        self.account(bytes.len() as u64)?;
        loop {
            match write(file, bytes) {
                Err(Errno::INTR) => {}
                written => return written.map_err(|e| io("write", path, e)),
            }
        }
    }

    /// Note that `bytes` are about to be written; now and then, see whether the disk has room.
    fn account(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.unchecked += bytes;
        if self.unchecked >= SPACE_CHECK_BYTES {
            self.unchecked = 0;
            if self.tree.free_bytes()? < self.limits.keep_free_bytes {
                return Err(io("write", b"layer", Errno::NOSPC));
            }
        }
        Ok(())
    }

    fn hardlink(
        &mut self,
        parent: &Arc<OwnedFd>,
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), LayerError> {
        let target = components(&entry.link)?;
        let missing = || LayerError::Hostile {
            path: entry.link.clone(),
            why: "a hard link leads to a file that does not exist",
        };
        let Some((target_name, target_parents)) = target.split_last() else {
            return Err(missing());
        };
        let link = |tree: &Tree, to: BorrowedFd<'_>, name: &[u8]| {
            let from = tree.directory(&target_parents.join(&b'/'))?;
            linkat(&from, *target_name, to, name, AtFlags::empty())
        };
        let same = target == components(&entry.path)?;
        for _ in 0..2 {
            match link(&self.tree, parent.as_fd(), name) {
                Ok(()) => return Ok(()),
                // A name linked to itself is there already.
                Err(Errno::EXIST) if same => return Ok(()),
                Err(Errno::EXIST) => self.tree.clear(parent.as_fd(), name)?,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let Some(layers) = self.lower else {
                        return Err(LayerError::NeedsLower);
                    };
                    let found = lower::find(layers, &target)?.ok_or_else(missing)?;
                    let size = found.stat.st_size.max(0) as u64;
                    self.copied_up = self.copied_up.saturating_add(size);
                    if self.copied_up > self.limits.max_layer_bytes {
                        return Err(LayerError::TooLarge("hard links copy up too much".into()));
                    }
                    self.account(size)?;
                    let to = self.tree.parent(&target)?;
                    lower::copy_up(&found, to.as_fd(), target_name)?;
                    if same {
                        return Ok(());
                    }
                }
                Err(Errno::PERM) => {
                    let why = "a hard link to a directory";
                    return Err(LayerError::Hostile {
                        path: entry.link.clone(),
                        why,
                    });
                }
                Err(e) => return Err(io("link", &entry.path, e)),
            }
        }
        link(&self.tree, parent.as_fd(), name).map_err(|e| io("link", &entry.path, e))
    }

    fn node(
        &mut self,
        parent: &Arc<OwnedFd>,
        name: &[u8],
        entry: &Entry,
        kind: FileType,
    ) -> Result<(), LayerError> {
        let device = makedev(entry.device.0, entry.device.1);
        let mode = Mode::from_raw_mode(entry.meta.mode);
        self.create(parent, name, |parent, name| {
            mknodat(parent, name, kind, mode, device)
        })?;
        set_link_meta(parent.as_fd(), name, &entry.meta)?;
        // The umask took part in the mode. Just made, so this cannot follow a link.
        chmodat(&**parent, name, mode, AtFlags::empty()).map_err(|e| io("chmod", name, e))?;
        let times = timestamps(&entry.meta);
        utimensat(&**parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| io("set times of", name, e))
    }

    fn defer(&mut self, path: Vec<u8>, meta: Meta) -> Result<(), LayerError> {
        let attributes: usize = meta.xattrs.iter().map(|(n, v)| n.len() + v.len()).sum();
        self.deferred_bytes += path.len() + attributes + size_of::<(Vec<u8>, Meta)>();
        if self.deferred_bytes > MAX_DEFERRED_BYTES {
            return Err(LayerError::TooLarge(
                "the names of the layer's directories are too long".into(),
            ));
        }
        self.deferred.push((path, meta));
        Ok(())
    }

    fn settle_directories(&mut self) -> Result<(), LayerError> {
        for path in &self.tree.implied {
            let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
            let below = self
                .lower
                .map(|layers| lower::find(layers, &parts))
                .transpose()?
                .flatten();
            let meta = below
                .filter(|f| super::tree::is_directory(&f.stat))
                .map(|f| lower::meta_of(&f.stat));
            if let Some(meta) = meta {
                set_directory(&self.tree, path, &meta)?;
            }
        }
        for (path, meta) in &self.deferred {
            set_directory(&self.tree, path, meta)?;
        }
        Ok(())
    }
}

fn set_directory(tree: &Tree, path: &[u8], meta: &Meta) -> Result<(), LayerError> {
    let dir = match tree.directory(path) {
        Ok(dir) => dir,
        // Replaced by something else later in the archive.
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(e) => return Err(io("open", path, e)),
    };
    // The archive may list it twice, with different owners.
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    fchown(&dir, Some(uid), Some(gid)).map_err(|e| io("chown", path, e))?;
    set_meta(dir.as_fd(), meta, path)
}

/// Owner and times of what cannot be opened.
fn set_link_meta(parent: BorrowedFd<'_>, name: &[u8], meta: &Meta) -> Result<(), LayerError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    if (meta.uid, meta.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        chownat(parent, name, Some(uid), Some(gid), flags).map_err(|e| io("chown", name, e))?;
    }
    utimensat(parent, name, &timestamps(meta), flags).map_err(|e| io("set times of", name, e))
}
