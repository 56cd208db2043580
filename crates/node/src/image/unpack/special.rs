//! Whiteouts: how a layer takes away what lower layers have (OCI image spec, layer.md, "Whiteouts").
//!
//! They act on lower layers only: what the same layer puts at that name stays, whichever came
//! first in the archive.

use super::LayerError;
use super::tree::{OPAQUE, Tree, io, is_directory};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, Mode, XattrFlags, fsetxattr, mknodat, statat};
use rustix::io::Errno;

const PREFIX: &[u8] = b".wh.";
const META_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE_MARK: &[u8] = b".wh..wh..opq";

/// What an entry's name means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark<'a> {
    /// An ordinary entry.
    None,
    /// Bookkeeping of AUFS: ignored, as Docker does.
    Ignored,
    /// Lower layers' content of the directory is hidden.
    Opaque,
    /// Lower layers' file or tree of this name is hidden.
    Whiteout(&'a [u8]),
}

/// Tell whiteouts apart; one that hides nothing sensible is refused, and so is one in the middle
/// of a path.
pub(super) fn mark<'a>(components: &[&'a [u8]]) -> Result<Mark<'a>, LayerError> {
    let Some((name, parents)) = components.split_last() else {
        return Ok(Mark::None);
    };
    let bad = || LayerError::Hostile {
        path: components.join(&b'/'),
        why: "invalid whiteout name",
    };
    if parents.iter().any(|p| p.starts_with(PREFIX)) && !parents[0].starts_with(META_PREFIX) {
        return Err(bad());
    }
    if parents.first().is_some_and(|p| p.starts_with(META_PREFIX)) {
        return Ok(Mark::Ignored);
    }
    match *name {
        OPAQUE_MARK => Ok(Mark::Opaque),
        n if n.starts_with(META_PREFIX) => Ok(Mark::Ignored),
        n => match n.strip_prefix(PREFIX) {
            None => Ok(Mark::None),
            Some(b"" | b"." | b"..") => Err(bad()),
            Some(hidden) => Ok(Mark::Whiteout(hidden)),
        },
    }
}

/// Put a whiteout for `hidden` beside the last of `components`.
pub(super) fn whiteout(
    tree: &mut Tree,
    components: &[&[u8]],
    hidden: &[u8],
) -> Result<(), LayerError> {
    let parent = tree.parent(components)?;
    let (kind, mode) = (FileType::CharacterDevice, Mode::empty());
    match mknodat(&*parent, hidden, kind, mode, 0) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let stat = statat(&*parent, hidden, AtFlags::SYMLINK_NOFOLLOW);
            match stat.map_err(|e| io("lstat", hidden, e))? {
                s if is_directory(&s) => tree.set_opaque(parent.as_fd(), hidden),
                _ => Ok(()),
            }
        }
        Err(e) => Err(io("mknod", hidden, e)),
    }
}

/// Make the directory that holds the last of `components` opaque.
pub(super) fn opaque(tree: &mut Tree, components: &[&[u8]]) -> Result<(), LayerError> {
    let parent = tree.parent(components)?;
    // overlayfs does not look at the attribute of a layer's root.
    tree.opaque_root |= components.len() == 1;
    let path = || components.join(&b'/');
    fsetxattr(&*parent, OPAQUE, b"y", XattrFlags::empty()).map_err(|e| io("set opaque", &path(), e))
}
