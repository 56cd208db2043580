//! The servers that the host asks (resolv.conf(5)), as they are now: a laptop moves between networks.
//!
//! A stub resolver on the host's loopback is a server like others: we ask from the host's own
//! network. `search` and `ndots` are matters of programs on the host.

use neargate_base::time::Stopwatch;
use parking_lot::Mutex;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// How long the file is taken for unchanged.
const FRESH: Duration = Duration::from_secs(1);
const PORT: u16 = 53;
/// As many as resolv.conf(5) has.
const MAX: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct Upstream {
    path: PathBuf,
    port: u16,
    read: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    at: Stopwatch,
    file: Option<Identity>,
    servers: Vec<SocketAddr>,
}

/// What changes when the file does: device, inode, size, time of change.
type Identity = (u64, u64, u64, i64, i64);

impl Upstream {
    /// The servers of this file, on DNS's port.
    pub fn of(path: impl Into<PathBuf>) -> Upstream {
        Upstream::with_port(path, PORT)
    }

    /// The servers of this file, on another port.
    pub fn with_port(path: impl Into<PathBuf>, port: u16) -> Upstream {
        Upstream {
            path: path.into(),
            port,
            read: Mutex::new(None),
        }
    }

    /// The servers in their order, and whether they are others than at the last call.
    pub(super) fn servers(&self) -> (Vec<SocketAddr>, bool) {
        let mut read = self.read.lock();
        if let Some(read) = &*read
            && read.at.elapsed() < FRESH
        {
            return (read.servers.clone(), false);
        }
        let file = fs::metadata(&self.path).ok();
        let file = file.map(|f| (f.dev(), f.ino(), f.size(), f.ctime(), f.ctime_nsec()));
        let before = read.take();
        let servers = match &before {
            Some(before) if before.file == file => before.servers.clone(),
            _ => {
                let text = fs::read_to_string(&self.path).unwrap_or_default();
                let all = nameservers(&text).map(|ip| SocketAddr::new(ip, self.port));
                all.take(MAX).collect()
            }
        };
        let changed = before.is_some_and(|before| before.servers != servers);
        *read = Some(Read {
            at: Stopwatch::start(),
            file,
            servers: servers.clone(),
        });
        (servers, changed)
    }
}

fn nameservers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver");
        address.and(words.next())?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_programs_read_them() {
        let text = "# nameserver 192.0.2.9\nsearch a b\nnameserver 127.0.0.53\n nameserver ::1 x\n\
                    nameserver\nnameserver example.com\nnameservers 192.0.2.8\noptions edns0\n";
        let found: Vec<IpAddr> = nameservers(text).collect();
        let expected = ["127.0.0.53", "::1"].map(|a| a.parse::<IpAddr>().expect("an address"));
        assert_eq!(found, expected);
    }
}
