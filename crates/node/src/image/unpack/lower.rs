//! Looking into the layers below, for the rare layer that leans on them: a hard link to a lower
//! file (copied up, as overlayfs would), or a directory it uses without describing it.

use super::LayerError;
use super::tar::{Attribute, Meta};
use super::tree::{OPAQUE, io, is_directory, is_taken, is_whiteout, set_meta, timestamps};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, chownat, fgetxattr, flistxattr, openat, readlinkat,
    statat, symlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::fs::File;
use std::path::PathBuf;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

/// Something in a lower layer.
#[derive(Debug)]
pub(super) struct Found {
    parent: OwnedFd,
    name: Vec<u8>,
    pub(super) stat: Stat,
}

/// What a container would see at `components`, with `layers` (bottom first) merged. Symlinks in
/// the way are not followed.
pub(super) fn find(layers: &[PathBuf], components: &[&[u8]]) -> Result<Option<Found>, LayerError> {
    let path = || components.join(&b'/');
    for layer in layers.iter().rev() {
        let mut dir = openat(CWD, layer, DIRECTORY, Mode::empty())
            .map_err(|e| io("open", b"lower layer", e))?;
        let mut hidden_below = false;
        for (i, name) in components.iter().enumerate() {
            let stat = match statat(&dir, *name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => break,
                Err(e) => return Err(io("lstat", &path(), e)),
            };
            if is_whiteout(&stat) {
                return Ok(None);
            }
            if i + 1 == components.len() {
                return Ok(Some(Found {
                    parent: dir,
                    name: name.to_vec(),
                    stat,
                }));
            }
            if !is_directory(&stat) {
                return Ok(None);
            }
            dir = openat(&dir, *name, DIRECTORY, Mode::empty())
                .map_err(|e| io("open", &path(), e))?;
            hidden_below |= is_opaque(dir.as_fd());
        }
        if hidden_below {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Whether a lower layer describes one of the directories otherwise than it is made by default.
pub(in crate::image) fn describe_differently(
    layers: &[PathBuf],
    implied: &[Vec<u8>],
) -> Result<bool, LayerError> {
    for path in implied {
        let components: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let found = find(layers, &components)?.filter(|f| is_directory(&f.stat));
        let differs = |s: &Stat| (s.st_mode & 0o7777, s.st_uid, s.st_gid) != (0o755, 0, 0);
        if found.is_some_and(|f| differs(&f.stat)) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn meta_of(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
        xattrs: Vec::new(),
    }
}

/// Copy a lower file or symlink to `name` in `parent`, whole: content, owner, mode, attributes.
pub(super) fn copy_up(
    found: &Found,
    parent: BorrowedFd<'_>,
    name: &[u8],
) -> Result<(), LayerError> {
    let mut meta = meta_of(&found.stat);
    let failed = |what| move |e| io(what, name, e);
    let name_of = found.name.as_slice();
    match FileType::from_raw_mode(found.stat.st_mode) {
        FileType::RegularFile => {
            let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let from =
                openat(&found.parent, name_of, read, Mode::empty()).map_err(failed("open"))?;
            let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let to = openat(parent, name, write, Mode::from_raw_mode(0o600))
                .map_err(failed("create"))?;
            meta.xattrs = attributes(from.as_fd()).map_err(failed("read attributes of"))?;
            let (mut from, mut to) = (File::from(from), File::from(to));
            std::io::copy(&mut from, &mut to).map_err(|source| LayerError::Io {
                what: "copy",
                path: name.to_vec(),
                source,
            })?;
            set_meta(to.as_fd(), &meta, name)
        }
        FileType::Symlink => {
            let target =
                readlinkat(&found.parent, name_of, Vec::new()).map_err(failed("readlink"))?;
            symlinkat(&*target, parent, name).map_err(failed("symlink"))?;
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            chownat(parent, name, Some(uid), Some(gid), flags).map_err(failed("chown"))?;
            utimensat(parent, name, &timestamps(&meta), flags).map_err(failed("set times of"))
        }
        _ => Err(LayerError::Hostile {
            path: name.to_vec(),
            why: "a hard link leads to something that is not a file",
        }),
    }
}

fn is_opaque(dir: BorrowedFd<'_>) -> bool {
    let mut value = [0; 1];
    fgetxattr(dir, OPAQUE, &mut value).is_ok_and(|n| n == 1 && value == *b"y")
}

fn attributes(file: BorrowedFd<'_>) -> Result<Vec<Attribute>, Errno> {
    let mut names = vec![0; 64 * 1024];
    let length = match flistxattr(file, &mut names) {
        Err(Errno::OPNOTSUPP) => 0,
        listed => listed?,
    };
    let mut all = Vec::new();
    for name in names[..length].split(|b| *b == 0).filter(|n| is_taken(n)) {
        let mut value = vec![0; 64 * 1024];
        let length = fgetxattr(file, name, &mut value)?;
        value.truncate(length);
        all.push((name.to_vec(), value));
    }
    Ok(all)
}
