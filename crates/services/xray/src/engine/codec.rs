//! The form of a batch of documents in the log.
//!
//! ```text
//! version:u8 received:i64 account:text region:text count:u32
//! then each: time:u32 trace[16] segment:u64 flags:u8 start:i64 end:i64 len:u32 document[len]
//! text is len:u8 and so many bytes; numbers are little endian
//! ```

use super::{Batch, Kept};
use crate::trace::TraceId;
use neargate_base::Timestamp;
use neargate_service::Scope;

const VERSION: u8 = 1;
const IN_PROGRESS: u8 = 1;

/// A frame, and where the documents are in it.
pub fn write(batch: &Batch, received: Timestamp) -> (Vec<u8>, Vec<usize>) {
    let documents = batch.segments.iter().map(|s| s.document.len() + 64);
    let mut bytes = Vec::with_capacity(documents.sum::<usize>() + 64);
    bytes.push(VERSION);
    bytes.extend(received.as_millis().to_le_bytes());
    for text in [batch.scope.account.as_str(), batch.scope.region.as_str()] {
        let text = &text.as_bytes()[..text.len().min(255)];
        bytes.push(text.len() as u8);
        bytes.extend(text);
    }
    bytes.extend((batch.segments.len() as u32).to_le_bytes());
    let mut places = Vec::with_capacity(batch.segments.len());
    for segment in &batch.segments {
        bytes.extend(segment.time.to_le_bytes());
        bytes.extend(segment.trace.0);
        bytes.extend(segment.segment.to_le_bytes());
        bytes.push(if segment.in_progress { IN_PROGRESS } else { 0 });
        bytes.extend(segment.start.as_millis().to_le_bytes());
        bytes.extend(segment.end.as_millis().to_le_bytes());
        bytes.extend((segment.document.len() as u32).to_le_bytes());
        places.push(bytes.len());
        bytes.extend(segment.document.as_bytes());
    }
    (bytes, places)
}

/// One document of a frame, but for its text: where that is in the frame, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Filed {
    pub time: u32,
    pub trace: TraceId,
    pub segment: u64,
    pub in_progress: bool,
    pub start: Timestamp,
    pub end: Timestamp,
    pub at: usize,
    pub len: u32,
}

impl Filed {
    pub fn of(segment: &Kept, at: usize) -> Filed {
        Filed {
            time: segment.time,
            trace: segment.trace,
            segment: segment.segment,
            in_progress: segment.in_progress,
            start: segment.start,
            end: segment.end,
            at,
            len: segment.document.len() as u32,
        }
    }
}

/// What a frame holds; `None`: it is none of ours.
pub fn read(frame: &[u8]) -> Option<(Scope, Timestamp, Vec<Filed>)> {
    let mut input = Input { frame, at: 0 };
    if input.take::<1>()? != [VERSION] {
        return None;
    }
    let received = input.time()?;
    let account = input.text()?.parse().ok()?;
    let region = input.text()?.parse().ok()?;
    let count = input.number()?;
    let mut all = Vec::new();
    for _ in 0..count {
        let time = input.number()?;
        let trace = TraceId(input.take()?);
        let segment = u64::from_le_bytes(input.take()?);
        let [flags] = input.take()?;
        let (start, end) = (input.time()?, input.time()?);
        let len = input.number()?;
        let at = input.at;
        input.skip(len as usize)?;
        all.push(Filed {
            time,
            trace,
            segment,
            in_progress: flags & IN_PROGRESS != 0,
            start,
            end,
            at,
            len,
        });
    }
    Some((Scope { account, region }, received, all))
}

struct Input<'a> {
    frame: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn skip(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(bytes)?;
        let taken = self.frame.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.skip(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take()?))
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(i64::from_le_bytes(self.take()?)))
    }

    fn text(&mut self) -> Option<&'a str> {
        let [len] = self.take()?;
        std::str::from_utf8(self.skip(usize::from(len))?).ok()
    }
}
