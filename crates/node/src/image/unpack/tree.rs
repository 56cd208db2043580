//! [`Tree`]: the directory a layer is unpacked into, reached only through calls that cannot leave it.
//!
//! Every path is resolved by `openat2` with `RESOLVE_IN_ROOT`: symlinks that the layer itself made
//! are followed inside the tree, as a container would see them; `..` never reaches here. The last
//! component is never followed.

use super::LayerError;
use super::tar::Meta;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, XattrFlags,
    fchmod, fchown, fsetxattr, fstatvfs, futimens, mkdirat, openat, openat2, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub(super) const OPAQUE: &str = "trusted.overlay.opaque";
/// `PATH_MAX`: the kernel takes no more in one call.
const MAX_PATH_BYTES: usize = 4096;

/// The tree under construction.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// Directories that a later entry replaced, to be deleted with the whole.
    aside: OwnedFd,
    asides: u32,
    /// The parent of the last entry: archives list a directory's files together.
    last_parent: Option<(Vec<u8>, Arc<OwnedFd>)>,
    pub(super) implied: BTreeSet<Vec<u8>>,
    /// The root is opaque: no lower layer shows at all.
    pub(super) opaque_root: bool,
}

/// What was at a name that is wanted for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupant {
    /// A directory, still there.
    Directory,
    /// A whiteout, removed.
    Whiteout,
    /// Anything else, removed.
    Other,
}

impl Tree {
    /// Make `fs` and `aside` in the empty directory `dir`.
    pub(super) fn create(dir: &Path) -> Result<Tree, LayerError> {
        let make = |name: &str| -> rustix::io::Result<OwnedFd> {
            let path = dir.join(name);
            mkdirat(CWD, &path, Mode::from_raw_mode(0o755))?;
            openat(CWD, &path, DIRECTORY, Mode::empty())
        };
        let failed = |e| io("create directory", dir.as_os_str().as_encoded_bytes(), e);
        let (root, aside) = (make("fs").map_err(failed)?, make("aside").map_err(failed)?);
        let implied = BTreeSet::new();
        Ok(Tree {
            root,
            aside,
            asides: 0,
            last_parent: None,
            implied,
            opaque_root: false,
        })
    }

    /// Bytes that are free for us on the tree's file system.
    pub(super) fn free_bytes(&self) -> Result<u64, LayerError> {
        let stat = fstatvfs(&self.root).map_err(|e| io("statfs", b".", e))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The directory that holds the last of `components`, made (with all above it) when missing.
    pub(super) fn parent(&mut self, components: &[&[u8]]) -> Result<Arc<OwnedFd>, LayerError> {
        let path = match components {
            [parents @ .., _] => parents.join(&b'/'),
            [] => Vec::new(),
        };
        if let Some((last, fd)) = &self.last_parent
            && *last == path
        {
            return Ok(fd.clone());
        }
        let fd = match self.directory(&path) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                Ok(self.imply(&components[..components.len() - 1])?)
            }
            opened => opened,
        };
        let fd = Arc::new(fd.map_err(|e| not_a_directory(&path, e))?);
        self.last_parent = Some((path, fd.clone()));
        Ok(fd)
    }

    /// Open the directory at `path`, inside the tree.
    pub(super) fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path: &[u8] = if path.is_empty() { b"." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // While something on the host is renamed or mounted, the kernel cannot follow `..` for
        // sure and asks to be called again.
        for _ in 0..MAX_RETRIES {
            match openat2(&self.root, path, DIRECTORY, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => continue,
                opened => return opened,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Make the directory at `components`, some of which are missing, and open it.
    fn imply(&mut self, components: &[&[u8]]) -> Result<OwnedFd, LayerError> {
        // How many are there already: every prefix up to some length opens, no longer one does.
        let (mut there, mut missing) = (0, components.len());
        while there + 1 < missing {
            let middle = there.midpoint(missing);
            match self.directory(&components[..middle].join(&b'/')) {
                Ok(_) => there = middle,
                Err(_) => missing = middle,
            }
        }
        let path = |end: usize| components[..end].join(&b'/');
        let opened = self.directory(&path(there));
        let mut parent = opened.map_err(|e| not_a_directory(&path(there), e))?;
        for (i, name) in components.iter().enumerate().skip(there) {
            match mkdirat(&parent, *name, Mode::from_raw_mode(0o755)) {
                Ok(()) => {}
                Err(Errno::EXIST) => {
                    let stat = statat(&parent, *name, AtFlags::SYMLINK_NOFOLLOW);
                    if !stat.is_ok_and(|s| is_whiteout(&s)) {
                        let why = self.directory(&path(i + 1)).err().unwrap_or(Errno::NOTDIR);
                        return Err(not_a_directory(&path(i + 1), why));
                    }
                    self.make_room(parent.as_fd(), name)?;
                    mkdirat(&parent, *name, Mode::from_raw_mode(0o755))
                        .map_err(|e| io("mkdir", &path(i + 1), e))?;
                    self.set_opaque(parent.as_fd(), name)?;
                }
                Err(e) => return Err(io("mkdir", &path(i + 1), e)),
            }
            self.implied.insert(path(i + 1));
            // Just made: there is no link to follow.
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            let made = openat(&parent, *name, flags, Mode::empty());
            parent = made.map_err(|e| io("open directory", &path(i + 1), e))?;
        }
        Ok(parent)
    }

    /// Free `name` in `parent`, unless it is a directory.
    pub(super) fn make_room(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<Occupant, LayerError> {
        let stat =
            statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| io("lstat", name, e))?;
        if is_directory(&stat) {
            return Ok(Occupant::Directory);
        }
        self.last_parent = None;
        unlinkat(parent, name, AtFlags::empty()).map_err(|e| io("unlink", name, e))?;
        Ok(if is_whiteout(&stat) {
            Occupant::Whiteout
        } else {
            Occupant::Other
        })
    }

    /// Free `name` in `parent`, whatever is there. A directory is moved out of the tree.
    pub(super) fn clear(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), LayerError> {
        if self.make_room(parent, name)? == Occupant::Directory {
            self.last_parent = None;
            self.asides += 1;
            let aside = self.asides.to_string();
            renameat(parent, name, &self.aside, aside.as_str())
                .map_err(|e| io("rename", name, e))?;
        }
        Ok(())
    }

    /// Hide what lower layers have in the directory `name`.
    pub(super) fn set_opaque(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), LayerError> {
        let dir = openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let set = dir.and_then(|d| fsetxattr(&d, OPAQUE, b"y", XattrFlags::empty()));
        set.map_err(|e| io("set opaque", name, e))
    }
}

/// Calls of `openat2` before a busy file system counts as an error.
const MAX_RETRIES: usize = 128;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Split an archive path: leading `/` and `./` fall away (as tar and Docker read them), `..` is
/// refused. No components: the root itself.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>, LayerError> {
    let hostile = |why| LayerError::Hostile {
        path: path.to_vec(),
        why,
    };
    if path.len() >= MAX_PATH_BYTES {
        return Err(hostile("file name too long"));
    }
    let parts: Vec<&[u8]> = path
        .split(|b| *b == b'/')
        .filter(|p| !p.is_empty() && *p != b".")
        .collect();
    match parts.iter().any(|p| *p == b"..") {
        true => Err(hostile("a path may not contain \"..\" (breakout)")),
        false => Ok(parts),
    }
}

/// Set everything of `meta` on an open file or directory.
pub(super) fn set_meta(fd: BorrowedFd<'_>, meta: &Meta, path: &[u8]) -> Result<(), LayerError> {
    // Order matters: changing the owner clears setuid and capabilities.
    if (meta.uid, meta.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        fchown(fd, Some(uid), Some(gid)).map_err(|e| io("chown", path, e))?;
    }
    for (name, value) in meta.xattrs.iter().filter(|(name, _)| is_taken(name)) {
        match fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(e) => return Err(io("set extended attribute of", path, e)),
        }
    }
    fchmod(fd, Mode::from_raw_mode(meta.mode)).map_err(|e| io("chmod", path, e))?;
    futimens(fd, &timestamps(meta)).map_err(|e| io("set times of", path, e))
}

/// Attributes that an image may bring. `trusted.*` and `user.overlay.*` would steer overlayfs,
/// labels of security modules are the host's.
pub(super) fn is_taken(name: &[u8]) -> bool {
    match name {
        b"security.capability" => true,
        b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ => name.starts_with(b"user.") && !name.starts_with(b"user.overlay."),
    }
}

pub(super) fn timestamps(meta: &Meta) -> Timestamps {
    let time = Timespec {
        tv_sec: meta.mtime.0,
        tv_nsec: meta.mtime.1.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

pub(super) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(super) fn io(what: &'static str, path: &[u8], error: Errno) -> LayerError {
    LayerError::Io {
        what,
        path: path.to_vec(),
        source: error.into(),
    }
}

fn not_a_directory(path: &[u8], error: Errno) -> LayerError {
    let why = match error {
        Errno::NOTDIR | Errno::NOENT => "a parent is not a directory",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::XDEV => "a path leads out of the layer",
        Errno::NAMETOOLONG => "file name too long",
        e => return io("open directory", path, e),
    };
    LayerError::Hostile {
        path: path.to_vec(),
        why,
    }
}
