//! Where things are put in the container: paths resolved in its root, and made where they lack.
//!
//! Links are followed by what they say, one by one. So one that leads nowhere yet is made to lead
//! somewhere, as Docker does it (`/etc/resolv.conf` often is one), and the kernel's own links of
//! `/proc/<pid>/fd` lead nowhere but to their names: to nothing of ours that is open. The answer
//! is a path without links.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// The kernel follows as many.
const MOST_LINKS: usize = 40;

/// The directory at `path`, made with all above it that is missing.
pub(super) fn directory(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    walk(path.as_ref(), false)
}

/// What is at `path`: an empty file when there is nothing.
pub(super) fn file(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    walk(path.as_ref(), true)
}

fn walk(path: &Path, to_file: bool) -> io::Result<PathBuf> {
    let mut at = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let is_file = to_file && rest.is_empty();
        let next = at.join(name);
        match fs::symlink_metadata(&next) {
            Ok(found) if found.is_symlink() => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                let target = fs::read_link(&next)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest = names(&target).chain(rest).collect();
                continue;
            }
            Ok(found) if found.is_dir() || is_file => {}
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            Err(_) if is_file => drop(File::create_new(&next)?),
            Err(_) => fs::create_dir(&next)?,
        }
        at = next;
    }
    Ok(at)
}

/// A path's names, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// `path` as it would be without links, for comparing: absolute, `.` and `..` taken out.
pub(super) fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for name in names(Path::new(path)) {
        match name == ".." {
            true => drop(clean.pop()),
            false => clean.push(name),
        }
    }
    clean
}
