//! From bytes of a log file to lines as CloudWatch Logs takes them. Pure.

use crate::runtime::Records;
use neargate_domain::LogLine;

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
