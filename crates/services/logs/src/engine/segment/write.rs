//! Writing a segment.

use super::{BlockInfo, FOOTER_VERSION, MAGIC, Segment, SegmentStream};
use crate::engine::codec::{put_number, put_signed, put_text};
use crate::engine::error::EngineError;
use crate::engine::group::Record;
use crate::engine::op::StreamId;
use crate::engine::position::Position;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Builds one segment from events handed in by ascending position.
#[derive(Debug)]
pub(in crate::engine) struct SegmentWriter {
    file: BufWriter<File>,
    path: PathBuf,
    group: Arc<str>,
    offset: u64,
    block_bytes: usize,
    block: OpenBlock,
    streams: Vec<SegmentStream>,
    index: HashMap<StreamId, u32>,
    blocks: Vec<BlockInfo>,
    segment: Segment,
}

#[derive(Debug, Default)]
struct OpenBlock {
    raw: Vec<u8>,
    first: Position,
    last: Position,
    streams: BTreeSet<u32>,
}

impl SegmentWriter {
    pub(in crate::engine) fn create(
        dir: &Path,
        number: u64,
        group: Arc<str>,
        block_bytes: usize,
    ) -> Result<Self, EngineError> {
        let path = Segment::path(dir, number);
        let file = File::create(&path).map_err(EngineError::io("create", &path))?;
        let (first, last) = (Position::MAX, Position::MIN);
        let mut writer = SegmentWriter {
            file: BufWriter::new(file),
            path,
            group,
            offset: 0,
            block_bytes,
            block: OpenBlock::default(),
            streams: Vec::new(),
            index: HashMap::new(),
            blocks: Vec::new(),
            segment: Segment {
                number,
                first,
                last,
                events: 0,
                message_bytes: 0,
            },
        };
        writer.write(MAGIC)?;
        Ok(writer)
    }

    /// `name` is the stream's.
    pub(in crate::engine) fn push(
        &mut self,
        at: Position,
        record: &Record,
        name: &Arc<str>,
    ) -> Result<(), EngineError> {
        let stream = self.stream(at, record.stream, name);
        let block = &mut self.block;
        if block.raw.is_empty() {
            (block.first, block.last) = (at, Position::MIN);
        }
        put_signed(&mut block.raw, at.millis.wrapping_sub(block.last.millis));
        put_signed(
            &mut block.raw,
            at.ordinal.wrapping_sub(block.last.ordinal) as i64,
        );
        put_number(&mut block.raw, u64::from(stream));
        put_signed(
            &mut block.raw,
            record.ingested.as_millis().wrapping_sub(at.millis),
        );
        put_text(&mut block.raw, &record.message);
        block.last = at;
        block.streams.insert(stream);
        self.segment.first = self.segment.first.min(at);
        self.segment.last = self.segment.last.max(at);
        self.segment.events += 1;
        self.segment.message_bytes += record.message.len() as u64;
        if self.block.raw.len() >= self.block_bytes {
            self.end_block()
        } else {
            Ok(())
        }
    }

    /// Durable once this returns (its directory entry: the caller's care).
    pub(in crate::engine) fn finish(mut self) -> Result<Segment, EngineError> {
        self.end_block()?;
        let footer = self.footer();
        let crc = crc32fast::hash(&footer);
        self.write(&footer)?;
        self.write(&(footer.len() as u32).to_le_bytes())?;
        self.write(&crc.to_le_bytes())?;
        self.write(MAGIC)?;
        let io = EngineError::io("write", &self.path);
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(io)?;
        Ok(self.segment)
    }

    fn stream(&mut self, at: Position, id: StreamId, name: &Arc<str>) -> u32 {
        let next = self.streams.len() as u32;
        let index = *self.index.entry(id).or_insert(next);
        if index == next {
            let (first_millis, last_millis) = (at.millis, at.millis);
            self.streams.push(SegmentStream {
                id,
                name: name.clone(),
                first_millis,
                last_millis,
                events: 0,
            });
        }
        let stream = &mut self.streams[index as usize];
        stream.last_millis = at.millis;
        stream.events += 1;
        index
    }

    fn end_block(&mut self) -> Result<(), EngineError> {
        let block = std::mem::take(&mut self.block);
        if block.raw.is_empty() {
            return Ok(());
        }
        let bytes = zstd::bulk::compress(&block.raw, 1)
            .map_err(EngineError::io("compress for", &self.path))?;
        self.blocks.push(BlockInfo {
            offset: self.offset,
            len_bytes: bytes.len() as u64,
            raw_bytes: block.raw.len() as u64,
            crc: crc32fast::hash(&bytes),
            first: block.first,
            last: block.last,
            streams: block.streams.into_iter().collect(),
        });
        self.write(&bytes)
    }

    fn footer(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, FOOTER_VERSION);
        put_text(&mut out, &self.group);
        put_number(&mut out, self.streams.len() as u64);
        for s in &self.streams {
            put_number(&mut out, s.id);
            put_text(&mut out, &s.name);
            put_signed(&mut out, s.first_millis);
            put_signed(&mut out, s.last_millis);
            put_number(&mut out, s.events);
        }
        put_number(&mut out, self.blocks.len() as u64);
        for b in &self.blocks {
            for n in [b.offset, b.len_bytes, b.raw_bytes, u64::from(b.crc)] {
                put_number(&mut out, n);
            }
            b.first.put(&mut out);
            b.last.put(&mut out);
            put_number(&mut out, b.streams.len() as u64);
            b.streams
                .iter()
                .for_each(|s| put_number(&mut out, u64::from(*s)));
        }
        put_number(&mut out, 0);
        out
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.offset += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(EngineError::io("write", &self.path))
    }
}
