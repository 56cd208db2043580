//! The files: a snapshot of all metrics, and a journal of what was put since.
//!
//! ```text
//! snapshot-<n>  magic[8] crc:u32 state                       (little endian)
//! journal-<n>   frames: len:u32 crc:u32 payload[len]
//! ```
//! `journal-<n>` holds what came after `snapshot-<n>`; the first journal has none. A snapshot is written beside the
//! old one, synced and renamed, and only then is the journal before it removed: a crash at any point leaves one
//! pair that is whole. A frame that a crash cut short was acknowledged to nobody and is cut off.

use super::codec::{Input, Malformed, put_number, put_set, put_signed, put_text};
use super::series::MetricKey;
use super::set::Set;
use super::state::State;
use neargate_base::Timestamp;
use neargate_service::metrics::Resolution;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"NGMSNP\x00\x01";
const FRAME_HEADER: usize = 8;
/// Far above what one commit gathers.
const MAX_FRAME_BYTES: usize = 64 << 20;

/// One datum, as it is written and applied.
#[derive(Debug, Clone)]
pub struct Record {
    pub key: Arc<MetricKey>,
    pub unit: Option<String>,
    pub at: Timestamp,
    pub resolution: Resolution,
    pub set: Set,
    pub put_at: Timestamp,
}

const DEFINE: u8 = 1;
const PUT: u8 = 2;
const WIPE: u8 = 3;

/// The open journal, its end behind the last good frame.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    number: u64,
    file: File,
    len_bytes: u64,
    /// Of the snapshot before it.
    snapshot_bytes: u64,
    /// How metrics are named in this journal.
    names: HashMap<Arc<MetricKey>, u64>,
}

impl Journal {
    /// Reads what the directory holds.
    pub fn open(dir: &Path) -> io::Result<(Journal, State)> {
        std::fs::create_dir_all(dir)?;
        let number = newest(dir)?;
        let mut state = State::default();
        if number > 0 {
            state = read_snapshot(&snapshot(dir, number))?;
        }
        let path = journal(dir, number);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        let bytes = std::fs::read(&path)?;
        let mut replay = Replay {
            state,
            names: Vec::new(),
        };
        let mut at = 0;
        while let Some(payload) = frame(&bytes, at) {
            if replay.apply(payload).is_err() {
                tracing::error!(path = %path.display(), at, "a part of the metrics' journal cannot be read");
            }
            at += FRAME_HEADER + payload.len();
        }
        if at < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - at, "an unfinished write is cut off");
        }
        file.set_len(at as u64)?;
        file.seek(SeekFrom::End(0))?;
        File::open(dir)?.sync_all()?;
        let names = replay.names.into_iter().zip(0..).collect();
        let journal = Journal {
            dir: dir.to_owned(),
            number,
            file,
            len_bytes: at as u64,
            snapshot_bytes: std::fs::metadata(snapshot(dir, number)).map_or(0, |m| m.len()),
            names,
        };
        journal.remove_others();
        Ok((journal, replay.state))
    }

    /// Is it longer than this, and than what a new snapshot would write?
    pub fn is_longer_than(&self, bytes: u64) -> bool {
        self.len_bytes > bytes.max(self.snapshot_bytes)
    }

    /// Writes records as one frame; durable after [`Journal::sync`].
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut payload = Vec::with_capacity(records.len() * 32);
        let known = self.names.len();
        for record in records {
            let next = self.names.len() as u64;
            let name = *self.names.entry(record.key.clone()).or_insert(next);
            if name == next {
                payload.push(DEFINE);
                record.key.put(&mut payload);
            }
            payload.push(PUT);
            put_number(&mut payload, name);
            put_text(&mut payload, record.unit.as_deref().unwrap_or_default());
            payload.push(u8::from(record.resolution == Resolution::Second));
            put_signed(&mut payload, record.put_at.as_millis());
            put_signed(
                &mut payload,
                record.put_at.as_millis() - record.at.as_millis(),
            );
            put_set(&mut payload, &record.set);
        }
        let written = self.write(&payload);
        if written.is_err() {
            // What was to define these names is not in the journal.
            self.names.retain(|_, name| (*name as usize) < known);
        }
        written
    }

    /// Everything put so far is forgotten.
    pub fn wipe(&mut self) -> io::Result<()> {
        if self.len_bytes == 0 && self.number == 0 {
            return Ok(());
        }
        // In place of what is there: a full disk has no room for more.
        self.file.seek(SeekFrom::Start(0))?;
        self.len_bytes = 0;
        self.names.clear();
        self.write(&[WIPE])?;
        self.file.set_len(self.len_bytes)?;
        self.sync()
    }

    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(FRAME_HEADER + payload.len());
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frame.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        frame.extend_from_slice(payload);
        if let Err(error) = self.file.write_all(&frame) {
            // Half a frame would hide those behind it.
            self.file.set_len(self.len_bytes)?;
            self.file.seek(SeekFrom::Start(self.len_bytes))?;
            return Err(error);
        }
        self.len_bytes += frame.len() as u64;
        Ok(())
    }

    /// Writes a snapshot of `state` and begins a new journal behind it.
    pub fn rotate(&mut self, state: &State) -> io::Result<()> {
        let number = self.number + 1;
        let mut bytes = vec![0; 12];
        state.put(&mut bytes);
        bytes[..8].copy_from_slice(MAGIC);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        let file = File::create(journal(&self.dir, number))?;
        file.sync_all()?;
        let unfinished = self.dir.join("snapshot.unfinished");
        let mut out = File::create(&unfinished)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        std::fs::rename(&unfinished, snapshot(&self.dir, number))?;
        File::open(&self.dir)?.sync_all()?;
        self.number = number;
        self.file = file;
        self.len_bytes = 0;
        self.snapshot_bytes = bytes.len() as u64;
        self.names.clear();
        self.remove_others();
        Ok(())
    }

    /// What a crash left, and what a newer snapshot has made needless.
    fn remove_others(&self) {
        let mine = [
            snapshot(&self.dir, self.number),
            journal(&self.dir, self.number),
        ];
        let Ok(files) = std::fs::read_dir(&self.dir) else {
            return;
        };
        for path in files
            .flatten()
            .map(|f| f.path())
            .filter(|p| !mine.contains(p))
        {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old file of metrics stays");
            }
        }
    }
}

/// What a journal says, applied in order.
struct Replay {
    state: State,
    names: Vec<Arc<MetricKey>>,
}

impl Replay {
    fn apply(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let mut input = Input::new(payload);
        while !input.is_empty() {
            match input.byte()? {
                DEFINE => self.names.push(Arc::new(MetricKey::read(&mut input)?)),
                WIPE => self.state.clear(),
                PUT => {
                    let name = usize::try_from(input.number()?).map_err(|_| Malformed)?;
                    let key = self.names.get(name).ok_or(Malformed)?.clone();
                    let unit = input.text()?;
                    let unit = (!unit.is_empty()).then(|| unit.to_owned());
                    let resolution = match input.byte()? {
                        1 => Resolution::Second,
                        _ => Resolution::Minute,
                    };
                    let put_at = Timestamp::from_millis(input.signed()?);
                    let at = put_at.shift(-input.signed()?);
                    let set = input.set()?;
                    self.state.apply(&Record {
                        key,
                        unit,
                        at,
                        resolution,
                        set,
                        put_at,
                    });
                }
                _ => return Err(Malformed),
            }
        }
        Ok(())
    }
}

fn snapshot(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("snapshot-{number}"))
}

fn journal(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number}"))
}

fn newest(dir: &Path) -> io::Result<u64> {
    let mut newest = 0;
    for file in std::fs::read_dir(dir)? {
        let name = file?.file_name();
        let number = name
            .to_str()
            .and_then(|n| n.strip_prefix("snapshot-")?.parse().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    Ok(newest)
}

fn read_snapshot(path: &Path) -> io::Result<State> {
    let damaged = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is damaged", path.display()),
        )
    };
    let bytes = std::fs::read(path)?;
    let body = bytes.get(12..).ok_or_else(damaged)?;
    if bytes[..8] != *MAGIC || crc32fast::hash(body).to_le_bytes() != bytes[8..12] {
        return Err(damaged());
    }
    State::read(&mut Input::new(body)).map_err(|_| damaged())
}

fn frame(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let header = bytes.get(at..at + FRAME_HEADER)?;
    let number = |part: &[u8]| u32::from_le_bytes([part[0], part[1], part[2], part[3]]);
    let len = number(&header[..4]) as usize;
    let payload = bytes.get(at + FRAME_HEADER..at + FRAME_HEADER + len)?;
    (len <= MAX_FRAME_BYTES && crc32fast::hash(payload) == number(&header[4..])).then_some(payload)
}
