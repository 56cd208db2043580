//! The catalog file: which write-ahead log is live, every group's streams and segments.
//!
//! It is replaced atomically (temporary file, fsync, rename, fsync of the directory) and is the
//! one place that says what counts: a log or segment file it does not name, nor the live log
//! explains, is the rest of a crash.

use super::codec::{Input, Malformed, put_number, put_signed, put_text};
use super::error::EngineError;
use super::group::{GroupState, Groups, Stream};
use super::op::StreamId;
use super::segment::Segment;
use neargate_base::Timestamp;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 7] = b"NGLCAT\x00";
const VERSION: u8 = 1;
const FILE: &str = "CATALOG";

/// The counters of a catalog; the groups are read into [`Groups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Number of the live write-ahead log, and its salt.
    pub wal: u64,
    pub salt: u64,
    pub next_stream: StreamId,
    pub next_ordinal: u64,
    pub next_segment: u64,
}

/// Why a catalog was not saved.
#[derive(Debug)]
pub(super) enum NotSaved {
    /// The old one is in place.
    Old(EngineError),
    /// After a crash either may be found: the files of both states must stay.
    Unsure(EngineError),
}

impl From<NotSaved> for EngineError {
    fn from(e: NotSaved) -> Self {
        match e {
            NotSaved::Old(e) | NotSaved::Unsure(e) => e,
        }
    }
}

/// Replace the catalog; durable once this returns. `added` are new segments, at most one a
/// group, that memory does not list yet.
pub(super) fn save(
    dir: &Path,
    head: &Head,
    groups: &Groups,
    added: &[(Arc<str>, Arc<Segment>)],
) -> Result<(), NotSaved> {
    let mut body = Vec::new();
    for n in [
        head.wal,
        head.salt,
        head.next_stream,
        head.next_ordinal,
        head.next_segment,
    ] {
        put_number(&mut body, n);
    }
    let all = groups.all();
    let added: HashMap<&str, &Arc<Segment>> = added.iter().map(|(key, s)| (&**key, s)).collect();
    put_number(&mut body, all.len() as u64);
    for (key, group) in &all {
        put_group(
            &mut body,
            key,
            &group.state.read(),
            added.get(&**key).copied(),
        );
    }
    let packed = zstd::bulk::compress(&body, 1)
        .map_err(EngineError::io("compress", dir))
        .map_err(NotSaved::Old)?;
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32fast::hash(&packed).to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&packed);
    let write = || {
        let new = dir.join("CATALOG.new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, dir.join(FILE))
    };
    write()
        .map_err(EngineError::io("write the catalog in", dir))
        .map_err(NotSaved::Old)?;
    sync_dir(dir)
        .map_err(EngineError::io("sync", dir))
        .map_err(NotSaved::Unsure)
}

/// Make a directory's entries durable.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Read the catalog; `None` when there is none.
pub(super) fn load(dir: &Path) -> Result<Option<(Head, Groups)>, EngineError> {
    let path = dir.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(EngineError::io("read", &path)(e)),
    };
    let corrupt = |why| EngineError::corrupt(&path, why);
    let (head, packed) = bytes
        .split_at_checked(16)
        .ok_or_else(|| corrupt("too short"))?;
    if head[..7] != *MAGIC {
        return Err(corrupt("not a catalog"));
    }
    if head[7] > VERSION {
        return Err(EngineError::Newer { path });
    }
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| head[at + i]));
    if crc32fast::hash(packed) != number(8) {
        return Err(corrupt("its checksum"));
    }
    let body = zstd::bulk::decompress(packed, number(12) as usize)
        .map_err(EngineError::io("decompress", &path))?;
    parse(&body).map(Some).map_err(|_| corrupt("its contents"))
}

fn parse(body: &[u8]) -> Result<(Head, Groups), Malformed> {
    let mut input = Input::new(body);
    let head = Head {
        wal: input.number()?,
        salt: input.number()?,
        next_stream: input.number()?,
        next_ordinal: input.number()?,
        next_segment: input.number()?,
    };
    let groups = Groups::default();
    for _ in 0..input.count()? {
        let key: Arc<str> = input.text()?.into();
        groups.insert(
            key,
            super::group::Group {
                state: get_group(&mut input)?.into(),
            },
        );
    }
    Ok((head, groups))
}

fn put_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    put_signed(out, time.map_or(-1, Timestamp::as_millis));
}

fn get_time(input: &mut Input<'_>) -> Result<Option<Timestamp>, Malformed> {
    let millis = input.signed()?;
    Ok((millis >= 0).then(|| Timestamp::from_millis(millis)))
}

fn put_group(out: &mut Vec<u8>, key: &str, state: &GroupState, added: Option<&Arc<Segment>>) {
    put_text(out, key);
    put_number(out, state.streams.len() as u64);
    for (id, stream) in &state.streams {
        put_number(out, *id);
        put_text(out, &stream.name);
        put_signed(out, stream.created.as_millis());
        put_time(out, stream.first_event);
        put_time(out, stream.last_event);
        put_time(out, stream.last_ingestion);
        put_number(out, stream.sources.len() as u64);
        for (source, end) in &stream.sources {
            put_text(out, source);
            put_number(out, *end);
        }
    }
    put_number(
        out,
        (state.segments.len() + usize::from(added.is_some())) as u64,
    );
    state.segments.iter().chain(added).for_each(|s| s.put(out));
}

fn get_group(input: &mut Input<'_>) -> Result<GroupState, Malformed> {
    let mut state = GroupState::default();
    for _ in 0..input.count()? {
        let id = input.number()?;
        let name: Arc<str> = input.text()?.into();
        let mut stream = Stream::new(name, Timestamp::from_millis(input.signed()?));
        stream.first_event = get_time(input)?;
        stream.last_event = get_time(input)?;
        stream.last_ingestion = get_time(input)?;
        for _ in 0..input.count()? {
            stream.sources.push((input.text()?.into(), input.number()?));
        }
        state.add_stream(id, stream);
    }
    for _ in 0..input.count()? {
        state.segments.push(Arc::new(Segment::get(input)?));
    }
    Ok(state)
}
