//! The files that a build may copy from.

use neargate_build::ignore::Ignore;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, and what of it counts.
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) dir: PathBuf,
    pub(super) ignore: Arc<Ignore>,
}

/// A `.dockerignore` larger than this is none.
const LARGEST_BYTES: u64 = 1 << 20;

impl Context {
    /// The directory, without what its `.dockerignore` (or the Dockerfile's own,
    /// `<Dockerfile>.dockerignore`) leaves out.
    ///
    /// # Errors
    /// The directory or the file cannot be read, or is not understood.
    pub fn open(dir: &Path, dockerfile: &str) -> io::Result<Context> {
        let root = open_directory(dir)?;
        let mut ignore = None;
        for name in [&format!("{dockerfile}.dockerignore"), ".dockerignore"] {
            match read(&root, name, LARGEST_BYTES) {
                Ok(text) => {
                    ignore = Some(Ignore::parse(&text).map_err(io::Error::other)?);
                    break;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Context {
            dir: dir.to_owned(),
            ignore: Arc::new(ignore.unwrap_or_default()),
        })
    }

    /// A text file of the context; no link leads outside of it.
    ///
    /// # Errors
    /// It is not there, or is too large.
    pub fn read(dir: &Path, name: &str, largest_bytes: u64) -> io::Result<String> {
        read(&open_directory(dir)?, name, largest_bytes)
    }
}

/// A directory to look below of.
pub(super) fn open_directory(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?)
}

fn read(root: &OwnedFd, name: &str, largest_bytes: u64) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(root, name, flags, Mode::empty(), resolve)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{name} is not a file")));
    }
    let mut text = Vec::new();
    file.take(largest_bytes + 1).read_to_end(&mut text)?;
    if text.len() as u64 > largest_bytes {
        return Err(io::Error::other(format!("{name} is too large")));
    }
    String::from_utf8(text).map_err(|_| io::Error::other(format!("{name} is not UTF-8")))
}

/// Unpacks a context that came as an archive (compressed or not) into a new directory. The work is done
/// in a root of its own: nothing in the archive leads outside of it.
///
/// # Errors
/// What is wrong with the archive, or the disk.
pub fn unpack(archive: impl Read + Send, dir: &Path) -> io::Result<()> {
    std::fs::create_dir(dir)?;
    let root = open_directory(dir)?;
    super::root::beneath(&root, || {
        let mut archive = tar::Archive::new(super::transfer::decompressed(Box::new(archive))?);
        archive.set_preserve_permissions(true);
        archive.set_preserve_mtime(true);
        archive.unpack("/")
    })
}
