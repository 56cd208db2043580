//! `COPY` and `ADD`: sources into a new layer.

use super::context::open_directory;
use super::files::{self, Filter, Found};
use super::owner;
use super::root::{self, open_in};
use super::transfer::{self, Made};
use neargate_build::ignore::Ignore;
use neargate_build::key::Key;
use rustix::fs::{FileType, OFlags, fstat};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where sources are.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A directory, of which what is left out does not count.
    Directory { dir: PathBuf, ignore: Arc<Ignore> },
    /// Layers, lowest first, and what they came of.
    Layers {
        layers: Vec<PathBuf>,
        key: neargate_blob::Digest,
    },
}

/// What is copied.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub origin: Origin,
    pub paths: Vec<String>,
    /// Here-documents: names and texts.
    pub texts: Vec<(String, String)>,
    /// Absolute; a slash at its end says that it is a directory.
    pub to: String,
    /// `--chown`, as it stands.
    pub chown: Option<String>,
    pub mode: Option<u32>,
    pub exclude: Ignore,
    /// `ADD`: archives are unpacked.
    pub unpacks: bool,
    /// `--parents`: paths stay below the destination.
    pub parents: bool,
}

impl Copy {
    /// What its outcome depends on, but for what it is put onto.
    pub fn weigh(&self, key: &mut Key) -> io::Result<()> {
        key.list(self.paths.iter());
        for (name, text) in &self.texts {
            key.list([name, text].into_iter());
        }
        key.add(&self.to);
        key.add(self.chown.as_deref().unwrap_or_default());
        key.add(
            self.mode
                .map_or(0_u64, |mode| u64::from(mode) | 1 << 32)
                .to_le_bytes(),
        );
        key.add(&self.exclude.text);
        key.add([u8::from(self.unpacks), u8::from(self.parents)]);
        match &self.origin {
            Origin::Layers { key: origin, .. } => key.add(origin.as_bytes()),
            Origin::Directory { dir, ignore } => {
                let root = open_directory(dir)?;
                let filter = self.filter(ignore);
                for path in &self.paths {
                    for found in files::matches(&root, path, filter)? {
                        files::weigh(key, &root, &found, filter)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn filter<'a>(&'a self, ignore: &'a Ignore) -> Filter<'a> {
        Filter {
            ignore,
            exclude: &self.exclude,
        }
    }

    /// Copies onto these layers; what is new is in `dir`'s `fs` afterwards. Blocking.
    pub fn carry_out(&self, dir: &Path, layers: &[PathBuf]) -> io::Result<()> {
        let nothing = Ignore::default();
        match &self.origin {
            Origin::Directory { dir: from, ignore } => {
                let root = open_directory(from)?;
                root::overlaid(dir, layers, &[], |_| self.within(&root, ignore, false))
            }
            Origin::Layers { layers: from, .. } => {
                let others = [from.clone()];
                root::overlaid(dir, layers, &others, |others| {
                    self.within(&others[0], &nothing, true)
                })
            }
        }
    }

    /// The current root is the image's.
    fn within(&self, root: &OwnedFd, ignore: &Ignore, keeps_owner: bool) -> io::Result<()> {
        let filter = self.filter(ignore);
        let mut sources = Vec::new();
        for path in &self.paths {
            sources.extend(files::matches(root, path, filter)?);
        }
        let count = sources.len() + self.texts.len();
        if count == 0 {
            return Err(io::Error::other("no source files were specified"));
        }
        let made = Made {
            owner: self.chown.as_deref().map(owner::find).transpose()?,
            mode: self.mode,
            keeps_owner,
        };
        let to = Path::new(&self.to);
        let into = self.to.ends_with('/') || count > 1 || self.parents || to.is_dir();
        for source in &sources {
            let to = match (self.parents, source.rsplit_once('/')) {
                (true, Some((above, _))) => to.join(above),
                _ => to.to_owned(),
            };
            self.one(root, source, &to, into, &made, filter)?;
        }
        for (name, text) in &self.texts {
            transfer::directory(if into { to } else { above(to) }, made.owner)?;
            let to = if into { to.join(name) } else { to.to_owned() };
            transfer::text(text, &to, &made)?;
        }
        Ok(())
    }

    fn one(
        &self,
        root: &OwnedFd,
        source: &str,
        to: &Path,
        into: bool,
        made: &Made,
        filter: Filter<'_>,
    ) -> io::Result<()> {
        let stat = fstat(open_in(root, source, OFlags::PATH)?)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let dir = open_in(root, source, OFlags::RDONLY | OFlags::DIRECTORY)?;
                let to = match self.parents {
                    true => to.join(transfer::last(source)),
                    false => to.to_owned(),
                };
                transfer::directory(&to, made.owner)?;
                tree(&dir, source, &to, made, filter)
            }
            FileType::RegularFile => {
                let file = open_in(root, source, OFlags::RDONLY | OFlags::NONBLOCK)?;
                if self.unpacks && transfer::unpacked(&file, to, made.owner)? {
                    return Ok(());
                }
                let file = open_in(root, source, OFlags::RDONLY | OFlags::NONBLOCK)?;
                transfer::directory(if into { to } else { above(to) }, made.owner)?;
                let to = match into {
                    true => to.join(transfer::last(source)),
                    false => to.to_owned(),
                };
                transfer::file(file, &stat, &to, made)
            }
            _ => Err(io::Error::other(format!(
                "/{source}: neither a file nor a directory"
            ))),
        }
    }
}

fn above(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn tree(dir: &OwnedFd, from: &str, to: &Path, made: &Made, filter: Filter<'_>) -> io::Result<()> {
    let mut enter = |found: &Found<'_>| {
        let to = to.join(found.path);
        match found.kind() {
            FileType::Directory => transfer::like(found, &to, made),
            FileType::RegularFile => transfer::file(found.open()?, &found.stat, &to, made),
            _ => transfer::special(found, &to, made),
        }
    };
    // Writing into a directory has changed its time.
    let mut leave = |path: &str, stat: &rustix::fs::Stat| {
        transfer::times(&to.join(path), stat.st_mtime, stat.st_mtime_nsec as i64)
    };
    files::visit(dir, from, filter, &mut enter, &mut leave)
}

/// `WORKDIR`: a directory that is made where it is missing. Blocking.
pub(super) fn make_directory(dir: &Path, layers: &[PathBuf], path: &str) -> io::Result<()> {
    root::overlaid(dir, layers, &[], |_| {
        transfer::directory(Path::new(path), None)
    })
}
