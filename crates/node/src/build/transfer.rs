//! Files from one root into the current one, with what belongs to them; and archives.

use super::files::Found;
use super::owner::Owner;
use flate2::read::MultiGzDecoder;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, XattrFlags, chownat, fchmod,
    fchown, fgetxattr, flistxattr, fsetxattr, mknodat, open, symlinkat, utimensat,
};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a copy is made to be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Made {
    /// `None`: root's, or the source's where that is kept.
    pub owner: Option<Owner>,
    /// `--chmod`
    pub mode: Option<u32>,
    /// What comes from an image keeps its owner.
    pub keeps_owner: bool,
}

impl Made {
    fn owner_of(&self, stat: &Stat) -> (u32, u32) {
        match (self.owner, self.keeps_owner) {
            (Some(owner), _) => (owner.uid, owner.gid),
            (None, true) => (stat.st_uid, stat.st_gid),
            (None, false) => (0, 0),
        }
    }

    fn mode_of(&self, stat: &Stat) -> u32 {
        self.mode.unwrap_or(stat.st_mode & 0o7777)
    }
}

/// A directory with all above it that is missing; what is made belongs to `owner`.
pub(super) fn directory(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            let text = format!("{} is not a directory", path.display());
            return Err(io::Error::other(text));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    if let Some(parent) = path.parent() {
        directory(parent, owner)?;
    }
    fs::create_dir(path)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    if let Some(Owner { uid, gid }) = owner {
        std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// A file takes the place of what is there, but for a directory.
pub(super) fn file(source: OwnedFd, stat: &Stat, to: &Path, made: &Made) -> io::Result<()> {
    make_room(to)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut copy = File::from(open(to, flags, Mode::RUSR | Mode::WUSR)?);
    let mut source = File::from(source);
    if !source.metadata()?.is_file() {
        return Err(io::Error::other(format!(
            "{} is no file any more",
            to.display()
        )));
    }
    io::copy(&mut source, &mut copy)?;
    attributes(&source.into(), &copy.into(), stat, made)
}

/// Text becomes a file.
pub(super) fn text(text: &str, to: &Path, made: &Made) -> io::Result<()> {
    make_room(to)?;
    fs::write(to, text)?;
    let Owner { uid, gid } = made.owner.unwrap_or(Owner { uid: 0, gid: 0 });
    std::os::unix::fs::chown(to, Some(uid), Some(gid))?;
    let mode = made.mode.unwrap_or(0o644);
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    // As BuildKit: the same text is the same layer.
    times(to, 0, 0)
}

/// A directory as its source is, where there is none yet.
pub(super) fn like(found: &Found<'_>, to: &Path, made: &Made) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(there) if there.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(to)?,
        Err(_) => {}
    }
    fs::create_dir(to)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let copy = open(to, flags, Mode::empty())?;
    attributes(&found.open()?, &copy, &found.stat, made)
}

/// A link, pipe or device as its source is.
pub(super) fn special(found: &Found<'_>, to: &Path, made: &Made) -> io::Result<()> {
    make_room(to)?;
    let kind = found.kind();
    match kind {
        FileType::Symlink => symlinkat(found.link()?, CWD, to)?,
        FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => {
            let mode = Mode::from_raw_mode(made.mode_of(&found.stat));
            mknodat(CWD, to, kind, mode, found.stat.st_rdev)?;
            let mode = made.mode_of(&found.stat);
            fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        }
        // Nobody listens on it.
        _ => return Ok(()),
    }
    let (uid, gid) = made.owner_of(&found.stat);
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(uid),
        rustix::fs::Gid::from_raw(gid),
    );
    chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    times(to, found.stat.st_mtime, found.stat.st_mtime_nsec as i64)
}

fn make_room(to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(there) if there.is_dir() => {
            let text = format!("cannot copy to {}: it is a directory", to.display());
            Err(io::Error::other(text))
        }
        Ok(_) => fs::remove_file(to),
        Err(_) => Ok(()),
    }
}

pub(super) fn times(to: &Path, secs: i64, nanos: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: secs,
        tv_nsec: nanos as _,
    };
    let both = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, to, &both, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The mode comes after the owner, whose change takes set-user-ID away.
fn attributes(from: &OwnedFd, to: &OwnedFd, stat: &Stat, made: &Made) -> io::Result<()> {
    let (uid, gid) = made.owner_of(stat);
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(uid),
        rustix::fs::Gid::from_raw(gid),
    );
    fchown(to, Some(uid), Some(gid))?;
    fchmod(to, Mode::from_raw_mode(made.mode_of(stat)))?;
    let mut names = vec![0; 64 << 10];
    // A file system without any answers that.
    let length = flistxattr(from, &mut names).unwrap_or(0);
    for name in names[..length].split(|b| *b == 0) {
        if !(name.starts_with(b"user.") || name == b"security.capability") {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let length = fgetxattr(from, name, &mut value)?;
        fsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    let time = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: stat.st_mtime_nsec as _,
    };
    rustix::fs::futimens(
        to,
        &Timestamps {
            last_access: time,
            last_modification: time,
        },
    )?;
    Ok(())
}

/// Bytes of an archive to look at.
const HEAD_BYTES: usize = 512;

/// What an archive is compressed with, by its first bytes.
fn compression(head: &[u8]) -> io::Result<Option<&'static str>> {
    for (name, magic) in [("bzip2", &b"BZh"[..]), ("xz", b"\xfd7zXZ\0")] {
        if head.starts_with(magic) {
            let text =
                format!("archives compressed with {name} are not unpacked here: use gzip or zstd");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    }
    Ok(match head {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    })
}

/// The content of what may be compressed.
pub(super) fn decompressed(
    mut from: Box<dyn Read + Send + '_>,
) -> io::Result<Box<dyn Read + Send + '_>> {
    let head = read_head(&mut from)?;
    let kind = compression(&head)?;
    let whole = io::Cursor::new(head).chain(from);
    Ok(match kind {
        Some("gzip") => Box::new(MultiGzDecoder::new(whole)),
        Some(_) => Box::new(zstd::Decoder::new(whole)?),
        None => Box::new(whole),
    })
}

fn read_head(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    from.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Unpacks an archive that `ADD` names into a directory; `false`: it is none.
pub(super) fn unpacked(file: &OwnedFd, to: &Path, owner: Option<Owner>) -> io::Result<bool> {
    let again = || -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::from(file.try_clone()?);
        io::Seek::rewind(&mut file)?;
        decompressed(Box::new(file))
    };
    let head = match again().and_then(|mut content| read_head(&mut content)) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return Err(e),
        // It only begins as a compressed file does.
        Err(_) => return Ok(false),
        Ok(head) => head,
    };
    if !is_archive(&head) {
        return Ok(false);
    }
    directory(to, owner)?;
    let mut archive = tar::Archive::new(again()?);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_preserve_mtime(true);
    archive.unpack(to)?;
    Ok(true)
}

/// The first header's sum is right.
fn is_archive(head: &[u8]) -> bool {
    let Some(header) = head.first_chunk::<HEAD_BYTES>() else {
        return false;
    };
    let sum = header.iter().enumerate();
    let sum: u32 = sum
        .map(|(at, byte)| match (148..156).contains(&at) {
            true => u32::from(b' '),
            false => u32::from(*byte),
        })
        .sum();
    let field = &header[148..156];
    let digits: String = field
        .iter()
        .map(|b| *b as char)
        .filter(|c| c.is_digit(8))
        .collect();
    sum > 256 && u32::from_str_radix(&digits, 8).is_ok_and(|stated| stated == sum)
}

/// The last name of a path, as a file's.
pub(super) fn last(path: &str) -> &Path {
    let name = path.rsplit('/').next().unwrap_or_default();
    Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()))
}
