//! What a `COPY` names, found in a root: patterns, and the tree below each match.

use super::root::open_in;
use neargate_blob::Hasher;
use neargate_build::ignore::{Ignore, cleaned, name_pattern};
use neargate_build::key::Key;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A tree deeper than this is not looked into.
const DEEPEST: usize = 1024;

/// What counts below a root, by paths from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter<'a> {
    /// `.dockerignore`
    pub ignore: &'a Ignore,
    /// `--exclude`
    pub exclude: &'a Ignore,
}

impl Filter<'_> {
    pub fn leaves_out(&self, path: &str) -> bool {
        self.ignore.excludes(path) || self.exclude.excludes(path)
    }

    fn takes_back(&self) -> bool {
        self.ignore.takes_back() || self.exclude.takes_back()
    }
}

/// The paths that a source means, in order. A source that means nothing is an error, but for a pattern.
pub(super) fn matches(root: &OwnedFd, source: &str, filter: Filter<'_>) -> io::Result<Vec<String>> {
    let clean = cleaned(source);
    let mut found = vec![String::new()];
    let mut has_pattern = false;
    for name in clean.split('/').filter(|name| !name.is_empty()) {
        let pattern = name_pattern(name).map_err(io::Error::other)?;
        let mut next = Vec::new();
        for path in found {
            match &pattern {
                None => next.push(below(&path, name)),
                Some(pattern) => {
                    has_pattern = true;
                    let names = names_in(root, &path)?;
                    let fit = names.iter().filter(|name| pattern.is_match(name));
                    next.extend(fit.map(|name| below(&path, name)));
                }
            }
        }
        found = next;
    }
    let is_there = |path: &String| {
        if open_in(root, path, OFlags::PATH).is_err() {
            return false;
        }
        if path.is_empty() || !filter.leaves_out(path) {
            return true;
        }
        let dir = open_in(root, path, OFlags::RDONLY | OFlags::DIRECTORY);
        let something = dir.and_then(|dir| holds_something(&dir, path, filter, 0));
        filter.takes_back() && something.unwrap_or(false)
    };
    found.retain(is_there);
    match found.is_empty() && !has_pattern {
        true => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{:?}: not found", format!("/{clean}")),
        )),
        false => Ok(found),
    }
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

/// The names in a directory, in order; none, where there is no directory.
fn names_in(root: &OwnedFd, path: &str) -> io::Result<Vec<String>> {
    match open_in(root, path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(dir) => Ok(entries(&dir)?
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect()),
        Err(_) => Ok(Vec::new()),
    }
}

/// The names in a directory, in order.
pub(super) fn entries(dir: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut all = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            all.push(entry.file_name().to_owned());
        }
    }
    all.sort();
    Ok(all)
}

/// Something below a match.
pub(super) struct Found<'a> {
    pub parent: BorrowedFd<'a>,
    pub name: &'a CStr,
    pub stat: Stat,
    /// From the match on; empty for the match itself.
    pub path: &'a str,
}

impl Found<'_> {
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Opens the file or directory; one that became a link meanwhile is none.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(self.parent, self.name, flags, Mode::empty())?)
    }

    pub fn link(&self) -> io::Result<CString> {
        Ok(readlinkat(self.parent, self.name, Vec::new())?)
    }
}

/// Visits all below an open directory, parents first; `after` comes once what is in a directory has been
/// visited. `from` is the directory's own path from its root, for the filter.
pub(super) fn visit(
    dir: &OwnedFd,
    from: &str,
    filter: Filter<'_>,
    enter: &mut dyn FnMut(&Found<'_>) -> io::Result<()>,
    leave: &mut dyn FnMut(&str, &Stat) -> io::Result<()>,
) -> io::Result<()> {
    walk(dir, (from, ""), filter, 0, enter, leave)
}

fn walk(
    dir: &OwnedFd,
    (from, path): (&str, &str),
    filter: Filter<'_>,
    depth: usize,
    enter: &mut dyn FnMut(&Found<'_>) -> io::Result<()>,
    leave: &mut dyn FnMut(&str, &Stat) -> io::Result<()>,
) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("directories are nested too deeply"));
    }
    for name in entries(dir)? {
        let shown = name.to_str().map_err(|_| {
            io::Error::other(format!(
                "a file's name is not UTF-8: {}",
                name.to_string_lossy()
            ))
        })?;
        let (whole, path) = (below(from, shown), below(path, shown));
        let stat = statat(dir, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
        let found = Found {
            parent: dir.as_fd(),
            name: &name,
            stat,
            path: &path,
        };
        let is_directory = found.kind() == FileType::Directory;
        let is_out = filter.leaves_out(&whole);
        if is_out && !(is_directory && filter.takes_back()) {
            continue;
        }
        if !is_directory {
            enter(&found)?;
            continue;
        }
        if is_out && !holds_something(&found.open()?, &whole, filter, depth + 1)? {
            continue;
        }
        enter(&found)?;
        walk(
            &found.open()?,
            (&whole, &path),
            filter,
            depth + 1,
            enter,
            leave,
        )?;
        leave(&path, &found.stat)?;
    }
    Ok(())
}

/// Is something taken back in a directory that is left out?
fn holds_something(
    dir: &OwnedFd,
    from: &str,
    filter: Filter<'_>,
    depth: usize,
) -> io::Result<bool> {
    if depth > DEEPEST {
        return Ok(false);
    }
    for name in entries(dir)? {
        let whole = below(from, &name.to_string_lossy());
        if !filter.leaves_out(&whole) {
            return Ok(true);
        }
        let stat = statat(dir, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = openat(dir, &*name, flags, Mode::empty())?;
            if holds_something(&inner, &whole, filter, depth + 1)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Adds to a key what a source holds: names, kinds, modes and content; who owns it where that is kept.
pub(super) fn weigh(
    key: &mut Key,
    root: &OwnedFd,
    path: &str,
    filter: Filter<'_>,
) -> io::Result<()> {
    let top = open_in(root, path, OFlags::PATH)?;
    let stat = fstat(&top)?;
    key.add(path);
    key.add(stat.st_mode.to_le_bytes());
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let dir = open_in(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let mut enter = |found: &Found<'_>| {
                key.add(found.path);
                key.add(found.stat.st_mode.to_le_bytes());
                match found.kind() {
                    FileType::RegularFile => key.add(hashed(found.open()?)?),
                    FileType::Symlink => key.add(found.link()?.as_bytes()),
                    _ => key.add(found.stat.st_rdev.to_le_bytes()),
                }
                Ok(())
            };
            visit(&dir, path, filter, &mut enter, &mut |_, _| Ok(()))
        }
        FileType::RegularFile => {
            let file = open_in(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
            key.add(hashed(file)?);
            Ok(())
        }
        _ => Err(io::Error::other(format!(
            "/{path}: neither a file nor a directory"
        ))),
    }
}

fn hashed(file: OwnedFd) -> io::Result<[u8; 32]> {
    let (mut file, mut hasher) = (File::from(file), Hasher::new());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(*hasher.finish().as_bytes()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
