//! From the data directory to the file.

use super::freeze::Frozen;
use super::manifest::{END, FORMAT, Manifest, NAME, ROOT};
use crate::version;
use anyhow::{Context, Result};
use neargate_base::Clock;
use neargate_base::time::SystemClock;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tar::{Builder, EntryType, Header};

/// Got or made again, or about processes that do not outlive the host.
const LEFT_OUT: [&str; 7] = [
    "builder",
    "containers",
    "images",
    "log",
    "blobs/tmp",
    "lost+found",
    "run",
];
/// Content-addressed: a file there never changes once it has its name.
const NEVER_CHANGE: &str = "blobs/blobs";

/// What was made.
pub struct Made {
    pub files: u64,
    pub bytes: u64,
    pub paused: Duration,
}

/// Copies the directory; `process` is who runs on it.
///
/// # Errors
/// Something cannot be read, or the file not be written: then there is none.
pub fn pack(data: &Path, process: Option<u32>, file: &Path) -> Result<Made> {
    let partial = with_suffix(file, ".partial");
    let made = write(data, process, &partial);
    let made = made.and_then(|made| {
        fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))?;
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(made)
    });
    if made.is_err() {
        let _ = fs::remove_file(&partial);
    }
    made
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write(data: &Path, process: Option<u32>, partial: &Path) -> Result<Made> {
    let about = || format!("cannot write {}", partial.display());
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(partial).with_context(about)?;
    let encoder = zstd::Encoder::new(file, 3).with_context(about)?;
    let mut packing = Packing {
        data,
        archive: Builder::new(encoder),
        done: HashSet::new(),
        files: 0,
        bytes: 0,
        ours: (fs::metadata(partial).map(|m| (m.dev(), m.ino())))?,
    };
    let installation = fs::read_to_string(data.join(crate::installation::FILE));
    let manifest = Manifest {
        format: FORMAT,
        neargate: version::OWN.into(),
        installation: installation.unwrap_or_default().trim().to_owned(),
        made_at: SystemClock.now().to_string(),
    };
    packing.own(NAME, &serde_json::to_vec_pretty(&manifest)?)?;
    // What does not change is copied before the pause; what comes meanwhile is copied in it.
    packing.tree(Path::new(NEVER_CHANGE))?;
    let frozen = process.map(Frozen::stop).transpose()?;
    packing.tree(Path::new(""))?;
    let paused = frozen.map(Frozen::go_on).unwrap_or_default();
    packing.own(END, b"")?;
    let (files, bytes) = (packing.files, packing.bytes);
    let encoder = packing.archive.into_inner().with_context(about)?;
    let mut file = encoder.finish().with_context(about)?;
    file.flush().with_context(about)?;
    file.sync_all().with_context(about)?;
    Ok(Made {
        files,
        bytes,
        paused,
    })
}

struct Packing<'a> {
    data: &'a Path,
    archive: Builder<zstd::Encoder<'static, File>>,
    /// Files of [`NEVER_CHANGE`] that are in the archive.
    done: HashSet<PathBuf>,
    files: u64,
    bytes: u64,
    /// The archive itself, where that lies in the directory.
    ours: (u64, u64),
}

impl Packing<'_> {
    /// An entry that is no file of the directory.
    fn own(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_entry_type(EntryType::Regular);
        self.archive.append_data(&mut header, name, content)?;
        Ok(())
    }

    /// What is at a path below the directory, and all below it.
    fn tree(&mut self, below: &Path) -> Result<()> {
        let path = self.data.join(below);
        let about = || format!("cannot copy {}", path.display());
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            // Meanwhile somebody took it away.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e).with_context(about),
        };
        let kind = metadata.file_type();
        let name = Path::new(ROOT).join(below);
        if kind.is_dir() {
            self.archive.append_dir(&name, &path).with_context(about)?;
            let mut names = Vec::new();
            for entry in fs::read_dir(&path).with_context(about)? {
                names.push(entry.with_context(about)?.file_name());
            }
            names.sort();
            for name in names {
                let below = below.join(name);
                if !is_left_out(&below) {
                    self.tree(&below)?;
                }
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).with_context(about)?;
            let mut header = Header::new_gnu();
            header.set_metadata(&metadata);
            header.set_size(0);
            self.archive
                .append_link(&mut header, &name, target)
                .with_context(about)?;
        } else if kind.is_file() {
            if (metadata.dev(), metadata.ino()) == self.ours || !self.is_new(below) {
                return Ok(());
            }
            let file = match File::open(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
                file => file.with_context(about)?,
            };
            let mut header = Header::new_gnu();
            header.set_metadata(&metadata);
            // A task may be writing a file of its file system: it has the size it had.
            let content = file.chain(io::repeat(0)).take(metadata.len());
            self.archive
                .append_data(&mut header, &name, content)
                .with_context(about)?;
            self.files += 1;
            self.bytes += metadata.len();
        }
        // Sockets, pipes and devices are of processes.
        Ok(())
    }

    fn is_new(&mut self, below: &Path) -> bool {
        !below.starts_with(NEVER_CHANGE) || self.done.insert(below.to_owned())
    }
}

fn is_left_out(below: &Path) -> bool {
    // A slice's directory has images and containers of its own.
    let of_slice = below.strip_prefix("slices").ok().map(|rest| {
        let mut parts = rest.components();
        parts.next();
        parts.as_path()
    });
    let left_out = |path: &Path| LEFT_OUT.iter().any(|name| path == Path::new(name));
    left_out(below) || of_slice.is_some_and(left_out)
}
