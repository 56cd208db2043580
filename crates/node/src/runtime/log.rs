//! The container's log file as others see it: reading its records, and giving back the disk
//! space of those already shipped.
//!
//! Format: `<millis> <o|e> <len>\n<bytes>\n` per line of output, `o` for stdout, `e` for
//! stderr; offsets are byte positions and never change, also when earlier parts are discarded.

use neargate_base::Timestamp;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::io;

/// One line of output (or 16 KiB of a longer one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub timestamp: Timestamp,
    pub stderr: bool,
    pub message: &'a [u8],
    /// How many bytes of the input it takes.
    pub length: usize,
}

/// Reads whole records from a part of the file that starts at a record; ends at the first
/// incomplete or malformed one.
#[derive(Debug)]
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let end = self.0.iter().take(64).position(|&b| b == b'\n')?;
        let mut fields = std::str::from_utf8(&self.0[..end]).ok()?.split(' ');
        let millis: i64 = fields.next()?.parse().ok()?;
        let stderr = match fields.next()? {
            "o" => false,
            "e" => true,
            _ => return None,
        };
        let size: usize = fields.next()?.parse().ok()?;
        let body = self.0.get(end + 1..)?;
        if body.get(size) != Some(&b'\n') {
            return None;
        }
        let length = end + 1 + size + 1;
        let record = Record {
            timestamp: Timestamp::from_millis(millis),
            stderr,
            message: &body[..size],
            length,
        };
        self.0 = &self.0[length..];
        Some(record)
    }
}

/// Gives the disk space of everything before `offset` back. Offsets stay as they are; the
/// discarded part reads as zeros.
pub fn discard_before(log: &File, offset: u64) -> io::Result<()> {
    const BLOCK: u64 = 4096;
    let whole = offset - offset % BLOCK;
    if whole == 0 {
        return Ok(());
    }
    Ok(fallocate(
        log,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        0,
        whole,
    )?)
}
