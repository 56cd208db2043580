//! A layer's directory, in overlayfs' own form, as the archive that an image has: whiteouts and opaque
//! directories by OCI's names, hard links kept, names in order, so that the same tree has the same
//! digest.

use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_blob::{Digest, Hasher};
use rustix::fs::{AtFlags, CWD, FileType, Stat, lgetxattr, llistxattr, statat};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// What a layer became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Of the archive.
    pub diff_id: Digest,
    /// Of the compressed archive.
    pub digest: Digest,
    pub size_bytes: u64,
    pub archive_bytes: u64,
    pub entries: u64,
}

/// A tree deeper than this is no layer.
const DEEPEST: usize = 1024;

/// Writes the directory's archive, compressed, into a new file.
///
/// # Errors
/// What cannot be read or written, or what an archive cannot say.
pub fn seal(dir: &Path, into: &Path) -> io::Result<Sealed> {
    let file = File::create_new(into)?;
    let blob = Hashed::new(BufWriter::with_capacity(1 << 18, file));
    let gzip = GzEncoder::new(blob, Compression::fast());
    let mut archive = Archive {
        builder: Builder::new(Hashed::new(BufWriter::with_capacity(1 << 16, gzip))),
        links: HashMap::new(),
        entries: 0,
    };
    archive.directory(dir, Path::new(""), 0)?;
    let entries = archive.entries;
    let content = archive.builder.into_inner()?;
    let (gzip, diff_id, archive_bytes) = content.finish();
    let blob = gzip.into_inner().map_err(|e| e.into_error())?.finish()?;
    let (mut file, digest, size_bytes) = blob.finish();
    file.flush()?;
    Ok(Sealed {
        diff_id,
        digest,
        size_bytes,
        archive_bytes,
        entries,
    })
}

/// Hashes what goes through.
struct Hashed<W> {
    to: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(to: W) -> Hashed<W> {
        Hashed {
            to,
            hasher: Hasher::new(),
            bytes: 0,
        }
    }

    fn finish(self) -> (W, Digest, u64) {
        (self.to, self.hasher.finish(), self.bytes)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

struct Archive<W: Write> {
    builder: Builder<W>,
    /// Where a file of several names stands already.
    links: HashMap<u64, PathBuf>,
    entries: u64,
}

impl<W: Write> Archive<W> {
    fn directory(&mut self, root: &Path, below: &Path, depth: usize) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other(
                "the layer's directories are nested too deeply",
            ));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(root.join(below))? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            self.entry(root, &below.join(name), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, root: &Path, path: &Path, depth: usize) -> io::Result<()> {
        let here = root.join(path);
        let stat = statat(CWD, &here, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Socket {
            // Nobody listens on it.
            return Ok(());
        }
        self.entries += 1;
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return self.empty(&beside(path, ".wh."));
        }
        let attributes = attributes(&here)?;
        let mut header = header(&stat);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino) {
                header.set_entry_type(EntryType::Link);
                header.set_size(0);
                return self.builder.append_link(&mut header, path, first);
            }
            self.links.insert(stat.st_ino, path.to_owned());
        }
        let kept = attributes.iter().filter(|(name, _)| is_kept(name));
        let records: Vec<(String, &[u8])> = kept
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice()))
            .collect();
        if !records.is_empty() {
            let records = records.iter().map(|(name, value)| (name.as_str(), *value));
            self.builder.append_pax_extensions(records)?;
        }
        match kind {
            FileType::Directory => {
                header.set_entry_type(EntryType::Directory);
                let name = PathBuf::from(format!("{}/", path.display()));
                let name = match path.to_str() {
                    Some(_) => name,
                    None => path.to_owned(),
                };
                self.builder.append_data(&mut header, name, io::empty())?;
                if attributes
                    .iter()
                    .any(|(name, value)| name == OPAQUE && value == b"y")
                {
                    self.empty(&path.join(".wh..wh..opq"))?;
                }
                self.directory(root, path, depth + 1)
            }
            FileType::RegularFile => {
                header.set_entry_type(EntryType::Regular);
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                header.set_size(size);
                self.builder
                    .append_data(&mut header, path, File::open(&here)?)
            }
            FileType::Symlink => {
                header.set_entry_type(EntryType::Symlink);
                self.builder
                    .append_link(&mut header, path, fs::read_link(&here)?)
            }
            FileType::Fifo => self.special(&mut header, path, EntryType::Fifo, 0),
            FileType::CharacterDevice => {
                self.special(&mut header, path, EntryType::Char, stat.st_rdev)
            }
            FileType::BlockDevice => {
                self.special(&mut header, path, EntryType::Block, stat.st_rdev)
            }
            _ => Err(io::Error::other(format!(
                "{}: a file of an unknown kind",
                path.display()
            ))),
        }
    }

    fn special(
        &mut self,
        header: &mut Header,
        path: &Path,
        kind: EntryType,
        device: u64,
    ) -> io::Result<()> {
        header.set_entry_type(kind);
        header.set_device_major(rustix::fs::major(device))?;
        header.set_device_minor(rustix::fs::minor(device))?;
        self.builder.append_data(header, path, io::empty())
    }

    fn empty(&mut self, path: &Path) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(0);
        self.builder.append_data(&mut header, path, io::empty())
    }
}

const OPAQUE: &str = "trusted.overlay.opaque";

/// What an image keeps of a file's attributes: all but the overlay's own and those of this host's
/// security modules.
fn is_kept(name: &str) -> bool {
    name.starts_with("user.") || name == "security.capability"
}

/// Attributes that say that a file's content, or its name, is elsewhere.
const ELSEWHERE: [&str; 2] = ["trusted.overlay.redirect", "trusted.overlay.metacopy"];

fn attributes(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; 64 << 10];
    // A file system without any answers that.
    let length = llistxattr(path, &mut names).unwrap_or(0);
    let mut all = Vec::new();
    for name in names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        if ELSEWHERE.contains(&name.as_str()) {
            return Err(io::Error::other(format!(
                "{}: the overlay keeps it elsewhere ({name}): load the module with redirect_dir=off and metacopy=off",
                path.display()
            )));
        }
        let mut value = vec![0; 64 << 10];
        let length = lgetxattr(path, name.as_str(), &mut value)?;
        value.truncate(length);
        all.push((name, value));
    }
    all.sort();
    Ok(all)
}

fn header(stat: &Stat) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}

/// The name with something before its last part.
fn beside(path: &Path, before: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    debug_assert!(!path.as_os_str().as_bytes().is_empty());
    path.with_file_name(name)
}
