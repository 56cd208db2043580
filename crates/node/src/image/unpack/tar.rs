//! Reading a tar archive entry by entry: ustar, GNU and PAX forms.
//!
//! Headers are taken apart by the `tar` crate; walking the archive is our own, because long names
//! and PAX records of unbounded size must not be read into memory, and content is written
//! straight from the decompressor's buffers.

use super::LayerError;
use super::content::Pieces;
use super::pax::Pax;
use super::sparse::{self, Segment};
use tar::Header;

const BLOCK: u64 = 512;
/// Long names, long link names and PAX records of one entry (Go's reader has the same bound).
const MAX_META_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Hardlink,
    Symlink,
    Char,
    Block,
    Directory,
    Fifo,
}

/// One entry, with what GNU and PAX extensions say folded in.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) meta: Meta,
    pub(super) device: (u32, u32),
    /// For a sparse file: where the stored bytes belong, and the whole size.
    pub(super) sparse: Option<(Vec<Segment>, u64)>,
}

/// An extended attribute: name and value.
pub(super) type Attribute = (Vec<u8>, Vec<u8>);

/// Ownership, mode and so on of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// Permission bits, setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since the epoch, and nanoseconds.
    pub(super) mtime: (i64, u32),
    pub(super) xattrs: Vec<Attribute>,
}

/// The archive being walked.
#[derive(Debug)]
pub(super) struct Archive {
    content: Pieces,
    /// What is left of the current entry: content bytes not read yet, and padding after them.
    unread: u64,
    padding: u64,
}

impl Archive {
    pub(super) fn new(content: Pieces) -> Self {
        Archive {
            content,
            unread: 0,
            padding: 0,
        }
    }

    /// The next entry; `None` at the end marker (or at the end without one, as Go accepts).
    pub(super) fn next(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut extended = Pax::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.finish_entry()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = header.entry_size().map_err(|e| malformed(&e.to_string()))?;
            match header.entry_type().as_byte() {
                b'x' | b'X' => extended = Pax::parse(&self.metadata(size)?)?,
                // Global records change nothing for Docker and containerd either.
                b'g' => drop(self.metadata(size)?),
                b'L' => long_name = Some(c_string(self.metadata(size)?)),
                b'K' => long_link = Some(c_string(self.metadata(size)?)),
                kind => {
                    return self
                        .entry(&header, kind, size, extended, long_name, long_link)
                        .map(Some);
                }
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: u8,
        header_size: u64,
        extended: Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, LayerError> {
        let bad = |e: std::io::Error| malformed(&e.to_string());
        let path = extended
            .path
            .or(long_name)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extended.link.or(long_link);
        let link = link.or_else(|| header.link_name_bytes().map(|l| l.into_owned()));
        let kind = match kind {
            // Archives older than ustar mark a directory by its name alone.
            b'\0' | b'0' if path.ends_with(b"/") => Kind::Directory,
            b'\0' | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Char,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => return Err(malformed(&format!("unhandled tar header type {other}"))),
        };
        let mut stored_bytes = extended.size.unwrap_or(header_size);
        let is_old_sparse = header.entry_type().as_byte() == b'S';
        if kind != Kind::File {
            // Only files have content, whatever the size says (as Go reads it).
            stored_bytes = 0;
        }
        (self.unread, self.padding) = (stored_bytes, padding(stored_bytes));
        let mut sparse = None;
        if is_old_sparse {
            sparse = Some(sparse::old_gnu(header, &mut self.content)?);
        } else if let (Kind::File, Some(pax)) = (kind, &extended.sparse) {
            sparse = sparse::pax(pax, self)?;
            stored_bytes = self.unread;
        }
        if let Some((segments, size)) = &sparse {
            sparse::check(segments, *size, stored_bytes)?;
        }
        let sparse_name = extended.sparse.and_then(|s| s.name);
        let id = |from_pax: Option<u64>, from_header: std::io::Result<u64>| {
            let id = from_pax.map_or(from_header, Ok).map_err(bad)?;
            u32::try_from(id)
                .ok()
                .filter(|id| *id != u32::MAX)
                .ok_or_else(|| malformed("bad owner id"))
        };
        let old = header.as_old();
        let mtime = match extended.mtime {
            Some(mtime) => mtime,
            // Times before 1970 come as two's complement.
            None => (or_zero(&old.mtime, header.mtime()).map_err(bad)? as i64, 0),
        };
        let meta = Meta {
            mode: or_zero(&old.mode, header.mode()).map_err(bad)? & 0o7777,
            uid: id(extended.uid, or_zero(&old.uid, header.uid()))?,
            gid: id(extended.gid, or_zero(&old.gid, header.gid()))?,
            mtime,
            xattrs: extended.xattrs,
        };
        let mut device = (0, 0);
        if matches!(kind, Kind::Char | Kind::Block) {
            let part =
                |n: std::io::Result<Option<u32>>| n.map_err(bad).map(Option::unwrap_or_default);
            device = (part(header.device_major())?, part(header.device_minor())?);
        }
        let path = sparse_name.unwrap_or(path);
        let link = link.unwrap_or_default();
        if path.contains(&0) || link.contains(&0) {
            return Err(malformed("a name contains a NUL byte"));
        }
        Ok(Entry {
            kind,
            path,
            link,
            meta,
            device,
            sparse,
        })
    }

    /// Up to `limit` bytes of the current entry's content: hand them to `write`, which may take
    /// less. `false` when there are none left.
    pub(super) fn take_content(
        &mut self,
        limit: u64,
        write: impl FnOnce(&[u8]) -> Result<usize, LayerError>,
    ) -> Result<bool, LayerError> {
        let wanted = limit.min(self.unread);
        if wanted == 0 {
            return Ok(false);
        }
        let available = self.content.fill()?;
        if available.is_empty() {
            return Err(super::content::truncated());
        }
        let n = wanted.min(available.len() as u64) as usize;
        let taken = write(&available[..n])?;
        self.content.consume(taken);
        self.unread -= taken as u64;
        Ok(true)
    }

    /// A line of the current entry's content, without its end, for sparse maps.
    pub(super) fn content_block(&mut self) -> Result<[u8; BLOCK as usize], LayerError> {
        let mut block = [0; BLOCK as usize];
        if self.unread < BLOCK || !self.content.read_exact(&mut block)? {
            return Err(malformed("the sparse map is truncated"));
        }
        self.unread -= BLOCK;
        Ok(block)
    }

    /// Everything after the last entry; see [`Pieces::finish`].
    pub(super) fn finish(self) -> Result<(neargate_blob::Digest, u64), LayerError> {
        self.content.finish()
    }

    fn finish_entry(&mut self) -> Result<(), LayerError> {
        let (unread, padding) = (self.unread, self.padding);
        (self.unread, self.padding) = (0, 0);
        self.content.skip(unread)?;
        self.content.skip(padding)
    }

    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        let mut block = [0; BLOCK as usize];
        if !self.content.read_exact(&mut block)? {
            return Ok(None);
        }
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let stated = header
            .cksum()
            .map_err(|_| malformed("invalid tar header"))?;
        // The checksum counts its own eight bytes as spaces. Some old writers summed signed bytes.
        let bytes = |i: usize, b: &u8| if (148..156).contains(&i) { b' ' } else { *b };
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(i, b)| u32::from(bytes(i, b)))
            .sum();
        let signed: i64 = block
            .iter()
            .enumerate()
            .map(|(i, b)| i64::from(bytes(i, b) as i8))
            .sum();
        if stated != sum && i64::from(stated) != signed {
            return Err(malformed("invalid tar header"));
        }
        Ok(Some(header))
    }

    fn metadata(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        if size > MAX_META_BYTES {
            return Err(LayerError::TooLarge(
                "a name or extended header exceeds 1 MiB".into(),
            ));
        }
        let mut bytes = vec![0; size as usize];
        if size > 0 && !self.content.read_exact(&mut bytes)? {
            return Err(super::content::truncated());
        }
        self.content.skip(padding(size))?;
        Ok(bytes)
    }
}

/// A number of a header: a field that holds nothing means zero, as it does to containerd.
fn or_zero<T: Default>(field: &[u8], parsed: std::io::Result<T>) -> std::io::Result<T> {
    match field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        true => Ok(T::default()),
        false => parsed,
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

pub(super) fn malformed(why: &str) -> LayerError {
    LayerError::Malformed(format!("archive/tar: {why}"))
}
