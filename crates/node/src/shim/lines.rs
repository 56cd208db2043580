//! From a stream of bytes to log records. Pure: knows no file and no clock.

use neargate_base::Timestamp;
use std::io::Write;

/// A longer line becomes several records, at the size of one CloudWatch event less its
/// overhead, as Docker's awslogs driver does it.
pub(super) const LONGEST: usize = 262_118;

/// Which of the container's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Records not yet written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    pub records: u64,
}

impl Batch {
    pub fn push(&mut self, at: Timestamp, stream: Stream, head: &[u8], tail: &[u8]) {
        let letter = match stream {
            Stream::Stdout => 'o',
            Stream::Stderr => 'e',
        };
        let size = head.len() + tail.len();
        let _ = writeln!(self.bytes, "{} {letter} {size}", at.as_millis());
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        self.bytes.push(b'\n');
        self.records += 1;
    }
}

/// Splits one output at newlines; keeps the unfinished rest.
#[derive(Debug)]
pub(super) struct Splitter {
    stream: Stream,
    rest: Vec<u8>,
}

impl Splitter {
    pub fn new(stream: Stream) -> Self {
        Splitter {
            stream,
            rest: Vec::new(),
        }
    }

    pub fn feed(&mut self, mut input: &[u8], at: Timestamp, batch: &mut Batch) {
        while !input.is_empty() {
            let room = LONGEST - self.rest.len();
            let window = &input[..input.len().min(room + 1)];
            match window.iter().position(|&byte| byte == b'\n') {
                Some(end) => {
                    batch.push(at, self.stream, &self.rest, &input[..end]);
                    self.rest.clear();
                    input = &input[end + 1..];
                }
                None if window.len() > room => {
                    self.rest.extend_from_slice(&input[..room]);
                    let cut = LONGEST - unfinished(&self.rest);
                    batch.push(at, self.stream, &self.rest[..cut], &[]);
                    self.rest.drain(..cut);
                    input = &input[room..];
                }
                None => {
                    self.rest.extend_from_slice(input);
                    input = &[];
                }
            }
        }
    }

    /// The output has ended: what is left is a line too.
    pub fn finish(&mut self, at: Timestamp, batch: &mut Batch) {
        if !self.rest.is_empty() {
            batch.push(at, self.stream, &self.rest, &[]);
            self.rest.clear();
        }
    }
}

/// How many bytes at the end begin a UTF-8 character that goes on behind them: cut there, a long
/// line loses none by being halved.
fn unfinished(bytes: &[u8]) -> usize {
    for (at, byte) in bytes.iter().rev().take(3).enumerate() {
        let whole = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if whole > at + 1 { at + 1 } else { 0 };
    }
    0
}
