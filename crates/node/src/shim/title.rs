//! The command line by which `ps` and people know a process that was forked, not executed.

use std::fs;

/// Where the kernel keeps this process's own, which is all the room there is for another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Title {
    start: usize,
    bytes: usize,
}

impl Title {
    /// No room if the kernel does not say where it is.
    pub fn of_this_process() -> Title {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields 48 and 49, counted from the state, which is the third.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = |n: usize| after_name.split_whitespace().nth(n - 3)?.parse().ok();
        let (start, end): (usize, usize) = (field(48).unwrap_or(0), field(49).unwrap_or(0));
        Title {
            start,
            bytes: end.saturating_sub(start),
        }
    }

    /// Writes as much as there is room for.
    pub fn write(self, words: &[&[u8]]) {
        let mut line = Vec::with_capacity(self.bytes);
        for word in words {
            line.extend_from_slice(word);
            line.push(0);
        }
        // Zeroes to its end: otherwise the kernel would show what follows it, too.
        line.truncate(self.bytes.saturating_sub(1));
        line.resize(self.bytes, 0);
        if self.bytes == 0 {
            return;
        }
        // SAFETY: the kernel put the arguments of this very program at these addresses, in the
        // stack, which can be written to; Rust has copied what it keeps of them, and no other
        // thread is there to read them.
        unsafe { std::ptr::copy_nonoverlapping(line.as_ptr(), self.start as *mut u8, line.len()) };
    }
}
