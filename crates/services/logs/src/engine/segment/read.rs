//! Reading a segment: its footer once, then the blocks a query needs.

use super::{BlockInfo, FOOTER_VERSION, MAGIC, Segment, SegmentStream, TRAILER_BYTES};
use crate::engine::codec::{Input, Malformed};
use crate::engine::error::EngineError;
use crate::engine::position::Position;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// No block is larger: one holds at most one message beyond the block size.
const MAX_RAW_BYTES: u64 = 64 << 20;

/// An open segment with its index.
#[derive(Debug)]
pub(in crate::engine) struct Footer {
    file: File,
    path: PathBuf,
    pub(in crate::engine) streams: Vec<SegmentStream>,
    pub(in crate::engine) blocks: Vec<BlockInfo>,
}

/// One event of a block; its message is `raw[start..start + len]`.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Entry {
    pub at: Position,
    pub stream: u32,
    pub ingested: i64,
    pub start: u32,
    pub len: u32,
}

/// A decompressed block.
#[derive(Debug)]
pub(in crate::engine) struct Block {
    raw: Vec<u8>,
    pub(in crate::engine) entries: Vec<Entry>,
}

impl Block {
    /// UTF-8 by construction and by checksum.
    pub(in crate::engine) fn message(&self, entry: &Entry) -> &str {
        let (start, len) = (entry.start as usize, entry.len as usize);
        std::str::from_utf8(&self.raw[start..start + len]).unwrap_or_default()
    }
}

impl Footer {
    /// `None` when the file is gone: retention or a delete was faster than the query.
    pub(in crate::engine) fn open(dir: &Path, number: u64) -> Result<Option<Footer>, EngineError> {
        let path = Segment::path(dir, number);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(EngineError::io("open", &path)(e)),
        };
        let len = file
            .metadata()
            .map_err(EngineError::io("read", &path))?
            .len();
        let footer = read_footer(&file, len, &path)?;
        let (streams, blocks) =
            parse(&footer).map_err(|_| EngineError::corrupt(&path, "its footer"))?;
        let sound = |b: &BlockInfo| {
            b.raw_bytes <= MAX_RAW_BYTES
                && b.offset
                    .checked_add(b.len_bytes)
                    .is_some_and(|end| end <= len)
                && b.streams.iter().all(|s| (*s as usize) < streams.len())
        };
        if !blocks.iter().all(sound) {
            return Err(EngineError::corrupt(&path, "its block index"));
        }
        Ok(Some(Footer {
            file,
            path,
            streams,
            blocks,
        }))
    }

    pub(in crate::engine) fn block(&self, info: &BlockInfo) -> Result<Block, EngineError> {
        let mut bytes = vec![0; info.len_bytes as usize];
        let read = self.file.read_exact_at(&mut bytes, info.offset);
        read.map_err(EngineError::io("read", &self.path))?;
        if crc32fast::hash(&bytes) != info.crc {
            return Err(EngineError::corrupt(&self.path, "a block's checksum"));
        }
        let raw = zstd::bulk::decompress(&bytes, info.raw_bytes as usize)
            .map_err(EngineError::io("decompress", &self.path))?;
        let entries = entries(&raw, self.streams.len())
            .map_err(|_| EngineError::corrupt(&self.path, "a block's contents"))?;
        Ok(Block { raw, entries })
    }
}

fn read_footer(file: &File, len: u64, path: &Path) -> Result<Vec<u8>, EngineError> {
    let io = |e| EngineError::io("read", path)(e);
    let mut trailer = [0; TRAILER_BYTES];
    let Some(end) = len.checked_sub(TRAILER_BYTES as u64) else {
        return Err(EngineError::corrupt(path, "too short"));
    };
    file.read_exact_at(&mut trailer, end).map_err(io)?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| trailer[at + i]));
    let (footer_len, crc) = (number(0), number(4));
    if trailer[8..] != *MAGIC || u64::from(footer_len) > end {
        return Err(EngineError::corrupt(path, "its trailer"));
    }
    let mut footer = vec![0; footer_len as usize];
    file.read_exact_at(&mut footer, end - u64::from(footer_len))
        .map_err(io)?;
    if crc32fast::hash(&footer) != crc {
        return Err(EngineError::corrupt(path, "its footer's checksum"));
    }
    Ok(footer)
}

fn parse(footer: &[u8]) -> Result<(Vec<SegmentStream>, Vec<BlockInfo>), Malformed> {
    let mut input = Input::new(footer);
    if input.number()? != FOOTER_VERSION {
        return Err(Malformed);
    }
    input.text()?;
    let mut streams = Vec::new();
    for _ in 0..input.count()? {
        streams.push(SegmentStream {
            id: input.number()?,
            name: input.text()?.into(),
            first_millis: input.signed()?,
            last_millis: input.signed()?,
            events: input.number()?,
        });
    }
    let mut blocks = Vec::new();
    for _ in 0..input.count()? {
        let (offset, len_bytes, raw_bytes) = (input.number()?, input.number()?, input.number()?);
        let crc = u32::try_from(input.number()?).map_err(|_| Malformed)?;
        let (first, last) = (Position::get(&mut input)?, Position::get(&mut input)?);
        let mut streams = Vec::new();
        for _ in 0..input.count()? {
            streams.push(u32::try_from(input.number()?).map_err(|_| Malformed)?);
        }
        blocks.push(BlockInfo {
            offset,
            len_bytes,
            raw_bytes,
            crc,
            first,
            last,
            streams,
        });
    }
    Ok((streams, blocks))
}

fn entries(raw: &[u8], streams: usize) -> Result<Vec<Entry>, Malformed> {
    let mut input = Input::new(raw);
    let mut at = Position::MIN;
    let mut entries = Vec::new();
    while !input.is_empty() {
        at.millis = at.millis.wrapping_add(input.signed()?);
        at.ordinal = at.ordinal.wrapping_add(input.signed()? as u64);
        let stream = u32::try_from(input.number()?).map_err(|_| Malformed)?;
        let ingested = at.millis.wrapping_add(input.signed()?);
        let (start, len) = input.text_span()?;
        if stream as usize >= streams {
            return Err(Malformed);
        }
        entries.push(Entry {
            at,
            stream,
            ingested,
            start: start as u32,
            len: len as u32,
        });
    }
    Ok(entries)
}
