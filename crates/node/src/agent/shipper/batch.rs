//! From bytes of a log file to lines as CloudWatch Logs takes them. Pure.

use crate::runtime::Records;
use neargate_base::Timestamp;
use neargate_domain::LogLine;
use regex::bytes::Regex;

/// `PutLogEvents` takes at most 10,000 events
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>).
const MAX_LINES: usize = 10_000;
/// ... and 1,048,576 bytes, each event counting its length and 26 bytes more.
const MAX_BYTES: usize = 1_048_576;
const EVENT_BYTES: usize = 26;
/// An event's own limit, 256 KiB with those 26 bytes; a longer line becomes several events.
const MAX_MESSAGE_BYTES: usize = 262_144 - EVENT_BYTES;

/// Lines to send at once.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    pub lines: Vec<LogLine>,
    /// Bytes of the file these lines (and empty ones, which CloudWatch does not take) stand for.
    pub consumed: u64,
    /// Bytes read but not consumed.
    pub remaining: u64,
    /// Among them is an event that may go on.
    pub is_open: bool,
}

impl Batch {
    /// The first batch of `bytes`, which begin at a record. `full`: the bytes would hold a whole
    /// record if they were sound; what is not one is skipped, so that damage cannot stop a stream.
    pub fn parse(bytes: &[u8], full: bool) -> Batch {
        let mut batch = Batch::default();
        let mut size = 0;
        let mut consumed = 0;
        for record in Records(bytes) {
            let text = String::from_utf8_lossy(record.message);
            let messages = events(&text);
            let cost = text.len() + messages.len() * EVENT_BYTES;
            let lines = batch.lines.len() + messages.len();
            if (lines > MAX_LINES || size + cost > MAX_BYTES) && size > 0 {
                break;
            }
            consumed += record.length;
            size += cost;
            batch
                .lines
                .extend(messages.into_iter().map(|message| LogLine {
                    timestamp: record.timestamp,
                    message: message.to_owned(),
                }));
        }
        if consumed == 0 && full {
            consumed = bytes.len();
        }
        batch.consumed = consumed as u64;
        batch.remaining = (bytes.len() - consumed) as u64;
        batch
    }

    /// As [`Batch::parse`], where a line that matches begins an event and the others go on with
    /// it, up to an event's limit. `whole`: the last event has ended, too.
    pub fn gather(bytes: &[u8], full: bool, first_line: &Regex, whole: bool) -> Batch {
        let mut gathering = Gathering {
            batch: Batch::default(),
            size: 0,
            open: None,
            first_line,
            read: 0,
        };
        let mut has_room = true;
        for record in Records(bytes) {
            let begun = gathering.open.as_ref().map_or(0, |(_, event)| event.len());
            let is_first = gathering.first_line.is_match(record.message);
            if is_first || begun + record.message.len() > MAX_MESSAGE_BYTES {
                has_room = gathering.close();
                if !has_room {
                    break;
                }
            }
            let event = gathering.open.get_or_insert((record.timestamp, Vec::new()));
            event.1.extend_from_slice(record.message);
            event.1.push(b'\n');
            gathering.read += record.length;
        }
        let is_under_way = has_room && gathering.open.is_some();
        if whole && is_under_way {
            gathering.close();
        }
        let mut batch = gathering.batch;
        if batch.consumed == 0 && full && !is_under_way {
            batch.consumed = bytes.len() as u64;
        }
        batch.remaining = bytes.len() as u64 - batch.consumed;
        batch.is_open = !whole && is_under_way;
        batch
    }
}

/// Puts lines together to events. What lies between two events is nobody's, so the last one of the
/// bytes is left for the next time, when more of it may have come.
struct Gathering<'a> {
    batch: Batch,
    size: usize,
    /// The event under way: when it began, and its lines, each with its newline.
    open: Option<(Timestamp, Vec<u8>)>,
    first_line: &'a Regex,
    /// How far the bytes are read.
    read: usize,
}

impl Gathering<'_> {
    /// False: the batch is full, and the event under way is not in it.
    fn close(&mut self) -> bool {
        let Some((timestamp, bytes)) = self.open.take() else {
            return true;
        };
        let text = String::from_utf8_lossy(&bytes);
        let messages = events(&text);
        let cost = text.len() + messages.len() * EVENT_BYTES;
        let lines = self.batch.lines.len() + messages.len();
        if (lines > MAX_LINES || self.size + cost > MAX_BYTES) && self.size > 0 {
            return false;
        }
        self.size += cost;
        self.batch.consumed = self.read as u64;
        let lines = messages.into_iter().map(|message| LogLine {
            timestamp,
            message: message.to_owned(),
        });
        self.batch.lines.extend(lines);
        true
    }
}

/// The line as events: none of an empty one, several of a long one, cut between characters.
/// Bytes that are no UTF-8 are U+FFFD by now, three bytes each, and count as such
/// (<https://github.com/moby/moby/pull/37986>).
fn events(mut text: &str) -> Vec<&str> {
    let mut messages = Vec::new();
    while !text.is_empty() {
        let (message, rest) = text.split_at(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        messages.push(message);
        text = rest;
    }
    messages
}
