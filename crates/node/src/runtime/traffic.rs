//! What went over a task's network interfaces, from the kernel's own counters
//! (`/proc/<pid>/net/dev`, proc_pid_net(5)).

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes as the task sees them, since its network was made. Loopback does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

/// The sum over the network namespaces of these processes; `None` when there is none of their
/// own, for all are in that of this process or in `shared`, which others use too.
pub(super) fn of(processes: &[i32], shared: Option<&Path>) -> Option<Traffic> {
    let not_their_own = ["/proc/self/ns/net".as_ref()].into_iter().chain(shared);
    let mut seen: BTreeSet<u64> = not_their_own.filter_map(namespace).collect();
    let mut total: Option<Traffic> = None;
    for pid in processes {
        let proc = Path::new("/proc").join(pid.to_string());
        // A process that has just ended has neither.
        let Some(inode) = namespace(&proc.join("ns/net")) else {
            continue;
        };
        if !seen.insert(inode) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(proc.join("net/dev")) else {
            continue;
        };
        let counted = counters(&text);
        let total = total.get_or_insert_default();
        total.received_bytes += counted.received_bytes;
        total.sent_bytes += counted.sent_bytes;
    }
    total
}

fn namespace(path: &Path) -> Option<u64> {
    Some(std::fs::metadata(path).ok()?.ino())
}

/// `  eth0: <received bytes> <7 more> <sent bytes> …`, below two lines of headings.
fn counters(text: &str) -> Traffic {
    let mut sum = Traffic::default();
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_ascii_whitespace().map(str::parse::<u64>);
        let mut at = |n: usize| numbers.nth(n).and_then(Result::ok).unwrap_or(0);
        sum.received_bytes += at(0);
        sum.sent_bytes += at(7);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_left_out() {
        let text = "Inter-|   Receive                |  Transmit\n \
             face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n    \
             lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
             eth0: 1500 10 0 0 0 0 0 0 700 5 0 0 0 0 0 0\n\
             eth1:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n";
        let wanted = Traffic {
            received_bytes: 1510,
            sent_bytes: 720,
        };
        assert_eq!(counters(text), wanted);
    }

    #[test]
    fn what_shares_our_namespace_has_no_traffic_of_its_own() {
        let me = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(of(&[me, i32::MAX], None), None);
    }
}
