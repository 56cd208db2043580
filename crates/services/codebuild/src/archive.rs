//! Files on their way into and out of a build: zip archives as AWS keeps them, tar as containers read and write it.

use bytes::Bytes;
use std::io::{Cursor, Read as _, Write as _};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The most that a source or an artifact may hold, unpacked.
pub const MAX_BYTES: u64 = 1 << 30;
const MAX_FILES: usize = 200_000;
const EXECUTABLE: u32 = 0o755;
const PLAIN: u32 = 0o644;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative, with slashes.
    pub path: String,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    File {
        bytes: Bytes,
        mode: u32,
    },
    /// Where it leads.
    Link(String),
}

impl Entry {
    pub fn file(path: impl Into<String>, bytes: impl Into<Bytes>) -> Entry {
        Entry {
            path: path.into(),
            content: Content::File {
                bytes: bytes.into(),
                mode: PLAIN,
            },
        }
    }

    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::File { bytes, .. } => Some(bytes),
            Content::Link(_) => None,
        }
    }
}

/// A path that stays where it is unpacked.
pub fn safe(path: &str) -> Option<String> {
    let parts = path.split('/').filter(|p| !p.is_empty() && *p != ".");
    let parts: Vec<&str> = parts.collect();
    let fits = !path.starts_with('/') && !path.contains('\0') && !parts.contains(&"..");
    (fits && !parts.is_empty()).then(|| parts.join("/"))
}

/// The files of a zip archive.
///
/// # Errors
/// When it is none, leads out of its directory, or is too large.
pub fn unzip(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let wrong = |e: zip::result::ZipError| format!("the source is no zip archive: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
    if archive.len() > MAX_FILES {
        return Err(format!("the source has more than {MAX_FILES} files"));
    }
    let mut left = MAX_BYTES;
    let mut entries = Vec::new();
    for at in 0..archive.len() {
        let file = archive.by_index(at).map_err(wrong)?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(wrong)?.into_owned();
        let path = safe(&name).ok_or_else(|| format!("the archive has a file {name}"))?;
        let mode = file.unix_mode();
        let is_link = file.is_symlink();
        let mut content = Vec::new();
        let read = file.take(left + 1).read_to_end(&mut content);
        read.map_err(|e| format!("the source cannot be unpacked: {e}"))?;
        left = left
            .checked_sub(content.len() as u64)
            .ok_or_else(|| format!("the source is larger than {MAX_BYTES} bytes"))?;
        let content = match is_link {
            true => Content::Link(String::from_utf8_lossy(&content).into_owned()),
            false => Content::File {
                bytes: content.into(),
                mode: match mode.is_some_and(|m| m & 0o111 != 0) {
                    true => EXECUTABLE,
                    false => PLAIN,
                },
            },
        };
        entries.push(Entry { path, content });
    }
    Ok(entries)
}

/// A zip archive of the files.
///
/// # Errors
/// When one cannot be put in.
pub fn zipped(entries: &[Entry]) -> Result<Vec<u8>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("the artifact cannot be packed: {e}");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        match &entry.content {
            Content::File { bytes, mode } => {
                let options = options.unix_permissions(*mode & 0o777);
                writer
                    .start_file(entry.path.as_str(), options)
                    .map_err(|e| wrong(&e))?;
                writer.write_all(bytes).map_err(|e| wrong(&e))?;
            }
            Content::Link(to) => writer
                .add_symlink(entry.path.as_str(), to.as_str(), options)
                .map_err(|e| wrong(&e))?,
        }
    }
    let done = writer.finish().map_err(|e| wrong(&e))?;
    Ok(done.into_inner())
}

/// A tar archive of files under directories of theirs; `now` is their time, in seconds.
///
/// # Errors
/// When one cannot be put in.
pub fn tarred<'a>(
    entries: impl IntoIterator<Item = (String, &'a Content)>,
    directories: &[String],
    now: u64,
) -> Result<Vec<u8>, String> {
    let mut builder = tar::Builder::new(Vec::new());
    let wrong = |e: std::io::Error| format!("the source cannot be packed: {e}");
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(now);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        header
    };
    for directory in directories {
        let mut header = header(tar::EntryType::Directory, EXECUTABLE, 0);
        let path = directory.trim_start_matches('/');
        builder
            .append_data(&mut header, path, std::io::empty())
            .map_err(wrong)?;
    }
    for (path, content) in entries {
        let path = path.trim_start_matches('/');
        match content {
            Content::File { bytes, mode } => {
                let mut header = header(tar::EntryType::Regular, *mode, bytes.len() as u64);
                builder
                    .append_data(&mut header, path, bytes.as_ref())
                    .map_err(wrong)?;
            }
            Content::Link(to) => {
                let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                builder.append_link(&mut header, path, to).map_err(wrong)?;
            }
        }
    }
    builder.into_inner().map_err(wrong)
}

/// The files of a tar archive that a container made.
///
/// # Errors
/// When it is none.
pub fn untarred(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let wrong = |e: std::io::Error| format!("what came out of the container is no archive: {e}");
    let mut archive = tar::Archive::new(bytes);
    let mut entries: Vec<Entry> = Vec::new();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let path = entry.path().map_err(wrong)?.to_string_lossy().into_owned();
        let Some(path) = safe(&path) else { continue };
        let kind = entry.header().entry_type();
        let link = entry.link_name().map_err(wrong)?;
        let link = link.map(|l| l.to_string_lossy().into_owned());
        let content = match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let mode = entry.header().mode().unwrap_or(PLAIN);
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(wrong)?;
                Content::File {
                    bytes: content.into(),
                    mode,
                }
            }
            // A second name of a file that came before.
            tar::EntryType::Link => {
                let of = link.and_then(|l| safe(&l));
                let of = of.and_then(|of| entries.iter().find(|e| e.path == of));
                match of {
                    Some(first) => first.content.clone(),
                    None => continue,
                }
            }
            tar::EntryType::Symlink => match link {
                Some(to) => Content::Link(to),
                None => continue,
            },
            _ => continue,
        };
        entries.push(Entry { path, content });
    }
    Ok(entries)
}
