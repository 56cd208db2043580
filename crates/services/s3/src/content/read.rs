//! A range of an object's bytes, opened and given piece by piece.

use super::seal::{FRAME_BYTES, Key, TAG_BYTES, frames, sealed_bytes};
use super::{Piece, Place};
use bytes::Bytes;
use neargate_base::task;
use neargate_blob::{Extents, Lease};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, OnceLock};
use tokio::task::JoinHandle;

/// What is read at once.
const FRAMES_AT_ONCE: u64 = 8;

/// Bytes on their way out. One piece is read ahead; no thread waits for who is slow.
#[derive(Debug)]
pub struct Reader {
    spans: VecDeque<Span>,
    ahead: Option<JoinHandle<io::Result<Bytes>>>,
    _lease: Lease,
}

#[derive(Debug, Clone)]
struct Span {
    extents: Arc<Extents>,
    name: String,
    /// All that the extent holds, before sealing.
    bytes: u64,
    range: Range<u64>,
    key: Arc<Key>,
    file: Arc<OnceLock<File>>,
}

impl Reader {
    /// Begins to read `range` of what the pieces hold together. `None`: one of them is not there
    /// any more, because the object was replaced since its record was read.
    pub async fn open(place: &Place, pieces: &[Piece], range: Range<u64>) -> Option<Reader> {
        let mut spans = VecDeque::new();
        let mut at = 0;
        for piece in pieces {
            let (begin, end) = (at, at + piece.bytes);
            at = end;
            if end <= range.start || begin >= range.end {
                continue;
            }
            spans.push_back(Span {
                extents: place.extents.clone(),
                name: piece.name.clone(),
                bytes: piece.bytes,
                range: range.start.max(begin) - begin..range.end.min(end) - begin,
                key: Arc::new(place.master.key(piece.salt())),
                file: Arc::default(),
            });
        }
        let lease = place
            .extents
            .lease(spans.iter().map(|s| s.name.clone()).collect());
        let names: Vec<String> = spans.iter().map(|s| s.name.clone()).collect();
        let extents = place.extents.clone();
        let there = task::spawn_blocking(move || names.iter().all(|name| extents.has(name)));
        if !there.await.unwrap_or(false) {
            return None;
        }
        let mut reader = Reader {
            spans,
            ahead: None,
            _lease: lease,
        };
        reader.begin();
        Some(reader)
    }

    fn begin(&mut self) {
        let Some(mut span) = self.spans.pop_front() else {
            return;
        };
        let Range { start, end } = span.range;
        let until = end.min((start / FRAME_BYTES + FRAMES_AT_ONCE) * FRAME_BYTES);
        let now = span.clone();
        if until < end {
            span.range = until..end;
            self.spans.push_front(span);
        }
        self.ahead = Some(task::spawn_blocking(move || now.read(start..until)));
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let read = self.ahead.take()?.await;
        let read = read.unwrap_or_else(|e| Err(io::Error::other(e)));
        if read.is_ok() {
            self.begin();
        }
        Some(read)
    }
}

impl Span {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let opened = self.extents.read(&self.name).map_err(io::Error::other)?;
                self.file.get_or_init(|| opened)
            }
        };
        let frames = frames(&range);
        let sealed_frame = FRAME_BYTES + TAG_BYTES;
        let begin = frames.start * sealed_frame;
        let end = (frames.end * sealed_frame).min(sealed_bytes(self.bytes));
        let mut sealed = vec![0; (end - begin) as usize];
        file.read_exact_at(&mut sealed, begin)?;
        // Opened in place and moved together: frame by frame, their tags left out.
        let mut length = 0;
        for (index, number) in frames.clone().enumerate() {
            let from = index * sealed_frame as usize;
            let to = sealed.len().min(from + sealed_frame as usize);
            let opened = self.key.open(number, &mut sealed[from..to]);
            let opened = opened.ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "an extent is not what was sealed",
                )
            })?;
            sealed.copy_within(from..from + opened, length);
            length += opened;
        }
        sealed.truncate(length);
        let base = frames.start * FRAME_BYTES;
        let bytes = Bytes::from(sealed);
        Ok(bytes.slice((range.start - base) as usize..(range.end - base) as usize))
    }
}
