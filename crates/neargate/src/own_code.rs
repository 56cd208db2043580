//! What of this program's own file is mapped. A start touches much that is never used again, and the
//! kernel maps what is around it, too: tens of MiB that count as this process's. They are let go once,
//! and what is used comes back from the page cache.

use neargate_base::task;
use rustix::mm::{Advice, madvise};
use std::fs;
use std::ops::Range;
use std::os::linux::fs::MetadataExt;
use std::time::Duration;

/// What a start has begun goes on for a moment.
const SETTLED: Duration = Duration::from_secs(2);

/// Lets go of it when the start has settled.
pub fn let_go_later() {
    task::spawn("own-code", async {
        tokio::time::sleep(SETTLED).await;
        // That it stays mapped is no failure.
        let _ = task::spawn_blocking(let_go).await;
    });
}

#[allow(unsafe_code)]
fn let_go() {
    let Ok(exe) = fs::metadata("/proc/self/exe") else {
        return;
    };
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else {
        return;
    };
    for range in as_in_the_file(&maps, exe.st_ino()) {
        let start = std::ptr::without_provenance_mut(range.start);
        // SAFETY: the mapping is private, of a file, nothing was ever written to it and nothing can be:
        // what is read there next comes from the file again, as it is there now.
        let _ = unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) };
    }
}

/// The mappings of this file in `smaps` that cannot be written to and never were.
fn as_in_the_file(smaps: &str, inode: u64) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else {
            continue;
        };
        if first == "Anonymous:" {
            found.extend(current.take().filter(|_| second == "0"));
        } else if let Some((start, end)) = first.split_once('-') {
            let of_file = words.nth(2).and_then(|text| text.parse().ok()) == Some(inode);
            let is_constant = matches!(second, "r-xp" | "r--p");
            let address = |text| usize::from_str_radix(text, 16).ok();
            current = match (address(start), address(end)) {
                (Some(start), Some(end)) if of_file && is_constant => Some(start..end),
                _ => None,
            };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_the_file() {
        let of = |at: &str, how: &str, inode: u64, anonymous: u64| {
            format!(
                "{at} {how} 00000000 fe:00 {inode}      /usr/bin/neargate\nSize:  4 kB\nRss:  4 kB\n\
                 Anonymous:  {anonymous} kB\nVmFlags: rd mr mw me\n"
            )
        };
        let smaps = [
            of("1000-2000", "r--p", 7, 0),
            of("2000-4000", "r-xp", 7, 0),
            of("4000-5000", "r--p", 7, 4),
            of("5000-6000", "rw-p", 7, 0),
            of("6000-7000", "r-xp", 8, 0),
            "7000-8000 rw-p 00000000 00:00 0 \nAnonymous: 0 kB\n".to_owned(),
        ];
        assert_eq!(
            as_in_the_file(&smaps.concat(), 7),
            [0x1000..0x2000, 0x2000..0x4000]
        );
    }

    #[test]
    fn it_goes_on() {
        let inode = fs::metadata("/proc/self/exe").unwrap().st_ino();
        let found = || as_in_the_file(&fs::read_to_string("/proc/self/smaps").unwrap(), inode);
        assert!(!found().is_empty());
        let_go();
        assert!(!found().is_empty(), "all of it is there as before");
    }
}
